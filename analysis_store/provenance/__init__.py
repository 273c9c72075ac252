"""Provenance of results: its contents, and how the store finds, checks and records them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.provenance.model import Provenance as Provenance
    from analysis_store.provenance.parts import Code as Code
    from analysis_store.provenance.parts import InputFile as InputFile
    from analysis_store.provenance.parts import Parent as Parent
    from analysis_store.provenance.policy import Policy as Policy
    from analysis_store.provenance.resolve import Settled as Settled
    from analysis_store.provenance.sources import Lookup as Lookup
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "model": ["Provenance"],
            "parts": ["Code", "InputFile", "Parent"],
            "policy": ["Policy"],
            "resolve": ["Settled"],
            "sources": ["Lookup"],
        },
    )
