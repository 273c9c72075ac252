"""Recorded values in a Zarr directory, which any program with Zarr can read, during and after the recording."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis_store.core.write_errors import write_errors
from analysis_store.errors import (
    AnalysisStoreError,
    InvalidDataError,
    RunClosedError,
    StoreClosedError,
    StoreWriteError,
)
from analysis_store.recorder.core.base import DataStore, checked_key
from analysis_store.recorder.core.flush_timer import Pulse
from analysis_store.recorder.core.lock import lock_to_write
from analysis_store.recorder.core.memory import Listed, given
from analysis_store.recorder.core.series import Series
from analysis_store.recorder.core.value_kinds import Form, form_said
from analysis_store.recorder.zarr.arrays import Arrays, Latest
from analysis_store.recorder.zarr.directory import Directory, number_told
from analysis_store.recorder.zarr.keys import Key, KeyTimes, KeyValues, reading

if TYPE_CHECKING:
    from analysis_store.locks import FileLock

_FORM = Form("array", np.dtype(float))
_MOST = 1 << 16
"""Largest number of waiting values."""


class ZarrDataStore(DataStore):
    """Stores each key as a group of Zarr arrays, which grow along their first axis.

    The group of a key has ``values`` and ``time``; values that differ in size are concatenated, and ``ends``
    has the end of each. The attributes of the directory have the number of valid values; they are written last, so that
    a killed process leaves only complete values. Flushed values survive the death of the process; they survive a crash
    of the machine after the file system has written them.

    Parameters
    ----------
    path : str or Path
        A new directory, or an earlier recording, which is continued; ``~`` is the home directory.
    mode : {"a", "r"}
        ``"a"`` records; ``"r"`` only reads, also while another process records.
    flush_every : float
        Seconds after which recorded values are visible to other processes and safe if this process dies.
    block : int
        Size of a chunk in bytes, before compression.

    Raises
    ------
    StoreBusyError
        Another process records into it; the message names it.
    InvalidDataError
        The path has other content, or no recording to read; or an argument is invalid.
    DamagedFileError
        The attributes of the directory are damaged.
    MissingDependencyError
        Zarr is not installed.

    Examples
    --------
    >>> with ZarrDataStore("~/fits.zarr") as datastore:  # doctest: +SKIP
    ...     datastore.append("loss", 0.5, time.time())
    """

    def __init__(
        self, path: str | Path, *, mode: Literal["a", "r"] = "a", flush_every: float = 1.0, block: int = 1 << 20
    ) -> None:
        super().__init__()
        if mode not in {"a", "r"} or block < 1 or flush_every <= 0:
            raise InvalidDataError(
                f"Got mode={mode!r}, flush_every={flush_every!r}, block={block!r}; expected mode 'a' or 'r', and "
                "numbers above 0."
            )
        self.path: Path = Path(path).expanduser().absolute()
        self._directory = Directory(self.path)
        self._mode, self._block = mode, block
        self._keys: dict[str, Key] = {}
        self._grown = self._failed = False
        self._failing: dict[str, AnalysisStoreError] = {}
        """Keys with waiting values that the last flush could not write."""
        self._lock_file = None if mode == "r" else self._locked()
        try:
            self._begin()
        except BaseException:
            if self._lock_file is not None:
                self._lock_file.release()
            raise
        self._pulse = None if mode == "r" else Pulse(self._beat, flush_every / 2)
        self._process = os.getpid()

    def _locked(self) -> FileLock:
        with write_errors(self.path, "Choose another folder"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return lock_to_write(self.path)

    def _begin(self) -> None:
        self._directory.begin(new=self._mode == "a")
        self._directory.look(self._take)
        if self._mode == "a":
            for key in self._keys.values():
                if key.arrays is not None:
                    key.arrays.cut()
                    key.room = key.arrays.room()

    # ------------------------------------------------------------------------------------------- writing

    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        self._keys[key] = self._latest(key, form) if is_set else self._arrays(key, form)

    def _latest(self, key: str, form: Form) -> Key:
        latest = Latest(self.path, key)
        with self._writing():
            latest.make()
        return Key(form, None, latest)

    def _arrays(self, key: str, form: Form) -> Key:
        arrays = Arrays(self.path, key, form, {}, block=self._block, writes=True)
        arrays.sizes = arrays.none()
        with self._writing():
            arrays.make()
        self._grown = True
        return Key(form, arrays, room=arrays.room())

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        entry = self._keys[key]
        if self._failed:  # the thread could not commit earlier values; the error is raised here
            self._flush()
        elif key in self._failing or entry.size >= entry.room or len(entry.values) >= _MOST:
            self._write(entry)
        entry.values.append(value)
        entry.times.append(time)
        entry.size += value.nbytes if isinstance(value, (np.ndarray, np.generic)) else len(value)

    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        if self._failed:
            self._flush()
        entry = self._keys[key]
        entry.values, entry.times, entry.at = [value], [time], time

    def _write(self, entry: Key) -> None:
        """Write waiting values; the next flush commits them."""
        if not entry.values:
            return
        with self._writing():
            if entry.arrays is not None:
                entry.arrays.write(entry.values, entry.times)
                entry.room = entry.arrays.room()
            elif entry.latest is not None:
                entry.latest.write(entry.values[-1])
        entry.values, entry.times, entry.size = [], [], 0
        self._grown = True

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Convert errors of Zarr and of the file system to errors of the package."""
        try:
            yield
        except AnalysisStoreError:
            raise
        except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise self._directory.refused(error) from error

    def _flush(self) -> None:
        """Write waiting values; a key that cannot be written keeps waiting, and does not affect the others."""
        self._failing, self._failed = {}, True
        for key, entry in self._keys.items():
            try:
                self._write(entry)
            except AnalysisStoreError as error:
                self._failing[key] = error
        self._count()
        self._failed = False
        if self._failing:
            first = next(iter(self._failing.values()))
            raise StoreWriteError(f"{', '.join(map(repr, self._failing))}: {first}") from first

    def _count(self) -> None:
        """Commit the written values."""
        if self._grown:
            self._directory.put(self._keys)
            for entry in self._keys.values():
                if entry.latest is not None:
                    entry.latest.drop()
        self._grown = False

    def _beat(self) -> None:
        with self._lock:
            if self._closed or not (self._grown or any(entry.values for entry in self._keys.values())):
                return
            with suppress(AnalysisStoreError):
                self._flush()

    def _close(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        if self._lock_file is not None:
            self._lock_file.release()

    def _check_open(self) -> None:
        if self._mode == "r" and not self._closed:
            raise RunClosedError(f"{self!r} is open for reading; open it with mode='a' to record.")
        if os.getpid() != self._process:
            raise StoreClosedError(f"{self!r} belongs to the parent process of this fork; open another one.")
        super()._check_open()

    def close(self) -> None:
        """Flush and close; in a fork, leave the directory to the parent process."""
        if os.getpid() == self._process:
            super().close()
        elif self._lock_file is not None:
            self._lock_file.forget()

    def flush(self, *, durable: bool = False) -> None:
        """Make all values visible to other processes; does nothing in mode ``"r"``.

        ``durable=True`` then raises an error: after a power cut, chunks that Zarr has replaced may be empty.
        """
        if self._mode != "r":
            super().flush(durable=durable)

    # ------------------------------------------------------------------------------------------- reading

    def _take(self, key: str, told: dict[str, Any]) -> None:
        entry = self._keys.get(key)
        if entry is None:
            checked_key(key)
            form = form_said(told)
            arrays = None
            if "set" not in told:
                arrays = Arrays(self.path, key, form, {}, block=self._block, writes=self._mode == "a")
            entry = self._keys[key] = Key(form, arrays, Latest(self.path, key) if arrays is None else None)
            self._known(key, form, is_set=arrays is None)
        if entry.arrays is not None:
            entry.arrays.sizes = {name: number_told(told["sizes"][name]) for name in entry.arrays.none()}
        elif entry.latest is not None:
            entry.latest.number, entry.at = number_told(told["set"]), float(told["time"])

    def _refresh(self) -> None:
        if self._mode == "r":
            self._directory.look(self._take)

    def _last(self, key: str) -> Any:
        entry = self._keys[key]
        if entry.values:
            return given(entry.form, entry.values[-1])
        if entry.latest is not None:
            return given(entry.form, reading(partial(self._read_latest, entry.latest)))
        return KeyValues(entry, self._lock, self._refresh)[-1]

    def _read_latest(self, latest: Latest) -> bytes:
        try:
            return latest.read()
        except (FileNotFoundError, KeyError):  # the writer has set a new value meanwhile
            self._directory.forget()
            self._refresh()
            return latest.read()

    def _series(self, key: str) -> Series:
        return Series(key, KeyValues(self._keys[key], self._lock, self._refresh), self._keys[key].form.attrs)

    def _times(self, key: str) -> Series:
        entry = self._keys[key]
        source = KeyTimes(entry, self._lock, self._refresh) if entry.latest is None else Listed([entry.at], _FORM)
        return Series(key, source, {"units": "s"})

    def __repr__(self) -> str:
        return f"<ZarrDataStore of {len(self._forms)} keys in {self.path}>"
