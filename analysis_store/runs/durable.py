"""Folders and small files made so that no crash can lose them, and taken away again where nothing came of them."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from analysis_store import layout
from analysis_store.folders import forget_names, sync_folder, sync_names

_ATTEMPTS = 100
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS}
"""What a file system without hard links says."""


def make_folders(folder: Path, made: list[Path]) -> None:
    """Make a folder and its parents; ``made`` gets those that were new, the deepest first."""
    missing = [folder]
    while not missing[-1].parent.is_dir():
        missing.append(missing[-1].parent)
    for path in reversed(missing):
        made.insert(0, path)  # first: an interrupt may come right after it is there
        try:
            path.mkdir()
        except FileExistsError:
            made.remove(path)


def remove_folders(made: list[Path]) -> None:
    """Remove folders that were made, unless somebody else's files are in them by now."""
    for folder in made:
        forget_names(folder)
        with suppress(OSError):
            folder.rmdir()


def claim(path: Path, made: list[Path]) -> None:
    """Make a new empty file and the folders it lies in, durably; a folder that holds a file is not removed.

    Until the file is there, the failed save of somebody else may take a folder away that was empty still.
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


def keep_text(path: Path, text: str, made: list[Path] | None = None) -> None:
    """Write a small file durably, whole or not at all; one that is there already wins.

    ``made`` gets the folders that were new.
    """
    scratch = layout.scratch_path(path)
    try:
        claim(scratch, [] if made is None else made)
        with scratch.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            publish(scratch, path)
        except FileExistsError:
            sync_names(path)  # whoever made it may not have come to that yet
        scratch.unlink(missing_ok=True)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


def publish(scratch: Path, final: Path) -> None:
    """Give a file its final name, durably; where that is taken, `FileExistsError`: nothing is ever overwritten."""
    give_name(scratch, final)
    scratch.unlink(missing_ok=True)
    sync_folder(final.parent)


def give_name(scratch: Path, final: Path) -> None:
    """Give a file its final name beside the one it has, or, on a file system without hard links, instead of it."""
    try:
        final.hardlink_to(scratch)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _rename(scratch, final)


def _rename(scratch: Path, final: Path) -> None:
    if final.exists():
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(final))
    scratch.rename(final)
