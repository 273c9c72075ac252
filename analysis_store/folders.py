"""Durable files and names: all calls of fsync are in this module."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from analysis_store.roots import open_inside

_named: dict[str, tuple[int, int]] = {}
"""Device and inode of each path whose name, with all folders above it, this process has made durable."""

_NOT_OURS = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EINVAL, errno.ENOTSUP}
"""Errors for folders that cannot be read or written: their names existed before."""


def sync(file: int) -> None:
    """Make the bytes of an open file durable; buffers are flushed first."""
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
    """Make the name of a file or folder durable, and the names of all folders above it, whichever process created them.

    A folder that another process has just created may not be on the disk yet, so its creator does not matter. Each name
    costs one sync of its folder per process.
    """
    for each, mark in reversed(_unnamed(path)):  # the topmost first: a remembered path has a durable path from the top
        try:
            sync_folder(each.parent)
        except OSError as error:
            if error.errno not in _NOT_OURS:
                raise
        _named[str(each)] = mark


def _unnamed(path: Path) -> list[tuple[Path, tuple[int, int]]]:
    """Return the path and the folders above it, on its own file system, up to the first known one."""
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
    """Forget a removed path: a new path may get the same inode."""
    _named.pop(str(path), None)
