"""A recording that is an analysis run: live from the beginning, finished when it is closed."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from analysis_store import layout
from analysis_store.core.atomic_files import make_folders, remove_folders
from analysis_store.errors import DuplicateRunError, RunClosedError
from analysis_store.folders import sync_names
from analysis_store.recorder.core.series import Series
from analysis_store.recorder.core.value_kinds import Declared, checked_declared
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from analysis_store.recorder.hdf5.keys import place
from analysis_store.recorder.hdf5.repair import writing
from analysis_store.recorder.run.ended import Ended, tell_of_lost
from analysis_store.recorder.run.finalize import Recorded, check_attrs, check_set
from analysis_store.recorder.run.finished_run import Current, Recording
from analysis_store.recorder.run.publish import ending, live_path, publish
from analysis_store.recorder.run.run_header import read_head, write_head
from analysis_store.runs.write.draft import Attachments

if TYPE_CHECKING:
    from h5py import h5f

    from analysis_store.documents import Document
    from analysis_store.provenance import Settled
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

_T = TypeVar("_T")


class RunDataStore(HDF5DataStore):
    """Records into a run of a store, which has its uid and its start document from the beginning.

    Until it ends it is a live file next to the final run file. Other processes find it with `live_runs`,
    and `recover` closes it if its writer dies. `close` converts it to the run: each recorded key becomes a stream
    with one data key, and set keys become the data keys of one event of the stream ``"set"``; `recorded` reads the run
    by its keys. Arrays are not copied.

    As a context manager it ends as a success, or, if an exception leaves the block after the first value, as a
    failure with the reason. If an exception leaves the block before the first value, no run is saved.

    Parameters
    ----------
    store : AnalysisStore
        The store of the run; closing the store ends the recording as aborted.
    md : mapping, optional
        Metadata of the run.
    provenance : Provenance or mapping, optional
        The origin of the values; checked now.
    flush_every : float
        Seconds after which recorded values are visible to other processes and safe if this process dies.
    durable_every : float, optional
        Seconds after which recorded values are safe in a power cut; as in `HDF5DataStore`.

    Raises
    ------
    ProvenanceError
        Provenance that the policy of the store requires is missing; nothing was written.
    StoreBusyError, DuplicateRunError
        The uid in ``md`` is being recorded, is in the store, or belongs to a recording whose writer died.

    Examples
    --------
    >>> with Recorder(RunDataStore(store, {"sample_name": "Fe foil"}, origin)) as recorder:  # doctest: +SKIP
    ...     recorder.record("train/loss", 0.5)
    """

    _settled: Settled | None = None
    """The list of packages; empty for a recovered recording."""

    def __init__(
        self,
        store: RunStore,
        md: Mapping[str, object] | None = None,
        provenance: ProvenanceLike | None = None,
        *,
        flush_every: float = 1.0,
        durable_every: float | None = 60.0,
    ) -> None:
        start, settled = store.intake.begin(md or {}, provenance)
        path = live_path(store.root, layout.run_path(start["uid"], start["time"]))
        self._made: list[Path] = []
        try:
            with writing(path), store.intake.packages_kept(settled):
                make_folders(path.parent, self._made)
                sync_names(path.parent)
            self._take(store, path, flush_every, durable_every)
            self._settled = settled
            self._begin(start, Attachments(settled.patch, settled.source))
        except BaseException:
            remove_folders(self._made)
            raise

    def _take(self, store: RunStore, path: Path, flush_every: float = 1.0, durable_every: float | None = 60.0) -> None:
        self._store = store
        self._run: Run | None = None
        self._complete = self._dropped = False
        self.lost: dict[str, str] = {}
        """Keys with lost values, and the reasons; known when the run is closed."""
        super().__init__(path, flush_every=flush_every, durable_every=durable_every)
        atexit.unregister(self.close)  # an exit without `close` is not a success
        atexit.register(self.abandon, "the process ended while the run was being recorded")
        store.watch(self)

    def _begin(self, start: Document, attachments: Attachments) -> None:
        """Begin a run in the new file."""
        self.start: Document = start
        self._attachments = attachments
        try:
            self._refuse_used()
        except BaseException:
            self._let_go()
            raise
        try:
            self._writer().change(partial(write_head, start, attachments))
        except BaseException:
            self.discard()
            raise

    def _refuse_used(self) -> None:
        if self._forms or self._read(read_head) is not None:
            raise DuplicateRunError(
                f"run {self.uid!r} was being recorded when its writer died; close it with recover(store, uid), or "
                "leave uid out of md."
            )

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return str(self.start["uid"])

    @property
    def run(self) -> Run:
        """The run, after `close`.

        Raises
        ------
        RunClosedError
            The run is still being recorded, or an exception ended it without values.
        """
        if self._run is None:
            told = "no value was recorded, and no run was saved" if self._dropped else "it is still being recorded"
            raise RunClosedError(f"run {self.uid}: {told}. Close it first; live_runs(store) lists what is recorded.")
        return self._run

    @property
    def has_run(self) -> bool:
        """True if it has ended, as a run."""
        return self._run is not None

    def declare(self, key: str, declared: Declared) -> None:
        """Declare the values of a key before the first, with attributes that a document can hold."""
        check_attrs(key, checked_declared(declared).attrs)
        super().declare(key, declared)

    def check(self, key: str, value: object, *, is_set: bool = False) -> None:
        """Check a value; errors as in `append` and `set`."""
        super().check(key, value, is_set=is_set)
        if is_set:
            check_set(key, value)

    def set(self, key: str, value: object, time: float) -> None:
        """Set the value of a key; also refuses values that a run cannot hold."""
        check_set(key, value)
        super().set(key, value, time)

    # ---------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """Close as a success; a second call has no effect.

        Raises
        ------
        StoreWriteError
            The disk or the catalog refused a write; all values are kept, and `close` can be called again. Or a key,
            which the message names, cannot be in the run: then the run is in the store with all other keys, and names
            this key.
        """
        self._end("success", "")

    def fail(self, reason: str) -> None:
        """Close as a failure; a recording without values is removed."""
        self._end("fail", reason)

    def abandon(self, reason: str) -> None:
        """Close as aborted; a recording without values is removed."""
        self._end("abort", reason)

    def discard(self) -> None:
        """Drop the recording, and remove its file."""
        with self._lock:
            self._let_go()
            self._dropped = True
            with writing(self.path):
                self.path.unlink(missing_ok=True)
            remove_folders(self._made)

    def _end(self, exit_status: str, reason: str) -> None:
        with self._lock:
            if self._run is not None or self._dropped or self._writer().left:
                return
            if exit_status != "success" and not self._forms:
                self.discard()
                return
            with ending(self.uid, self.path):
                if not self._complete:
                    self._flush()
                    self._arrange(exit_status, reason)
                    self._complete = True
                    self._let_go()
                with self._packages_kept():
                    self._run = publish(self._store, self.path)
        if self.lost:
            tell_of_lost(self.uid, self.lost, is_success=exit_status == "success")

    def _packages_kept(self) -> AbstractContextManager[None]:
        return nullcontext() if self._settled is None else self._store.intake.packages_kept(self._settled)

    def _arrange(self, exit_status: str, reason: str) -> None:
        """Convert the live file to a run file, atomically."""
        relative = layout.run_path(self.uid, self.start["time"])
        ended = Ended(self._writer(), self.start, self._attachments, self._store.root, relative)
        ended.lost |= dict(self._refused.items())
        ended.arrange(self._forms, self._recorded, (exit_status, reason))
        self.lost = ended.lost

    def _recorded(self, key: str) -> Recorded:
        is_set = key in self._sets
        values = self._last(key) if is_set else self._series(key)
        return Recorded(key, self._forms[key], values, self._times(key)[:], place(key), is_set)

    def _writer(self) -> Any:
        if self._live is None:
            raise RunClosedError(f"{self!r} is closed; open another one to record more.")
        return self._live

    def _let_go(self) -> None:
        """Stop recording, and leave the file unchanged."""
        self._closed = True
        self._close()
        atexit.unregister(self.abandon)
        self._store.let_go(self)

    # ------------------------------------------------------------------------------------------- read again

    def _last(self, key: str) -> Any:
        if self._run is None:
            return super()._last(key)
        found = Recording(self._run)[key]
        return found if key in self._sets else found[-1]

    def _series(self, key: str) -> Series:
        live = super()._series(key)
        return Series(key, Current(lambda: live if self._run is None else Recording(self._run)[key]), live.attrs)

    def _times(self, key: str) -> Series:
        if self._run is not None:
            return Series(key, Recording(self._run).times(key), {"units": "s"})
        return super()._times(key)

    def _read(self, work: Callable[[h5f.FileID], _T]) -> _T:
        if self._complete:
            raise RunClosedError(f"run {self.uid} is complete, and is not in the store yet; close it again.")
        return super()._read(work)

    def __repr__(self) -> str:
        return f"<RunDataStore of {len(self._forms)} keys, run {self.uid}>"
