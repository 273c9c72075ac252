"""Reading of datasets into memory: threads read plain bytes, or decompress chunks."""

from __future__ import annotations

import itertools
import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5i, h5s, h5t

from analysis_store import bitshuffle
from analysis_store.core.memory import SMALL_ENOUGH, check_fits
from analysis_store.errors import DamagedFileError, TooLargeError
from analysis_store.hdf5.opening import descriptor_of, memory_type, shape_of

if TYPE_CHECKING:
    import ctypes
    from collections.abc import Callable, Iterable, Iterator

    from analysis_store.dtypes import AnyArray

Box = tuple[tuple[int, int, int], ...]
"""Start, count and step along each axis."""

_LARGE = 1 << 20
_PIECE = 16 << 20
_CACHED = 2 << 20  # pieces of this size stay in the cache
_READERS = 2  # two saturate the memory of a workstation


def check_held(dataset: h5d.DatasetID, size: int) -> None:
    """Raise for reading a whole dataset that the file declares but does not hold.

    Raises
    ------
    TooLargeError
        Large parts were never written: reading them would waste memory.
    """
    if size > SMALL_ENOUGH and not is_held(dataset, size):
        name = (h5i.get_name(dataset) or b"?").decode(errors="replace")
        raise TooLargeError(f"Got {name}, which declares {size} bytes that the file does not hold. Read a slice of it.")


