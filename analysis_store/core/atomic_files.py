"""Atomic and durable writing of files, and of their folders."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

from analysis_store.folders import forget_names, sync, sync_folder, sync_names
from analysis_store.layout import scratch_path

CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EACCES}
"""Error numbers of a file system that cannot link files, but may rename or copy them."""

_ATTEMPTS = 100


def make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and its parents; new folders are added to ``made``, the deepest first."""
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        made.insert(0, path)  # first: an interrupt may come directly after the folder is made
        try:
            path.mkdir()
        except FileExistsError:
            made.remove(path)


def remove_folders(made: list[Path]) -> None:
    """Remove new folders, unless they have files of other processes now."""
    for folder in made:
        forget_names(folder)
        with suppress(OSError):
            folder.rmdir()


def create(path: Path, made: list[Path]) -> None:
    """Make a new empty file and its folders, durably; a folder with a file is not removed by others.

    Until the file exists, a failed save of another process may remove a folder that is still empty.
    """
    for attempt in range(_ATTEMPTS):
        try:
            make_folders(path.parent, made)
            path.touch(exist_ok=False)
            break
        except FileNotFoundError:
            if attempt + 1 == _ATTEMPTS:
                raise
    sync_names(path.parent)


class AtomicFile:
    """A file on its way to its final name; leaving the ``with`` by an exception removes every trace of it.

    Parameters
    ----------
    path : pathlib.Path
        The final name; missing folders are created.
    overwrite : bool
        If true, an existing file may be replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path, self.scratch = path, scratch_path(path)
        self.overwrite = overwrite
        self._made: list[Path] = []
        self._ours: os.stat_result | None = None

    def __enter__(self) -> Self:
        try:
            create(self.scratch, self._made)
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.scratch.unlink(missing_ok=True)
        else:
            self._clear()

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Yield the scratch file, open for reading and writing; it is durable afterwards."""
        with self.scratch.open("w+b") as file:
            yield file
            file.flush()
            sync(file.fileno())

    def publish(self) -> None:
        """Move the file to its final name, durably; `FileExistsError` if that is taken and must not be replaced."""
        if self.overwrite:
            self.scratch.replace(self.path)
            sync_folder(self.path.parent)
        else:
            self._ours = self.scratch.stat()  # before it has its name: an interrupt may come directly after
            publish(self.scratch, self.path)

    def _clear(self) -> None:
        with suppress(OSError):
            self.scratch.unlink(missing_ok=True)
        with suppress(OSError):
            if self._ours and os.path.samestat(self.path.stat(), self._ours):
                self.path.unlink()
        remove_folders(self._made)


def write_once(path: Path, text: str, made: list[Path] | None = None) -> None:
    """Write a small file atomically and durably; an existing file is kept.

    New folders are added to ``made``.
    """
    scratch = scratch_path(path)
    try:
        create(scratch, [] if made is None else made)
        _write(scratch, text.encode())
        _publish_once(scratch, path)
        scratch.unlink(missing_ok=True)
    except BaseException:  # not finally: an interrupt at its beginning would leave the file
        scratch.unlink(missing_ok=True)
        raise


def _publish_once(scratch: Path, path: Path) -> None:
    try:
        publish(scratch, path)
    except FileExistsError:
        sync_names(path)  # the process that wrote it may not have synced it yet


def replace(path: Path, content: bytes) -> None:
    """Write a small file atomically and durably; an existing file is replaced."""
    scratch = scratch_path(path)
    try:
        _write(scratch, content)
        scratch.replace(path)
        sync_folder(path.parent)
        sync_names(path.parent)
    finally:
        with suppress(OSError):
            scratch.unlink(missing_ok=True)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        sync(file.fileno())


def publish(scratch: Path, final: Path) -> None:
    """Move a file to its final name, durably; `FileExistsError` if that is taken: no file is ever overwritten."""
    link_or_rename(scratch, final)
    scratch.unlink(missing_ok=True)
    sync_folder(final.parent)


def link_or_rename(scratch: Path, final: Path) -> None:
    """Link a file to its final name, or rename it on a file system without hard links."""
    try:
        final.hardlink_to(scratch)
    except OSError as error:
        if error.errno not in CANNOT_LINK:
            raise
        _rename(scratch, final)


def _rename(scratch: Path, final: Path) -> None:
    if final.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    scratch.rename(final)
