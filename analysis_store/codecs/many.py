"""Many objects for one file, walked together and encoded as lists of a size that is good to read at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, overload

from analysis_store.codecs.encode import encode
from analysis_store.codecs.graph import Graph
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.codecs.nodes import Node

_MANY = 32
"""Fewer objects than this are stored one by one, which is easier to read with other programs."""
_BLOCK = 256 << 10
"""Target size in bytes of a list of objects, which is read whole to get one of them."""
_PART = 32
"""Approximate cost in bytes of a value in an object, including the time to create it again."""


class Objects(Sequence[Any]):
    """Objects of any types that can all be stored.

    Parameters
    ----------
    values : sequence of object
        The objects, which are not changed.
    name : callable, optional
        ``name(index)``: the name of an object in messages.

    Raises
    ------
    InvalidDataError
        An object cannot be stored; ``index`` is its position, the message begins with its path.
    """

    def __init__(self, values: Sequence[object], name: Callable[[int], str] = lambda _: "obj") -> None:
        self._values = list(values)
        self.rows: int
        self.rows, self._graphs = _together(self._values) or (1, _one_by_one(self._values, name))
        """Return the number of objects per list (1 if they are written one by one), and their graphs."""

    def nodes(self) -> list[Node]:
        """Return the nodes to write, one for `rows` objects."""
        return [encode(graph) for graph in self._graphs]

    @overload
    def __getitem__(self, key: int) -> Any: ...

    @overload
    def __getitem__(self, key: slice) -> Sequence[object]: ...

    def __getitem__(self, key: int | slice) -> Any:
        return self._values[key]

    def __len__(self) -> int:
        return len(self._values)


def _together(values: list[Any]) -> tuple[int, list[Graph]] | None:
    """Return the graphs of lists of this length; None if objects are few or large, or cannot be in a list."""
    if len(values) < _MANY:
        return None
    try:
        whole = Graph(values)
    except InvalidDataError:  # reported later with its position, when walked one by one
        return None
    rows = _rows_of(whole, len(values))
    if rows == len(values):
        return rows, [whole]
    del whole
    return (rows, [Graph(values[start : start + rows]) for start in range(0, len(values), rows)]) if rows > 1 else None


def _one_by_one(values: list[Any], name: Callable[[int], str]) -> list[Graph]:
    graphs = []
    for index, value in enumerate(values):
        try:
            graphs.append(Graph(value, name(index)))
        except InvalidDataError as error:
            raise InvalidDataError(str(error), index) from error
    return graphs


def _rows_of(whole: Graph, count: int) -> int:
    """Return the number of objects per list: as many small ones as can be read at once at low cost."""
    size = (whole.values * _PART + whole.array_bytes) // count
    return max(1, min(count, _BLOCK // max(1, size)))
