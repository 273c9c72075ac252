"""Writing of columns: contiguous, in chunks that we compress, or in chunks that HDF5 filters."""

from __future__ import annotations

import itertools
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Literal

import numpy as np
from h5py import h5d, h5fd, h5g, h5i, h5p, h5s, h5t, h5z

from analysis_store import bitshuffle
from analysis_store.dtypes import AnyArray
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.columns import Column, as_one, chunk_of, dtype_of, pieces, region, shape_of
from analysis_store.hdf5.making import create_dataset

Compression = Literal["auto", "gzip", "lzf"] | Mapping[str, Any] | None
Filter = tuple[int, tuple[int, ...]]
Start = tuple[int, ...]
Feed = Callable[[AnyArray], None]

LARGE = 1 << 20
"""Size in bytes from which threads are used for a column, and compression is tried on samples."""

_PIECE = 2 << 20  # hashed by one thread while the other writes it: the data stay in their shared cache
_CHUNK = 1 << 20
_BATCH = 4 << 20  # tasks of one chunk would take a sixth longer
_SAMPLES = 8
_SAMPLE = 64 << 10
_WORTH_IT = 2 / 3
_WIDEST = 64  # bitshuffle works on blocks of at least 128 elements; wide elements would exceed a cache

_BUILT_IN: Mapping[str, Filter] = {"gzip": (h5z.FILTER_DEFLATE, (4,)), "lzf": (h5z.FILTER_LZF, ())}

_EARLY = h5p.create(h5p.DATASET_CREATE)
_EARLY.set_obj_track_times(False)
_EARLY.set_alloc_time(h5d.ALLOC_TIME_EARLY)
_EARLY.set_fill_time(h5d.FILL_TIME_NEVER)


def write_blocks(
    group: h5g.GroupID, name: str, column: Column, kind: h5t.TypeID, *, compression: Compression, feed: Feed
) -> tuple[h5d.DatasetID, tuple[int, ...] | None]:
    """Write a column whose elements have the same bytes in memory and file; ``feed`` gets every piece, in C order.

    Returns
    -------
    dataset : h5py.h5d.DatasetID
        The new dataset.
    chunk : tuple of int or None
        Shape of its chunks, None for a contiguous dataset.
    """
    shape, width = shape_of(column), kind.get_size()
    size = width * math.prod(shape)
    chosen = choose(column, width, size, compression)
    if chosen is None:
        return _contiguous(group, name, column, kind, feed), None
    return write_chunks(group, name, column, kind, chosen=chosen, feed=feed)


def write_chunks(
    group: h5g.GroupID, name: str | None, column: Column, kind: h5t.TypeID, *, chosen: Filter, feed: Feed
) -> tuple[h5d.DatasetID, tuple[int, ...]]:
    """Write a column in chunks through the filter that `choose` selected, into any file, also in memory."""
    shape, width = shape_of(column), kind.get_size()
    number, options = chosen
    chunk = chunk_of(shape, width, _CHUNK)
    dataset = create_dataset(group, name, kind, shape, _chunked(chunk, number, options))
    ours = number == bitshuffle.FILTER and options[1:] == (bitshuffle.LZ4,)
    library = bitshuffle.library() if ours else None
    if library is None:
        _filtered(dataset, column, kind, chunk, feed)
    else:
        _compressed(partial(bitshuffle.compress, library, length=options[0]), dataset, column, chunk, feed)
    return dataset, chunk


def choose(column: Column, width: int, size: int, compression: Compression) -> Filter | None:
    """Return number and options of the HDF5 filter for a column of ``size`` bytes, None for no filter.

    Raises
    ------
    InvalidDataError
        ``compression`` is not an available filter.
    """
    if compression is None or size == 0:
        return None
    if isinstance(compression, Mapping):
        return _filter_of(compression)
    if compression in _BUILT_IN:
        return _BUILT_IN[compression]
    if compression != "auto":
        raise InvalidDataError(
            f"Got compression={compression!r}; expected 'auto', None, 'gzip', 'lzf' or a filter of hdf5plugin."
        )
    worth_it = size >= LARGE and width <= _WIDEST and bitshuffle.library() is not None and _compresses(column)
    return (bitshuffle.FILTER, (bitshuffle.block_length(width), bitshuffle.LZ4)) if worth_it else None


def _filter_of(compression: Mapping[str, Any]) -> Filter:
    """Return number and options of a filter in the form of hdf5plugin and of h5py's ``create_dataset``."""
    number, options = compression.get("compression"), compression.get("compression_opts", ())
    if not isinstance(number, int):
        raise InvalidDataError(
            f"Got compression={dict(compression)!r}, which names no filter; expected e.g. hdf5plugin.Blosc2()."
        )
    import hdf5plugin

    if not h5z.filter_avail(number):
        raise InvalidDataError(
            f"Got HDF5 filter {number}, which is not installed; expected one of hdf5plugin {hdf5plugin.version}. "
            "Install "
            "the library that provides it."
        )
    return number, (int(options),) if isinstance(options, int) else tuple(options)


