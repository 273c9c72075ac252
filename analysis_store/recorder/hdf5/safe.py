"""What a live file was when it was made durable, kept beside it: after a power cut the file is that again."""

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
    """A live file as it was."""

    size: int
    """Of the file, in bytes."""

    pieces: list[tuple[int, bytes]]
    """Where each begins, and its bytes. All else is in the file, where nothing was written over it."""


@cache
def boot() -> str:
    """Return what the system calls the time since it was started; nothing where it has no name for that."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:36]
    except OSError:
        return ""


def safe_path(path: Path) -> Path:
    """Return where that of a live file lies."""
    return path.with_name(f"{path.name}.safe")


def _new_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.safe.new")


def is_kept(path: Path) -> bool:
    """Tell whether something is kept that a power cut would bring back."""
    return safe_path(path).exists()


def is_cut(path: Path) -> bool:
    """Tell whether the machine was started again since the writer of a live file kept what it was."""
    if not boot() or not is_kept(path):
        return False
    try:
        with opened(safe_path(path)) as file:
            head: bytes = file.read(_BOOT.stop)
    except FileNotFoundError:  # its writer has just ended
        return False
    return head[_BOOT] != _boot_bytes()


def _boot_bytes() -> bytes:
    return boot().encode().ljust(36)


def read_safe(path: Path) -> Safe:
    """Return what is kept of a live file.

    Raises
    ------
    DamagedFileError
        It is not as it was written.
    """
    data = memoryview(read(safe_path(path)))
    body = data[_HEAD_AT:]
    if len(body) < _HEAD.size or data[:8] != _MAGIC or hashlib.sha256(body).digest() != data[_DIGEST]:
        raise DamagedFileError(
            f"{safe_path(path)} is damaged. It says what {path} was before the machine was started again. Remove it to "
            "open the file as it is now; values in it may then be wrong."
        )
    _, size, count = _HEAD.unpack_from(body)
    table = struct.unpack_from(f"<{2 * count}Q", body, _HEAD.size)
    pieces, at = [], _HEAD.size + 16 * count
    for start, length in zip(table[::2], table[1::2], strict=True):
        pieces.append((start, bytes(body[at : at + length])))
        at += length
    return Safe(size, pieces)


def keep_spans(path: Path, spans: Iterable[tuple[int, int]]) -> None:
    """Make a live file durable, and keep some spans of it: all that may be written over.

    Parameters
    ----------
    path : Path
        The live file.
    spans : iterable of (int, int)
        Where each begins and ends; cut off at the end of the file.
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
    """Keep what a live file is, or is going to be, in place of what was kept; the file itself is durable.

    Where the system has no name for the time since it was started, nothing is kept.
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
    """Make a live file durable as it is, and forget what it was: it is an ordinary file from now on."""
    sync_file(path)
    drop(path)


def drop(path: Path) -> None:
    """Forget, durably, what a live file was."""
    there = [each for each in (safe_path(path), _new_path(path)) if each.exists()]
    for each in there:
        each.unlink()
    if there:
        sync_folder(path.parent)
