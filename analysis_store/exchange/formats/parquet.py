"""Parquet: a stream as a table of typed columns, arrays as lists, units and documents in the metadata of the schema."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from analysis_store import layout
from analysis_store.documents import dumps
from analysis_store.errors import ExportError
from analysis_store.exchange.choose import chosen_events, chosen_keys, chosen_table
from analysis_store.exchange.content import metadata_of, one_stream

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream

METADATA = b"analysis_store"
"""Key in the metadata of the schema, and of each field: JSON."""

_GROUP = 64 << 20
"""Approximate size of a row group, in bytes."""

_TIMES = {"M": ("D", "s", "ms", "us", "ns"), "m": ("s", "ms", "us", "ns")}
_MOST = 2**31 - 1
_OTHERS = "json, npz or hdf5"


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write one stream of a run, or some of it, as Parquet: one row per event, dtypes as they are.

    Raises
    ------
    ExportError
        Parquet has no type for a key.
    """
    stream = one_stream(run, options)
    known = {METADATA: dumps({"stream": stream.name, **metadata_of(run)}).encode()}
    frame = chosen_table(stream, options)
    if frame is not None:
        table = pa.Table.from_pandas(frame)
        parquet.write_table(table.replace_schema_metadata({**(table.schema.metadata or {}), **known}), file)
        return
    events = chosen_events(stream, options)
    columns = {key: _readable(stream, key) for key in chosen_keys(stream, options)}
    names = layout.stored_names(columns, layout.RESERVED_KEYS)
    fields = [
        pa.field(names[key], _type(stream, column, events), metadata=_told(column, stream))
        for key, column in columns.items()
    ]
    schema = pa.schema([pa.field(layout.SEQ_NUM, pa.int64()), pa.field(layout.TIME, pa.float64()), *fields], known)
    with parquet.ParquetWriter(file, schema) as writer:
        for part in _groups(events, columns.values()):
            arrays = [pa.array(stream.seq_nums[part]), pa.array(stream.times[part])]
            arrays += [_array(column, part) for column in columns.values()]
            writer.write_table(pa.table(arrays, schema=schema))
            options.progress(part.stop - events.start, len(events))


def _readable(stream: Stream, key: str) -> LazyArray:
    """Return a column; ragged ones in memory, since their type is known only after reading all values."""
    column = stream[key]
    return column.loaded() if column.dtype.kind == "O" else column


def _told(column: LazyArray, stream: Stream) -> dict[bytes, bytes]:
    """Return the metadata of the field as JSON (name, dtype, dims, data key of the descriptor), and its unit."""
    shape = None if column.dtype.kind == "O" else list(column.shape[1:])
    about = {"key": column.key, "dtype": column.dtype.str, "shape": shape, "dims": column.dims[1:]}
    told = {METADATA: dumps({**about, "data_key": stream.data_keys[column.key]}).encode()}
    units = column.attrs.get("units")
    return {**told, b"units": str(units).encode()} if units else told


