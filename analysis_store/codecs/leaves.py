"""Values of single datasets as Python objects: numbers, text, arrays. File content is checked, not trusted."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.codecs.lazy import LazyValues
from analysis_store.errors import DamagedFileError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis_store.codecs.nodes import Node

_KINDS = {"bool": "b", "float": "f", "complex": "c", "none": "u", "ref": "i"}


def scalar(node: Node) -> Any:
    """Return the value of a dataset that is a single value."""
    if node.form == "none":
        return None
    if node.form == "array":
        return node.values if isinstance(node.values, LazyValues) else _foreign(node)
    if node.form == "text":
        return _text(node.values)
    if node.form == "bytes":
        return checked(node, "u1").tobytes()
    if node.form == "int":
        return _integer(node.values[()])
    if node.form in _KINDS:
        return checked(node, _KINDS[node.form])[()].item()
    raise DamagedFileError(f"Got the form {node.form!r} for a single value; the file was changed.")


def spans(node: Node, length: int) -> Iterable[tuple[int, int]]:
    """Yield begin and end of each of several parts in ``length`` values.

    Raises
    ------
    DamagedFileError
        The offsets do not fit the values.
    """
    offsets = checked(node.members["offsets"], "i")
    if offsets[0] != 0 or offsets[-1] != length or (np.diff(offsets) < 0).any():
        raise DamagedFileError(f"The offsets of {length} values do not fit them; the file was changed.")
    return pairwise(offsets.tolist())


def checked(node: Node, kind: str) -> Any:
    """Return the values of a node, which are numbers of one kind."""
    values = node.values.read() if isinstance(node.values, LazyValues) else node.values
    if values is None or values.dtype.kind != kind[0] or (kind[1:] and values.dtype.itemsize != int(kind[1:])):
        found = "nothing" if values is None else values.dtype
        raise DamagedFileError(f"Got {found} for the form {node.form!r}; expected numbers of kind {kind!r}.")
    return values


def column(node: Node) -> list[Any]:
    """Return the values of a dataset with one value for each row of a column."""
    if node.form == "text":
        texts: list[Any] = node.values.tolist()
        return [text.decode() for text in texts] if node.values.dtype.kind == "S" else list(map(_text, texts))
    if node.form == "int":
        return [_integer(value) for value in node.values.tolist()] if node.values.dtype.kind in "SO" else _whole(node)
    if node.form in _KINDS:
        found: list[Any] = checked(node, _KINDS[node.form]).tolist()
        return found
    raise DamagedFileError(f"Got the form {node.form!r} for a column; the file was changed.")


def _whole(node: Node) -> list[Any]:
    if node.values.dtype.kind not in "iu":
        raise DamagedFileError(f"Got {node.values.dtype} as integers; the file was changed.")
    found: list[Any] = node.values.tolist()
    return found


def _integer(value: Any) -> int:
    """Return an integer, which is hexadecimal text if it has more than 64 bits."""
    if isinstance(value, (bytes, str)):
        return int(value, 16)
    if not isinstance(value, np.integer):
        raise DamagedFileError(f"Got {value!r:.60} as an integer; the file was changed.")
    return int(value)


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        if value.dtype == np.uint8 and value.ndim == 1:
            return value.tobytes().decode("utf-8", "surrogatepass")
        value = value[()] if value.ndim == 0 else value
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise DamagedFileError(f"Got {value!r:.60} as text; the file was changed.")
    return value


def rows(values: Any) -> Iterable[Any]:
    """Yield the arrays of a column, each of its own; a row of a 1-d array is a 0-d array, not a number."""
    values = values.read() if isinstance(values, LazyValues) else values
    return (values[index, ...].copy() for index in range(len(values)))


def _foreign(node: Node) -> Any:
    """Return an array; in files of other programs, a single number or text becomes one."""
    if node.told or node.values is None:
        return node.values
    values = node.values[()] if node.values.ndim == 0 else node.values
    return values.decode() if isinstance(values, bytes) else values
