"""Bitshuffle + LZ4 (HDF5 filter 32008) on whole chunks, outside HDF5, so that several threads can work at once.

HDF5 runs its filters under one global lock. hdf5plugin's library exports the functions that its filter calls; called
directly they release Python's lock, and their chunks are byte for byte those of the filter.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis_store.errors import DamagedFileError

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

FILTER = 32008
LZ4 = 2
"""The compression option of the filter."""

_BLOCK_BYTES = 32 << 10
"""Block size that fits into the first cache; four times the filter's own choice, a sixth faster, and no larger."""

WORKERS = max(2, min(os.cpu_count() or 1, 8))
"""Number of threads that work on chunks; more than eight wait for memory."""

_rooms = threading.local()

_HEADER = struct.Struct(">QI")
_BLOCK = struct.Struct(">I")


@cache
def library() -> ctypes.CDLL | None:
    """Return the library of the filter, or None if this build of hdf5plugin does not export its functions."""
    import hdf5plugin

    path = Path(hdf5plugin.PLUGIN_PATH) / "libh5bshuf.so"
    try:
        loaded = ctypes.CDLL(str(path))
        loaded.bshuf_compress_lz4.argtypes = [ctypes.c_void_p, ctypes.c_void_p, *(3 * [ctypes.c_size_t])]
        loaded.bshuf_compress_lz4.restype = ctypes.c_int64
        loaded.bshuf_decompress_lz4.argtypes = loaded.bshuf_compress_lz4.argtypes
        loaded.bshuf_decompress_lz4.restype = ctypes.c_int64
        loaded.bshuf_compress_lz4_bound.argtypes = 3 * [ctypes.c_size_t]
        loaded.bshuf_compress_lz4_bound.restype = ctypes.c_size_t
        loaded.bshuf_default_block_size.argtypes = [ctypes.c_size_t]
        loaded.bshuf_default_block_size.restype = ctypes.c_size_t
    except (OSError, AttributeError):
        return None
    return loaded


def block_length(width: int) -> int:
    """Return the number of elements of ``width`` bytes that are shuffled at once: a multiple of eight."""
    return max(128, _BLOCK_BYTES // width // 8 * 8)


def compress(lib: ctypes.CDLL, block: AnyArray, length: int) -> bytes:
    """Return a C-contiguous block as the filter stores it: header, then the stream.

    ``length`` is the number of elements that are shuffled at once; 0 lets the filter choose.

    Raises
    ------
    MemoryError
        The library cannot allocate memory.
    """
    width = block.dtype.itemsize
    length = length or int(lib.bshuf_default_block_size(width))
    out = _room(_HEADER.size + lib.bshuf_compress_lz4_bound(block.size, width, length))
    count = lib.bshuf_compress_lz4(block.ctypes.data, out.ctypes.data + _HEADER.size, block.size, width, length)
    if count < 0:
        raise MemoryError(f"bitshuffle gave up on a block of {block.nbytes} bytes with code {count}")
    _HEADER.pack_into(out.data, 0, block.nbytes, length * width)
    return out[: _HEADER.size + count].tobytes()


def _room(size: int) -> AnyArray:
    """Return a work buffer of this thread: allocating a new one takes longer than compressing a chunk."""
    room: AnyArray | None = getattr(_rooms, "room", None)
    if room is None or len(room) < size:
        room = _rooms.room = np.empty(size, np.uint8)
    return room


def decompress(lib: ctypes.CDLL, chunk: bytes, out: AnyArray) -> None:
    """Fill the C-contiguous array ``out`` from a chunk as the filter stores it.

    The library trusts the lengths inside the stream, so they are checked first: a wrong length would read or
    write memory outside the buffers.

    Raises
    ------
    DamagedFileError
        The chunk does not belong to an array of this size.
    """
    width = out.dtype.itemsize
    block = _checked_block(chunk, out.nbytes, width)
    source = np.frombuffer(chunk, np.uint8)
    count = lib.bshuf_decompress_lz4(source.ctypes.data + _HEADER.size, out.ctypes.data, out.size, width, block)
    if count != len(chunk) - _HEADER.size:
        raise DamagedFileError(f"A compressed chunk of {len(chunk)} bytes does not unpack (code {count}).")


def _checked_block(chunk: bytes, size: int, width: int) -> int:
    """Return the elements per block, after checking that every length stays inside the chunk."""
    if len(chunk) < _HEADER.size:
        raise DamagedFileError(f"A compressed chunk of {len(chunk)} bytes is too short for its header.")
    declared, block_bytes = _HEADER.unpack_from(chunk)
    if declared != size or block_bytes == 0 or block_bytes % (8 * width):
        raise DamagedFileError(
            f"A compressed chunk says it holds {declared} bytes in blocks of {block_bytes}; expected {size}."
        )
    whole, rest = divmod(size, block_bytes)
    partial = rest // (8 * width) > 0
    position, end = _HEADER.size, len(chunk) - rest % (8 * width)
    for _ in range(whole + partial):
        if position + 4 > end:
            raise DamagedFileError("A compressed chunk ends in the middle of its stream.")
        position += 4 + _BLOCK.unpack_from(chunk, position)[0]
    if position != end:
        raise DamagedFileError("A compressed chunk is not as long as the lengths inside it.")
    return int(block_bytes // width)
