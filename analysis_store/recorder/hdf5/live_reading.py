"""Reading of a file that another process is writing, has written, or was killed while writing."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import h5py
from h5py import h5f

from analysis_store.errors import AnalysisStoreError, DamagedFileError, StoreBusyError
from analysis_store.handlers.columns import OpenDataset
from analysis_store.hdf5.opening import find_dataset, integer_attribute, reading
from analysis_store.recorder.core.lock import is_written
from analysis_store.recorder.core.value_kinds import ROW
from analysis_store.recorder.hdf5.copy_on_write import Overlay, redo_path
from analysis_store.recorder.hdf5.row_counts import COUNTS, LIVE
from analysis_store.recorder.hdf5.safe import is_cut

_PATIENCE = 1.0
_T = TypeVar("_T")


def read_live(path: Path, work: Callable[[h5f.FileID], _T]) -> _T:
    """Return the result of ``work`` with a file; it is repeated if the file changes meanwhile.

    Only a file that is being written is opened in SWMR mode: in this mode HDF5 reads damaged parts repeatedly, and
    waits twice as long each time.

    Raises
    ------
    DamagedFileError
        The file is missing, or cannot be read.
    """
    if is_cut(path) and not is_written(path):
        return _read_left(path, work, DamagedFileError(f"{path} cannot be read in its state before the power cut."))
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return _read_once(path, work, late=time.monotonic() > until)
        except (StoreBusyError, DamagedFileError) as error:
            if not is_written(path) or time.monotonic() > until:
                return _read_left(path, work, error)
        time.sleep(0.01)


def _read_once(path: Path, work: Callable[[h5f.FileID], _T], *, late: bool) -> _T:
    """Read, and check that no change happened meanwhile: a redo log appears and disappears in the folder."""
    try:
        before = path.parent.stat().st_mtime_ns
    except OSError as error:
        raise DamagedFileError(f"{path} is missing: {error}.") from error
    _check_unchanged(path)
    with reading(str(path), swmr=is_written(path)) as file:
        found = work(file)
    _check_unchanged(path)
    if not late and path.parent.stat().st_mtime_ns != before:
        raise StoreBusyError(f"{path} may have been changed while it was read; read it again.")
    return found


def _check_unchanged(path: Path) -> None:
    if redo_path(path).exists():
        raise StoreBusyError(f"{path} is being changed; read it again.")


def _read_left(path: Path, work: Callable[[h5f.FileID], _T], error: AnalysisStoreError) -> _T:
    """Read a file after its writer died, or after a full disk or a power cut, if HDF5 could not; writes nothing."""
    try:
        with Overlay(path) as overlay, h5py.File(overlay, "r") as file:
            return work(file.id)
    except AnalysisStoreError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError):
        raise error from None


def rows_in(file: h5f.FileID, path: str) -> int:
    """Return the number of committed rows of a dataset; all rows if it does not grow."""
    dataset = find_dataset(file, path)
    length, number = int(dataset.shape[0]), integer_attribute(dataset, ROW)
    if number is None or f"{LIVE}/{COUNTS}".encode() not in file:
        return length
    counts = OpenDataset(file, f"/{LIVE}/{COUNTS}")
    return min(length, int(counts.rows(number, number + 1)[0])) if 0 <= number < len(counts) else length
