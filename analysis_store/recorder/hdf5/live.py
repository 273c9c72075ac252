"""An HDF5 file that grows while others read it, and that the death of its writer cannot damage."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
from h5py import h5d, h5f, h5s, h5t

from analysis_store.dtypes import AnyArray, encode_text
from analysis_store.errors import AnalysisStoreError, DamagedFileError, RunClosedError, StoreClosedError
from analysis_store.folders import sync_file
from analysis_store.hdf5.writing import give_up
from analysis_store.recorder.core.lock import lock_to_write
from analysis_store.recorder.hdf5.chunks import Chunks
from analysis_store.recorder.hdf5.copy_on_write import Overlay
from analysis_store.recorder.hdf5.repair import REFUSALS, await_others, changed, make, mend, opened, writing
from analysis_store.recorder.hdf5.row_counts import COUNTS, LIVE, Column, create, note_names, read_counts
from analysis_store.recorder.hdf5.safe import keep_spans, settle

_T = TypeVar("_T")


@dataclass
class _Open:
    """A dataset of the open file."""

    id: h5d.DatasetID
    kind: h5t.TypeID
    row: tuple[int, ...]
    length: int


class LiveFile:
    """Datasets to which rows are appended; committed rows survive, and other processes see them.

    Between two changes the file is written in HDF5's SWMR mode, which allows other readers but no new objects. A
    change is made on a copy of the affected pages, and applied to the file through a redo log.

    Parameters
    ----------
    path : path
        A new or existing file, also one whose writer was killed.
    prepare : callable, optional
        Writes groups and attributes into a new file.

    Raises
    ------
    StoreBusyError
        Another process writes it; the message names it.
    StoreWriteError
        The file cannot be created or written.
    DamagedFileError
        The existing file is not a live file.
    """

    def __init__(self, path: str | os.PathLike[str], prepare: Callable[[h5py.File], None] | None = None) -> None:
        self.path: Path = Path(path).expanduser().absolute()
        self.counts: dict[str, int] = {}
        """Committed rows of each dataset, by its path."""
        self.damaged: set[str] = set()
        """Datasets that can be neither read nor written."""
        self._file: h5py.File | None = None
        self._columns: dict[str, _Open] = {}
        self._chunks = Chunks()
        self._is_durable = self._is_kept = self._ended = False
        self._lost: OSError | None = None
        self.left = False
        """True in a forked process, to which the file does not belong."""
        self._closed = False
        with writing(self.path):
            self._lock = lock_to_write(self.path)
        try:
            with writing(self.path):
                if not self.path.exists():
                    make(self.path, prepare)
            self._ready()
        except BaseException:
            if self._is_kept:  # no value was recorded
                with suppress(OSError):
                    settle(self.path)
            self._lock.release()
            raise
        _LIVE.add(self)

    # ------------------------------------------------------------------------------------------ growing

    def add(self, columns: Mapping[str, Column], also: Callable[[h5py.File], None] | None = None) -> None:
        """Create new datasets, by their paths, together with the changes of ``also``, atomically."""

        def work(file: h5py.File) -> None:
            for number, (path, column) in enumerate(columns.items(), len(self.counts)):
                create(file, path, column, number)
            note_names(file, [*self.counts, *columns])
            if also is not None:
                also(file)

        self._ready()
        if columns or also is not None:
            self.change(work)

    def length(self, dataset: str) -> int:
        """Return the number of rows of a dataset, including rows that are not committed yet."""
        self._ready()
        return self._column(dataset).length

    def append(self, dataset: str, rows: AnyArray) -> None:
        """Append rows of the column's dtype, shape ``(k, *shape)``; other processes see them after `commit`."""
        self._ready()
        with self._growing():
            column = self._column(dataset)
            values = _as_stored(rows, column)
            start = column.length
            column.id.set_extent((start + len(values), *column.row))
            if values.size:
                space = column.id.get_space()
                space.select_hyperslab((start, *(0 for _ in column.row)), values.shape)
                column.id.write(h5s.create_simple(values.shape), space, values, mtype=column.kind)
            column.length += len(values)

    def take_back(self) -> None:
        """Discard the rows that are not committed."""
        self._lose()

    def commit(self) -> None:
        """Make the rows visible to other processes, and safe if this process dies."""
        self._ready()
        grown = {name: column.length for name, column in self._columns.items() if column.length != self.counts[name]}
        if not grown:
            return
        counts = {**self.counts, **grown}
        with self._growing() as file:
            file.flush()  # the rows are written before the counts that refer to them
            dataset = file[f"{LIVE}/{COUNTS}"].id
            dataset.write(h5s.ALL, h5s.ALL, np.fromiter(counts.values(), np.int64, len(counts)))
            dataset.flush()
            self._chunks.follow(file, {name: counts[name] for name in grown})
        self.counts = counts
        self._is_durable = False

    def secure(self) -> None:
        """Commit, and make the rows durable: they survive a power cut, also after later writes.

        Raises
        ------
        StoreWriteError
            The disk refused a write; or it lost earlier writes, and this file can no longer be made durable.
        """
        self.commit()
        with writing(self.path):
            self._check_disk()
        if self._is_durable:
            return
        with self._growing() as file:
            file.flush()
            self._keep(file)

    def presync(self) -> None:
        """Sync written rows, so that `secure` takes less time; any thread may call it."""
        try:
            sync_file(self.path)
        except FileNotFoundError:  # the recording has just ended
            return
        except OSError as error:
            self._lost = error

    def change(self, work: Callable[[h5py.File], None], *, last: bool = False) -> None:
        """Change the file atomically; rows that were appended before are committed.

        Parameters
        ----------
        work : callable
            Makes the changes. It must not remove datasets with committed rows, unless it is the ``last``.
        last : bool
            True if nothing is recorded afterwards.

        Raises
        ------
        StoreBusyError
            This process has the file open elsewhere.
        StoreWriteError
            There is no space; the file is unchanged.
        """
        self.commit()
        await_others(self.path, ours=1)
        with self._growing() as file:
            file.close()
        self._file = None
        self._columns.clear()
        await_others(self.path, ours=0)  # processes that opened it meanwhile share HDF5's pending writes
        self._is_durable, self._is_kept = False, self._is_kept and not last
        with writing(self.path):
            changed(self.path, work, last=last)
            self._ended = last
            if not last:
                self._open()

    def close(self, final: Callable[[h5py.File], None] | None = None) -> None:
        """Commit and close: an ordinary HDF5 file remains, which ``final`` may change; a second call has no effect.

        The file is closed after any error, and committed rows are in it.
        """
        if self._closed:
            return
        try:
            if not self.left:
                self._finish(final)
        finally:
            self._closed = True
            self._lock.release()

    def _finish(self, final: Callable[[h5py.File], None] | None) -> None:
        try:
            if final is not None:
                self.change(final, last=True)
            if not self._ended:
                self.commit()
                with self._growing() as file:
                    file.close()
                self._file = None
            with writing(self.path):
                self._check_disk()
                settle(self.path)
        except BaseException:
            self._lose()
            with suppress(AnalysisStoreError, OSError):
                mend(self.path)
            raise
        finally:
            self._columns.clear()

    def leave(self) -> None:
        """Leave the file to the parent process of this fork."""
        self.left = True
        self._lock.forget()
        self._lose()

    # ------------------------------------------------------------------------------------------ reading

    def read(self, work: Callable[[h5f.FileID], _T]) -> _T:
        """Return the result of ``work`` with the file as this process sees it."""
        self._ready()
        return work(self._handle().id)

    # ------------------------------------------------------------------------------------------- inside

    def _ready(self) -> None:
        """Open the file again if it could not be written before, or was changed."""
        if self._closed:
            raise RunClosedError(f"{self.path} is closed; open it again to write more.")
        if self.left:
            raise StoreClosedError(f"{self.path} is written by the parent process of this fork.")
        if self._file is not None:
            return
        with writing(self.path):
            self.damaged = mend(self.path)
            self._ended = False
            if not self._is_kept:
                with Overlay(self.path) as overlay, h5py.File(overlay, "r") as file:
                    self.counts = read_counts(file)
                    self._keep(file)
            self._open()

    def _open(self) -> None:
        self._file = opened(self.path)
        self.counts = read_counts(self._file)

    def _keep(self, file: h5py.File) -> None:
        """Make the file durable, before any part of it is overwritten."""
        self._chunks.look(file, {name: count for name, count in self.counts.items() if name not in self.damaged})
        try:
            keep_spans(self.path, self._chunks.outside())
        except OSError as error:
            if error.errno == errno.EIO:
                self._lost = error
            raise
        self._is_durable = self._is_kept = True

    def _check_disk(self) -> None:
        """Refuse durability after the disk has lost writes, because the system reports that only once."""
        if self._lost is not None:
            raise self._lost

    def _handle(self) -> h5py.File:
        if self._file is None:
            raise RunClosedError(f"{self.path} is closed; open it again to write more.")
        return self._file

    @contextmanager
    def _growing(self) -> Iterator[h5py.File]:
        """Yield the open file; if HDF5 cannot write it, return to the committed state."""
        with writing(self.path):
            try:
                yield self._handle()
            except REFUSALS:
                self._lose()
                raise

    def _lose(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            give_up(file.id)
        self._columns.clear()

    def _column(self, dataset: str) -> _Open:
        if dataset in self.damaged:
            raise DamagedFileError(f"{dataset} of {self.path} is damaged. Record under another key.")
        if dataset not in self._columns:
            found = self._handle()[dataset].id
            length, *row = found.shape
            self._columns[dataset] = _Open(found, found.get_type(), tuple(row), length)
        return self._columns[dataset]


def _as_stored(rows: AnyArray, column: _Open) -> AnyArray:
    """Return rows in the form of the file."""
    if rows.dtype.kind in "mM":
        rows = rows.view(np.dtype("i8").newbyteorder(rows.dtype.byteorder))
    elif rows.dtype.kind == "U":
        rows = encode_text(rows).astype(f"S{column.kind.get_size()}")
    return np.ascontiguousarray(rows, column.id.dtype)


_LIVE: weakref.WeakSet[LiveFile] = weakref.WeakSet()


def _leave_all() -> None:
    """Disable the file in a forked process, where HDF5 would otherwise write to the parent's file at exit."""
    for live in list(_LIVE):
        live.leave()


os.register_at_fork(after_in_child=_leave_all)
