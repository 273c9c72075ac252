"""The collector: writes the values of many producers from Redis to one datastore, each value once."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from analysis_store.errors import RunClosedError, StoreBusyError, StoreWriteError
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.core.value_kinds import Declared, Form
from analysis_store.recorder.redis import scripts
from analysis_store.recorder.redis.connection import Link
from analysis_store.recorder.redis.lease import Lease
from analysis_store.recorder.redis.values import decoded, form_told

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore

_MANY = 1000
_EVERY = 0.5
_PAUSE = 0.02  # producers wait for space while written values are still in Redis; these leave soon after the last value


class Collector:
    """Writes values that producers record through `RedisDataStore` to a datastore.

    A value leaves Redis when it is safe in the datastore. After the death of a collector another one continues: the
    server numbers the values of each key, and the number of values in the datastore gives the next one.
    So each value is written once; no other process may record into these keys of the datastore. One process collects at
    a time.

    Parameters
    ----------
    url, name : str
        As for the producers.
    datastore : DataStore
        The target; the caller closes it. After the death of a collector it must be the same datastore, e.g.
        `HDF5DataStore` with the same path.
    wait : float
        Time (s) to retry a server that does not answer, and to wait for another collector.

    Raises
    ------
    StoreBusyError
        Another process collects; the message names it.
    StoreWriteError
        The server does not answer.
    """

    def __init__(self, url: str, name: str, datastore: DataStore, *, wait: float = 30.0) -> None:
        self.datastore = datastore
        self._link = Link(url, name, wait)
        self._lock, self._stopped, self._closed = threading.RLock(), threading.Event(), False
        self._begin()
        self._written: list[tuple[bytes, int]] = []
        self._flushed = time.monotonic()
        self._link.at_first(self._link.client.ping)
        self._lease = Lease(self._link)
        self._lease.take()

    # ------------------------------------------------------------------------------------------ public methods

    def run(self, producers: int = 1) -> int:
        """Collect until the recording is complete, or `stop` is called; return the number of values written.

        Parameters
        ----------
        producers : int
            The recording is complete when at least this number of producers have connected, all have closed their
            datastore, and all values are written. Redis then holds no data of the recording.

        Raises
        ------
        StoreWriteError
            The datastore cannot write, or the server does not answer for too long. No value is lost: unwritten values
            are still in Redis.
        """
        total = 0
        while not self._stopped.is_set():
            taken = self.step()
            total += taken
            if not taken and self._finished(producers):
                break
        self.flush()
        return total

    def step(self, timeout: float = 0.1) -> int:
        """Write waiting values, at most a thousand; return their number. Errors as in `run`.

        Parameters
        ----------
        timeout : float
            Time (s) to wait for the first value.
        """
        with self._lock:
            self._check_open()
            self._lease.take()
            entries = self._read(min(timeout, _PAUSE) if self._written else timeout)
            for entry in entries:
                self._write(entry)
            if not entries or time.monotonic() - self._flushed > _EVERY:
                self.flush()
            return len(entries)

    def flush(self) -> None:
        """Flush the datastore, then remove the written values from Redis. Errors as in `run`."""
        with self._lock:
            self._check_open()
            self._flushed = time.monotonic()
            if not self._written:
                return
            if self.datastore.is_durable:  # values on the server's disk stay there until they are on another disk
                self.datastore.flush(durable=True)
            else:
                self.datastore.flush()
            parts = [part for entry in self._written for part in entry]
            if not self._link.patiently(lambda: self._link.run(scripts.FORGET, self._lease.text, *parts)):
                raise StoreBusyError(f"another process collects {self._link.name!r} now; this collector must stop.")
            self._written.clear()

    def stop(self) -> None:
        """Stop `run`, from another thread or a signal handler; written values are flushed."""
        self._stopped.set()

    def close(self) -> None:
        """Flush, and release the lease; a second call has no effect. The datastore stays open."""
        with self._lock:
            if self._closed:
                return
            try:
                self.flush()
            finally:
                self._closed = True
                self._lease.leave()
                self._link.close()

    def _finished(self, producers: int) -> bool:
        with self._lock:
            self.flush()
            finished = bool(self._link.patiently(lambda: self._link.run(scripts.FINISH, producers)))
            if finished:  # a new recording may use this name from now on
                self._begin()
            return finished

    def _begin(self) -> None:
        self._after = b"0"
        self._forms: dict[str, tuple[Form, bool]] = {}
        self._next: dict[str, int] = {}
        self._begun: set[str] = set()

    # -------------------------------------------------------------------------------------------------- values

    def _read(self, timeout: float) -> list[_Entry]:
        milliseconds = max(1, int(timeout * 1000))
        arguments = {"streams": {self._link.key("values"): self._after}, "count": _MANY, "block": milliseconds}
        found = self._link.patiently(lambda: self._link.client.xread(**arguments))
        return [_Entry.of(identity, fields) for _, entries in found for identity, fields in entries]

    def _write(self, entry: _Entry) -> None:
        form, is_set = self._form(entry.key)
        if is_set:
            self.datastore.set(entry.key, unpacked(entry.value), entry.time)
        elif self._is_next(entry):
            value = decoded(form, entry.value)
            self.datastore.append(entry.key, unpacked(value) if form.kind == "object" else value, entry.time)
            self._next[entry.key] += 1
            self._begun.add(entry.key)
        self._after = entry.identity
        self._written.append((entry.identity, len(entry.value)))

    def _is_next(self, entry: _Entry) -> bool:
        """Return True if the datastore lacks a value; it has values whose collector died before they left Redis."""
        expected = self._next[entry.key]
        if entry.place == expected:
            return True
        if entry.place < expected and entry.key not in self._begun:
            return False
        if entry.place < expected:
            raise self._lost(entry.key, entry.place, expected)
        raise StoreWriteError(
            f"got value {entry.place} of {entry.key!r}; expected {expected}: values between were collected into "
            f"another datastore than {self.datastore!r}. Continue with that one."
        )

    def _form(self, key: str) -> tuple[Form, bool]:
        """Return the form of a key's values, and declare it in the datastore at the first value."""
        if key not in self._forms:
            _, form, is_set = form_told(self._link.ask("HGET", "forms", key))
            there = self.datastore.form(key) is not None
            if not there:
                dtype = form.dtype.str if form.kind in {"array", "ragged"} else None
                self.datastore.declare(key, Declared(form.kind == "ragged", dtype, form.attrs))
            if not is_set:
                had = len(self.datastore.get_all(key)) if there else 0
                self._next[key] = had - self._base(key, had)
            self._forms[key] = form, is_set
        return self._forms[key]

    def _base(self, key: str, had: int) -> int:
        """Return the number of values of a key in the datastore before the first was collected."""
        self._link.ask("HSETNX", "bases", key, had)
        base, count = int(self._link.ask("HGET", "bases", key)), int(self._link.ask("HGET", "counts", key))
        if count < had - base:
            raise self._lost(key, count, had - base)
        return base

    def _lost(self, key: str, came: int, expected: int) -> StoreWriteError:
        return StoreWriteError(
            f"Redis at {self._link.shown} has lost values of {key!r} that are written already: it counts from {came} "
            f"again; expected {expected}. Configure it to keep them: appendonly yes, appendfsync always."
        )

    def _check_open(self) -> None:
        if self._closed:
            raise RunClosedError(f"{self!r} is closed; open a new one to collect more.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Collector of {self._link.name!r} at {self._link.shown} into {self.datastore!r}>"


class _Entry(NamedTuple):
    """A value of the stream."""

    identity: bytes
    key: str
    place: int
    time: float
    value: bytes

    @classmethod
    def of(cls, identity: bytes, fields: dict[bytes, bytes]) -> _Entry:
        """Return an entry from the client's form."""
        key, place = fields[b"key"].decode(), int(fields[b"index"])
        return cls(identity, key, place, float(fields[b"time"]), fields[b"value"])
