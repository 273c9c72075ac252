"""What the arrays and shapes of a state have to be before NumPy and others are asked to take them.

A range takes no room in a file, and all the memory there is as soon as it is made an array; compiled code follows
numbers out of an array that has other axes than it thinks. So nothing but what was written is let through.
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
    """Return a state that is of a type or a subclass of it.

    Raises
    ------
    InvalidDataError
        It is of another.
    """
    if not isinstance(state, kind):
        raise InvalidDataError(f"A {type(state).__name__} came as the state; expected a {kind.__name__}.")
    return state


def array(state: object, kinds: str = "", axes: int | None = None) -> AnyArray:
    """Return an array, whose dtype is of one of these kinds, with so many axes.

    Raises
    ------
    InvalidDataError
        It is no array, or one of another dtype or shape.
    """
    found: AnyArray = expect(np.ndarray, state)
    if kinds and found.dtype.kind not in kinds:
        raise InvalidDataError(f"An array of {found.dtype} came; expected one of kind {kinds!r}.")
    if axes is not None and found.ndim != axes:
        raise InvalidDataError(f"An array {found.shape} came; expected one with {axes} axes.")
    return found


def shape(state: object) -> tuple[int, ...]:
    """Return the shape that a list of whole numbers says.

    Raises
    ------
    InvalidDataError
        It is no such list.
    """
    return tuple(expect(int, length) for length in expect(list, state))