def _compresses(column: Column) -> bool:
    """Return True if bitshuffle-lz4 saves a third of a few samples, taken evenly over the column."""
    library = bitshuffle.library()
    if library is None:
        return False
    before = after = 0
    for sample in _samples(column):
        before += sample.nbytes
        after += len(bitshuffle.compress(library, sample, bitshuffle.block_length(sample.dtype.itemsize)))
    return after <= before * _WORTH_IT


def _samples(column: Column) -> Iterator[AnyArray]:
    shape, width = shape_of(column), dtype_of(column).itemsize
    chunk = chunk_of(shape, width, _SAMPLE)
    grid = tuple(-(-length // part) for length, part in zip(shape, chunk, strict=True))
    count = math.prod(grid)
    for number in np.linspace(0, count - 1, min(count, _SAMPLES), dtype=np.int64):
        start = (int(at) * part for at, part in zip(np.unravel_index(number, grid), chunk, strict=True))
        yield region(column, tuple(start), chunk)


def _contiguous(group: h5g.GroupID, name: str, column: Column, kind: h5t.TypeID, feed: Feed) -> h5d.DatasetID:
    size = kind.get_size() * math.prod(shape_of(column))
    if size < LARGE or h5i.get_file_id(group).get_access_plist().get_driver() != h5fd.SEC2:
        dataset = create_dataset(group, name, kind, shape_of(column))
        whole = np.ascontiguousarray(as_one(column))
        feed(whole)
        if size:
            dataset.write(h5s.ALL, h5s.ALL, whole, mtype=kind)
        return dataset
    dataset = create_dataset(group, name, kind, shape_of(column), _EARLY)
    # The file's own descriptor: HDF5 has allocated the dataset, and its buffers contain no part of it.
    file, position = h5i.get_file_id(dataset).get_vfd_handle(), dataset.get_offset()
    with ThreadPoolExecutor(1) as beside:
        for piece in pieces(column, _PIECE):
            raw = piece.view(np.uint8)
            written = beside.submit(_write_at, file, raw, position)
            feed(piece)
            written.result()
            position += raw.nbytes
    return dataset


def _write_at(file: int, raw: AnyArray, position: int) -> None:
    """Write all bytes at ``position``; one call writes at most 2 GiB and may write less."""
    view = raw.data
    while view:
        count = os.pwrite(file, view, position)
        view, position = view[count:], position + count


def _compressed(
    compress: Callable[[AnyArray], bytes],
    dataset: h5d.DatasetID,
    column: Column,
    chunk: tuple[int, ...],
    feed: Feed,
) -> None:
    """Compress chunks in threads, while this thread computes the digest and passes finished chunks to HDF5 in order."""
    waiting: deque[tuple[list[Start], Future[list[bytes]]]] = deque()
    starts = list(_starts(shape_of(column), chunk))
    step = max(1, _BATCH // (dtype_of(column).itemsize * math.prod(chunk)))
    with ThreadPoolExecutor(bitshuffle.WORKERS) as pool:
        for at in range(0, len(starts), step):
            batch = starts[at : at + step]
            parts = [region(column, start, chunk) for start in batch]
            waiting.append((batch, pool.submit(_packed, compress, parts, chunk)))
            for part in parts:
                feed(part)
            if len(waiting) > bitshuffle.WORKERS:
                _write_next(dataset, waiting)
        while waiting:
            _write_next(dataset, waiting)


def _packed(compress: Callable[[AnyArray], bytes], parts: list[AnyArray], chunk: tuple[int, ...]) -> list[bytes]:
    return [compress(_padded(part, chunk)) for part in parts]


def _write_next(dataset: h5d.DatasetID, waiting: deque[tuple[list[Start], Future[list[bytes]]]]) -> None:
    starts, packed = waiting.popleft()
    for start, part in zip(starts, packed.result(), strict=True):
        dataset.write_direct_chunk(start, part)


def _filtered(dataset: h5d.DatasetID, column: Column, kind: h5t.TypeID, chunk: tuple[int, ...], feed: Feed) -> None:
    where = dataset.get_space()
    for start in _starts(shape_of(column), chunk):
        block = region(column, start, chunk)
        where.select_hyperslab(start, block.shape)
        dataset.write(h5s.create_simple(block.shape), where, block, mtype=kind)
        feed(block)


def _chunked(chunk: tuple[int, ...], number: int, options: tuple[int, ...]) -> h5p.PropDCID:
    import hdf5plugin  # noqa: F401 - it registers its filters with HDF5

    made = h5p.create(h5p.DATASET_CREATE)
    made.set_obj_track_times(False)
    made.set_chunk(chunk)
    made.set_fill_time(h5d.FILL_TIME_NEVER)
    made.set_filter(number, h5z.FLAG_MANDATORY, options)
    return made


def _starts(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield the first element of every chunk, in C order."""
    return itertools.product(*(range(0, length, part) for length, part in zip(shape, chunk, strict=True)))


def _padded(block: AnyArray, chunk: tuple[int, ...]) -> AnyArray:
    """Return a block as a whole chunk, padded with zeros beyond the edge."""
    if block.shape == chunk:
        return block
    whole = np.zeros(chunk, block.dtype)
    whole[tuple(slice(length) for length in block.shape)] = block
    return whole
