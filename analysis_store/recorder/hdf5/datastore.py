"""Recorded values in an HDF5 file, which other processes can read meanwhile."""

from __future__ import annotations

import atexit
import errno
import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import numpy as np

from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InvalidDataError,
    RunClosedError,
    StoreClosedError,
    StoreWriteError,
)
from analysis_store.handlers.columns import OpenDataset
from analysis_store.hdf5.blocks import Compression, choose
from analysis_store.recorder.core.base import DataStore
from analysis_store.recorder.core.due import Due
from analysis_store.recorder.core.flush_timer import Pulse
from analysis_store.recorder.core.memory import Listed
from analysis_store.recorder.core.object_bytes import unpacked
from analysis_store.recorder.core.refused import Refused
from analysis_store.recorder.core.series import Series
from analysis_store.recorder.core.value_kinds import Form
from analysis_store.recorder.hdf5.buffers import Waiting
from analysis_store.recorder.hdf5.columns import ColumnSource, columns_of, kept
from analysis_store.recorder.hdf5.keys import (
    Line,
    line_of,
    parsed,
    place,
    prepare,
    prune,
    read_table,
    set_place,
    set_time,
    times_place,
    write_table,
)
from analysis_store.recorder.hdf5.live import LiveFile
from analysis_store.recorder.hdf5.live_reading import read_live, rows_in
from analysis_store.recorder.hdf5.row_counts import remove
from analysis_store.recorder.hdf5.safe import boot

if TYPE_CHECKING:
    import h5py
    from h5py import h5f

_TIME = Form("array", np.dtype(float))
_T = TypeVar("_T")


