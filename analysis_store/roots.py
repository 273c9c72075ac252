"""The folders of stores, and the one door to what lies in them: no link on the way is followed, at whatever depth.

A link under the root of a store leads to what the store never wrote: to a file that its readers may not see, or that
its writers would spoil. Every store tells its root here, and every file of ours is opened here, or compared with what
is opened here. What lies under no root is opened as it is.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from typing import Any

from analysis_store.errors import UnsafeFileError

_real: dict[str, str] = {}
"""Every known root, and where it really is; the latter among them."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LINK = {errno.ELOOP, errno.ENOTDIR, errno.EMLINK}
"""What systems say of a link that is not followed."""


def guard(root: str | os.PathLike[str]) -> None:
    """Follow no link under this folder from now on; the folder itself may be reached by one."""
    given = os.path.abspath(root)  # noqa: PTH100  no link is resolved by this one
    real = os.path.realpath(given)
    _real[given] = _real[real] = real


def root_of(path: str | os.PathLike[str]) -> str | None:
    """Return the root of a store under which a path lies, None where it lies under none."""
    head = os.fspath(path)
    while True:
        head, _, name = head.rpartition("/")
        if not head or not name:
            return None
        if head in _real:
            return head


def opened(path: str | os.PathLike[str], mode: str = "rb", buffering: int = -1) -> Any:
    """Open a file as `open` does, by the door; as `open_inside`."""
    return open(path, mode, buffering, opener=open_inside)


def read(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a file, by the door; as `open_inside`."""
    with opened(path) as file:
        content: bytes = file.read()
    return content


def open_inside(path: str | os.PathLike[str], flags: int = os.O_RDONLY, mode: int = 0o666) -> int:
    """Return the descriptor of an ordinary file; one under a root is reached without following a link.

    Raises
    ------
    UnsafeFileError
        A link is on the way, or it is no ordinary file: a pipe, say, which would be waited for.
    OSError
        As `os.open` does.
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
        for one in held:  # closed here alone: after Ctrl-C, a second close may hit the file of another thread
            os.close(one)


def _entered(folder: int, name: str, flags: int, path: str, mode: int = 0o666) -> int:
    """Open what has a name in a folder; a link is none."""
    if name == "..":
        raise _unsafe(path, "leads out of the folder")
    try:
        return os.open(name, flags | os.O_NOFOLLOW, mode, dir_fd=folder)
    except OSError as error:
        if error.errno in _LINK and _is_link(folder, name):
            raise _unsafe(path, "is a link, or a folder on the way to it is one") from error
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
    raise _unsafe(path, "is no ordinary file")


def check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a link, or what is no ordinary file, before somebody else opens it; of what is not there nothing is said.

    Raises
    ------
    UnsafeFileError
        It is one of these, and lies under a root.
    """
    if root_of(path) is not None:
        with suppress(FileNotFoundError, NotADirectoryError):
            told = os.lstat(path).st_mode
            if not stat.S_ISREG(told):
                raise _unsafe(path, "is a link" if stat.S_ISLNK(told) else "is no ordinary file")


def check_opened(path: str | os.PathLike[str], file: int) -> None:
    """Refuse a file that somebody else has opened by its path, where a link was followed.

    Parameters
    ----------
    path : path
        Which was opened.
    file : int
        The descriptor of what was opened.

    Raises
    ------
    UnsafeFileError
        It lies under a root, and is not the file that has this path there.
    """
    path, root = os.fspath(path), root_of(path)
    if root is None:
        return
    with suppress(OSError):  # the system tells it at once, where it can
        if os.readlink(f"/proc/self/fd/{file}") == _real[root] + path[len(root) :]:  # noqa: PTH115
            return
    inside = open_inside(path)
    try:
        if not os.path.samestat(os.fstat(inside), os.fstat(file)):
            raise _unsafe(path, "was exchanged while it was opened")
    finally:
        os.close(inside)


def _unsafe(path: str | os.PathLike[str], what: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{os.fspath(path)} {what}; expected an ordinary file under the root of the store. Put the file itself there, "
        "or restore it from a backup."
    )
