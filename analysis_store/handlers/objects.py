"""Reader of columns of objects: a group with one member per event, each written by codecs."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
from h5py import h5g

from analysis_store.codecs.decode import decode
from analysis_store.codecs.digest import digest_nodes
from analysis_store.codecs.read import read
from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import ColumnHandler
from analysis_store.handlers.grouped import LazyGroup, OpenGroup
from analysis_store.hdf5.opening import integer_attribute
from analysis_store.layout import OBJECT_COUNT, OBJECT_FORM, OBJECT_ROWS, OBJECT_SPEC, item_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.codecs.nodes import Node


class LazyObjects(LazyGroup):
    """A column of objects, each created on access."""

    form = OBJECT_FORM

    def digest(self) -> str:
        """Return the digest of the column, which needs no type to be known."""
        with self._opened() as group:
            return digest_nodes([self._node(group, number) for number in range(group.group.get_num_objs())])

    def _count(self, group: OpenGroup) -> int:
        members = int(group.group.get_num_objs())
        count = integer_attribute(group.group, OBJECT_COUNT)
        rows = _rows(group)
        found = members if count is None else count
        if not max(0, (members - 1) * rows + (members > 0)) <= found <= members * rows:
            raise DamagedFileError(f"{self!r} declares {found} objects, but has {rows} in each of {members} members.")
        return found

    def _one(self, group: OpenGroup, number: int) -> Any:
        return self._some(group, [number])[0]

    def _values(self, numbers: Sequence[int]) -> list[Any]:
        with self._opened() as group:
            return self._some(group, numbers)

    def _all(self, group: OpenGroup, count: int) -> list[Any]:
        return self._some(group, range(count))

    def _some(self, group: OpenGroup, numbers: Sequence[int]) -> list[Any]:
        """Return several objects; a member with several objects is read once for consecutive ones."""
        rows = _rows(group)
        if rows == 1:
            return [decode(self._node(group, number)) for number in numbers]
        found: list[Any] = []
        for member, wanted in groupby(numbers, lambda number: number // rows):
            block = decode(self._node(group, member))
            found.extend(_row(block, number - member * rows) for number in wanted)
        return found

    def _node(self, group: OpenGroup, number: int) -> Node:
        name = item_name(number)
        found = group.find(name if name in group else str(number))
        return read(h5py.Group(found) if isinstance(found, h5g.GroupID) else h5py.Dataset(found))


def _rows(group: OpenGroup) -> int:
    rows = integer_attribute(group.group, OBJECT_ROWS)
    if rows is not None and rows < 1:
        raise DamagedFileError(f"{group.path} declares {rows} objects in each of its members.")
    return rows or 1


def _row(block: Any, number: int) -> Any:
    if not isinstance(block, list) or number >= len(block):
        raise DamagedFileError(f"Got a list of objects without number {number}; the file was changed.")
    return block[number]


class ObjectHandler(ColumnHandler):
    """Reads the values of a column of objects; parameters as in `GroupHandler`.

    For an unknown type, the error has its name; register its class with
    `analysis_store.codecs.register_codec`, or install the package that provides it.
    """

    specs: ClassVar[set[str]] = {OBJECT_SPEC}
    lazy = LazyObjects
