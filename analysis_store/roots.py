"""The roots of stores, and opening of the files in them: links inside a root are never followed, at any depth.

A link under the root of a store leads to a file that the store never wrote: readers of the store may not be allowed to
see that file, or writers would damage it. Every store registers its root here. Files of the package are opened here,
or compared with the file that this module opens. Files outside all roots are opened directly.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Any

from analysis_store.errors import UnsafeFileError

_real: dict[str, str] = {}
"""Every known root with its resolved path; includes the resolved paths."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINK = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}
"""Error numbers for a link that is not followed."""


def guard(root: str | os.PathLike[str]) -> None:
    """Register a root: links under this folder are not followed; the folder itself may be reached by a link."""
    given = os.path.abspath(root)  # noqa: PTH100  no link is resolved by this one
    real = os.path.realpath(given)
    _real[given] = _real[real] = real


def root_of(path: str | os.PathLike[str]) -> str | None:
    """Return the root that contains a path, or None."""
    head = os.fspath(path)
    while True:
        head, _, name = head.rpartition("/")
        if not head or not name:
            return None
        if head in _real:
            return head


def opened(path: str | os.PathLike[str], mode: str = "rb", buffering: int = -1) -> Any:
    """Open a file as `open` does, through `open_inside`."""
    return open(path, mode, buffering, opener=open_inside)


def read(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file, opened through `open_inside`."""
    with opened(path) as file:
        content: bytes = file.read()
    return content


def open_inside(path: str | os.PathLike[str], flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Return the descriptor of an ordinary file; inside a root, no link is followed.

    Raises
    ------
    UnsafeFileError
        The path has a link, or is not an ordinary file (a pipe would block).
    OSError
        As in `os.open`.
    """
    path, root = os.fspath(path), root_of(path)
    if root is None:
        return os.open(path, flags | os.O_CLOEXEC, mode)
    *folders, name = path[len(root) + 1 :].split("/")
    held = [os.open(root, _FOLDER)]
    try:
        for folder in folders:
            held.append(_entered(held[-1], folder, _FOLDER, path))
        return _ordinary(_entered(held[-1], name, flags | os.O_CLOEXEC | os.O_NONBLOCK, path, mode), path)
    finally:
        for one in held:  # closed only here: after Ctrl-C, a second close might close the file of another thread
            os.close(one)


def _entered(folder: int, name: str, flags: int, path: str, mode: int = 0o666) -> int:
    """Open a name in a folder; links are refused."""
    if name == "..":
        raise _unsafe(path, "leads out of the folder")
    try:
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in _LINK and _is_link(folder, name):
            raise _unsafe(path, "is a link, or a folder on the way to it is a link") from error
        error.filename = path
        raise


def _is_link(folder: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


def _ordinary(file: int, path: str) -> int:
    if stat.S_ISREG(os.fstat(file).st_mode):
        return file
    os.close(file)
    raise _unsafe(path, "is not an ordinary file")


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a link or a file that is not ordinary, before another library opens it; a missing file is accepted.

    Raises
    ------
    UnsafeFileError
        The path is such a file, inside a root.
    """
    if root_of(path) is not None:
        with suppress(FileNotFoundError, NotADirectoryError):
            told = os.lstat(path).st_mode
            if not stat.S_ISREG(told):
                raise _unsafe(path, "is a link" if stat.S_ISLNK(told) else "is not an ordinary file")


def check_opened(path: str | os.PathLike[str], file: int) -> None:
    """Refuse a file that another library has opened by its path, if a link was followed.

    Parameters
    ----------
    path : path
        The path that was opened.
    file : int
        The descriptor of the open file.

    Raises
    ------
    UnsafeFileError
        The path is inside a root, and the open file is not the file at this path.
    """
    path, root = os.fspath(path), root_of(path)
    if root is None:
        return
    with suppress(OSError):  # the fast way, where the system supports it
        if os.readlink(f"/proc/self/fd/{file}") == _real[root] + path[len(root) :]:  # noqa: PTH115
            return
    inside = open_inside(path)
    try:
        if not os.path.samestat(os.fstat(inside), os.fstat(file)):
            raise _unsafe(path, "was replaced while it was opened")
    finally:
        os.close(inside)


def _unsafe(path: str | os.PathLike[str], what: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{os.fspath(path)} {what}; expected an ordinary file under the root of the store. Put the file itself there, "
        "or restore it from a backup."
    )
