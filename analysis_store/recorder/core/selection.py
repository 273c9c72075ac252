"""NumPy's indices for stores that know only slices."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.handlers.columns import select as select_runs

if TYPE_CHECKING:
    from analysis_store.core.lazy import Index
    from analysis_store.dtypes import AnyArray
    from analysis_store.handlers.columns import Runs

Rows = Callable[[slice, tuple[Any, ...]], "AnyArray"]
"""Gives the values of a slice, whose step is positive, and of each what further such slices select."""


def select(key: Index, shape: tuple[int, ...], rows: Rows) -> Any:
    """Return what NumPy would return for an array of this shape, reading no other values.

    Raises
    ------
    IndexError
        As NumPy raises it.
    """
    (first, *rest), local = select_runs(key, shape)
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
