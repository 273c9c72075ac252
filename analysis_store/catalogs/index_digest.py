"""The digest of the index entries of one run, so that missing and additional entries are detected.

The digest is a sum over the entries: an index stores them in the order of their values, not run by run, and a sum can
be taken in any order. It detects accidents and manual changes of the index; it is not a signature.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from zlib import crc32

from analysis_store.catalogs.query.terms import run_terms

Term = tuple[int, bytes]

RULES = 1
"""Incremented whenever `run_terms` changes its result for a document, so that older index entries are detected."""

PLACE_BITS = 0xFFFF_FFFF
"""The bits of a place with which a digest begins."""

_DOUBLE = struct.Struct(">d")


def entry_digest(place: int, value: bytes) -> int:
    """Return the digest of one entry."""
    return crc32(value, place & PLACE_BITS)


def time_digest(time: float) -> int:
    """Return the digest of the time by which a run and all its entries are sorted."""
    return crc32(_DOUBLE.pack(time + 0.0), RULES)  # + 0.0: -0.0 becomes 0.0


def index_digest(time: float, terms: Iterable[Term]) -> int:
    """Return the digest of a run: of its start time, s since 1970, and of its terms; 0 <= it < 2**63."""
    return time_digest(time) + sum([crc32(value, place & PLACE_BITS) for place, value in terms])


def read_index(start: str, stop: str | None) -> tuple[float, list[Term]] | None:
    """Return start time and terms of the documents in a catalog's record; None if these are damaged."""
    try:
        opened = json.loads(start)
        return float(opened["time"]), run_terms(opened, None if stop is None else json.loads(stop))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
