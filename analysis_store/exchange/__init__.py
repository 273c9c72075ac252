"""Runs in the formats that people exchange: out with `export`, and back with `read_export` where the format holds all.

Imported at once, since modules here have the names of their functions; no format is loaded before it is asked for.
"""

from __future__ import annotations

from analysis_store.exchange.content import Export, ExportedStream
from analysis_store.exchange.export import export, read_export
from analysis_store.exchange.link_check import Dangling, check_tree
from analysis_store.exchange.link_tree import Tree, link_tree
from analysis_store.exchange.registry import FORMATS

__all__ = [
    "FORMATS",
    "Dangling",
    "Export",
    "ExportedStream",
    "Tree",
    "check_tree",
    "export",
    "link_tree",
    "read_export",
]
