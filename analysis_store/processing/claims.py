"""Claims: of all who want one result, over processes, threads and hosts, one computes it and the others wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analysis_store.errors import StoreWriteError, UnsafeFileError
from analysis_store.locks import FileLock, holder_of

if TYPE_CHECKING:
    from pathlib import Path

logger: logging.Logger = logging.getLogger(__name__)

FOLDER = "claims"
"""Under the root of the store."""

_SHORTEST, _LONGEST = 0.002, 0.25
"""Seconds between two looks of one who waits."""
_FIRST_WORD, _EVERY = 10.0, 60.0
"""Seconds of waiting after which it is said who is waited for, and between two such words."""


@contextmanager
def claimed(root: Path, key: str, name: str) -> Iterator[None]:
    """Hold the claim on a result while its block runs; wait as long as another holds it.

    A claim goes when its block ends, however it ends, and with the process that holds it.

    Parameters
    ----------
    root : Path
        Of the store.
    key : str
        Of the result, ``algorithm:hex``.
    name : str
        What it is called while it is waited for.

    Raises
    ------
    StoreWriteError
        The claim cannot be written.
    """
    path = claim_path(root, key)
    try:
        lock = _taken(path) or _waited(path, name)
    except UnsafeFileError:
        raise
    except OSError as error:
        raise StoreWriteError(
            error.errno,
            f"the claim {path} on the result of {name} cannot be written: {error.strerror}; nothing was computed, "
            "for it could not be saved. Free space or fix the permission",
        ) from error
    try:
        yield
    finally:
        lock.release()


def claim_path(root: Path, key: str) -> Path:
    """Return the file that is the claim on a result."""
    digits = key.rpartition(":")[2]
    return root / FOLDER / digits[:2] / f"{digits}.lock"


def _taken(path: Path) -> FileLock | None:
    try:
        return FileLock.taken(path)
    except FileNotFoundError:  # the first one in this folder
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock.taken(path)


def _waited(path: Path, name: str) -> FileLock:
    begun = time.monotonic()
    pause, word = _SHORTEST, begun + _FIRST_WORD
    while True:
        time.sleep(pause)
        lock = FileLock.taken(path)
        if lock is not None:
            return lock
        if time.monotonic() >= word:
            logger.info("waiting for %s, which %s is computing", name, holder_of(path))
            word = time.monotonic() + _EVERY
        pause = min(pause * 1.5, _LONGEST)
