"""The store: both journeys, data in and data out, readable from top to bottom."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from importlib.metadata import entry_points
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from analysis_store import settings
from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import Catalog, RunRecord
from analysis_store.catalogs.query import Query
from analysis_store.errors import (
    AmbiguousUidError,
    DuplicateRunError,
    MissingDependencyError,
    RunNotFoundError,
    StoreClosedError,
    StoreWriteError,
)
from analysis_store.pairs import HandlerRegistry
from analysis_store.provenance import Lookup, Policy
from analysis_store.provenance.settle import Settled, settle
from analysis_store.runs.emit import run_documents
from analysis_store.runs.gather import StreamData, gather
from analysis_store.runs.journal import draft_journal
from analysis_store.runs.lazy import counted
from analysis_store.runs.measured import measured_run
from analysis_store.runs.opened import OpenRun, Unfinished
from analysis_store.runs.packages import keep_packages
from analysis_store.runs.reader import RunFile
from analysis_store.runs.recording import Recording, Recordings
from analysis_store.runs.results import Runs
from analysis_store.runs.run import Context, Run
from analysis_store.runs.save import RunSaver, checked_metadata, compose_start, new_draft

if TYPE_CHECKING:
    from analysis_store.runs.draft import Draft

_PREFIX_SHOWN = 10


class AnalysisStore:
    """A permanent home for derived data; created on first use.

    Parameters
    ----------
    location : path or URI
        A folder, in which ``catalog.sqlite`` and ``files/`` are made; or ``sqlite:///…``, ``postgresql://…``,
        ``mongodb://…``.
    root : path, optional
        The folder of the run files; needed with a URI.
    policy : Policy, optional
        What a result must tell of its origin. Given at creation it is kept; later it may tighten, never loosen.
    sources : iterable, optional
        Where parent runs are looked up besides this store: databroker Brokers, Tiled clients, other stores.
    handler_registry : mapping, optional
        Further handlers, by spec.
    root_map : mapping, optional
        Where the roots of resources have moved: ``{old: new}``.

    Raises
    ------
    SettingsError
        The location or a setting cannot be used.
    StoreVersionError
        The store was made by a newer version.
    PolicyError
        ``policy`` would loosen the one of the store.

    Examples
    --------
    >>> from analysis_store import AnalysisStore, Policy
    >>> with AnalysisStore("analysis") as store:
    ...     len(store)
    0
    """

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        policy: Policy | None = None,
        sources: Iterable[Any] | None = None,
        handler_registry: Mapping[str, Any] | None = None,
        root_map: Mapping[str, str] | None = None,
    ) -> None:
        self._closed = True
        place = settings.place_of(location, root)
        self.location = place.label
        self.root = place.root
        self._settings = _settings(place, policy)
        self.policy = self._settings.policy if policy is None else self._settings.policy.tightened_by(policy)
        self.handlers = HandlerRegistry(handler_registry)
        self.catalog: Catalog = open_catalog(place.uri)
        self._lookup = Lookup(self.location, self.__contains__, sources or ())
        self._saver = RunSaver(self.root, self._settings.compression)
        moved = {**self._settings.root_map, **(root_map or {})}
        self._context = Context(self.catalog, self.root, self.handlers, moved, self._alive)
        self._recordings = Recordings()
        self._opened: set[Unfinished] = set()
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self._closed = False

    # ---------------------------------------------------------------------------------------------- in

    def insert(
        self,
        data: Any,
        md: Mapping[str, Any],
        *,
        writers_dict: Mapping[str, Any] | None = None,
        provenance: Any = None,
        descriptor_md: Mapping[str, Any] | None = None,
    ) -> Run:
        """Save a result as one run; see `insert_analysis`."""
        self._alive()
        streams = gather(data, writers_dict, descriptor_md)
        start, settled = self.begin(md, provenance)
        return self._save(new_draft(start, streams, settled), settled, writers_dict)

    def new_run(
        self,
        md: Mapping[str, Any],
        *,
        provenance: Any = None,
        descriptor_md: Mapping[str, Any] | None = None,
    ) -> OpenRun:
        """Return a run that takes events one by one; its provenance is checked now."""
        start, settled = self.begin(md, provenance)

        def save(
            start: dict[str, Any], streams: dict[str, StreamData], times: Any, exit_status: str, reason: str
        ) -> Run:
            self._alive()
            draft = new_draft(start, streams, settled, times)
            draft.outcome = (exit_status, reason)
            return self._save(draft, settled)

        opened = OpenRun(start, descriptor_md, save, self.let_go)
        self.watch(opened)
        return opened

    def watch(self, opened: Unfinished) -> None:
        """Abandon it when the store is closed, unless it was `let_go` before."""
        self._opened.add(opened)

    def let_go(self, opened: Unfinished) -> None:
        """Forget what has ended."""
        self._opened.discard(opened)

    def insert_file(
        self,
        path: str | os.PathLike[str],
        md: Mapping[str, Any] | None = None,
        *,
        copy: bool = True,
        chunk: int | None = None,
        dataset: str | None = None,
        provenance: Any = None,
    ) -> Run:
        """Save what a file holds; the file becomes provenance, with its digest.

        Parameters
        ----------
        path : path
            HDF5, npz, csv, tsv or xdi.
        md : mapping, optional
            Metadata; what the file says of itself is kept under ``file_metadata``.
        copy : bool
            False leaves the data of an HDF5 file where they are.
        chunk : int, optional
            One event per so many rows; without it the whole file is one event, each column a key.
        dataset : str, optional
            Only this dataset or column.
        provenance : Provenance or mapping, optional
            What is to be said besides the file.

        Raises
        ------
        InvalidDataError
            The file cannot be understood.
        """
        self._alive()
        measured = measured_run(path, md or {}, copy=copy, chunk=chunk, dataset=dataset, provenance=provenance)
        start, settled = self.begin(measured.md, measured.provenance)
        streams = gather(measured.data, measured.writers, measured.descriptor_md)
        draft = new_draft(start, streams, settled)
        measured.refer(draft)
        return self._save(draft, settled)

    def __call__(self, name: str, doc: Mapping[str, Any]) -> None:
        """Take one Bluesky document: the store is a callback, e.g. ``RE.subscribe(store)``.

        Raises
        ------
        InvalidDocumentError
            The document breaks event-model's rules, or refers to a run that is not open.
        ProvenanceError
            The start document does not say what the policy demands.
        """
        self._alive()
        with self._lock:
            if name == "start":
                recording = self._recordings.begin(doc)
                self._refuse_known(recording.uid)
                recording.settled = self._settle(recording.start, None, capture=False)
                self._recordings.enter(recording)
            else:
                recording, copy = self._recordings.add(name, doc)
                if name == "stop":
                    self._end(recording, copy)

    def _end(self, recording: Recording, stop: dict[str, Any]) -> None:
        self._recordings.leave(recording)
        settled: Settled = recording.settled
        draft = draft_journal([*recording.journal, ("stop", stop)], stop)
        draft.attachments.beside["provenance"] = settled.document
        try:
            self._save(draft, settled)
        except StoreWriteError:
            recording.stop = stop
            self._recordings.enter(recording)  # its documents are all there is of it: the stop may be sent again
            raise

    def begin(self, md: Mapping[str, Any], provenance: Any) -> tuple[dict[str, Any], Settled]:
        """Return the start document of a run and its settled provenance; nothing is written yet.

        Raises
        ------
        ProvenanceError
            The origin is not told as the policy demands.
        DuplicateRunError
            The uid in ``md`` is in the store.
        """
        self._alive()
        clean, stated = checked_metadata(md)
        settled = self._settle(stated, provenance)
        start = compose_start(clean, settled)
        if "uid" in clean:
            self._refuse_known(start["uid"])
        return start, settled

    def _settle(self, md: Mapping[str, Any], provenance: Any, *, capture: bool = True) -> Settled:
        return settle(
            provenance,
            md,
            policy=self.policy,
            lookup=self._lookup,
            code_defaults=self._settings.code,
            capture=capture,
        )

    def _refuse_known(self, uid: str) -> None:
        if uid in self:
            raise DuplicateRunError(f"run {uid!r} is in {self.location} already; a correction is a run of its own.")

    def _save(self, draft: Draft, settled: Settled, writers_dict: Mapping[str, Any] | None = None) -> Run:
        saved: list[RunRecord] = []

        def commit(draft: Draft, path: str) -> None:
            keep_packages(self.root, settled)
            saved.append(_record(draft, path, settled))
            self.catalog.insert(saved[0], draft.all_documents() if self.catalog.stores_events else ())

        self._saver.save(draft, writers_dict, commit, self._is_committed)
        return Run(saved[0], self._context)

    def adopt(self, file: Path) -> Run:
        """Take a whole run file, which lies at its place under the root, into the catalog; twice is as good as once.

        Raises
        ------
        DuplicateRunError
            The catalog has another file for this uid.
        """
        self._alive()
        content, path = RunFile(file), str(file.relative_to(self.root))
        start, streams = content.start, content.streams.values()
        record = RunRecord(
            start=start,
            stop=content.stop,
            descriptors=tuple(stream.descriptor for stream in streams),
            path=path,
            parents=tuple(start.get("parent_uids", ())),
            beside=content.beside,
        )
        documents = run_documents(start, [stream.documents() for stream in streams], content.stop)
        try:
            self.catalog.insert(record, documents if self.catalog.stores_events else ())
        except DuplicateRunError:
            if not self._is_committed(record.uid, path):
                raise
        return Run(self.catalog.get(record.uid), self._context)

    def _is_committed(self, uid: str, path: str) -> bool:
        try:
            return self.catalog.get(uid).path == path
        except RunNotFoundError:
            return False

    # --------------------------------------------------------------------------------------------- back

    def __getitem__(self, key: str | int) -> Run:
        """Return a run: by uid, unique prefix of one, scan_id (the newest of that id), or -1 for the newest of all.

        Raises
        ------
        RunNotFoundError
            None answers to it; `AmbiguousUidError` when several do.
        """
        self._alive()
        if isinstance(key, str):
            return self._by_uid(key)
        if isinstance(key, bool) or not hasattr(key, "__index__"):
            raise RunNotFoundError(f"{key!r} names no run; expected a uid, a prefix of one, a scan_id, or -1, -2 ….")
        number = key.__index__()
        query = Query.parse(scan_id=number) if number >= 0 else Query.parse()
        found = self.catalog.search(query, offset=max(0, -number - 1), limit=1)
        if not found:
            told = f"no run has scan_id {number}" if number >= 0 else f"there are only {len(self)} runs"
            raise RunNotFoundError(f"{told} in {self.location}; try store.search().")
        return Run(found[0], self._context)

    def _by_uid(self, text: str) -> Run:
        try:
            return Run(self.catalog.get(text), self._context)
        except RunNotFoundError:
            found = self.catalog.with_prefix(text, _PREFIX_SHOWN + 1) if text else []
        if len(found) == 1:
            return Run(self.catalog.get(found[0]), self._context)
        if found:
            shown = ", ".join(found[:_PREFIX_SHOWN]) + (" …" if len(found) > _PREFIX_SHOWN else "")
            raise AmbiguousUidError(f"{text!r} begins the uids of several runs: {shown}. Give more of it.")
        raise RunNotFoundError(f"no run's uid is or begins with {text!r} in {self.location}; try store.search().")

    def search(
        self, query: Any = None, *, since: Any = None, until: Any = None, text: Any = None, **equals: Any
    ) -> Runs:
        """Return the runs that satisfy a query, newest first, lazily.

        Parameters
        ----------
        query : mapping, Tiled query or str, optional
            ``{"temperature": {"$gt": 300}}``, ``Key("temperature") > 300``; a bare string is full text.
        since, until : float, datetime or str, optional
            Start times, ``since <= t < until``; naive ones are local time.
        text : str, optional
            Words that the metadata must hold.
        **equals
            Metadata keys and the values they must have.

        Raises
        ------
        QueryError
            The query cannot be understood.
        """
        self._alive()
        return Runs(Query.parse(query, since=since, until=until, text=text, **equals), self._context)

    def __contains__(self, uid: object) -> bool:
        self._alive()
        try:
            return isinstance(uid, str) and self.catalog.get(uid).uid == uid
        except RunNotFoundError:
            return False

    def __len__(self) -> int:
        return len(self.search())

    def __iter__(self) -> Iterator[Run]:
        return iter(self.search())

    def __bool__(self) -> bool:
        return True

    # --------------------------------------------------------------------------------------- neighbours

    def register_handler(self, spec: str, handler: Any, overwrite: bool = False) -> None:
        """Use a handler for the resources of a spec in this store."""
        self.handlers.register(spec, handler, overwrite=overwrite)

    def broker(self) -> Any:
        """Return the store as a databroker (v1) Broker."""
        return self._service("broker")

    def client(self) -> Any:
        """Return the store as a Tiled client, in this process."""
        return self._service("client")

    def server_app(self, **options: Any) -> Any:
        """Return the store as an ASGI app: Tiled's own server; see `analysis_store.server.server_app`."""
        return self._service("server_app", **options)

    def _service(self, name: str, **options: Any) -> Any:
        """Call what stands above the store and may not be imported from here."""
        self._alive()
        found = list(entry_points(group="analysis_store.services", name=name))
        if not found:
            raise MissingDependencyError(
                f"store.{name}() is not installed; analysis_store must be installed, not only be importable: "
                "pip install 'analysis_store[server]'."
            )
        try:
            service = found[0].load()
        except ImportError as error:
            raise MissingDependencyError(
                f"store.{name}() needs {error.name or error}: pip install 'analysis_store[server]'."
            ) from error
        return service(self, **options)

    # --------------------------------------------------------------------------------------------- life

    def close(self) -> None:
        """End what is open and let go of everything; may be called twice.

        Foreign runs without a stop document, and open runs, end as aborted.
        """
        if self._closed:
            return
        with ExitStack() as last:  # in reverse order, each whatever becomes of the others
            last.callback(setattr, self, "_closed", True)
            if os.getpid() != self._pid:
                return
            last.callback(self.catalog.close)
            for recording in self._recordings.open.values():
                stop = recording.stop or recording.aborted("the store was closed before a stop document came")
                last.callback(self._end, recording, stop)
            for opened in self._opened:
                last.callback(opened.abandon, "the store was closed while the run was open")

    @property
    def closed(self) -> bool:
        """Whether the store is closed."""
        return self._closed

    def _alive(self) -> None:
        if self._closed:
            raise StoreClosedError(f"the store {self.location} is closed; open it again with AnalysisStore(…).")
        if os.getpid() != self._pid:
            raise StoreClosedError(
                f"the store {self.location} was opened by process {self._pid} and came over a fork; a database "
                "connection cannot. Open the store again in this process."
            )

    def __enter__(self) -> Self:
        self._alive()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "over a fork" if os.getpid() != self._pid else counted(len(self), "run")
        return f"<AnalysisStore {self.location}, {state}{_policy_text(self.policy)}>"

    def _repr_html_(self) -> str:
        import html

        head = f"<p>{html.escape(repr(self))}</p>"
        return head if self._closed or os.getpid() != self._pid else head + self.search()._repr_html_()


