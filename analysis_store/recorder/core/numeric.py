"""Values that are recorded as arrays: numbers, NumPy arrays, and regular lists."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis_store.dtypes import AnyArray, encode_text
from analysis_store.errors import InvalidDataError
from analysis_store.exact import exact_array

PLAIN = "biufcmM"
"""Kinds of dtypes for numbers and times."""

_INTEGERS = range(-(2**63), 2**63)
_TEXT = "US"
_DEEPEST = 32


def as_array(value: object) -> AnyArray | None:
    """Return a number, an array or a regular list of numbers as `exact_array` does; None for other values.

    Text counts only as an array, because single texts differ in width; a tuple is not converted.
    """
    kind = type(value)
    if kind is int:  # most common, together with floats, which a form handles before
        return np.array(value, np.int64) if value in _INTEGERS else None
    if kind is tuple or kind is np.memmap or (kind is list and not _is_numbers(value)):
        return None
    found = exact_array(value)
    if found is None or not (found.size or kind is np.ndarray):
        return None
    if kind is np.ndarray and found.dtype.kind in _TEXT:
        return found if _is_fixed(found) else None
    is_large = kind is list and found.dtype.kind == "u"
    return found if found.dtype.kind in PLAIN and not is_large else None


def _is_numbers(values: Any, depth: int = 0) -> bool:
    return depth < _DEEPEST and all(
        type(item) in {int, float} or (type(item) is list and _is_numbers(item, depth + 1)) for item in values
    )


def is_same(found: AnyArray, made: AnyArray) -> bool:
    """Return True if all values are equal, including NaN and NaT."""
    if found.dtype.kind in "mM":
        back = made.astype(found.dtype)
        return bool(np.all((back == found) | (np.isnat(back) & np.isnat(found))))
    before, after = found.astype(object), made.astype(object)
    return bool(np.all((before == after) | (before != before)))  # noqa: PLR0124 - so is NaN


def _is_fixed(found: AnyArray) -> bool:
    if found.dtype.kind == "S":
        return found.dtype.itemsize > 0
    try:
        encode_text(found)
    except InvalidDataError:
        return False
    return found.dtype.itemsize > 0
