"""Equality of values: the definitions in this package, and the one for JSON values.

=====================================  ========================  ==========  ===========  =============================
what is compared                       where                     3 and 3.0   True and 1   NaN and NaN
=====================================  ========================  ==========  ===========  =============================
values in searches                     `equal`                   same        differ       differ, as in Mongo
parameters of results, for `stale`     `equal` with ``nan``      same        differ       same
parameters in a tree of links          `exchange.parameters`     same        differ       same
what a key of reuse is made of         `processing.canonical`    differ      differ       same
documents, when a run is verified      `documents.dumps`         differ      differ       same
values of two runs, in `compare`       `processing.differences`  differ      differ       same; close ones reported
what comes back, in conformance tests  `testing.equality`        differ      differ       same, if their bits are
=====================================  ========================  ==========  ===========  =============================

The definitions differ on purpose: a key that treated 3 as 3.0 might reuse the result of another computation, a search
that separated them would miss runs. Keys of reuse and digests are stored, so their definitions never change.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeGuard


def is_number(value: object) -> TypeGuard[float]:
    """Return True if a value is a number; a bool is not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same_kind(a: object, b: object) -> bool:
    """Return True if two values have an order: number with number, string with string."""
    return (is_number(a) and is_number(b)) or (isinstance(a, str) and isinstance(b, str))


def equal(a: object, b: object, *, nan: bool = False) -> bool:
    """Return True if two JSON values are equal, for any order of keys and any type of number.

    If ``nan`` is true, NaN equals itself.
    """
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(equal(a[key], b[key], nan=nan) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y, nan=nan) for x, y in zip(a, b, strict=True))
    if isinstance(a, bool) or isinstance(b, bool) or a is None or b is None:
        return a is b
    return same_kind(a, b) and (bool(a == b) or (nan and a != a and b != b))  # noqa: PLR0124


def holds_nan(value: object) -> bool:
    """Return True if a value holds a NaN at any depth, so that it equals nothing."""
    if isinstance(value, float):
        return math.isnan(value)
    if isinstance(value, Mapping):
        return any(map(holds_nan, value.values()))
    return isinstance(value, (list, tuple)) and any(map(holds_nan, value))
