"""Conversion of values to JSON without refusals: containers are rebuilt, NumPy's values become Python's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def rebuilt(value: object, leaf: Callable[[Any], Any]) -> Any:
    """Return a copy of a value as dicts with text keys and lists, for containers of any class.

    Parameters
    ----------
    value : object
        Mappings and sequences are converted recursively; text and bytes are not.
    leaf : callable
        Converts any other value.
    """
    if isinstance(value, Mapping):
        return {str(key): rebuilt(item, leaf) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return [rebuilt(item, leaf) for item in value]
    return leaf(value)


def as_python(value: object) -> Any:
    """Return NumPy's numbers and arrays as Python's numbers and lists; other values unchanged."""
    return value.tolist() if hasattr(value, "tolist") else value


def as_shown(value: object) -> Any:
    """Return as `as_python`, and other values as text: for ``default=`` of `json.dumps`."""
    return as_python(value) if hasattr(value, "tolist") else str(value)
