"""A permanent store for derived data: every result with its provenance, or not at all.

The public names are loaded when they are first used, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.codecs import register_codec
    from analysis_store.exchange.export import export, read_export
    from analysis_store.exchange.link_tree import link_tree
    from analysis_store.handlers.base import Handler
    from analysis_store.insertion import analysis_documents, get_working_dir, insert_analysis, set_working_dir
    from analysis_store.pairs import check_pair
    from analysis_store.processing.by_hand import get_autosaving, set_autosaving
    from analysis_store.provenance import Code, Parent, Policy, Provenance
    from analysis_store.store import AnalysisStore
    from analysis_store.writers.base import Writer

__version__ = "0.1.0"

__all__ = [
    "AnalysisStore",
    "Code",
    "Handler",
    "Parent",
    "Policy",
    "Provenance",
    "Writer",
    "analysis_documents",
    "check_pair",
    "export",
    "get_autosaving",
    "get_working_dir",
    "insert_analysis",
    "link_tree",
    "read_export",
    "register_codec",
    "set_autosaving",
    "set_working_dir",
]

_HOMES = {
    "AnalysisStore": "store",
    "Code": "provenance",
    "Handler": "handlers.base",
    "Parent": "provenance",
    "Policy": "provenance",
    "Provenance": "provenance",
    "Writer": "writers.base",
    "analysis_documents": "insertion",
    "check_pair": "pairs",
    "export": "exchange.export",
    "get_autosaving": "processing.by_hand",
    "get_working_dir": "insertion",
    "insert_analysis": "insertion",
    "link_tree": "exchange.link_tree",
    "read_export": "exchange.export",
    "register_codec": "codecs",
    "set_autosaving": "processing.by_hand",
    "set_working_dir": "insertion",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
