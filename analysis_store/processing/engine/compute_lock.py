"""Claims on results: of all processes, threads and hosts that need one result, one computes it and the others wait."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from analysis_store.core.write_errors import write_errors
from analysis_store.locks import FileLock, holder_of

if TYPE_CHECKING:
    from pathlib import Path

logger: logging.Logger = logging.getLogger(__name__)

FOLDER = "claims"
"""Folder under the root of the store."""

_FIRST_WORD, _EVERY = 10.0, 60.0
"""Seconds of waiting after which a message names the holder, and between messages."""


@contextmanager
def claimed(root: Path, key: str, name: str) -> Iterator[None]:
    """Hold the claim on a result during the block; wait while another process or thread holds it.

    The claim ends with the block, even after an error, and with the process that holds it.

    Parameters
    ----------
    root : Path
        Root of the store.
    key : str
        Key of the result, ``algorithm:hex``.
    name : str
        Name of the result in messages.

    Raises
    ------
    StoreWriteError
        The claim cannot be written.
    """
    path = claim_path(root, key)
    with write_errors(
        f"the claim {path} on the result of {name}",
        "Nothing was computed, because it could not be saved; free space or fix the permission",
    ):
        lock = _waited(path, name)
    try:
        yield
    finally:
        lock.release()


def claim_path(root: Path, key: str) -> Path:
    """Return the file of the claim on a result."""
    digits = key.rpartition(":")[2]
    return root / FOLDER / digits[:2] / f"{digits}.lock"


def _waited(path: Path, name: str) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    patience = _FIRST_WORD
    while (lock := FileLock.acquire(path, patience)) is None:
        logger.info("waiting for %s, which %s is computing", name, holder_of(path))
        patience = _EVERY
    return lock
