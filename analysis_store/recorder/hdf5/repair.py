"""A live file while nobody has it open: made, changed wholly or not at all, mended when its writer died."""

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
"""What h5py raises where HDF5, or the operating system, refuses."""


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn the errors of HDF5 and the operating system into ours, naming the file."""
    return write_errors(path, _advice, REFUSALS)


def _advice(number: int | None) -> str:
    after = "free space or fix the permission, then go on" if number else "record this under another key"
    return f"What was flushed before is in it; {after}"


def is_of_one_key(error: AnalysisStoreError) -> bool:
    """Tell whether an error comes of what is written or read, so that other keys of the same file may be well.

    A full disk, a file that is busy or closed, too little memory, a package that is missing: these come of no key.
    """
    if isinstance(error, _OF_NO_KEY):
        return False
    return not isinstance(error, StoreWriteError) or error_number(error.__cause__) is None


def repair(path: str | os.PathLike[str]) -> None:
    """Finish what the writer of a file had begun when it died, and make an ordinary HDF5 file of it.

    Raises
    ------
    StoreBusyError
        The writer lives.
    DamagedFileError
        It is no such file.
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
    """Make the file under another name; it appears whole."""
    scratch = scratch_path(path)
    try:
        memory = io.BytesIO()
        with h5py.File(memory, "w", libver=_BOUNDS) as file:
            if prepare is not None:
                prepare(file)
            note_names(file, [])
        scratch.write_bytes(memory.getbuffer())
        sync_file(scratch)
        redo_path(path).unlink(missing_ok=True)  # of a file that somebody removed
        drop(path)
        link_or_rename(scratch, path)
        sync_names(path.parent)  # its own name is synced with what is kept of it
    finally:
        scratch.unlink(missing_ok=True)


def changed(path: Path, work: Callable[[h5py.File], None], *, last: bool = False) -> None:
    """Change a file that nobody has open, by way of a redo log: wholly or not at all.

    ``last`` is as in `Overlay.apply`.
    """
    with Overlay(path) as overlay:
        with h5py.File(overlay, "r+", libver=_BOUNDS) as file:
            work(file)
        overlay.apply(last=last)


def tried(path: Path, work: Callable[[h5py.File], None]) -> None:
    """Do the work on a copy of the pages that it changes, and forget them."""
    with Overlay(path) as overlay, h5py.File(overlay, "r+", libver=_BOUNDS) as file:
        work(file)


def mend(path: Path) -> set[str]:
    """Finish a redo, unmark the file, and cut the rows that nobody was promised; after a power cut, go back first.

    Returns
    -------
    set of str
        Datasets that are damaged. HDF5 may wait for ever for one of them in the mode in which others read meanwhile.
    """
    damaged: set[str] = set()
    try:
        finish_redo(path)
        changed(path, partial(_cut, damaged))
    except AnalysisStoreError:
        raise
    except OSError as error:
        if isinstance(error, FileNotFoundError) or error.errno is None:
            raise DamagedFileError(f"{path} is no HDF5 file to go on with: {error}. Choose another name.") from error
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
    """Wait until nobody else in this process has the file open: HDF5 would not read it anew for them."""

    def is_ours() -> bool:
        return sum(_is_of(file, path) for file in h5f.get_obj_ids(h5f.OBJ_ALL, h5f.OBJ_FILE)) <= ours

    if not wait_for(is_ours, _PATIENCE, 0.01):
        raise StoreBusyError(f"{path} is open elsewhere in this process; close it there, then go on.")


def _is_of(file: h5f.FileID, path: Path) -> bool:
    try:
        return path.samefile(os.fsdecode(file.name))
    except (OSError, ValueError):  # a file in memory, one that is gone, one that is closed by now
        return False


def opened(path: Path) -> h5py.File:
    """Open the file to write it while others read it."""
    until = time.monotonic() + _PATIENCE
    check_path(path)
    while True:
        try:
            file = h5py.File(path, "r+", libver=_BOUNDS)
            break
        except OSError as error:
            # Somebody reads it as an ordinary file; or for a moment, in this process.
            busy = isinstance(error, BlockingIOError) or "already open" in str(error)
            if not busy:
                raise
            if time.monotonic() > until:
                raise StoreBusyError(f"{path} is being read as a finished file; close it there, then go on.") from error
            time.sleep(0.005)
    try:
        if not file.swmr_mode:
            file.swmr_mode = True
    except (OSError, RuntimeError, ValueError) as error:
        file.close()
        raise DamagedFileError(f"{path} has a form that cannot grow while others read: {error}. Copy it.") from error
    return file
