"""Export of runs in the formats that people exchange (`export`), and import of complete exports (`read_export`).

Imported at once, since modules here have the names of their functions; each format is loaded on first use.
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
