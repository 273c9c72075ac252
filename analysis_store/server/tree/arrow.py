"""Datasets as tables: the keys of a dataset in forms that Arrow and the text formats can hold.

Tiled's own conversion repeats every scalar for every pixel of an image, and fails completely if one
column is complex or big-endian. Here a table has the columns with one value per event, and types that Arrow does
not have become text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow
import pyarrow.parquet
from tiled.serialization.table import serialize_csv, serialize_excel, serialize_html
from tiled.utils import APACHE_ARROW_FILE_MIME_TYPE, XLSX_MIME_TYPE, ensure_awaitable

if TYPE_CHECKING:
    from tiled.media_type_registration import SerializationRegistry

    from analysis_store.server.tree.arrays import DatasetAdapter

_UNITS = ("s", "ms", "us", "ns")
_TEXT = ("text/csv", "text/comma-separated-values", "text/plain")


def register_arrow(registry: SerializationRegistry) -> None:
    """Register these conversions in place of Tiled's own."""
    registry.register("xarray_dataset", APACHE_ARROW_FILE_MIME_TYPE, _arrow_file)
    registry.register("xarray_dataset", "application/x-parquet", _parquet)
    for media_type in _TEXT:
        registry.register("xarray_dataset", media_type, _by_frame(serialize_csv))
    registry.register("xarray_dataset", "text/html", _by_frame(serialize_html))
    registry.register("xarray_dataset", XLSX_MIME_TYPE, _by_frame(serialize_excel))


def arrow_column(values: np.ndarray) -> pyarrow.Array:
    """Return a one-dimensional array as an Arrow column; as text if Arrow has no such type.

    Complex and extended-precision numbers become text that Python can parse, times in units that Arrow
    does not know (days, minutes, picoseconds …) become ISO 8601 text.
    """
    native = values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))
    if native.dtype.kind in "mM" and np.datetime_data(native.dtype) not in {(unit, 1) for unit in _UNITS}:
        return pyarrow.array(native.astype(np.str_).tolist(), pyarrow.string())
    if native.dtype.kind == "c" or (native.dtype.itemsize > 8 and native.dtype.kind == "f") or native.dtype.kind == "V":
        return pyarrow.array([str(value) for value in native], pyarrow.string())
    if native.dtype.kind == "U":
        return pyarrow.array(native.tolist(), pyarrow.string())
    return pyarrow.array(native)


async def _table(node: DatasetAdapter) -> pyarrow.Table:
    columns = {}
    for name in node:
        adapter = node[name]
        if len(adapter.structure().shape) == 1:
            columns[name] = arrow_column(await ensure_awaitable(adapter.read))
    return pyarrow.Table.from_pydict(columns)


async def _arrow_file(_media_type: str, node: DatasetAdapter, _metadata: Mapping[str, Any], _filter: Any) -> memoryview:
    table = await _table(node)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return memoryview(sink.getvalue())


async def _parquet(_media_type: str, node: DatasetAdapter, _metadata: Mapping[str, Any], _filter: Any) -> memoryview:
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(await _table(node), sink)
    return memoryview(sink.getvalue())


def _by_frame(serialize: Any) -> Any:
    """Return a conversion through a pandas table, as Tiled's own for tables."""

    async def serialized(media_type: str, node: DatasetAdapter, metadata: Mapping[str, Any], _filter: Any) -> Any:
        return serialize(media_type, (await _table(node)).to_pandas(), metadata)

    return serialized
