"""The superblock of an HDF5 file whose writer died: it is marked as open, and its end of file is too low."""

from __future__ import annotations

import struct

SIZE = 48
"""Bytes of a superblock of version 3 with addresses of 8 bytes, as in every file in SWMR mode."""

_MAGIC = b"\x89HDF\r\n\x1a\n"
_FLAGS = 11
_END = slice(28, 36)
_SUM = slice(44, 48)
_MASK = 0xFFFFFFFF


def settled(block: bytes, size: int) -> bytes:
    """Return the superblock of a properly closed file of ``size`` bytes.

    HDF5 updates the end of file only after a complete flush. HDF5 would not read bytes after that end, would overwrite
    them with new objects, and would truncate them.
    """
    if len(block) < SIZE or block[:8] != _MAGIC or block[8] not in (2, 3) or block[9] != 8:
        return block
    made = bytearray(block[:SIZE])
    (end,) = struct.unpack("<Q", made[_END])
    made[_FLAGS] = 0
    made[_END] = struct.pack("<Q", max(end, size))
    made[_SUM] = struct.pack("<I", checksum(bytes(made[: _SUM.start])))
    return bytes(made) + block[SIZE:]


def end_of(block: bytes) -> int:
    """Return the file size of a settled superblock; 0 if it is not one."""
    known = len(block) >= SIZE and block[:8] == _MAGIC and block[8] in (2, 3) and block[9] == 8
    return int(struct.unpack("<Q", block[_END])[0]) if known else 0


def checksum(data: bytes) -> int:
    """Return the checksum of HDF5's metadata: Jenkins' lookup3 of bytes."""
    a = b = c = (0xDEADBEEF + len(data)) & _MASK
    padded = data + bytes(-len(data) % 12)
    words = struct.unpack(f"<{len(padded) // 4}I", padded)
    for at in range(0, len(words), 3):
        a, b, c = (a + words[at]) & _MASK, (b + words[at + 1]) & _MASK, (c + words[at + 2]) & _MASK
        a, b, c = _mix(a, b, c) if at + 3 < len(words) else _final(a, b, c)
    return c


def _turned(value: int, by: int) -> int:
    return ((value << by) | (value >> (32 - by))) & _MASK


def _mix(a: int, b: int, c: int) -> tuple[int, int, int]:
    for by in (4, 6, 8, 16, 19, 4):
        a = ((a - c) & _MASK) ^ _turned(c, by)
        c = (c + b) & _MASK
        a, b, c = b, c, a
    return a, b, c


def _final(a: int, b: int, c: int) -> tuple[int, int, int]:
    for by in (14, 11, 25, 16, 4, 14, 24):
        c = ((c ^ b) - _turned(b, by)) & _MASK
        a, b, c = b, c, a
    return c, a, b
