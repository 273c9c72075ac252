"""The growing datasets of a live file, and the table of their committed rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from analysis_store.hdf5.columns import chunk_of
from analysis_store.hdf5.encoding import describe
from analysis_store.recorder.core.value_kinds import ROW

if TYPE_CHECKING:
    from analysis_store.hdf5.blocks import Compression

LIVE = ".live"
"""The group for growing datasets; without it the file is an ordinary file."""
COUNTS, NAMES = "counts", "names"

_CHUNK = 64 << 10
_MOST_ROWS = 2048


@dataclass(frozen=True)
class Column:
    """A growing dataset: dtype and shape of its rows."""

    dtype: np.dtype
    """Numbers, bool, times, text or bytes of fixed width."""

    shape: tuple[int, ...] = ()
    """Shape of one row."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the dataset."""

    compression: Compression = None
    """``"gzip"``, ``"lzf"``, or a filter of hdf5plugin."""


def create(file: h5py.File, path: str, column: Column, number: int) -> None:
    """Create the dataset of a column without rows, with index ``number`` in the counts."""
    dtype = column.dtype
    stored: Any = dtype
    if dtype.kind in "mM":
        stored = np.dtype("i8").newbyteorder(dtype.byteorder)
    elif dtype.kind == "U":  # a character has at most four bytes in UTF-8
        stored = h5py.string_dtype("utf-8", dtype.itemsize)
    chunk = chunk_of((_MOST_ROWS, *column.shape), dtype.itemsize, _CHUNK)
    limits = (None, *(length or None for length in column.shape))
    filters = column.compression if isinstance(column.compression, Mapping) else {"compression": column.compression}
    made = file.create_dataset(path, (0, *column.shape), stored, chunks=chunk, maxshape=limits, **filters)
    describe(made.id, dtype, {**column.attrs, ROW: number})


def note_names(file: h5py.File, names: list[str]) -> None:
    """Write the list of datasets with counts; new datasets have no rows yet."""
    group = file.require_group(LIVE)
    if NAMES not in group:
        group.create_dataset(NAMES, (0,), h5py.string_dtype(), maxshape=(None,), chunks=(256,))
        group.create_dataset(COUNTS, (0,), np.int64, maxshape=(None,), chunks=(512,))
    known = len(group[NAMES])
    for dataset in (group[NAMES], group[COUNTS]):
        dataset.resize((len(names),))
    group[NAMES][known:] = names[known:]


def remove(file: h5py.File, paths: set[str]) -> None:
    """Remove growing datasets, in a change; the others keep their counts."""
    counts = {name: count for name, count in read_counts(file).items() if name not in paths}
    for path in paths:
        del file[path]
    for number, name in enumerate(counts):
        file[name].attrs.modify(ROW, number)
    for name, values in ((NAMES, list(counts)), (COUNTS, list(counts.values()))):
        dataset = file[f"{LIVE}/{name}"]
        dataset.resize((len(counts),))
        dataset[:] = values


def read_counts(file: h5py.File) -> dict[str, int]:
    """Return the number of committed rows of each growing dataset."""
    if LIVE not in file or NAMES not in file[LIVE]:
        return {}
    group = file[LIVE]
    return dict(zip(group[NAMES].asstr()[:].tolist(), group[COUNTS][:].tolist(), strict=True))
