"""The digest of what an index holds of one run, so that an index which lost an entry, or has one too many, is noticed.

It is a sum over the entries: an index has them in the order of their values, not run by run, and a sum can be taken in
any order. It finds accidents and people who change the index by hand; it is no signature.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from zlib import crc32

from analysis_store.catalogs.query.terms import run_terms

Term = tuple[int, bytes]

RULES = 1
"""To be counted up whenever `run_terms` gives other terms for a document: then what was indexed before is noticed."""

PLACE_BITS = 0xFFFF_FFFF
"""The bits of a place that a digest begins with."""

_DOUBLE = struct.Struct(">d")


def entry_digest(place: int, value: bytes) -> int:
    """Return the digest of one entry."""
    return crc32(value, place & PLACE_BITS)


def time_digest(time: float) -> int:
    """Return the digest of the time under which a run and all its entries are sorted."""
    return crc32(_DOUBLE.pack(time + 0.0), RULES)  # + 0.0: there is one zero


def index_digest(time: float, terms: Iterable[Term]) -> int:
    """Return the digest of a run: of its start time, s since 1970, and of its terms; 0 <= it < 2**63."""
    return time_digest(time) + sum([crc32(value, place & PLACE_BITS) for place, value in terms])


def read_index(start: str, stop: str | None) -> tuple[float, list[Term]] | None:
    """Return start time and terms that documents give, as a catalog keeps them; None where these are damaged."""
    try:
        opened = json.loads(start)
        return float(opened["time"]), run_terms(opened, None if stop is None else json.loads(stop))
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None
