"""NumPy's indices for data that are read in pieces: the slices of each axis to read, and the index into them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray

Runs = list[tuple[int, tuple[int, int, int]]]
"""Along one axis: the position in the result, and start, count and step in the dataset."""

Rows = Callable[[slice, tuple[Any, ...]], "AnyArray"]
"""Returns the values of a slice with positive step, with further such slices applied to each."""


def select(key: Index, shape: tuple[int, ...], rows: Rows) -> Any:
    """Return the same as NumPy for an array of this shape, reading only the selected values.

    Raises
    ------
    IndexError
        As NumPy raises it.
    """
    (first, *rest), local = runs_of(key, shape)
    plain = tuple(_slice(*runs[0][1]) if len(runs) == 1 else slice(None) for runs in rest)
    parts = [rows(_slice(*run), plain) for _, run in first]
    found = np.concatenate(parts) if len(parts) > 1 else parts[0]
    for axis, runs in enumerate(rest, 1):
        if len(runs) > 1:
            found = np.take(found, _places(runs), axis)
    return found[local]


def _slice(start: int, count: int, step: int) -> slice:
    return slice(start, start + (count - 1) * step + 1, step) if count else slice(0, 0, 1)


def _places(runs: Runs) -> list[int]:
    return [place for _, (start, count, step) in runs for place in range(start, start + count * step, step)]


def runs_of(key: Index, shape: tuple[int, ...]) -> tuple[list[Runs], tuple[Any, ...]]:
    """Return the parts to read along each axis, in ascending order, and the index that then gives the requested result.

    Raises
    ------
    IndexError
        As in NumPy.
    """
    runs: list[Runs] = []
    local: list[Any] = []
    for part in _expanded(key, shape):
        if part is None:
            local.append(None)
            continue
        run, rest = _along(part, shape[len(runs)], len(runs))
        runs.append(run)
        local.append(rest)
    return runs, tuple(local)


def _expanded(key: Any, shape: tuple[int, ...]) -> list[Any]:
    """Return one index for each axis, without ``...``, with bool arrays converted to integers."""
    given = [np.asarray(part) if isinstance(part, (list, np.ndarray)) else part for part in _as_tuple(key)]
    places = [index for index, part in enumerate(given) if part is ...] or [len(given)]
    if len(places) > 1:
        raise IndexError("Got an index with several '...'; expected at most one.")
    missing = len(shape) - sum(map(_axes_of, given))
    if missing < 0:
        raise IndexError(
            f"too many indices: the column has {len(shape)} dimensions, but {len(shape) - missing} were indexed"
        )
    parts: list[Any] = []
    axis = 0
    for part in [*given[: places[0]], *[slice(None)] * missing, *given[places[0] + 1 :]]:
        width = _axes_of(part)
        parts.extend(_chosen_by(part, shape[axis : axis + width]) if _is_mask(part) else [part])
        axis += width
    return parts


def _as_tuple(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _is_mask(part: Any) -> TypeGuard[AnyArray]:
    return isinstance(part, np.ndarray) and part.dtype == bool


def _axes_of(part: Any) -> int:
    """Return the number of axes that an index selects from."""
    return 0 if part is None or part is ... else part.ndim if _is_mask(part) else 1


def _chosen_by(mask: AnyArray, shape: tuple[int, ...]) -> Sequence[AnyArray]:
    """Return the integers for a mask that has the shape of the axes it masks."""
    if mask.shape != shape or not shape:
        raise IndexError(f"Got a mask of shape {mask.shape} for axes of shape {shape}; expected one value for each.")
    return mask.nonzero()


def _along(part: Any, length: int, axis: int) -> tuple[Runs, Any]:
    if isinstance(part, slice):
        start, stop, step = _bounds(part, length)
        count = len(range(start, stop, step))
        if step < 0:
            return [(0, (start + (count - 1) * step if count else 0, count, -step))], slice(None, None, -1)
        return [(0, (min(start, length), count, step))], slice(None)
    if isinstance(part, np.ndarray) and part.ndim:
        if part.size and part.dtype.kind not in "iu":
            raise IndexError(f"Got an index of dtype {part.dtype}; expected integers or bool.")
        return _scattered(part, length, axis)
    index = _checked(part, length, axis)
    return [(0, (index, 1, 1))], 0


def _bounds(part: slice, length: int) -> tuple[int, int, int]:
    try:
        return part.indices(length)
    except (TypeError, ValueError) as error:
        raise IndexError(f"Got {part!r}, which is not a valid slice: {error}") from error


def _checked(part: Any, length: int, axis: int) -> int:
    try:
        index = None if isinstance(part, (bool, np.bool_)) else operator.index(part)
    except TypeError:
        index = None
    if index is None:
        raise IndexError(f"Got the index {part!r}; expected integers, slices, ..., None or arrays of integers")
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")
    return int(index) % length


def _scattered(part: AnyArray, length: int, axis: int) -> tuple[Runs, AnyArray]:
    """Return the runs of consecutive elements that contain an array of integers."""
    if part.size == 0:
        return [(0, (0, 0, 1))], np.zeros(part.shape, np.intp)
    for extreme in (part.min(), part.max()):
        _checked(extreme, length, axis)
    wanted, inverse = np.unique(np.where(part < 0, part + length, part).astype(np.intp), return_inverse=True)
    breaks = np.flatnonzero(np.diff(wanted) != 1) + 1
    firsts, lasts = np.r_[0, breaks], np.r_[breaks, len(wanted)]
    runs = [(int(a), (int(wanted[a]), int(b - a), 1)) for a, b in zip(firsts, lasts, strict=True)]
    return runs, inverse.reshape(part.shape)
