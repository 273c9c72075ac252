"""What is recorded as an array: numbers, arrays of NumPy's, and lists that are as regular."""

from __future__ import annotations

from typing import Any

import numpy as np

from analysis_store.dtypes import AnyArray, encode_text
from analysis_store.errors import InvalidDataError

PLAIN = "biufcmM"
"""Kinds of dtypes that a number or a time has."""

_INTEGERS = range(-(2**63), 2**63)
_DEEPEST = 32


def as_array(value: object) -> AnyArray | None:
    """Return a number, an array or a regular list of numbers as an array; None of what is something else."""
    if type(value) is int:
        return np.array(value, np.int64) if value in _INTEGERS else None
    if type(value) in {bool, float, complex}:
        return np.array(value)
    if type(value) is list:
        return _regular(value)
    if isinstance(value, np.generic) or type(value) is np.ndarray:
        found = np.asarray(value)
        fixed = found.dtype.kind in "US" and type(value) is np.ndarray and _is_fixed(found)  # one by one, widths vary
        return found if found.dtype.kind in PLAIN or fixed else None
    return None


def _regular(values: list[Any]) -> AnyArray | None:
    """Return numbers in lists of equal lengths, if an array says the same."""
    if not values or not _is_numbers(values):
        return None
    try:
        made = np.array(values)
    except (ValueError, OverflowError):  # of many lengths
        return None
    return made if made.dtype.kind in "if" and made.size and is_same(np.array(values, object), made) else None


def _is_numbers(values: list[Any], depth: int = 0) -> bool:
    return depth < _DEEPEST and all(
        type(item) in {int, float} or (type(item) is list and _is_numbers(item, depth + 1)) for item in values
    )


def is_same(found: AnyArray, made: AnyArray) -> bool:
    """Whether every value is what it was, a NaN and a NaT among them."""
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
