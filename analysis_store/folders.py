"""Files and their names, made so that no power cut takes them away: everything that is synced is synced here."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from analysis_store.roots import open_inside

_named: dict[str, tuple[int, int]] = {}
"""Device and inode of each path whose name this process has made durable, with those of all folders above it."""

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.ENOTSUP}
"""What the system says of a folder that we may not read, or cannot have written to: its names were there before."""


def sync(file: int) -> None:
    """Make the bytes of an open file durable; what a buffer holds is written before."""
    os.fsync(file)


def sync_file(path: str | os.PathLike[str]) -> None:
    """Make the bytes of a file durable."""
    _sync_and_close(open_inside(path))


def _sync_and_close(file: int) -> None:
    try:
        sync(file)
    finally:
        os.close(file)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    _sync_and_close(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))


def sync_names(path: Path) -> None:
    """Make the name of a file or folder durable, and the names of all folders above it, whichever process made them.

    A folder that another process has just made may not be on the disk yet, so who made it does not count. Each name
    costs one sync of its folder per process.
    """
    for each, mark in reversed(_unnamed(path)):  # the uppermost first: what is remembered has its way from the top
        try:
            sync_folder(each.parent)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
        _named[str(each)] = mark


def _unnamed(path: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the path and the folders above it, on its own file system, up to the first that is known."""
    found: list[tuple[Path, tuple[int, int]]] = []
    absolute = path.absolute()
    for each in (absolute, *absolute.parents):
        told = each.stat()
        mark = told.st_dev, told.st_ino
        if _named.get(str(each)) == mark or each == each.parent or (found and mark[0] != found[0][1][0]):
            break
        found.append((each, mark))
    return found


def forget_names(path: Path) -> None:
    """Forget a path that was removed: one that is made again may get the same inode."""
    _named.pop(str(path), None)
