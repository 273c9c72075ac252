"""Pairs of writer and handler: the registry by spec, and the check that two classes are a pair."""

from __future__ import annotations

from analysis_store.pairs.check import check_pair
from analysis_store.pairs.registry import HandlerRegistry, Registry, WriterRegistry
from analysis_store.pairs.resources import call_handler, call_writer, open_handler, resolve_path

__all__ = [
    "HandlerRegistry",
    "Registry",
    "WriterRegistry",
    "call_handler",
    "call_writer",
    "check_pair",
    "open_handler",
    "resolve_path",
]
