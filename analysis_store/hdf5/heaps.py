"""Checks of the heaps in which HDF5 keeps text of variable length, before HDF5 reads them: damaged ones hang it.

Heaps have no checksum, and the library follows their sizes backwards, or forever, after a bit flip.
Heaps of a column are found through the references of its elements. HDF5 does not list the references of attributes
before it reads them, so their heaps are searched for: in all of a small file, and at both ends of a large one, where
the documents are. Heaps of attributes in the middle of a large file are not checked: a search would take too long.
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
"""The signature, the version and reserved bytes."""
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
"""Size in bytes up to which a file is searched completely."""
_ENDS = 1 << 16
"""Size in bytes of the parts searched at both ends of a larger file. The middle is mostly values."""
_BLOCK = 1 << 18


def check_heaps(path: Path) -> None:
    """Raise for a file with a damaged heap; bit flips in the text itself are not detected here.

    Parameters
    ----------
    path : Path
        Any file; errors of opening are left to the next function that opens it.

    Raises
    ------
    DamagedFileError
        The message names the file and the position of the heap.
    """
    with suppress(IsADirectoryError, FileNotFoundError, PermissionError), opened(path, buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        parts = [(0, size)] if size <= _SMALL else [(0, _ENDS), (size - _ENDS, _ENDS)]
        for begin in (begin for part in parts for begin in _beginnings(file, *part)):
            if not _has_order(file.fileno(), begin, size) and _is_used(file, begin):
                raise _damaged(path, begin)


def check_referred(file: int, addresses: AnyArray, path: str) -> None:
    """Raise for damaged heaps among those that elements of a column refer to.

    Parameters
    ----------
    file : int
        The descriptor of the file.
    addresses : ndarray
        Positions of the heaps: uint64 ``(n,)``, 0 for no text.
    path : str
        Name of the file in messages.

    Raises
    ------
    DamagedFileError
        The message names the file and the position of the heap.
    """
    size = os.fstat(file).st_size
    for begin in map(int, np.unique(addresses)):
        if 0 < begin < size and not _has_order(file, begin, size):
            raise _damaged(path, begin)


def _damaged(path: object, begin: int) -> DamagedFileError:
    return DamagedFileError(
        f"{path} is damaged: the string heap at byte {begin} is not in a valid order. Restore the file from a backup."
    )


def _beginnings(file: IO[bytes], first: int, length: int) -> Iterator[int]:
    """Yield the positions of heaps in a part of a file."""
    file.seek(first)
    block = file.read(length)
    found = block.find(_BEGIN)
    while found >= 0:
        yield first + found
        found = block.find(_BEGIN, found + 1)


def _has_order(file: int, begin: int, size: int) -> bool:
    """Return True if a heap is sound; HDF5 itself detects data that are not a heap, or that exceed the file."""
    head = os.pread(file, _USUAL, begin)
    length = int.from_bytes(head[len(_BEGIN) : _HEAD], "little")
    if not head.startswith(_BEGIN) or length < _HEAD or begin + length > size:
        return True
    rest = os.pread(file, length - len(head), begin + len(head)) if length > len(head) else b""
    return _is_whole((head + rest)[_HEAD:length])


def _is_used(file: IO[bytes], begin: int) -> bool:
    """Return True if anything in a file refers to a heap: by its address, and the number of an object in it.

    Values may look like a heap: a whole HDF5 file, even one that is cut into chunks.
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
    """Return True if the objects of a heap have unique numbers and fill it exactly."""
    here, last, numbers = 0, len(heap) - _HEAD, []
    while here <= last:
        number, size = _OBJECT(heap, here)
        numbers.append(number)
        if number == 0 and size < _HEAD:
            return False
        here += _HEAD + (size + 7) // 8 * 8 if number else size
    return here <= len(heap) and len(set(numbers)) == len(numbers)
