"""Reading of text of variable length from a file without trusting the declared lengths."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import h5py
import numpy as np
from h5py import h5d, h5i, h5s, h5t

from analysis_store.errors import DamagedFileError
from analysis_store.hdf5.heaps import check_referred
from analysis_store.hdf5.opening import descriptor_of, shape_of

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.hdf5.reading import Box

_BUDGET = 256 << 20
_REFERENCE = 16
"""Size in bytes of an element on disk, for addresses of eight bytes."""

_TEXT = h5py.string_dtype()
_BYTES = h5py.vlen_dtype(np.uint8)


def read_text(dataset: h5d.DatasetID, dtype: np.dtype, box: Box) -> AnyArray:
    """Return the text of a box, as ``dtype`` (object or a StringDType).

    Raises
    ------
    DamagedFileError
        Strings share their bytes, so that they would take more memory than the size of the file; or one is not UTF-8.
    """
    shape = tuple(count for _, count, _ in box)
    out = np.empty(shape, dtype)
    if out.size == 0:
        return out
    limit = h5i.get_file_id(dataset).get_filesize()
    # Row by row if the lengths cannot be checked first: then only a few strings can do harm.
    step = shape[0] if _declared(dataset, box) <= limit else max(1, _BUDGET // (limit * (out.size // shape[0])))
    total = 0
    for begin in range(0, shape[0], step):
        texts = _read(dataset, _rows(box, begin, min(step, shape[0] - begin)))
        total += sum(map(len, texts))
        if total > limit:
            raise DamagedFileError(f"Text of more than {limit} bytes is declared in a file of that length.")
        out[begin : begin + step] = _decoded(texts, dtype).reshape(-1, *shape[1:])
    return out


def _rows(box: Box, begin: int, count: int) -> Box:
    start, _, step = box[0]
    return ((start + begin * step, count, step), *box[1:])


def _declared(dataset: h5d.DatasetID, box: Box) -> float:
    """Return the declared bytes of text in the rows of a box; infinite if unknown."""
    offset = dataset.get_offset() if dataset.get_create_plist().get_layout() == h5d.CONTIGUOUS else None
    if offset is None:
        return float("inf")
    shape = shape_of(dataset)
    # On disk each string is its length in four bytes, the address of a heap, and its number in the heap.
    width = dataset.get_storage_size() // math.prod(shape)
    per_row = width * math.prod(shape[1:])
    start, count, step = box[0]
    file = descriptor_of(h5i.get_file_id(dataset))
    if file is None:
        return float("inf")
    size = per_row * ((count - 1) * step + 1)
    if size > os.fstat(file).st_size:
        raise DamagedFileError(f"The file ends in the middle of its text: {size} bytes at {offset} are not complete.")
    raw = os.pread(file, size, offset + start * per_row)
    entries = np.frombuffer(raw, np.uint8).reshape(-1, width)
    if width == _REFERENCE:
        check_referred(file, entries[:, 4:12].copy().view("<u8"), os.fsdecode(h5i.get_file_id(dataset).name))
    return float(entries[:, :4].copy().view("<u4").sum())


def _read(dataset: h5d.DatasetID, box: Box) -> list[bytes]:
    is_bytes = isinstance(dataset.get_type(), h5t.TypeVlenID)
    starts, counts, steps = zip(*box, strict=True)
    where = dataset.get_space()
    where.select_hyperslab(starts, counts, steps)
    out = np.empty(counts, _BYTES if is_bytes else _TEXT)
    dataset.read(h5s.create_simple(counts), where, out)
    return [bytes(text) for text in out.ravel()]


def _decoded(texts: list[bytes], dtype: np.dtype) -> AnyArray:
    out = np.empty(len(texts), dtype)
    try:
        out[:] = [text.decode() for text in texts]
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"Text in the file is not UTF-8: {error}.") from error
    return out
