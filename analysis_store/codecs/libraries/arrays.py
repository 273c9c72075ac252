"""Checks of arrays and shapes in a state before they are passed to NumPy and other libraries.

A range is tiny in a file, and takes all memory as an array; compiled code follows wrong indices out of an array.
So only values that could have been written are accepted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

T = TypeVar("T")


def some(kind: type[T], state: object) -> T:
    """Return a state after checking that it has a type or a subclass of it.

    Raises
    ------
    InvalidDataError
        The state has another type.
    """
    if not isinstance(state, kind):
        raise InvalidDataError(f"Got a {type(state).__name__} as the state; expected a {kind.__name__}.")
    return state


def array(state: object, kinds: str = "", axes: int | None = None) -> AnyArray:
    """Return an array after checking the kind of its dtype and its number of axes.

    Raises
    ------
    InvalidDataError
        The value is not an array, or has another dtype or shape.
    """
    found: AnyArray = expect(np.ndarray, state)
    if kinds and found.dtype.kind not in kinds:
        raise InvalidDataError(f"Got an array of {found.dtype}; expected one of kind {kinds!r}.")
    if axes is not None and found.ndim != axes:
        raise InvalidDataError(f"Got an array {found.shape}; expected one with {axes} axes.")
    return found


def shape(state: object) -> tuple[int, ...]:
    """Return the shape given as a list of integers.

    Raises
    ------
    InvalidDataError
        The value is not such a list.
    """
    return tuple(expect(int, length) for length in expect(list, state))