class HDF5DataStore(DataStore):
    """Stores each key as a dataset of an HDF5 file, under its own name; values first.

    It can be read while it is written, with this class or with ``h5py.File(path, swmr=True)["train/loss"]``;
    afterwards it is an ordinary file. Arrays that change in shape, text and objects are groups of ``values`` and
    ``offsets``. The times of values are in ``/.times/<key>``, values of `set` in ``/.set/<key>``.

    Flushed values survive the death of the process; values flushed with ``durable=True``, or longer than
    `durable_every` ago, survive a power cut. A recording cannot continue while another process has the file open as an
    ordinary file; network file systems without locks are not supported.

    Parameters
    ----------
    path : str or Path
        A new file, or an earlier recording, which is continued; ``~`` is the home directory.
    mode : {"a", "r"}
        ``"a"`` records; ``"r"`` only reads, also while another process records.
    compression : None, "gzip", "lzf" or a filter of hdf5plugin
        Compression of the values.
    flush_every : float
        Seconds after which recorded values are visible to other processes and safe if this process dies.
    durable_every : float, optional
        Seconds after which recorded values are safe in a power cut; flushing a new key also makes all earlier values
        durable. With None, only ``flush(durable=True)`` and `close` do so.
    block : int
        Largest size of values that wait in memory, bytes; a larger value is written at once.

    Raises
    ------
    StoreBusyError
        Another process records into it; the message names it.
    InvalidDataError
        The HDF5 file is not a recording.
    DamagedFileError
        The file is not an HDF5 file.

    Examples
    --------
    >>> with HDF5DataStore("~/fits.h5") as datastore:  # doctest: +SKIP
    ...     datastore.append("loss", 0.5, time.time())
    """

    is_durable = True

    def __init__(
        self,
        path: str | Path,
        *,
        mode: Literal["a", "r"] = "a",
        compression: Compression = None,
        flush_every: float = 1.0,
        durable_every: float | None = 60.0,
        block: int = 1 << 20,
    ) -> None:
        super().__init__()
        if durable_every is not None and not durable_every > 0:
            raise InvalidDataError(f"Got durable_every={durable_every!r}; expected seconds above 0, or None.")
        self._due = Due(durable_every)
        choose(np.zeros(1), 8, 1, compression)
        self.path: Path = Path(path).expanduser().absolute()
        self._mode, self._block = mode, block
        self._refused = Refused(self.path)
        self._waiting = Waiting(self._refused, None if compression == "auto" else compression)
        self._table = b""
        self._without_values: list[Line] = []
        self._failed: AnalysisStoreError | None = None
        self._live = None if mode == "r" else self._opened()
        self._pulse = None if mode == "r" else Pulse(self._beat, flush_every / 2)
        if self._live is None:
            self._look()
        else:
            atexit.register(self.close)
            _RECORDING.add(self)

    def _opened(self) -> LiveFile:
        live = LiveFile(self.path, prepare)
        try:
            lines = parsed(live.read(read_table))
            unused = [line for line in lines if not line[2] and not live.counts.get(times_place(line[0]))]
            for key, form, is_set in lines:
                if (key, form, is_set) not in unused:
                    self._known(key, form, is_set=is_set)
            if unused:  # their writer died before it wrote a value
                live.change(partial(self._remove, unused))
            self._refuse_damaged(live)
        except DamagedFileError as error:
            live.close()
            raise InvalidDataError(f"{self.path} is not a recording: {error} Choose another file.") from error
        except BaseException:
            live.close()
            raise
        return live

    def _refuse_damaged(self, live: LiveFile) -> None:
        """Exclude damaged keys from reading and writing, because HDF5 might wait forever for them."""
        for key, form in self._forms.items():
            places = {times_place(key), *columns_of(place(key), form)} & live.damaged
            if places:
                reason = DamagedFileError(f"{', '.join(sorted(places))} is damaged")
                self._refused.add(key, reason, lost=False)

    def _remove(self, unused: list[Line], file: h5py.File) -> None:
        for key, form, _ in unused:
            remove(file, {*columns_of(place(key), form), times_place(key)})
            prune(file, place(key))
            prune(file, times_place(key))
        lines = [line_of(key, form, is_set=key in self._sets) for key, form in self._forms.items()]
        write_table(file, lines, start=0)

    # ------------------------------------------------------------------------------------------- writing

    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        self._raise_failed(key)
        self._waiting.add_key(key, form, is_set=is_set)

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        before = self._waiting.size
        try:
            if self._failed is not None or self._refused:
                self._raise_failed(key)
            self._waiting.append(key, form, value if form.kind == "array" else kept(form, value), time)
            if self._waiting.size > self._block:
                self._flush()
        except BaseException:
            if self._waiting.take_back(key, before):  # a key without values does not exist
                del self._forms[key]
            raise

    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        self._raise_failed(key)
        self._waiting.put(key, value, time)

    def _flush(self) -> None:
        """Write all waiting values; after an error they keep waiting."""
        if self._live is None:
            return
        self._failed = None
        new = self._waiting.has_new_keys
        self._waiting.write(self._live)
        if self._due.is_now(new=new):
            self._live.secure()
            self._due.begin()

    def _secure(self) -> None:
        if self._live is not None:
            self._live.secure()
            self._due.begin()
        if not boot():
            raise StoreWriteError(
                errno.ENOTSUP,
                f"{self!r} cannot guarantee that recorded values survive a power cut: this system does not report when "
                "it was started (/proc/sys/kernel/random/boot_id). The values were flushed as usual; record on Linux",
            )

    def _raise_failed(self, key: str) -> None:
        """Raise the errors of the thread, and of keys that cannot be written."""
        self._refused.check_written(key)
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed

    def _beat(self) -> None:
        if self._due.is_now() and self._live is not None:
            self._live.presync()  # without the lock, so that `record` does not wait for the disk
        with self._lock:
            if not self._closed:
                self._try_flush()

    def _try_flush(self) -> None:
        """Write waiting values; an error is raised by the next call that records."""
        try:
            self._flush()
        except AnalysisStoreError as error:
            self._failed = error

    def _close(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
        atexit.unregister(self.close)
        if self._live is not None:
            self._live.close()

    def _check_open(self) -> None:
        if self._mode == "r" and not self._closed:
            raise RunClosedError(f"{self!r} is open for reading; open it with mode='a' to record.")
        if self._live is not None and self._live.left:
            raise StoreClosedError(f"{self!r} belongs to the parent process of this fork; open another one.")
        super()._check_open()

    def flush(self, *, durable: bool = False) -> None:
        """Make all values visible to other processes; does nothing in mode ``"r"``.

        Parameters
        ----------
        durable : bool
            Return only when the values would also survive a power cut.

        Raises
        ------
        StoreWriteError
            The disk refused a write, and all values keep waiting; or a key cannot be written, which the message names,
            and all other keys are written.
        """
        if self._mode != "r":
            super().flush(durable=durable)
            self._refused.tell()

    def close(self) -> None:
        """Flush and close; in a fork, leave the file to the parent process. Errors as in `flush`."""
        if self._live is None or not self._live.left:
            super().close()
            self._refused.tell()

    def unlock(self) -> None:
        """Mark the datastore in a forked process, which must not record."""
        self._lock = threading.RLock()

    # ------------------------------------------------------------------------------------------- reading

    def _refresh(self) -> None:
        if self._mode == "r":
            self._look()

    def _look(self) -> None:
        """Find the keys that have values now."""
        self._table, self._without_values, found = read_live(self.path, self._found)
        for key, form, is_set in found:
            self._known(key, form, is_set=is_set)

    def _found(self, file: h5f.FileID) -> tuple[bytes, list[Line], list[Line]]:
        """Return the table, the lines of keys without values, and of keys with new values."""
        table = read_table(file)
        if table.startswith(self._table):
            lines = [*self._without_values, *parsed(table[len(self._table) :])]
        else:  # a new writer continued after a crash, and removed keys
            lines = [line for line in parsed(table) if line[0] not in self._forms]
        without = {key for key, _, is_set in lines if not is_set and not rows_in(file, times_place(key))}
        return (
            table,
            [line for line in lines if line[0] in without],
            [line for line in lines if line[0] not in without],
        )

    def _read(self, work: Callable[[h5f.FileID], _T]) -> _T:
        """Return the result of a read, after writing the waiting values if possible."""
        with self._lock:
            if self._live is None or self._closed or self._live.left:
                return read_live(self.path, work)
            if self._failed is None:
                self._try_flush()
            if self._failed is not None:
                return read_live(self.path, work)
            return self._live.read(work)

    def _last(self, key: str) -> Any:
        self._refused.check_read(key)
        if key in self._waiting:
            return self._waiting.last(key)
        if key in self._sets:
            return unpacked(self._read(lambda file: OpenDataset(file, set_place(key)).whole().tobytes()))
        return self._series(key)[-1]

    def _series(self, key: str) -> Series:
        self._refused.check_read(key)
        form = self._forms[key]
        return Series(key, ColumnSource(self._read, place(key), form), form.attrs)

    def _times(self, key: str) -> Series:
        self._refused.check_read(key)
        if key not in self._sets:
            return Series(key, ColumnSource(self._read, times_place(key), _TIME), {"units": "s"})
        time = self._waiting.time_set(key) if key in self._waiting else self._read(partial(set_time, key))
        return Series(key, Listed([time], _TIME), {"units": "s"})

    def __repr__(self) -> str:
        return f"<HDF5DataStore of {len(self._forms)} keys in {self.path}>"


_RECORDING: weakref.WeakSet[HDF5DataStore] = weakref.WeakSet()


def _unlock_all() -> None:
    """Replace the lock in a forked process: the thread that may have held it does not exist there."""
    for datastore in list(_RECORDING):
        datastore.unlock()


os.register_at_fork(after_in_child=_unlock_all)
