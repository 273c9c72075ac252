"""A recording to follow: a file that a recorder writes, or a run during and after its recording."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from analysis_store.cli.options import find_run, open_store
from analysis_store.errors import AmbiguousUidError, AnalysisStoreError, RunNotFoundError
from analysis_store.locks import wait_for
from analysis_store.recorder.core.lock import is_written
from analysis_store.recorder.core.series import Series
from analysis_store.runs.read.lazy import LazyArray

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.recorder import LiveRun
    from analysis_store.runs.read.run import Run

LIVE, DEAD = "live", "dead"
"""LIVE: more values can come. DEAD: the recording process died. Any other status is the exit status of the run."""
_BYTES = 16 << 20
_OBJECTS = 100
_PATIENCE = 60.0
"""Seconds that a reader waits from a run's last value to its entry in the catalog."""
_T = TypeVar("_T")


class Reader(Protocol):
    """Source of recorded values; `DataStore` satisfies it."""

    def keys(self) -> list[str]:
        """Return every key."""
        ...

    def get_all(self, key: str) -> Any:
        """Return the `Series` of a key, or the value of a key that was set."""
        ...

    def times(self, key: str) -> Series:
        """Return the time of each value."""
        ...


class Followed:
    """A recording that may grow, read value by value.

    Parameters
    ----------
    name
        Its name in messages.
    reader
        The source of its values.
    status
        Returns `LIVE` while more values can come, else the exit status.
    """

    def __init__(self, name: str, reader: Reader, status: Callable[[], str]) -> None:
        self.name = name
        self.status = status
        self._reader = reader

    def _ask(self, work: Callable[[Reader], _T]) -> _T:
        return work(self._reader)

    def keys(self) -> list[str]:
        """Return every key that has a value."""
        return [key for key in self._ask(lambda reader: reader.keys()) if self.count(key)]

    def appended(self) -> list[str]:
        """Return the keys that keep all their values."""
        return [key for key in self.keys() if not self.is_set(key)]

    def count(self, key: str) -> int:
        """Return the number of values of a key; a key that was set has one."""
        return self._ask(lambda reader: len(reader.times(key)))

    def times(self, key: str, begin: int, end: int) -> np.ndarray:
        """Return the times of some values of a key: float64, s since 1970."""
        return self._ask(lambda reader: np.asarray(reader.times(key)[begin:end], dtype=float))

    def values(self, key: str, begin: int, end: int) -> Any:
        """Return some values of a key, or the single value of a key that was set."""

        def read(reader: Reader) -> Any:
            found = reader.get_all(key)
            return found[begin:end] if isinstance(found, Series) else [found]

        return self._ask(read)

    def is_set(self, key: str) -> bool:
        """Return True if a key keeps only its last value."""
        return not isinstance(self._ask(lambda reader: reader.get_all(key)), Series)

    def is_number(self, key: str) -> bool:
        """Return True if each value of a key is a real number."""
        found = self._ask(lambda reader: reader.get_all(key))
        return isinstance(found, Series) and found.ndim == 1 and found.dtype.kind in "biuf"

    def part(self, key: str) -> int:
        """Return the number of values of a key that may be read at once."""
        found = self._ask(lambda reader: reader.get_all(key))
        if not isinstance(found, Series) or found.dtype.kind == "O":
            return _OBJECTS
        return max(1, _BYTES // max(1, int(np.prod(found.shape[1:], dtype=np.int64)) * found.dtype.itemsize))


class FollowedRun(Followed):
    """A run that is being recorded; after its end it is read from the store."""

    def __init__(self, store: AnalysisStore, live: LiveRun) -> None:
        super().__init__(f"run {live.uid}", live.datastore(), self._found_status)
        self._store, self._live = store, live
        self._run: Run | None = None

    def _found_status(self) -> str:
        if self._run is None and is_written(self._live.path):
            return LIVE
        if self._has_ended():
            return _outcome(self._run)
        return DEAD if self._live.path.exists() else "dropped"

    def _has_ended(self) -> bool:
        """Check if the run is in the store, and if so read it there from now on."""
        if self._run is None and self._live.uid in self._store:
            self._run = self._store[self._live.uid]
            self._reader = RunReader(self._run)
        return self._run is not None

    def _ask(self, work: Callable[[Reader], _T]) -> _T:
        """Retry if the live file became a run file in the meantime."""
        try:
            return super()._ask(work)
        except (AnalysisStoreError, KeyError):
            if not wait_for(self._has_ended, _PATIENCE):
                raise
            return super()._ask(work)


class RunReader:
    """A recorded run, read by the keys under which its values were recorded."""

    def __init__(self, run: Run) -> None:
        from analysis_store.recorder import recorded

        self._found = recorded(run)

    def keys(self) -> list[str]:
        """Return every key."""
        return list(self._found)

    def get_all(self, key: str) -> Any:
        """Return all values of a key, or the value of a key that was set."""
        found = self._found[key]
        return Series(key, found) if isinstance(found, LazyArray) else found

    def times(self, key: str) -> Series:
        """Return the time of each value."""
        return Series(key, self._found.times(key))


def _outcome(run: Run | None) -> str:
    return str(((run and run.stop) or {}).get("exit_status", "not ended"))


@contextlib.contextmanager
def follow(name: str | None, location: str | None) -> Iterator[Followed]:
    """Open a recording by name: an existing file, a live run or a finished run; by default the newest live run.

    Raises
    ------
    RunNotFoundError
        There is no such run, or no run is being recorded.
    """
    path = Path(name).expanduser() if name else None
    if path and path.is_file():
        with _follow_file(path) as followed:
            yield followed
        return
    if path and ("/" in str(name) or path.suffix):
        raise RunNotFoundError(f"{name} is not a file; expected a recording in HDF5, or the uid of a run.")
    with open_store(location) as opened:
        yield _follow_run(opened, name)


@contextlib.contextmanager
def _follow_file(path: Path) -> Iterator[Followed]:
    from analysis_store.recorder import HDF5DataStore

    with HDF5DataStore(path, mode="r") as kept:
        yield Followed(str(path), kept, lambda: LIVE if is_written(kept.path) else "ended")


def _follow_run(store: AnalysisStore, name: str | None) -> Followed:
    from analysis_store.recorder import live_runs

    found = live_runs(store)
    if name is None:
        if not found:
            raise RunNotFoundError(f"no run is being recorded in {store.location}; name a finished run.")
        return FollowedRun(store, max(found, key=lambda live: (live.is_alive, live.start["time"])))
    chosen = choose(found, name)
    if chosen is not None:
        return FollowedRun(store, chosen)
    run = find_run(store, name)
    return Followed(f"run {run.uid}", RunReader(run), lambda: _outcome(run))


def choose(found: list[LiveRun], name: str) -> LiveRun | None:
    """Return the live run whose uid begins with a word, or None.

    Raises
    ------
    AmbiguousUidError
        Several uids begin with it.
    """
    chosen = [live for live in found if live.uid.startswith(name)]
    if len(chosen) > 1:
        raise AmbiguousUidError(f"{name!r} begins the uids of {len(chosen)} live runs; give more characters.")
    return chosen[0] if chosen else None
