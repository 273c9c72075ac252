"""The unfinished recordings of a store: those with live writers, and orphaned ones."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    RunClosedError,
    RunNotFoundError,
    StoreBusyError,
    UnsafeFileError,
)
from analysis_store.recorder.core.lock import is_written, lock_path, lock_to_write
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from analysis_store.recorder.hdf5.live_reading import read_live
from analysis_store.recorder.hdf5.repair import repair
from analysis_store.recorder.hdf5.safe import is_cut
from analysis_store.recorder.run.orphaned_recording import LeftRun, is_complete
from analysis_store.recorder.run.publish import SUFFIX, publish
from analysis_store.recorder.run.run_header import read_head
from analysis_store.roots import read

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.recorder.run.datastore import RunDataStore
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

_DIED = "the process that recorded it died"
_CUT = "the machine was restarted during the recording; the run has its last durable state"


@dataclass(frozen=True, slots=True)
class LiveRun:
    """A run that is being recorded, or whose writer died."""

    start: Document
    """The start document."""

    path: Path
    """The live file."""

    holder: Document | None
    """``pid``, ``user``, ``host`` and ``since`` (s since 1970) of the recording process; None if it is dead."""

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.start["uid"])

    @property
    def is_alive(self) -> bool:
        """True if it is being recorded."""
        return self.holder is not None

    @property
    def keys(self) -> dict[str, int]:
        """Number of values of each key; empty if the run is just ending."""
        try:
            datastore = self.datastore()
            return {key: len(datastore.times(key)) for key in list(datastore.keys())}
        except DamagedFileError:
            if self.path.exists() and not _start_of(self.path):
                raise
            return {}

    def datastore(self) -> HDF5DataStore:
        """Return the recording for reading; it keeps growing.

        Raises
        ------
        DamagedFileError
            The run has ended meanwhile and is in the store.
        """
        return HDF5DataStore(self.path, mode="r")

    def recorded(self, key: str) -> Any:
        """Return all values of a key, lazily, as `DataStore.get_all` does."""
        return self.datastore().get_all(key)


def live_runs(store: RunStore) -> list[LiveRun]:
    """Return the runs that are being recorded, by any process, or whose writer died, oldest first.

    Examples
    --------
    >>> live_runs(store)  # doctest: +SKIP
    """
    found = [live for path in _files(store) if (live := _looked_at(path))]
    return sorted(found, key=lambda live: float(live.start["time"]))


def recover(store: RunStore, uid: str | None = None) -> list[Run]:
    """Close recordings whose writers died as aborted, with all flushed values.

    A recording that was complete when its writer died keeps its exit status. A recording without values is removed.

    Parameters
    ----------
    store : AnalysisStore
        The store.
    uid : str, optional
        Only this run.

    Returns
    -------
    list of Run
        The closed runs, without removed recordings.

    Raises
    ------
    StoreBusyError
        The writer of ``uid`` is alive. Without a uid, live recordings are skipped.
    RunNotFoundError
        There is no recording with this uid.
    DamagedFileError
        A live file cannot be read; all others were recovered before the error is raised.
    """
    if uid is None:
        return _all_recovered(store)
    return _recovered(store, _found(store, uid).path, uid)


def resume(store: RunStore, uid: str) -> RunDataStore:
    """Return a recording whose writer died, to continue it; it has all flushed values.

    Raises
    ------
    StoreBusyError
        Its writer is alive.
    RunNotFoundError
        There is no recording with this uid.
    RunClosedError
        The recording is complete and lacks only its final name: `recover` finishes it.
    """
    live = _found(store, uid)
    repair(live.path)
    if is_complete(live.path):
        raise RunClosedError(
            f"run {uid} had ended when its writer died; recover(store, {uid!r}) puts it into the store."
        )
    return LeftRun(store, live.path)


def _found(store: RunStore, uid: str) -> LiveRun:
    for live in live_runs(store):
        if live.uid == uid:
            return live
    raise RunNotFoundError(
        f"no unfinished recording of {store.location} has the uid {uid!r}; try live_runs(), "
        "in a shell analysis-store live."
    )


def _all_recovered(store: RunStore) -> list[Run]:
    """Recover all files; a damaged file does not affect the others."""
    runs: list[Run] = []
    errors: list[AnalysisStoreError] = []
    for path in list(_files(store)):
        try:
            runs += _recovered(store, path, None)
        except AnalysisStoreError as error:
            errors.append(error)
    for lock in store.root.glob(f"*/*/*/*.h5{SUFFIX}.lock"):
        path = lock.with_suffix("")
        if not path.exists():  # its writer died before it created the file
            with suppress(StoreBusyError):
                lock_to_write(path).release()
    if errors:
        raise errors[0]
    return runs


def _recovered(store: RunStore, path: Path, uid: str | None) -> list[Run]:
    """Return the run of a live file, if there is one; a file with a new writer is left alone."""
    try:
        reason = _CUT if is_cut(path) else _DIED
        repair(path)
        if is_complete(path):
            return [publish(store, path)]
        datastore = LeftRun(store, path)
    except StoreBusyError:
        if uid is not None:
            raise
        return []
    datastore.abandon(reason)
    return [datastore.run] if datastore.has_run else []


def _files(store: RunStore) -> Iterator[Path]:
    yield from sorted(store.root.glob(f"*/*/*/*.h5{SUFFIX}"))


def _looked_at(path: Path) -> LiveRun | None:
    """Return the recording in a file; None if it had not begun, or has just ended."""
    try:
        found = read_live(path, read_head)
        start = found[0] if found else _start_of(path)
    except (DamagedFileError, UnsafeFileError) as error:
        if os.path.lexists(path):
            warnings.warn(f"{path} is left out of the recordings: {error}", stacklevel=3)
        return None
    return LiveRun(start, path, _holder(path)) if start else None


def _start_of(path: Path) -> Document | None:
    """Return the start document of a file that is a complete run file without its final name."""
    from analysis_store.runs.read.reader import RunFile

    with suppress(AnalysisStoreError):
        return RunFile(path).start
    return None


def _holder(path: Path) -> Document | None:
    if not is_written(path):
        return None
    try:
        return dict(json.loads(read(lock_path(path))))
    except (OSError, ValueError):  # it has just been released
        return {}
