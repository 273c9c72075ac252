"""Writer of columns of pandas tables: the concatenated tables, with one HDF5 dataset for each of their columns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar

import h5py
import numpy as np
from h5py import h5a, h5d, h5g

from analysis_store.digests import digest_tables
from analysis_store.errors import InvalidDataError
from analysis_store.frames import Part, Pieces, check_bare, take_apart
from analysis_store.hdf5.columns import Stored, offsets_of
from analysis_store.hdf5.making import create_group, open_group, set_attrs, write_strings
from analysis_store.layout import (
    COLUMNS,
    FORM,
    HINTS,
    INDEX,
    LABELS,
    OFFSETS,
    OFFSETS_SUFFIX,
    ORDER,
    PART,
    TABLE_FORM,
    TABLE_SPEC,
    TRUE_NAME,
    VALUES,
    nexus_names,
)
from analysis_store.writers.arrays import write_array
from analysis_store.writers.growing import GrowingWriter, add_offset, extend, last_offset

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas

    from analysis_store.dtypes import AnyArray
    from analysis_store.hdf5.blocks import Compression


def write_tables(
    group: h5g.GroupID,
    name: str,
    frames: Sequence[pandas.DataFrame],
    *,
    compression: Compression = "auto",
    attrs: Mapping[str, object] | None = None,
) -> Stored:
    """Write a column of tables as one group.

    Parameters
    ----------
    group : h5py.h5g.GroupID or h5py.h5f.FileID
        Parent of the group.
    name : str
        Name of the group, without ``/``.
    frames : sequence of pandas.DataFrame
        One table per event, of any length; with the same columns, of the same kinds.
    compression : "auto", None or a filter of hdf5plugin
        Filter for each column, as in `write_array`.
    attrs : mapping, optional
        Attributes of the group.

    Raises
    ------
    InvalidDataError
        A table contains values that cannot be stored, or differs from the first; ``index`` is its event, the message
        names the column.
    """
    tables = take_all_apart(frames)
    made = create_group(group, name, _attrs(attrs))
    write_array(made, OFFSETS, offsets_of([len(frame) for frame in frames]), compression=None)
    if tables:
        parents = _create_groups(made, tables[0])
        for where, member, told, parts in _plan(tables):
            _write_part(parents[where], member, parts, told, compression)
    return Stored(digest_tables(frames), [1], "|O8", (len(frames),))


def take_all_apart(frames: Sequence[object]) -> list[Pieces]:
    """Return the pieces of each table, after checking that all have the same columns.

    Raises
    ------
    InvalidDataError
        A value is not a table, or differs from the first; ``index`` is its position.
    """
    tables: list[Pieces] = []
    for index, frame in enumerate(frames):
        try:
            tables.append(_take_apart(frame))
            _check_alike(tables[0], tables[-1])
        except InvalidDataError as error:
            raise InvalidDataError(f"Table {index}: {error}", index) from error
    return tables


def _take_apart(frame: Any) -> Pieces:
    import pandas

    if not isinstance(frame, pandas.DataFrame):
        raise InvalidDataError(f"got a {type(frame).__name__} among tables; expected only pandas.DataFrame.")
    check_bare(frame)
    return take_apart(frame)


def _check_alike(first: Pieces, other: Pieces) -> None:
    names, others = _true_names(first), _true_names(other)
    if names != others:
        missing = [name for name in names if name not in others]
        surplus = [name for name in others if name not in names]
        raise InvalidDataError(
            f"its columns are {others}, those of the first {names} (missing: {missing}, surplus: {surplus}); "
            "expected the same, in the same order. Use a data key for each kind of table."
        )
    for where in (INDEX, LABELS, COLUMNS):
        ours, theirs = getattr(first, where), getattr(other, where)
        if len(ours) != len(theirs):
            raise InvalidDataError(
                f"its {where} has {len(theirs)} levels, that of the first {len(ours)}; expected the same."
            )
        for number, (one, two) in enumerate(zip(ours, theirs, strict=True)):
            if _kind(one) != _kind(two):
                what = f"column {names[number]!r}" if where == COLUMNS else f"level {number} of its {where}"
                raise InvalidDataError(
                    f"{what} is {_told(two)}, in the first table {_told(one)}; expected the same. Convert it "
                    "with .astype(...)."
                )


def _kind(part: Part) -> tuple[Any, ...]:
    return part.spec, part.hints, {name: array.dtype for name, array in part.arrays.items()}


def _told(part: Part) -> str:
    dtypes = ", ".join(str(array.dtype) for name, array in part.arrays.items() if name != "mask")
    return f"{part.spec['kind']} ({dtypes})"


def _true_names(pieces: Pieces) -> list[str]:
    """Return the names of the columns: their labels as text, joined if they have several levels."""
    levels = (_texts(level, len(pieces.columns)) for level in pieces.labels)
    return [", ".join(label).replace("\0", "%00") for label in zip(*levels, strict=True)]


def _names(pieces: Pieces) -> list[str]:
    """Return the names by which the columns are stored."""
    return nexus_names(_true_names(pieces))


def _texts(level: Part, count: int) -> list[str]:
    if level.spec["kind"] == "range":
        start, _, step = level.table["range"]
        return [str(start + number * step) for number in range(count)]
    labels = level.rows[VALUES]
    return (
        [str(json.loads(label)) for label in labels]
        if level.spec["kind"] == "json"
        else [str(label) for label in labels]
    )


def _attrs(attrs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {"NX_class": "NXcollection", **(attrs or {}), FORM: TABLE_FORM}


def _plan(tables: Sequence[Pieces]) -> Iterator[tuple[str, str, dict[str, str], list[Part]]]:
    """Yield for each part its location, name and attributes, and its values in each table.

    The labels are the same in all tables: only those of the first are yielded.
    """
    for where in (INDEX, LABELS, COLUMNS):
        first = getattr(tables[0], where)
        true = _true_names(tables[0]) if where == COLUMNS else [f"level_{number}" for number in range(len(first))]
        for number, name in enumerate(nexus_names(true)):
            attrs = _part_attrs(first[number])
            if name != true[number]:
                attrs[TRUE_NAME] = true[number]
            parts = [getattr(table, where)[number] for table in tables]
            yield where, name, attrs, parts[:1] if where == LABELS else parts


def _create_groups(group: h5g.GroupID, first: Pieces) -> dict[str, h5g.GroupID]:
    write_strings(group, ORDER, _names(first))
    return {where: create_group(group, where, {"NX_class": "NXcollection"}) for where in (INDEX, LABELS, COLUMNS)}


def _write_part(
    parent: h5g.GroupID, name: str, parts: Sequence[Part], attrs: Mapping[str, str], compression: Compression
) -> None:
    if list(parts[0].arrays) == [VALUES]:
        write_array(parent, name, _joined(part.rows[VALUES] for part in parts), compression=compression, attrs=attrs)
        return
    made = create_group(parent, name, {"NX_class": "NXcollection", **attrs})
    for member in parts[0].rows:
        write_array(made, member, _joined(part.rows[member] for part in parts), compression=compression)
    for member in parts[0].table:
        arrays = [part.table[member] for part in parts]
        write_array(made, member, _joined(arrays), compression=compression)
        write_array(made, member + OFFSETS_SUFFIX, offsets_of([len(array) for array in arrays]), compression=None)


def _joined(arrays: Iterator[AnyArray] | list[AnyArray]) -> AnyArray:
    arrays = list(arrays)
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, dtype=arrays[0].dtype)


def _part_attrs(part: Part) -> dict[str, str]:
    attrs = {PART: json.dumps(part.spec, sort_keys=True, ensure_ascii=False)}
    return {**attrs, HINTS: json.dumps(part.hints)} if part.hints else attrs


class TableWriter(GrowingWriter):
    """Writes pandas tables with the same columns, one event's table at a time, into one group.

    Parameters
    ----------
    path : str
        The HDF5 file; created if needed.
    dataset : str
        Absolute path of the group in it.
    chunk_shape : sequence of int, optional
        As in its handler; not needed here.
    swmr : bool
        True if others may read the file while it is written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas
    >>> with tempfile.TemporaryDirectory() as folder, TableWriter(Path(folder) / "run.h5", "/entry/fit") as writer:
    ...     writer({"fit": pandas.DataFrame({"energy": [7112.0, 7113.0], "mu": [0.1, 0.2]})})
    {'fit': {'point_number': 0}}
    """

    spec: ClassVar[str] = TABLE_SPEC

    def _append(self, group: h5g.GroupID, name: str, value: Any) -> int:
        pieces = _take_apart(value)
        made = open_group(group, name)
        if made is None:
            made = create_group(group, name, _attrs(None))
            _create_groups(made, pieces)
        _check_like_file(made, pieces)
        number, begin = last_offset(made, OFFSETS)
        for where, member, attrs, (part,) in _plan([pieces]):
            if where != LABELS or number == 0:
                _grow_part(h5g.open(made, where.encode()), member, part, attrs, number=number, begin=begin)
        add_offset(made, OFFSETS, begin + len(value), number)
        return number


def _check_like_file(group: h5g.GroupID, pieces: Pieces) -> None:
    there = [text.decode() for text in h5py.Dataset(h5d.open(group, ORDER.encode()))[:]]
    if there != _names(pieces):
        raise InvalidDataError(
            f"Got a table with the columns {_names(pieces)} after tables with {there}; expected the same."
        )
    for where, member, attrs, (part,) in _plan([pieces]):
        path = f"{where}/{member}".encode()
        known = h5py.Group(group)[path].attrs if path in group else attrs
        if any(known.get(name) != attrs.get(name) for name in (PART, TRUE_NAME)):
            raise InvalidDataError(
                f"{member!r} of the {where} of a table is {_told(part)}, of those before it not; expected the same."
            )


def _grow_part(
    parent: h5g.GroupID, name: str, part: Part, attrs: Mapping[str, str], *, number: int, begin: int
) -> None:
    if list(part.arrays) == [VALUES]:
        extend(parent, name, part.rows[VALUES], at=begin)
        made: h5g.GroupID | h5d.DatasetID = h5d.open(parent, name.encode())
    else:
        made = open_group(parent, name) or create_group(parent, name, {"NX_class": "NXcollection"})
        for member, array in part.rows.items():
            extend(made, member, array, at=begin)
        for member, array in part.table.items():
            _, end = last_offset(made, member + OFFSETS_SUFFIX)
            extend(made, member, array, at=end)
            add_offset(made, member + OFFSETS_SUFFIX, end + len(array), number)
    if not h5a.exists(made, PART.encode()):
        set_attrs(made, attrs)