def is_held(dataset: h5d.DatasetID, size: int) -> bool:
    """Return True if all parts of a dataset of ``size`` bytes were written."""
    made = dataset.get_create_plist()
    if made.get_layout() != h5d.CHUNKED:
        return bool(dataset.get_storage_size() >= size)
    expected = 1
    for length, part in zip(shape_of(dataset), made.get_chunk(), strict=True):
        expected *= -(-length // part)
    return bool(dataset.get_num_chunks() >= expected)


def read_box(dataset: h5d.DatasetID, stored: np.dtype, box: Box, out: AnyArray) -> None:
    """Fill ``out``, which has the shape of the box, with the elements of the box."""
    if out.size == 0:
        return
    kind, as_it_is = memory_type(dataset, stored)
    made = dataset.get_create_plist()
    layout = made.get_layout()
    if layout == h5d.CHUNKED:
        check_fits(math.prod(made.get_chunk()) * stored.itemsize, "One chunk")
        library = bitshuffle.library() if as_it_is and _is_bitshuffle_lz4(made) else None
        if library is not None and _unpack(library, dataset, box, out):
            return
    whole = out.shape == shape_of(dataset) and out.flags.c_contiguous
    large = whole and out.nbytes >= _LARGE and as_it_is and layout == h5d.CONTIGUOUS
    if large and _read_raw(dataset, out):
        return
    _read_hyperslab(dataset, kind, box, out)


def _read_hyperslab(dataset: h5d.DatasetID, kind: h5t.TypeID, box: Box, out: AnyArray) -> None:
    target = out if out.flags.c_contiguous else np.empty(out.shape, out.dtype)
    if not box:
        dataset.read(h5s.ALL, h5s.ALL, target, mtype=kind)
    else:
        where = dataset.get_space()
        starts, counts, steps = zip(*box, strict=True)
        where.select_hyperslab(starts, counts, steps)
        dataset.read(h5s.create_simple(out.shape), where, target, mtype=kind)
    if target is not out:
        out[...] = target


def _read_raw(dataset: h5d.DatasetID, out: AnyArray) -> bool:
    """Read a whole contiguous dataset without HDF5; return False if it is not stored in a file on disk."""
    place = _place_of(dataset, out.nbytes)
    if place is None:
        return False
    number, offset = place
    raw = out.reshape(-1).view(np.uint8)
    with ThreadPoolExecutor(_READERS) as pool:
        starts = range(0, raw.nbytes, _PIECE)
        list(pool.map(lambda start: _read_at(number, raw[start : start + _PIECE], offset + start), starts))
    return True


def _place_of(dataset: h5d.DatasetID, size: int) -> tuple[int, int] | None:
    """Return descriptor and offset of a contiguous dataset in a file on disk, None if there is no such file."""
    offset, file = dataset.get_offset(), h5i.get_file_id(dataset)
    number = descriptor_of(file)
    if offset is None or number is None:
        return None
    if offset + size > os.fstat(number).st_size:
        raise DamagedFileError(f"{os.fsdecode(file.name)} was cut short: {size} bytes at {offset} are not complete.")
    return number, offset


def read_blocks(dataset: h5d.DatasetID, stored: np.dtype) -> Iterator[AnyArray]:
    """Yield all elements in C order, in blocks of any shape; each is valid until the next is requested."""
    shape = shape_of(dataset)
    size = stored.itemsize * math.prod(shape)
    as_it_is = dataset.get_create_plist().get_layout() == h5d.CONTIGUOUS and memory_type(dataset, stored)[1]
    place = _place_of(dataset, size) if as_it_is and size >= _LARGE else None
    if place is not None:
        yield from _raw_blocks(*place, size, stored)
        return
    room = np.empty(0, stored)
    for box in _boxes(shape, stored.itemsize):
        counts = tuple(count for _, count, _ in box)
        if room.size < math.prod(counts):
            room = np.empty(math.prod(counts), stored)
        block = room[: math.prod(counts)].reshape(counts)
        read_box(dataset, stored, box, block)
        yield block


def _raw_blocks(file: int, offset: int, size: int, stored: np.dtype) -> Iterator[AnyArray]:
    step = max(1, _CACHED // stored.itemsize) * stored.itemsize
    room = np.empty(step, np.uint8)
    for start in range(0, size, step):
        block = room[: min(step, size - start)]
        _read_at(file, block, offset + start)
        yield block.view(stored)


def _boxes(shape: tuple[int, ...], width: int) -> Iterator[Box]:
    """Yield boxes of about 16 MiB that cover a shape in C order, even if one row is larger."""
    axis = 0
    while axis < len(shape) - 1 and width * math.prod(shape[axis + 1 :]) > _PIECE:
        axis += 1
    step = max(1, _PIECE // max(1, width * math.prod(shape[axis + 1 :])))
    rest = tuple((0, length, 1) for length in shape[axis + 1 :])
    for lead in itertools.product(*map(range, shape[:axis])):
        for start in range(0, shape[axis], step):
            yield (*((at, 1, 1) for at in lead), (start, min(step, shape[axis] - start), 1), *rest)


def _read_at(file: int, raw: AnyArray, position: int) -> None:
    view = raw.data
    while view:
        count = os.preadv(file, [view], position)
        if count == 0:
            raise DamagedFileError(f"The file ends at {position}, in the middle of its values.")
        view, position = view[count:], position + count


def _is_bitshuffle_lz4(made: Any) -> bool:
    if made.get_nfilters() != 1:
        return False
    number, _, options, _ = made.get_filter(0)
    return bool(number == bitshuffle.FILTER and len(options) >= 5 and options[4] == bitshuffle.LZ4)


def _unpack(library: ctypes.CDLL, dataset: h5d.DatasetID, box: Box, out: AnyArray) -> bool:
    """Decompress the chunks that overlap a box in threads; return False if one is missing, or is not compressed."""
    chunk = dataset.get_create_plist().get_chunk()
    file = descriptor_of(h5i.get_file_id(dataset))
    places = None if file is None else _chunks_of(dataset, chunk, box)
    if file is None or places is None:
        return False
    whole = out.dtype.itemsize * math.prod(chunk)

    def unpack(place: h5d.StoreInfo) -> None:
        if place.size > 2 * whole + 4096:
            raise DamagedFileError(f"A chunk of {whole} bytes declares {place.size} bytes when compressed.")
        packed = os.pread(file, place.size, place.byte_offset)
        source, target = _overlap(place.chunk_offset, chunk, box)
        room = out[target]
        if room.shape == chunk and room.flags.c_contiguous:
            bitshuffle.decompress(library, packed, room)
            return
        buffer = np.empty(chunk, out.dtype)
        bitshuffle.decompress(library, packed, buffer)
        out[target] = buffer[source]

    _for_each(unpack, places)
    return True


def _for_each(work: Callable[[Any], None], items: list[Any]) -> None:
    """Do the work for each item in threads, in batches, since a task for each item would take a sixth longer."""
    step = -(-len(items) // (4 * bitshuffle.WORKERS))

    def work_through(group: list[Any]) -> None:
        for item in group:
            work(item)

    if len(items) == 1:
        work(items[0])
        return
    with ThreadPoolExecutor(bitshuffle.WORKERS) as pool:
        list(pool.map(work_through, (items[at : at + step] for at in range(0, len(items), step))))


def _chunks_of(dataset: h5d.DatasetID, chunk: tuple[int, ...], box: Box) -> list[h5d.StoreInfo] | None:
    """Return the locations of the chunks that overlap a box, None if one is missing or not filtered."""
    places = [dataset.get_chunk_info_by_coord(start) for start in _touched(chunk, box)]
    if any(place.byte_offset is None or place.filter_mask for place in places):
        return None
    return places


def _touched(chunk: tuple[int, ...], box: Box) -> Iterable[tuple[int, ...]]:
    """Yield the first element of each chunk that holds an element of the box."""
    axes = []
    for (start, count, step), length in zip(box, chunk, strict=True):
        if step >= length:
            axes.append([(start + at * step) // length * length for at in range(count)])
        else:
            axes.append(list(range(start // length * length, start + (count - 1) * step + 1, length)))
    return itertools.product(*(dict.fromkeys(axis) for axis in axes))


def _overlap(first: tuple[int, ...], chunk: tuple[int, ...], box: Box) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Return the elements of a chunk and their positions in the box."""
    source, target = [], []
    for at, length, (start, count, step) in zip(first, chunk, box, strict=True):
        low = max(0, -(-(at - start) // step))
        high = min(count, -(-(at + length - start) // step))
        begin = start + low * step - at
        source.append(slice(begin, begin + (high - low - 1) * step + 1, step))
        target.append(slice(low, high))
    return tuple(source), tuple(target)
