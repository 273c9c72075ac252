"""Checks of states before values are created from them, since files are untrusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from analysis_store.codecs.model import PRIMITIVES
from analysis_store.errors import InvalidDataError

_MOST_HASHED = 1 << 24


def expect(kind: type, state: object) -> Any:
    """Return a state of exactly a type; constructors accept more than they should, e.g. ``bytearray(10**10)``."""
    if type(state) is not kind:
        raise InvalidDataError(f"Got a {type(state).__name__} as the state; expected a {kind.__name__}.")
    return state


def parts(state: Any, **kinds: type) -> list[Any]:
    """Return the values of a state that is a mapping with exactly these keys; `object` allows every type."""
    if expect(dict, state).keys() != kinds.keys():
        raise InvalidDataError(f"Got the keys {list(state)}; expected {list(kinds)}.")
    return [state[key] if kind is object else expect(kind, state[key]) for key, kind in kinds.items()]


def hashable(values: list[Any]) -> list[Any]:
    """Return values to be hashed; a crafted file could nest sixty tuples, each twice in the next, and block forever.

    Raises
    ------
    InvalidDataError
        A value has too many parts, with repetitions counted.
    """
    waiting = [] if PRIMITIVES.issuperset(map(type, values)) else list(values)
    sizes: dict[int, int] = {}
    while waiting:
        value = waiting.pop()
        inner = _hashed_with(value)
        later = [part for part in inner if id(part) not in sizes and _hashed_with(part)]
        if later:
            waiting += [value, *later]
            continue
        sizes[id(value)] = size = 1 + sum(sizes.get(id(part), 1) for part in inner)
        if size > _MOST_HASHED:
            raise InvalidDataError(
                f"Got a {type(value).__name__} of more than {_MOST_HASHED} parts to be hashed, as the key of a "
                "dict or a member of a set; the file was changed."
            )
    return values


def _hashed_with(value: Any) -> Sequence[Any]:
    """Return the parts that are hashed each time with a value."""
    if isinstance(value, tuple):
        return value
    if is_dataclass(value):
        return [getattr(value, field.name, None) for field in fields(value)]
    return ()
