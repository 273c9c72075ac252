"""Reader of columns of pandas tables: the concatenated tables, with one HDF5 dataset for each of their columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

from h5py import h5g

from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import ColumnHandler
from analysis_store.handlers.grouped import LazyGroup, OpenGroup
from analysis_store.hdf5.opening import text_attribute
from analysis_store.layout import (
    COLUMNS,
    HINTS,
    INDEX,
    LABELS,
    OFFSETS,
    OFFSETS_SUFFIX,
    ORDER,
    PART,
    TABLE_FORM,
    TABLE_SPEC,
    VALUES,
)

if TYPE_CHECKING:
    import pandas

    from analysis_store.dtypes import AnyArray
    from analysis_store.frames import Part


class LazyTables(LazyGroup):
    """A column of tables."""

    form = TABLE_FORM

    def _one(self, group: OpenGroup, number: int) -> pandas.DataFrame:
        from analysis_store.frames import Pieces, put_together

        begin, end = group.span(OFFSETS, number)
        names = [str(name) for name in group.rows(ORDER, 0, group.length(ORDER))]
        index = [_part(group, f"{INDEX}/{name}", number, begin, end) for name in _levels(group, INDEX)]
        labels = [_part(group, f"{LABELS}/{name}", 0, 0, len(names)) for name in _levels(group, LABELS)]
        columns = [_part(group, f"{COLUMNS}/{name}", number, begin, end) for name in names]
        return put_together(Pieces(index, labels, columns), end - begin)


def _levels(group: OpenGroup, where: str) -> list[str]:
    """Return the names of the levels of an index, in order: ``level_0``, ``level_1``, …"""
    found = group.find(where)
    if not isinstance(found, h5g.GroupID):
        raise DamagedFileError(f"{group.path}/{where} is not a group.")
    return [f"level_{number}" for number in range(found.get_num_objs())]


def _part(group: OpenGroup, name: str, number: int, begin: int, end: int) -> Part:
    from analysis_store.frames import Part

    found = group.find(name)
    spec, hints = _json(text_attribute(found, PART), name), _json(text_attribute(found, HINTS) or "{}", name)
    if not isinstance(found, h5g.GroupID):
        return Part(spec, {VALUES: group.rows(name, begin, end)}, {}, hints)
    members = [member.decode() for member in found]
    table = [member for member in members if member + OFFSETS_SUFFIX in members]
    rows = [member for member in members if member not in table and not member.endswith(OFFSETS_SUFFIX)]
    return Part(
        spec,
        {member: group.rows(f"{name}/{member}", begin, end) for member in rows},
        {member: _of_table(group, f"{name}/{member}", number) for member in table},
        hints,
    )


def _of_table(group: OpenGroup, name: str, number: int) -> AnyArray:
    return group.rows(name, *group.span(name + OFFSETS_SUFFIX, number))


def _json(text: str | None, name: str) -> dict[str, Any]:
    try:
        told = json.loads(text or "null")
    except ValueError as error:
        raise DamagedFileError(f"The description of {name!r} is not JSON: {error}.") from error
    if not isinstance(told, dict):
        raise DamagedFileError(f"{name!r} has no valid description; expected a JSON object in the attribute {PART}.")
    return told


class TableHandler(ColumnHandler):
    """Reads the values of a column of pandas tables; parameters as in `GroupHandler`."""

    specs: ClassVar[set[str]] = {TABLE_SPEC}
    lazy = LazyTables