def _groups(events: range, columns: Any) -> Iterator[slice]:
    """Yield the events of each row group; at least one group, so that an empty stream has its columns."""
    row = sum(int(np.prod(column.shape[1:], dtype=np.int64)) * max(column.dtype.itemsize, 8) for column in columns) + 16
    step = max(1, _GROUP // row)
    for first in range(events.start, max(events.stop, events.start + 1), step):
        yield slice(first, min(first + step, events.stop))


def _type(stream: Stream, column: LazyArray, events: range) -> Any:
    """Return the Parquet type of a column; n-dimensional arrays become lists nested n deep.

    Raises
    ------
    ExportError
        Parquet has no such type.
    """
    if column.dtype.kind != "O":
        found, ndim = _flat_type(column.dtype), column.ndim - 1
    else:
        found, ndim = _object_type(column[events.start : events.stop])
    if found is None or int(np.prod(column.shape[1:], dtype=np.int64)) > _MOST:
        what = "objects of several kinds" if column.dtype.kind == "O" else f"{column.dtype}, shape {column.shape[1:]}"
        raise ExportError(
            f"parquet has no type for {column.key!r} of stream {stream.name!r}, which holds {what}. Export to "
            f"{_OTHERS}, or other keys one by one with key=."
        )
    for _ in range(ndim):
        found = pa.list_(found)
    return found


def _flat_type(dtype: np.dtype) -> Any:
    """Return the type of numbers, text or times; None if Parquet cannot keep them exactly."""
    if dtype.kind == "c" and dtype.itemsize <= 16:
        part = pa.from_numpy_dtype(np.dtype(f"f{dtype.itemsize // 2}"))
        return pa.struct([("real", part), ("imag", part)])
    if dtype.kind in "UT":
        return pa.string()
    if dtype.kind == "S":
        return pa.binary()
    if dtype.kind in _TIMES:
        unit, count = np.datetime_data(dtype)
        return pa.from_numpy_dtype(dtype.newbyteorder("=")) if count == 1 and unit in _TIMES[dtype.kind] else None
    return pa.from_numpy_dtype(dtype.newbyteorder("=")) if dtype.kind in "biuf" and dtype.itemsize <= 8 else None


def _object_type(values: Sequence[Any]) -> tuple[Any, int]:
    """Return the type of ragged arrays of one dtype, or of text, and their number of dimensions."""
    if all(value is None or isinstance(value, str) for value in values):
        return pa.string(), 0
    if not all(isinstance(value, np.ndarray) for value in values):
        return None, 0
    kinds = {(value.dtype, value.ndim) for value in values}
    dtype, ndim = kinds.pop()
    return (None, 0) if kinds else (_flat_type(dtype), ndim)


def _array(column: LazyArray, part: slice) -> Any:
    """Return the events of a row group as an Arrow array."""
    values = column[part]
    if values.dtype.kind != "O":
        return _nested(values.reshape(-1), [values.shape[1:]] * len(values))
    if len(values) and isinstance(values[0], np.ndarray):
        return _nested(np.concatenate([value.reshape(-1) for value in values]), [value.shape for value in values])
    return pa.array(values.tolist(), pa.string())


def _check_dates(values: AnyArray) -> None:
    """Raise for dates outside the range of Parquet: its days have 32 bits, and its seconds are milliseconds."""
    unit = np.datetime_data(values.dtype)[0]
    most = {"D": 2**31 - 1, "s": (2**63 - 1) // 1000}.get(unit)
    numbers = values.astype(f"M8[{unit}]").view(np.int64)
    if most is not None and ((np.abs(numbers) > most) & ~np.isnat(values)).any():
        raise ExportError(
            f"Got dates of dtype {values.dtype} further from 1970 than parquet can hold; expected at most {most} of "
            f"this unit. Export to {_OTHERS}."
        )


def _nested(flat: AnyArray, shapes: Sequence[tuple[int, ...]]) -> Any:
    """Return nested lists over the elements of contiguous arrays."""
    nested = _flat(flat)
    for axis in reversed(range(len(shapes[0]) if shapes else 0)):
        outer = [int(np.prod(shape[:axis], dtype=np.int64)) for shape in shapes]
        lengths = np.repeat([shape[axis] for shape in shapes], outer)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        nested = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), nested)
    return nested


def _flat(values: AnyArray) -> Any:
    kind = values.dtype.kind
    if kind == "M":
        _check_dates(values)
    if kind == "c":
        parts = [
            pa.array(np.ascontiguousarray(part, part.dtype.newbyteorder("="))) for part in (values.real, values.imag)
        ]
        return pa.StructArray.from_arrays(parts, ["real", "imag"])
    if kind in "UT":
        return pa.array(values.tolist(), pa.string())
    if kind == "S":
        return pa.array(values.tolist(), pa.binary())
    return pa.array(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))
