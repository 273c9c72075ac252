"""The last durable state of a live file, saved next to it: after a power cut the file is restored to it."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from analysis_store.errors import DamagedFileError
from analysis_store.folders import sync, sync_file, sync_folder
from analysis_store.roots import open_inside, opened, read

_MAGIC = b"safe 1\r\n"
_DIGEST = slice(8, 40)
_HEAD = struct.Struct("<36sQQ")
"""The boot, the size of the live file, the number of pieces; then their places and lengths, then their bytes."""
_HEAD_AT = _DIGEST.stop
_BOOT = slice(_HEAD_AT, _HEAD_AT + 36)
_PIECE = 16 << 20


@dataclass(frozen=True, slots=True)
class Safe:
    """A saved state of a live file."""

    size: int
    """Size of the file, bytes."""

    pieces: list[tuple[int, bytes]]
    """Saved pieces, with their places. All other bytes are in the file, and were not overwritten."""


@cache
def boot() -> str:
    """Return the system's identifier of the present boot; empty if it has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:36]
    except OSError:
        return ""


def safe_path(path: Path) -> Path:
    """Return the path of a live file's saved state."""
    return path.with_name(f"{path.name}.safe")


def _new_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.safe.new")


def is_kept(path: Path) -> bool:
    """Return True if a saved state exists that would be restored after a power cut."""
    return safe_path(path).exists()


def is_cut(path: Path) -> bool:
    """Return True if the machine was restarted since a live file's state was saved."""
    if not boot() or not is_kept(path):
        return False
    try:
        with opened(safe_path(path)) as file:
            head: bytes = file.read(_BOOT.stop)
    except FileNotFoundError:  # the recording has just ended
        return False
    return head[_BOOT] != _boot_bytes()


def _boot_bytes() -> bytes:
    return boot().encode().ljust(36)


def read_safe(path: Path) -> Safe:
    """Return the saved state of a live file.

    Raises
    ------
    DamagedFileError
        The saved state is damaged.
    """
    data = memoryview(read(safe_path(path)))
    body = data[_HEAD_AT:]
    if len(body) < _HEAD.size or data[:8] != _MAGIC or hashlib.sha256(body).digest() != data[_DIGEST]:
        raise DamagedFileError(
            f"{safe_path(path)} is damaged. It has the state of {path} before the machine restarted. Remove it to "
            "open the file in its present state; values in it may then be wrong."
        )
    _, size, count = _HEAD.unpack_from(body)
    table = struct.unpack_from(f"<{2 * count}Q", body, _HEAD.size)
    pieces, at = [], _HEAD.size + 16 * count
    for start, length in zip(table[::2], table[1::2], strict=True):
        pieces.append((start, bytes(body[at : at + length])))
        at += length
    return Safe(size, pieces)


def keep_spans(path: Path, spans: Iterable[tuple[int, int]]) -> None:
    """Make a live file durable, and save the spans that may be overwritten.

    Parameters
    ----------
    path : Path
        The live file.
    spans : iterable of (int, int)
        Begin and end of each span; limited to the end of the file.
    """
    file = open_inside(path)
    try:
        sync(file)
        size = os.fstat(file).st_size
        places = ((at, stop) for start, stop in spans for at in range(start, min(stop, size), _PIECE))
        keep(path, size, [(at, os.pread(file, min(_PIECE, stop - at), at)) for at, stop in places])
    finally:
        os.close(file)


def keep(path: Path, size: int, pieces: list[tuple[int, bytes]]) -> None:
    """Save the present or next state of a live file, in place of the last one; the file itself is durable.

    If the system has no identifier of the boot, no state is saved.
    """
    if not boot():
        return
    digest = hashlib.sha256()
    for part in _parts(size, pieces):
        digest.update(part)
    new = _new_path(path)
    with opened(new, "wb") as file:
        for part in (_MAGIC, digest.digest(), *_parts(size, pieces)):
            file.write(part)
        file.flush()
        sync(file.fileno())
    new.replace(safe_path(path))
    sync_folder(path.parent)


def _parts(size: int, pieces: list[tuple[int, bytes]]) -> Iterator[bytes]:
    yield _HEAD.pack(_boot_bytes(), size, len(pieces))
    yield b"".join(struct.pack("<QQ", start, len(data)) for start, data in pieces)
    for _, data in pieces:
        yield data


def settle(path: Path) -> None:
    """Make a live file durable, and remove its saved state: it is an ordinary file from now on."""
    sync_file(path)
    drop(path)


def drop(path: Path) -> None:
    """Remove the saved state of a live file, durably."""
    there = [each for each in (safe_path(path), _new_path(path)) if each.exists()]
    for each in there:
        each.unlink()
    if there:
        sync_folder(path.parent)
