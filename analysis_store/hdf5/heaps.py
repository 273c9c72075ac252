"""The heaps in which HDF5 keeps text of variable length, looked through before HDF5 does: damaged ones hang it.

They have no checksum, and the library follows the sizes in them backwards, or for ever, where a bit of one has flipped.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from analysis_store.errors import DamagedFileError

_BEGIN = b"GCOL\x01\x00\x00\x00"
"""The signature, the version and what is reserved."""
_HEAD = 16
"""Bytes before a heap's first object, and before the bytes of each object."""
_REFERENCE = 12
"""Bytes of an address and a number."""
_MOST_OBJECTS = 0xFFFF
_ENDS = 1 << 18
"""How much is looked through at either end of a file: all of a small one. What lies between are mostly values."""


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
    with suppress(IsADirectoryError, FileNotFoundError, PermissionError), path.open("rb", buffering=0) as file:
        size = file.seek(0, os.SEEK_END)
        for first in sorted({0, max(0, size - _ENDS)}):
            for begin in _beginnings(file, first, min(size, _ENDS)):
                _check(file, begin, size, path)


def _beginnings(file: BinaryIO, first: int, length: int) -> Iterator[int]:
    """Yield where heaps begin in a part of a file."""
    file.seek(first)
    block = file.read(length)
    found = block.find(_BEGIN)
    while found >= 0:
        yield first + found
        found = block.find(_BEGIN, found + 1)


def _check(file: BinaryIO, begin: int, size: int, path: Path) -> None:
    file.seek(begin + len(_BEGIN))
    length = int.from_bytes(file.read(_HEAD - len(_BEGIN)), "little")
    if length < _HEAD or begin + length > size:
        return  # HDF5 finds that itself
    if not _is_whole(file.read(length - _HEAD)) and _is_used(file, begin):
        raise DamagedFileError(
            f"{path} is damaged: the text of variable length at byte {begin} has no order. Restore it from a copy."
        )


def _is_used(file: BinaryIO, begin: int) -> bool:
    """Tell whether anything in a file refers to a heap: by its address, and the number of an object in it.

    Values may hold what looks like a heap: a whole HDF5 file, even one that is cut into chunks.
    """
    address = begin.to_bytes(8, "little")
    file.seek(0)
    kept = b""
    while block := file.read(_ENDS):
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
    here, seen = 0, set()
    while here + _HEAD <= len(heap):
        number, size = struct.unpack_from("<HxxxxxxQ", heap, here)
        if number in seen or (number == 0 and size < _HEAD):
            return False
        seen.add(number)
        here += size if number == 0 else _HEAD + (size + 7) // 8 * 8
    return here <= len(heap)
