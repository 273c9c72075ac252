"""Values as JSON has them, where nothing need be refused: containers rebuilt, NumPy's values as Python's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def rebuilt(value: object, leaf: Callable[[Any], Any]) -> Any:
    """Return a copy of a value as dicts by text and lists, of whatever classes they were; ``leaf`` gives all else.

    Parameters
    ----------
    value : object
        Mappings and sequences are looked into, text and bytes are not.
    leaf : callable
        Returns what becomes of any other value.
    """
    if isinstance(value, Mapping):
        return {str(key): rebuilt(item, leaf) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [rebuilt(item, leaf) for item in value]
    return leaf(value)


def as_python(value: object) -> Any:
    """Return NumPy's numbers and arrays as Python's numbers and lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def as_shown(value: object) -> Any:
    """Return as `as_python`, and anything that is not NumPy's as text: for ``default=`` of `json.dumps`."""
    return as_python(value) if hasattr(value, "tolist") else str(value)