def _settings(place: settings.Place, policy: Policy | None) -> settings.Settings:
    """Return the settings of a store; a new one is made with the policy that is given."""
    found = settings.load(place.folder)
    if found is None:
        try:
            place.root.mkdir(parents=True, exist_ok=True)
            settings.save(place.folder, settings.Settings(policy or Policy()))
        except OSError as error:
            raise StoreWriteError(
                error.errno, f"the store {place.folder} cannot be made: {error.strerror}; choose another folder"
            ) from error
        found = settings.load(place.folder) or settings.Settings(policy or Policy())
    return found


def _record(draft: Draft, path: str, settled: Settled) -> RunRecord:
    return RunRecord(
        start=draft.start,
        stop=draft.stop,
        descriptors=tuple(draft.descriptors()),
        path=path,
        parents=tuple(settled.parents),
        beside=draft.attachments.beside,
    )


def _policy_text(policy: Policy) -> str:
    """Say where a policy asks for less than the default."""
    lax = [
        name
        for name, off in (
            ("inputs not required", not policy.require_inputs),
            ("code not required", not policy.require_code),
            ("waivers allowed", policy.allow_waiver),
            ("uncommitted code allowed", policy.dirty == "allow"),
        )
        if off
    ]
    return f", {', '.join(lax)}" if lax else ""
