"""Creating, changing and repairing a live file while no process has it open."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
from h5py import h5f

from analysis_store.core.atomic_files import link_or_rename
from analysis_store.core.write_errors import error_number, write_errors
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    MissingDependencyError,
    RunClosedError,
    StoreBusyError,
    StoreClosedError,
    StoreWriteError,
    TooLargeError,
    UnknownTypeError,
)
from analysis_store.folders import sync_file, sync_names
from analysis_store.layout import scratch_path
from analysis_store.locks import wait_for
from analysis_store.recorder.core.lock import lock_to_write
from analysis_store.recorder.hdf5.copy_on_write import Overlay, finish_redo, redo_path
from analysis_store.recorder.hdf5.row_counts import note_names, read_counts
from analysis_store.recorder.hdf5.safe import drop, settle
from analysis_store.roots import check_path

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_BOUNDS = ("v110", "v110")
_PATIENCE = 1.0
_OF_NO_KEY = (StoreBusyError, StoreClosedError, RunClosedError, TooLargeError, MissingDependencyError, UnknownTypeError)
REFUSALS = (OSError, RuntimeError, ValueError, KeyError, TypeError)
"""Errors of h5py if HDF5 or the operating system refuses."""


def writing(path: Path) -> AbstractContextManager[None]:
    """Convert errors of HDF5 and the operating system to errors of the package that name the file."""
    return write_errors(path, _advice, REFUSALS)


def _advice(number: int | None) -> str:
    after = "free space or fix the permission, then continue" if number else "record this under another key"
    return f"Flushed values are kept; {after}"


def is_of_one_key(error: AnalysisStoreError) -> bool:
    """Return True if an error is caused by the value or the key, so that other keys of the file may be intact.

    Errors without a relation to a key: a full disk, a busy or closed file, too little memory, a missing package.
    """
    if isinstance(error, _OF_NO_KEY):
        return False
    return not isinstance(error, StoreWriteError) or error_number(error.__cause__) is None


def repair(path: str | os.PathLike[str]) -> None:
    """Finish the pending change of a dead writer, and convert the live file to an ordinary HDF5 file.

    Raises
    ------
    StoreBusyError
        The writer lives.
    DamagedFileError
        The file is not a live file.
    """
    where = Path(path).expanduser().absolute()
    with writing(where):
        lock = lock_to_write(where)
        try:
            mend(where)
            settle(where)
        finally:
            lock.release()


def make(path: Path, prepare: Callable[[h5py.File], None] | None) -> None:
    """Create the file atomically, under a scratch name first."""
    scratch = scratch_path(path)
    try:
        memory = io.BytesIO()
        with h5py.File(memory, "w", libver=_BOUNDS) as file:
            if prepare is not None:
                prepare(file)
            note_names(file, [])
        scratch.write_bytes(memory.getbuffer())
        sync_file(scratch)
        redo_path(path).unlink(missing_ok=True)  # left by a removed file
        drop(path)
        link_or_rename(scratch, path)
        sync_names(path.parent)  # its own name is synced with its saved state
    finally:
        scratch.unlink(missing_ok=True)


def changed(path: Path, work: Callable[[h5py.File], None], *, last: bool = False) -> None:
    """Change a closed file atomically, through a redo log.

    ``last`` is as in `Overlay.apply`.
    """
    with Overlay(path) as overlay:
        with h5py.File(overlay, "r+", libver=_BOUNDS) as file:
            work(file)
        overlay.apply(last=last)


def tried(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Do the work on a copy of the changed pages, and discard them."""
    with Overlay(path) as overlay, h5py.File(overlay, "r+", libver=_BOUNDS) as file:
        work(file)


def mend(path: Path) -> set[str]:
    """Apply a redo log, reset the file's marks, and truncate uncommitted rows; after a power cut, restore first.

    Returns
    -------
    set of str
        Damaged datasets. In SWMR mode HDF5 may wait forever for one of them.
    """
    damaged: set[str] = set()
    try:
        finish_redo(path)
        changed(path, partial(_cut, damaged))
    except AnalysisStoreError:
        raise
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno is None:
            raise DamagedFileError(f"{path} is not a recording in HDF5: {error}. Choose another name.") from error
        raise
    return damaged


def _cut(damaged: set[str], file: h5py.File) -> None:
    for name, count in read_counts(file).items():
        try:
            dataset = file[name]
            if len(dataset) > count:
                dataset.resize(count, axis=0)
            if count and dataset.size:
                dataset.id.get_chunk_info_by_coord((count - 1, *(0 for _ in dataset.shape[1:])))
        except REFUSALS:
            damaged.add(name)


def await_others(path: Path, *, ours: int) -> None:
    """Wait until no other part of this process has the file open: HDF5 would not read it again for them."""

    def is_ours() -> bool:
        return sum(_is_of(file, path) for file in h5f.get_obj_ids(h5f.OBJ_ALL, h5f.OBJ_FILE)) <= ours

    if not wait_for(is_ours, _PATIENCE, 0.01):
        raise StoreBusyError(f"{path} is open elsewhere in this process; close it there, then continue.")


def _is_of(file: h5f.FileID, path: Path) -> bool:
    try:
        return path.samefile(os.fsdecode(file.name))
    except (OSError, ValueError):  # a file in memory, a removed file, or a file that was just closed
        return False


def opened(path: Path) -> h5py.File:
    """Open the file for writing while others read it."""
    until = time.monotonic() + _PATIENCE
    check_path(path)
    while True:
        try:
            file = h5py.File(path, "r+", libver=_BOUNDS)
            break
        except OSError as error:
            # A process reads it as an ordinary file, or this process does for a moment.
            busy = isinstance(error, BlockingIOError) or "already open" in str(error)
            if not busy:
                raise
            if time.monotonic() > until:
                raise StoreBusyError(f"{path} is open as a finished file; close it there, then continue.") from error
            time.sleep(0.005)
    try:
        if not file.swmr_mode:
            file.swmr_mode = True
    except (OSError, RuntimeError, ValueError) as error:
        file.close()
        raise DamagedFileError(f"{path} has a format that cannot grow while others read: {error}. Copy it.") from error
    return file
