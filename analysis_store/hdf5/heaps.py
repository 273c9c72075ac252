"""The heaps in which HDF5 keeps text of variable length, looked through before HDF5 does: damaged ones hang it.

They have no checksum, and the library follows the sizes in them backwards, or for ever, where a bit of one has flipped.
Those of a column are found by what its elements refer to. What attributes refer to, HDF5 does not tell before it has
read it, so their heaps are searched for: in all of a small file, and at either end of a large one, where those of the
documents are. A heap of attributes amid a large file is not looked at: to find it would take as long as to hash it all.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from analysis_store.errors import DamagedFileError
from analysis_store.roots import opened

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_BEGIN = b"GCOL\x01\x00\x00\x00"
"""The signature, the version and what is reserved."""
_HEAD = 16
"""Bytes before a heap's first object, and before the bytes of each object."""
_REFERENCE = 12
"""Bytes of an address and a number."""
_USUAL = 4096
"""Bytes of most heaps."""
_OBJECT = struct.Struct("<HxxxxxxQ").unpack_from
"""Number and size of an object; number 0 is free space, whose size counts its head, too."""
_MOST_OBJECTS = 0xFFFF
_SMALL = 1 << 19
"""Bytes of a file that is looked through as a whole."""
_ENDS = 1 << 16
"""How much is looked through at either end of a larger one. What lies between are mostly values."""
_BLOCK = 1 << 18


def check_heaps(path: Path) -> None:
    """Refuse a file in which a heap is damaged; a flipped bit in the text itself is not seen here.

    Parameters
    ----------
    path : Path
        Any file; one that cannot be opened is left to whoever opens it next.

    Raises
    ------
    DamagedFileError
        Names the file and where the heap is.
    """
    with suppress(IsADirectoryError, FileNotFoundError, PermissionError), opened(path, buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        parts = [(0, size)] if size <= _SMALL else [(0, _ENDS), (size - _ENDS, _ENDS)]
        for begin in (begin for part in parts for begin in _beginnings(file, *part)):
            if not _has_order(file.fileno(), begin, size) and _is_used(file, begin):
                raise _damaged(path, begin)


def check_referred(file: int, addresses: AnyArray, path: str) -> None:
    """Refuse heaps that are damaged, out of those that elements of a column refer to.

    Parameters
    ----------
    file : int
        The descriptor of the file.
    addresses : ndarray
        Where the heaps begin: uint64 ``(n,)``, 0 for no text.
    path : str
        What the file is called in messages.

    Raises
    ------
    DamagedFileError
        Names the file and where the heap is.
    """
    size = os.fstat(file).st_size
    for begin in map(int, np.unique(addresses)):
        if 0 < begin < size and not _has_order(file, begin, size):
            raise _damaged(path, begin)


def _damaged(path: object, begin: int) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is damaged: the text of variable length at byte {begin} has no order. Restore it from a copy."
    )


def _beginnings(file: IO[bytes], first: int, length: int) -> Iterator[int]:
    """Yield where heaps begin in a part of a file."""
    file.seek(first)
    block = file.read(length)
    found = block.find(_BEGIN)
    while found >= 0:
        yield first + found
        found = block.find(_BEGIN, found + 1)


def _has_order(file: int, begin: int, size: int) -> bool:
    """Tell whether a heap is whole; what is none, or leads out of the file, HDF5 finds itself."""
    head = os.pread(file, _USUAL, begin)
    length = int.from_bytes(head[len(_BEGIN) : _HEAD], "little")
    if not head.startswith(_BEGIN) or length < _HEAD or begin + length > size:
        return True
    rest = os.pread(file, length - len(head), begin + len(head)) if length > len(head) else b""
    return _is_whole((head + rest)[_HEAD:length])


def _is_used(file: IO[bytes], begin: int) -> bool:
    """Tell whether anything in a file refers to a heap: by its address, and the number of an object in it.

    Values may hold what looks like a heap: a whole HDF5 file, even one that is cut into chunks.
    """
    address = begin.to_bytes(8, "little")
    file.seek(0)
    kept = b""
    while block := file.read(_BLOCK):
        block = kept + block
        found = block.find(address)
        while found >= 0:
            number = int.from_bytes(block[found + 8 : found + _REFERENCE], "little")
            if 0 < number <= _MOST_OBJECTS:
                return True
            found = block.find(address, found + 1)
        kept = block[1 - _REFERENCE :]
    return False


def _is_whole(heap: bytes) -> bool:
    """Follow the objects of a heap from one to the next: each has a number of its own, and they fill it exactly."""
    here, last, numbers = 0, len(heap) - _HEAD, []
    while here <= last:
        number, size = _OBJECT(heap, here)
        numbers.append(number)
        if number == 0 and size < _HEAD:
            return False
        here += _HEAD + (size + 7) // 8 * 8 if number else size
    return here <= len(heap) and len(set(numbers)) == len(numbers)
