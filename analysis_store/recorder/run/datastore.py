"""A recording that is an analysis run: live from its first second, finished when it is closed."""

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
    """Records into a run of a store, which has its uid and its start document at once.

    Until it ends it is a live file beside the run file that it will be, which other processes find with `live_runs`,
    and which `recover` closes if its writer dies. `close` makes the run of it: each key that was recorded is a stream
    with one data key, what was set are the data keys of one event of the stream ``"set"``; `recorded` reads the run
    by the keys again. Arrays are not copied for that.

    As a context manager it ends as a success, or, when an exception leaves the block after the first value, as a
    failure with the reason. Before the first value an exception leaves nothing.

    Parameters
    ----------
    store : AnalysisStore
        The home of the run; closed meanwhile, it ends the recording as aborted.
    md : mapping, optional
        Metadata of the run.
    provenance : Provenance or mapping, optional
        Where the values come from; checked now.
    flush_every : float
        Seconds after which what was recorded is visible to others and safe from the death of this process.
    durable_every : float, optional
        Seconds after which it is safe from a power cut; as in `HDF5DataStore`.

    Raises
    ------
    ProvenanceError
        The origin is not told as the policy of the store demands; nothing was written.
    StoreBusyError, DuplicateRunError
        The uid in ``md`` is being recorded, is in the store, or is that of a recording whose writer died.

    Examples
    --------
    >>> with Recorder(RunDataStore(store, {"sample_name": "Fe foil"}, origin)) as recorder:  # doctest: +SKIP
    ...     recorder.record("train/loss", 0.5)
    """

    _settled: Settled | None = None
    """What is known of the packages; nothing of a recording that is recovered."""

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
        """Keys of which the run does not have every value, and why; known when it is closed."""
        super().__init__(path, flush_every=flush_every, durable_every=durable_every)
        atexit.unregister(self.close)  # who does not come to the end has not succeeded
        atexit.register(self.abandon, "the process ended while the run was being recorded")
        store.watch(self)

    def _begin(self, start: Document, attachments: Attachments) -> None:
        """Make a run of the new file."""
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
        """The uid of the run."""
        return str(self.start["uid"])

    @property
    def run(self) -> Run:
        """The run, once it is closed.

        Raises
        ------
        RunClosedError
            It is still being recorded, or nothing was recorded before an exception.
        """
        if self._run is None:
            told = "nothing was recorded, and no run was made" if self._dropped else "it is still being recorded"
            raise RunClosedError(f"run {self.uid}: {told}. Close it first; live_runs(store) lists what is recorded.")
        return self._run

    @property
    def has_run(self) -> bool:
        """Whether it has ended, as a run."""
        return self._run is not None

    def declare(self, key: str, declared: Declared) -> None:
        """Say beforehand what the values of a key are, in words that a document can hold."""
        check_attrs(key, checked_declared(declared).attrs)
        super().declare(key, declared)

    def check(self, key: str, value: object, *, is_set: bool = False) -> None:
        """Refuse what `append` or `set` would refuse."""
        super().check(key, value, is_set=is_set)
        if is_set:
            check_set(key, value)

    def set(self, key: str, value: object, time: float) -> None:
        """Keep a value in the place of the one before; refused, too, where a run could not have it."""
        check_set(key, value)
        super().set(key, value, time)

    # ---------------------------------------------------------------------------------------------- the end

    def close(self) -> None:
        """End as a success; a second call changes nothing.

        Raises
        ------
        StoreWriteError
            The disk or the catalog refused; everything is still there, and it can be closed again. Or a key, which the
            message names, cannot be in the run: then the run is in the store with all others, and names it.
        """
        self._end("success", "")

    def fail(self, reason: str) -> None:
        """End as a failure; without a value there is nothing to tell of, and nothing stays."""
        self._end("fail", reason)

    def abandon(self, reason: str) -> None:
        """End as aborted; without a value nothing stays."""
        self._end("abort", reason)

    def discard(self) -> None:
        """Drop the recording: nothing of it stays."""
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
        """Make a run file of the live one, wholly or not at all."""
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
        """Stop recording, and leave the file as it is."""
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
