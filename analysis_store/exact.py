"""The array that represents a value exactly, if there is one: no item is changed, no class or dtype is lost.

All code that converts users' values to arrays uses this module, so that the rules are the same everywhere.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.dtypes import AnyArray

MAX_NDIM = 32
"""Largest number of dimensions of an HDF5 dataset."""

NUMBERS = frozenset(np.dtype(code).type for code in "?bBhHiIlLqQefdgFDG")
"""NumPy's own scalars whose type determines their dtype."""

_ARRAYS = frozenset({np.ndarray, np.memmap})
_BYTES = frozenset({bytes, np.bytes_})
_LISTS = frozenset({list, tuple})
_REALS = frozenset({int, float, np.float64})
_TEXT = frozenset({str, np.str_})

_PYTHON = {bool: np.dtype(bool), int: np.dtype(np.int64), float: np.dtype(float), complex: np.dtype(complex)}
_INTEGERS = (np.dtype(np.int64), np.dtype(np.uint64))
_MOST_ITEMS = 1 << 28  # nested references to the same lists can declare more items


def exact_array(value: Any) -> AnyArray | None:
    """Return a number, text, an array or a regular list as an array; None if an array would not be exact.

    A list or tuple is an array if all its items, each taken by itself, have one dtype. Python's integers among floats
    become floats if no value changes. Text with a NUL becomes an array of objects, because fixed width
    loses NULs at the end. A value of a subclass, such as a member of an `enum.IntEnum`, is never an array.
    """
    kind = type(value)
    if kind in _ARRAYS:
        return np.asarray(value)
    if kind is int:
        return _integers(value)
    if kind in _PYTHON:
        return np.array(value, _PYTHON[kind])
    if kind in _TEXT:
        return _text(value, [value])
    if kind in _LISTS:
        return _of_items(value)
    return np.asarray(value) if isinstance(value, np.generic) and is_numpys(value) else None


def exact_text(value: str) -> str:
    """Return the plain str of a text of any class; ``str()`` of an Enum member or of NumPy's text differs."""
    return str.__str__(value)


def is_numpys(value: np.generic) -> bool:
    """Return True for a scalar of NumPy's own class that an array keeps exactly."""
    return value.dtype.type is type(value) and not (isinstance(value, bytes) and value.endswith(b"\0"))


def _of_items(value: Sequence[Any]) -> AnyArray | None:
    leaves = _leaves(value)
    if leaves is None:
        return None
    kinds = set(map(type, leaves))
    if kinds and kinds <= _TEXT:
        return _text(value, leaves)
    if kinds == {int}:
        return _integers(value)
    dtype = _dtype(leaves, kinds)
    try:
        return None if dtype is None else np.array(value, dtype)
    except (ValueError, OverflowError):  # arrays of several shapes, an integer of more than 64 bits
        return None


def _leaves(value: Sequence[Any]) -> Sequence[Any] | None:
    """Return the items of nested lists; None unless all lists of the same depth have equal lengths."""
    count, depth, first = 1, 0, value
    while type(first) in _LISTS and first:
        count, depth, first = count * len(first), depth + 1, first[0]
        if depth > MAX_NDIM or count > _MOST_ITEMS:  # a list may contain itself
            return None
    leaves = value
    while not _LISTS.isdisjoint(map(type, leaves)):
        if not _LISTS.issuperset(map(type, leaves)) or len(set(map(len, leaves))) > 1:
            return None
        leaves = list(chain.from_iterable(leaves))
    return leaves


def _text(value: Any, leaves: Sequence[str]) -> AnyArray:
    if not any("\0" in text for text in leaves):
        return np.array(value, np.str_)
    made = np.array(value, object)
    made.reshape(-1)[:] = list(map(exact_text, leaves))
    return made


def _integers(value: Any) -> AnyArray | None:
    for dtype in _INTEGERS:
        try:
            return np.array(value, dtype)
        except OverflowError:
            continue
    return None


def _dtype(leaves: Sequence[Any], kinds: set[type]) -> np.dtype | None:
    """Return the common dtype of all items, or None if they differ."""
    if kinds <= _REALS and (len(kinds) < 2 or are_floats(leaves)):
        return _PYTHON[float]
    if kinds <= _BYTES:
        longest = max(1, *map(len, leaves))
        return None if any(leaf.endswith(b"\0") for leaf in leaves) else np.dtype(f"S{longest}")
    if len(kinds) == 1 and kinds <= NUMBERS:
        return np.dtype(kinds.pop())
    dtypes = {_dtype_of(leaf) for leaf in leaves}
    found = dtypes.pop()
    return found if not dtypes and found is not None and found.kind not in "OTV" else None


def are_floats(leaves: Sequence[object]) -> bool:
    """Return True if a float can represent every integer among numbers."""
    try:
        return all(type(leaf) is not int or int(float(leaf)) == leaf for leaf in leaves)
    except OverflowError:
        return False


def _dtype_of(leaf: Any) -> np.dtype | None:
    kind = type(leaf)
    if kind in _PYTHON:
        return _PYTHON[kind]
    own = kind in _ARRAYS or (isinstance(leaf, np.generic) and kind not in _BYTES | _TEXT and is_numpys(leaf))
    return leaf.dtype if own else None
