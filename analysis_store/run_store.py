"""The runs of a store: saving first, then reading, in reading order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, overload

from analysis_store import settings
from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.query.query import Query
from analysis_store.core.text import counted
from analysis_store.errors import RunNotFoundError, StoreClosedError
from analysis_store.pairs import HandlerRegistry
from analysis_store.provenance import Lookup, Policy
from analysis_store.roots import guard
from analysis_store.runs.callback.callback import Callback
from analysis_store.runs.gateway import Intake
from analysis_store.runs.importers.file_import import measured_run
from analysis_store.runs.notes.mixin import Noting
from analysis_store.runs.notes.notes import Notes
from analysis_store.runs.notes.removal_records import told_as_removed
from analysis_store.runs.pickling import Address, address_of, reopened
from analysis_store.runs.read.lookup import find
from analysis_store.runs.read.results import Runs
from analysis_store.runs.read.run import Context, Run
from analysis_store.runs.values.gather import WriterEntry, gather
from analysis_store.runs.write.opened import OpenRun, Unfinished
from analysis_store.runs.write.save import new_draft

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray

    from analysis_store.catalogs.base import Catalog
    from analysis_store.catalogs.query.query import Moment, QueryLike
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.runs.read.stream import Keys
    from analysis_store.runs.values.gather import DataLike
    from analysis_store.runs.values.stream_data import StreamData


class RunStore(Noting):
    """A store that saves, opens, finds and annotates runs, in a catalog and in files; see `AnalysisStore`."""

    def __init__(
        self,
        location: str | os.PathLike[str],
        *,
        root: str | os.PathLike[str] | None = None,
        policy: Policy | None = None,
        sources: Iterable[object] | None = None,
        handler_registry: Mapping[str, object] | None = None,
        root_map: Mapping[str, str] | None = None,
    ) -> None:
        self._closed = True
        place = settings.place_of(location, root)
        self.location: str = place.label
        self.root: Path = place.root
        guard(self.root)
        opened = settings.opened(place, policy)
        self.policy: Policy = opened.policy if policy is None else opened.policy.tightened_by(policy)
        self.handlers: HandlerRegistry = HandlerRegistry(handler_registry)
        self.catalog: Catalog = open_catalog(place.uri)
        self.sources: tuple[Any, ...] = tuple(sources or ())
        moved = {**opened.root_map, **(root_map or {})}
        self.context: Context = Context(self.catalog, self.root, self.handlers, moved, self._alive)
        """The parts of the store that a run needs for reading."""
        lookup = Lookup(self.location, self.__contains__, self.sources)
        self.intake: Intake = Intake(
            self.location,
            self.context,
            policy=self.policy,
            lookup=lookup,
            code=opened.code,
            compression=opened.compression,
        )
        """The gateway for all runs that are saved."""
        self._notes = Notes(self.root, self.catalog)
        self._callback = Callback(self.intake.settle_foreign, self.intake.save)
        given = str(place.folder) if place.label == str(place.folder) else address_of(place.uri)
        self._address = Address(given, self.root, policy, self.sources, dict(handler_registry or {}), root_map or {})
        self._opened: set[Unfinished] = set()
        self._pid = os.getpid()
        self._closed = False

    # ---------------------------------------------------------------------------------------------- in

    def insert(
        self,
        data: DataLike,
        md: Mapping[str, object],
        *,
        writers_dict: Mapping[str, WriterEntry] | None = None,
        provenance: ProvenanceLike | None = None,
        descriptor_md: Mapping[str, object] | None = None,
    ) -> Run:
        """Save a result as one run; see `insert_analysis`."""
        self._alive()
        streams = gather(data, writers_dict, descriptor_md)
        start, settled = self.intake.begin(md, provenance)
        return self.intake.save(new_draft(start, streams, settled), settled, writers_dict)

    def new_run(
        self,
        md: Mapping[str, object],
        *,
        provenance: ProvenanceLike | None = None,
        descriptor_md: Mapping[str, object] | None = None,
    ) -> OpenRun:
        """Return an open run that takes events one by one; its provenance is checked now."""
        start, settled = self.intake.begin(md, provenance)

        def save(
            start: dict[str, Any], streams: dict[str, StreamData], times: Any, exit_status: str, reason: str
        ) -> Run:
            self._alive()
            draft = new_draft(start, streams, settled, times)
            draft.outcome = (exit_status, reason)
            return self.intake.save(draft, settled)

        opened = OpenRun(start, descriptor_md, save, self.let_go)
        self.watch(opened)
        return opened

    def watch(self, opened: Unfinished) -> None:
        """Abandon an open run when the store is closed, unless `let_go` was called before."""
        self._opened.add(opened)

    def let_go(self, opened: Unfinished) -> None:
        """Forget a run that has ended."""
        self._opened.discard(opened)

    def insert_file(
        self,
        path: str | os.PathLike[str],
        md: Mapping[str, object] | None = None,
        *,
        copy: bool = True,
        chunk: int | None = None,
        dataset: str | None = None,
        provenance: ProvenanceLike | None = None,
    ) -> Run:
        """Save the content of a file as a run; the provenance names the file with its digest.

        Parameters
        ----------
        path : path
            HDF5, npz, csv, tsv or xdi.
        md : mapping, optional
            Metadata; metadata of the file are kept under ``file_metadata``.
        copy : bool
            False leaves the data in their HDF5 file.
        chunk : int, optional
            Number of rows per event; by default the whole file is one event, and each column is a key.
        dataset : str, optional
            Only this dataset or column.
        provenance : Provenance or mapping, optional
            Provenance in addition to the file.

        Raises
        ------
        InvalidDataError
            The file is invalid, or its format is unknown.
        """
        self._alive()
        measured = measured_run(path, md or {}, copy=copy, chunk=chunk, dataset=dataset, provenance=provenance)
        start, settled = self.intake.begin(measured.md, measured.provenance)
        streams = gather(measured.data, measured.writers, measured.descriptor_md)
        draft = new_draft(start, streams, settled)
        measured.refer(draft)
        return self.intake.save(draft, settled)

    def __call__(self, name: str, doc: Mapping[str, object]) -> None:
        """Take one Bluesky document: the store is a callback, e.g. ``RE.subscribe(store)``.

        Raises
        ------
        InvalidDocumentError
            The document breaks event-model's rules, or refers to a run that is not open.
        ProvenanceError
            The start document lacks provenance that the policy requires.
        """
        self._alive()
        self._callback.take(name, doc)

    def adopt(self, file: Path) -> Run:
        """Add a complete run file, at its place under the root, to the catalog; idempotent.

        Raises
        ------
        DuplicateRunError
            The catalog has another file for this uid.
        """
        return self.intake.adopt(file)

    # --------------------------------------------------------------------------------------------- back

    def __getitem__(self, key: str | int) -> Run:
        """Return a run by uid, unique prefix of a uid, scan_id (the newest run with it), or -1 for the newest of all.

        Raises
        ------
        RunNotFoundError
            There is no such run; `AmbiguousUidError` if there are several. The message for a deleted run says who
            deleted it, and why.
        """
        self._alive()
        try:
            return Run(find(self.catalog, key, self.location), self.context)
        except RunNotFoundError as error:
            if isinstance(key, str) and (told := told_as_removed(self.root, key)):
                raise told from error
            raise

    def search(
        self,
        query: QueryLike | None = None,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        retracted: bool = True,
        **equals: object,
    ) -> Runs:
        """Return the runs that match a query, newest first, lazily.

        Parameters
        ----------
        query : mapping, Tiled query or str, optional
            ``{"temperature": {"$gt": 300}}``, ``Key("temperature") > 300``; a bare string is full text.
        since, until : float, datetime or str, optional
            Start times, ``since <= t < until``; naive ones are local time.
        text : str, optional
            Words that the metadata must hold.
        retracted : bool
            False leaves out retracted runs.
        **equals
            Metadata keys and the values they must have.

        Raises
        ------
        QueryError
            The query is invalid.
        """
        self._alive()
        found = Runs(Query.parse(query, since=since, until=until, text=text, **equals), self.context)
        return found if retracted else found.without_retracted()

    def results(self, key: str, limit: int = 10) -> list[Run]:
        """Return up to ``limit`` runs with this key of a result, newest first."""
        self._alive()
        return [Run(record, self.context) for record in self.catalog.results(key, limit)]

    @overload
    def read_checked(self, uid: str, stream: str = "primary", keys: Keys = None) -> xarray.Dataset: ...
    @overload
    def read_checked(self, uid: str, stream: None, keys: Keys = None) -> dict[str, xarray.Dataset]: ...
    @overload
    def read_checked(
        self, uid: str, stream: str | None, keys: Keys = None
    ) -> xarray.Dataset | dict[str, xarray.Dataset]: ...
    def read_checked(
        self, uid: str, stream: str | None = "primary", keys: Keys = None
    ) -> xarray.Dataset | dict[str, xarray.Dataset]:
        """Return a stream in memory, and verify its digests while reading.

        Parameters
        ----------
        uid : str
            As for ``store[uid]``.
        stream : str or None
            The stream; None for all streams.
        keys : str or iterable of str, optional
            Only these keys.

        Returns
        -------
        xarray.Dataset
            As in `Run.read`; with ``stream=None`` a dict of Datasets.

        Raises
        ------
        DamagedFileError
            The file, its documents or a value was changed, or has no digest; the message names run, stream
            and key. No value is returned.
        """
        from analysis_store.runs.read.verified_read import read_checked

        return read_checked(self[uid], stream, keys)

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

    def register_handler(self, spec: str, handler: Callable[..., object], overwrite: bool = False) -> None:
        """Use a handler for the resources of a spec in this store."""
        self.handlers.register(spec, handler, overwrite=overwrite)
        self._address.handlers[spec] = handler

    # --------------------------------------------------------------------------------------------- life

    def close(self) -> None:
        """End open runs and close all files and connections; may be called twice.

        Runs of other programs without a stop document, and open runs, end as aborted.
        """
        if self._closed:
            return
        with ExitStack() as last:  # in reverse order; each is called, also if others fail
            last.callback(setattr, self, "_closed", True)
            if os.getpid() != self._pid:
                return
            last.callback(self.catalog.close)
            self._callback.close(last)
            for opened in self._opened:
                last.callback(opened.abandon, "the store was closed while the run was open")

    @property
    def closed(self) -> bool:
        """True if the store is closed."""
        return self._closed

    def _alive(self) -> None:
        if self._closed:
            raise StoreClosedError(f"the store {self.location} is closed; open it again with AnalysisStore(…).")
        if os.getpid() != self._pid:
            raise StoreClosedError(
                f"the store {self.location} was opened by process {self._pid}, of which this process is a fork; a "
                "database connection cannot be used after a fork. Open the store again in this process."
            )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the location: another process opens the store itself, once."""
        return reopened, (type(self), self._address.sent())

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


def _policy_text(policy: Policy) -> str:
    """Return the rules in which a policy is laxer than the default."""
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
