"""Recorded values in a Redis server: from any number of processes, on any number of hosts, into one recording."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from typing import Any

import numpy as np

from analysis_store.errors import InvalidDataError, KeyNotFoundError, StoreClosedError, StoreWriteError
from analysis_store.recorder.core.base import DataStore, checked_key
from analysis_store.recorder.core.memory import Listed, given
from analysis_store.recorder.core.series import Series
from analysis_store.recorder.core.value_kinds import Declared, Form, checked_declared
from analysis_store.recorder.redis import scripts
from analysis_store.recorder.redis.connection import Link
from analysis_store.recorder.redis.reading import Kept, waiting
from analysis_store.recorder.redis.sender import Sender
from analysis_store.recorder.redis.values import encoded, form_text, form_told

ROOM_IN_BYTES = 256 << 20
"""Largest size of values that wait for the collector, bytes, in addition to ``maxlen``."""


class RedisDataStore(DataStore):
    """One of many producers of a recording; a `Collector` writes their values to another datastore.

    A value is sent within 50 ms; `flush` returns when the server has all values. A few thousand values that cannot be
    sent wait, and are sent when the server is back; the server records each once. The queue for the collector is
    bounded: if it is full, the producer waits.

    The values of one producer and key keep their order; values of several producers are in the order in which the
    server received them. The first value of a key, from any producer, defines its form for all producers.

    Parameters
    ----------
    url : str
        ``redis://host:6379/0``, ``rediss://…`` or ``unix://path``.
    name : str
        Name of the recording, the same for all its producers.
    producer : str, optional
        Name of this producer, used by one process at a time. A process that replaces a dead one continues under its
        name, see `taken`; without a name it is a new producer.
    maxlen : int, optional
        Largest number of values that wait for the collector (and at most 256 MiB); the same for all producers. None is
        for a recording without a collector: all values stay in Redis, and any process can read them there.
    wait : float
        Time (s) that a record waits for space in the queue, and for a server that does not answer.

    Raises
    ------
    StoreWriteError
        The server does not answer.
    InvalidDataError
        An argument is invalid, or differs from that of the other producers.
    MissingDependencyError
        The extra ``redis`` is not installed.
    """

    def __init__(
        self, url: str, name: str, *, producer: str | None = None, maxlen: int | None = 100_000, wait: float = 30.0
    ) -> None:
        super().__init__()
        if maxlen is not None and maxlen < 1:
            raise InvalidDataError(f"Got maxlen={maxlen!r}; expected at least 1, or None to keep all values in Redis.")
        self.producer: str = producer or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._link = Link(url, name, wait)
        self._maxlen, self._token, self._pid = maxlen, secrets.token_hex(16), os.getpid()
        self._recorded: set[str] = set()
        self._sender = Sender(self._link, self.producer, self._token, self._begin())
        self._refresh()

    @property
    def taken(self) -> int:
        """Number of values of this producer on the server: a process that takes over a name continues after them."""
        return self._sender.taken

    def _begin(self) -> int:
        limits = ("", "") if self._maxlen is None else (self._maxlen, ROOM_IN_BYTES)
        status, *found = self._link.at_first(lambda: self._link.run(scripts.OPEN, self.producer, self._token, *limits))
        if status == b"room":
            raise InvalidDataError(
                f"Got maxlen={self._maxlen}; expected "
                f"{int(found[0]) if found[0] else None}, as for the other producers of {self._link.name!r}."
            )
        return int(found[0])

    # ------------------------------------------------------------------------------------------------- forms

    def _refresh(self) -> None:
        """Find the keys of other producers."""
        if self._link.ask("HLEN", "forms") == len(self._forms):
            return
        told = self._link.ask("HGETALL", "forms")
        found = [(form_told(text), key.decode()) for key, text in told.items()]
        for (_, form, is_set), key in sorted(found, key=lambda each: each[0][0]):
            if key not in self._forms:
                self._known(key, form, is_set=is_set)

    def declare(self, key: str, declared: Declared) -> None:
        """Declare the values of a key before the first; must agree with other producers.

        Raises
        ------
        InvalidDataError
            The key has values already, of this or another producer; or a run, to which a collector may write them,
            cannot hold the declaration.
        """
        from analysis_store.recorder.run.finalize import check_attrs  # it loads h5py, which most producers do not need

        check_attrs(key, checked_declared(declared).attrs)
        with self._lock:
            self._check_open()
            self._refresh()
            form = self._forms.get(key)
            if form is None or key in self._recorded:
                super().declare(key, declared)
            elif declared.ragged != (form.kind == "ragged") or declared.dtype not in {None, form.dtype.str}:
                raise InvalidDataError(
                    f"{key!r} is declared as {declared}; for other producers it is {form}. Declare the same, or use "
                    "another key."
                )

    def _form_for(self, key: str, value: Any, *, is_set: bool) -> Form:
        self._check_open()
        if key not in self._forms:
            self._check_process()
            self._refresh()
        return super()._form_for(key, value, is_set=is_set)

    def _fitted(self, key: str, value: Any, *, is_set: bool) -> tuple[Form, Any]:
        try:
            return super()._fitted(key, value, is_set=is_set)
        except _OthersFirstError:
            self._refresh()
            return super()._fitted(key, value, is_set=is_set)

    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        text = form_text(form, is_set=is_set)
        status, found = self._link.patiently(lambda: self._link.run(scripts.AGREE, key, text))
        if status == b"clash":
            checked_key(key, [found.decode()])
        if form_told(found)[1:] != (form, is_set):
            raise _OthersFirstError(f"{key!r} has another form for another producer.")

    # ---------------------------------------------------------------------------------------------------- in

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        self._check_process()
        self._recorded.add(key)
        self._sender.put(("+", key, float(time), encoded(form, value)))

    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        self._check_process()
        self._recorded.add(key)
        self._sender.put(("=", key, float(time), encoded(form, value)))

    def _flush(self) -> None:
        self._check_process()
        self._sender.drain()

    def _secure(self) -> None:
        """Raise an error unless the server writes values to its disk before it answers."""
        try:
            told = self._link.client.config_get("append*")
        except self._link.error as error:
            raise self._not_durable(f"does not report its persistence settings ({error})") from error
        if (told.get("appendonly"), told.get("appendfsync")) != ("yes", "always"):
            raise self._not_durable("answers before values are on its disk")

    def _not_durable(self, why: str) -> StoreWriteError:
        return StoreWriteError(
            errno.ENOTSUP,
            f"Redis at {self._link.shown} {why}, so recorded values may not survive a power cut there; they were "
            "flushed as usual. Start the server with --appendonly yes --appendfsync always",
        )

    def _close(self) -> None:
        if os.getpid() == self._pid and self._sender.end():
            self._link.patiently(lambda: self._link.run(scripts.END, self.producer, self._token))
        self._link.close()

    def _check_process(self) -> None:
        if os.getpid() != self._pid:
            raise StoreClosedError(f"{self!r} belongs to process {self._pid}; open another one in each process.")

    # -------------------------------------------------------------------------------------------------- back

    def keys(self) -> list[str]:
        """Return every key with values, including keys of other producers."""
        with self._lock:
            self._refresh()
            return super().keys()

    def get_all(self, key: str) -> Any:
        """Return all values of a key that are still in Redis: without a collector, every one."""
        with self._lock:
            self._refresh()
            return super().get_all(key)

    def _there(self, key: str) -> str:
        if key not in self._forms:
            self._refresh()
        return super()._there(key)

    def _last(self, key: str) -> Any:
        values = self._values(key)
        if not len(values):
            raise KeyNotFoundError(
                f"{key!r} has no value in Redis; its values were collected. Read them in the collector's datastore."
            )
        return given(self._forms[key], values[-1])

    def _series(self, key: str) -> Series:
        form = self._forms[key]
        return Series(key, Listed(self._values(key), form), form.attrs)

    def _times(self, key: str) -> Series:
        return Series(key, Listed(self._values(key, times=True), Form("array", np.dtype(float))), {"units": "s"})

    def _values(self, key: str, *, times: bool = False) -> Any:
        form = None if times else self._forms[key]
        if self._maxlen is None:
            return Kept(self._link, key, form, self._send)
        self._send()
        return waiting(self._link, key, form)

    def _send(self) -> None:
        """Send all values to the server, so that they can be read there."""
        with self._lock:
            if not self._closed:
                self._flush()

    def __repr__(self) -> str:
        told = f"{self._link.name!r} at {self._link.shown} as {self.producer!r}"
        return f"<RedisDataStore of {len(self._forms)} keys, {told}>"


class _OthersFirstError(InvalidDataError):
    """Another producer defined the form of a key at the same time."""
