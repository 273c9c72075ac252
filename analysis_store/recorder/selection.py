"""NumPy's indices, taken apart into runs of values, for stores that know only slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

Rows = Callable[[slice, tuple[Any, ...]], "AnyArray"]
"""Gives the values of a slice, whose step is positive, and of each what plain indices select."""


def select(key: Any, shape: tuple[int, ...], rows: Rows) -> Any:
    """Return what NumPy would return for an array of this shape, reading no other values.

    Raises
    ------
    IndexError
        As NumPy raises it.
    """
    first, *rest = _without_ellipsis(key if isinstance(key, tuple) else (key,), len(shape))
    if isinstance(first, (int, np.integer)) and not isinstance(first, bool):
        at = _position(int(first), shape[0])
        return _read(range(at, at + 1), 0, rest, shape, rows)
    if isinstance(first, slice):
        wanted = range(shape[0])[first]
        ascending = wanted.step > 0
        return _read(
            wanted if ascending else wanted[::-1], slice(None, None, 1 if ascending else -1), rest, shape, rows
        )
    chosen = _chosen(first, shape[0])
    if chosen is None:
        return rows(slice(0, shape[0], 1), ())[key]
    distinct, inverse = np.unique(chosen, return_inverse=True)
    return _gathered(distinct, rows)[(inverse.reshape(chosen.shape), *rest)]


def _read(wanted: range, head: int | slice, rest: list[Any], shape: tuple[int, ...], rows: Rows) -> Any:
    """Read values, and let the store select in each where it can."""
    run = slice(wanted.start, wanted.stop, wanted.step) if wanted else slice(0, 0, 1)
    if not all(_is_plain(item) for item in rest):
        return rows(run, ())[(head, *rest)]
    if len(rest) >= len(shape):
        raise IndexError(f"too many indices: there are {len(shape)} dimensions, {len(rest) + 1} were indexed")
    return rows(run, tuple(rest))[head]


def _without_ellipsis(key: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    at = next((index for index, item in enumerate(key) if item is Ellipsis), None)
    if at is not None and not any(item is None or getattr(item, "ndim", 0) > 1 for item in key):
        key = (*key[:at], *(slice(None),) * (ndim - len(key) + 1), *key[at + 1 :])
    return key or (slice(None),)


def _position(index: int, count: int) -> int:
    if not -count <= index < count:
        raise IndexError(f"index {index} is out of bounds: {count} values are recorded")
    return index % count


def _is_plain(item: Any) -> bool:
    if isinstance(item, slice):
        return item.step is None or item.step > 0
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def _chosen(first: Any, count: int) -> AnyArray | None:
    """Return the positions that a list, an array or a mask selects; None of what is none of these."""
    if not isinstance(first, (list, np.ndarray)):
        return None
    found = np.asarray(first) if len(first) else np.asarray(first, np.intp)
    if found.dtype.kind == "b":
        if found.shape != (count,):
            return None
        return np.flatnonzero(found)
    if found.dtype.kind not in "iu":
        return None
    if found.size and not (-count <= found.min() and found.max() < count):
        raise IndexError(f"an index is out of bounds: {count} values are recorded")
    return found % count if count else found


def _gathered(wanted: AnyArray, rows: Rows) -> AnyArray:
    """Read positions in ascending order, those beside each other at once."""
    if not wanted.size:
        return rows(slice(0, 0, 1), ())
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
    return np.concatenate([rows(slice(int(run[0]), int(run[-1]) + 1, 1), ()) for run in runs])
