"""A run being read: its documents at once, its data when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_store.catalogs.query.query import QueryLike
from analysis_store.errors import DamagedFileError, StoreClosedError, StreamNotFoundError
from analysis_store.pairs import HandlerRegistry, open_handler
from analysis_store.pairs.resources import resolve_path
from analysis_store.provenance import Provenance
from analysis_store.runs.notes.notes import ANNOTATION, retraction_of, warn_retracted
from analysis_store.runs.read.filled import filled
from analysis_store.runs.read.reader import RunFile, read_column
from analysis_store.runs.read.relatives import Relative, relatives
from analysis_store.runs.read.resource_location import placed
from analysis_store.runs.read.stream import Keys, Stream
from analysis_store.runs.write.document_stream import NamedDocument, run_documents
from analysis_store.runs.write.save import relative_path

if TYPE_CHECKING:
    import xarray

    from analysis_store.catalogs.base import Catalog, Note, RunRecord
    from analysis_store.core.lazy import Source
    from analysis_store.documents import Document
    from analysis_store.runs.read.verify import Report


_WARNED: set[str] = set()
"""Uids of the runs of which it was said in this process that they are retracted."""


@dataclass(slots=True)
class Context:
    """Parts of its store that a run needs to be read."""

    catalog: Catalog
    root: Path
    handlers: HandlerRegistry
    root_map: Mapping[str, str] = field(default_factory=dict)
    alive: Callable[[], None] = lambda: None
    """Raise if the store is closed, or was inherited by a fork."""


class Run(Mapping[str, Stream]):
    """One analysis run, as a mapping from stream name to `Stream`.

    Nothing but the documents is read before data are asked for.

    Examples
    --------
    >>> run = store[-1]  # doctest: +SKIP
    >>> run["primary"].read()  # doctest: +SKIP
    """

    def __init__(self, record: RunRecord, context: Context) -> None:
        self._record = record
        self._context = context
        self._is_asked = False

    @property
    def record(self) -> RunRecord:
        """The catalog's record of the run."""
        return self._record

    @property
    def context(self) -> Context:
        """Parts of its store that the run needs."""
        return self._context

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return self._record.uid

    @property
    def start(self) -> Document:
        """The start document."""
        return self._record.start

    @property
    def stop(self) -> Document | None:
        """The stop document, None if the run has none yet."""
        return self._record.stop

    @property
    def descriptors(self) -> list[Document]:
        """The descriptors of all streams."""
        return list(self._record.descriptors)

    @property
    def metadata(self) -> Document:
        """Start, stop and a summary, as `bluesky_tiled_plugins` has them."""
        summary = {
            "uid": self.uid,
            "scan_id": self.start.get("scan_id"),
            "timestamp": self.start["time"],
            "plan_name": self.start.get("plan_name"),
            "stream_names": list(self),
            "duration": self.stop["time"] - self.start["time"] if self.stop else None,
        }
        return {"start": self.start, "stop": self.stop, "summary": summary}

    @property
    def provenance(self) -> Provenance:
        """Provenance of the run, as far as the store knows it."""
        return Provenance.from_document(self._record.provenance)

    @property
    def parents(self) -> list[str]:
        """Uids of the parent runs."""
        return list(self._record.parents)

    @property
    def children(self) -> list[str]:
        """Uids of the runs in this store with this run as parent."""
        self._context.alive()
        return self._context.catalog.children(self.uid)

    @property
    def notes(self) -> list[Note]:
        """Notes on the run after it was saved, oldest first."""
        self._context.alive()
        return self._context.catalog.notes(self.uid)

    @property
    def retraction(self) -> Note | None:
        """Note why the run is not to be used any more, None if it may be; the first of several."""
        self._context.alive()
        return retraction_of(self._context.catalog, self.uid)

    @property
    def annotations(self) -> Document:
        """Later knowledge about the run, key by key; the newest value of each key."""
        self._context.alive()
        told = self._context.catalog.notes(self.uid, ANNOTATION)
        return {key: value for note in told for key, value in note.body.items()}

    def ancestors(self, limit: int | None = None) -> list[Relative]:
        """Return the ancestors of the run, nearest first, each once, including those in another catalog.

        Parameters
        ----------
        limit : int, optional
            Largest number of ancestors.
        """
        self._context.alive()
        return relatives(self._context, self._context.catalog.ancestors(self.uid, limit))

    def descendants(self, limit: int | None = None) -> list[Relative]:
        """Return the descendants of the run, nearest first, each once."""
        self._context.alive()
        return relatives(self._context, self._context.catalog.descendants(self.uid, limit))

    @property
    def file(self) -> Path:
        """The run file."""
        return self._context.root / relative_path(self._record.path)

    @property
    def digests(self) -> list[Document]:
        """The digest of every key, from the stop document, or computed when foreign documents arrived."""
        return list(self._record.beside.get("digests") or (self.stop or {}).get("digests") or [])

    @cached_property
    def content(self) -> RunFile:
        """The run file, read."""
        self._context.alive()
        content = RunFile(self.file)
        if content.start.get("uid") != self.uid:
            raise DamagedFileError(
                f"{self.file} holds run {content.start.get('uid')!r}, not {self.uid!r}; it was exchanged."
            )
        return content

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(descriptor.get("name", "primary") for descriptor in self._record.descriptors))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __getitem__(self, name: str) -> Stream:
        self._warn()
        return self.stream(name)

    def stream(self, name: str) -> Stream:
        """Return a stream without a warning for a retracted run, for verification."""
        if name not in self:
            raise StreamNotFoundError(f"run {self.uid} has no stream {name!r}; it has {list(self)}.")
        content = self.content
        streams: Mapping[str, Any] = content.journal.streams if content.is_foreign else content.streams
        return Stream(self, name, streams[name])

    def _warn(self) -> None:
        """Warn that a retracted run is read, once per run and process."""
        if self._is_asked or self.uid in _WARNED:
            return
        self._is_asked = True
        with suppress(StoreClosedError):  # cached data remain available
            if (note := self.retraction) is not None:
                _WARNED.add(self.uid)
                warn_retracted(note, f"run {self.uid} is read, which was retracted", stacklevel=3)

    def read(self, stream: str = "primary", keys: Keys = None) -> xarray.Dataset:
        """Return one stream in memory; see `Stream.read`."""
        return self[stream].read(keys)

    def documents(self, fill: bool = False) -> Iterator[NamedDocument]:
        """Yield every document of the run, in the order they were emitted.

        Parameters
        ----------
        fill : bool
            Put the values of external keys into the events; resources and datums are then left out. A value that cannot
            be read stays a reference, with a warning that says why; its resource and datum come before its event.
            Stream documents stay as they are.
        """
        self._warn()
        content = self.content
        if content.is_foreign:
            documents = iter(content.journal.documents)
        else:
            streams = [stream.documents() for stream in content.streams.values()]
            documents = run_documents(content.start, streams, content.stop)
        return filled(self, documents) if fill else documents

    def verify(self) -> Report:
        """Compare the file with the catalog and every value with its digest; the report is true when all is well."""
        from analysis_store.runs.read.verify import verify

        return verify(self)

    def open_handler(self, resource: Document) -> Any:
        """Return the handler of a resource, found by its spec."""
        return open_handler(self._placed(resource), self._context.handlers, self._context.root_map)

    def locate(self, resource: Document) -> Path:
        """Return the present location of the file of a resource; raise `UnsafeFileError` if it is outside its root."""
        return resolve_path(self._placed(resource), self._context.root_map)

    def _placed(self, resource: Document) -> Document:
        return placed(resource, self._record.path, self._context.root, self._context.root_map)

    def open_own(self, resource: Document) -> Source:
        """Return a key of a default pair: in the present run file, or in the file of its resource."""
        if resource["resource_path"] == self._record.path:
            handler = self._context.handlers[resource["spec"]](str(self.file), **resource["resource_kwargs"])
        else:
            handler = self.open_handler(resource)
        if hasattr(handler, "column"):
            source: Source = handler.column()
            return source
        return read_column(self.file, resource["resource_kwargs"]["dataset"])

    def __hash__(self) -> int:
        return hash(self.uid)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Run) and other.uid == self.uid and other.file == self.file

    def __repr__(self) -> str:
        from analysis_store.runs.read.show import run_text

        return run_text(self)

    def _repr_html_(self) -> str:
        from analysis_store.runs.read.show import run_html

        return run_html(self)


RunLike: TypeAlias = Run | str
"""A run, or the uid of one."""

RunsLike: TypeAlias = RunLike | QueryLike | Iterable[RunLike]
"""Runs: one or several, or those that satisfy a query."""
