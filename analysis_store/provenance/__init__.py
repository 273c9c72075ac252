"""What a result must say of its origin, and how that is found out, checked and written down."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.provenance.model import Provenance
    from analysis_store.provenance.parts import Code, InputFile, Parent
    from analysis_store.provenance.policy import Policy
    from analysis_store.provenance.settle import Settled
    from analysis_store.provenance.sources import Lookup

__all__ = ["Code", "InputFile", "Lookup", "Parent", "Policy", "Provenance", "Settled"]

_HOMES = {
    "Code": "parts",
    "InputFile": "parts",
    "Lookup": "sources",
    "Parent": "parts",
    "Policy": "policy",
    "Provenance": "model",
    "Settled": "settle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
