"""The contract of a catalog: an index over run files, and over notes on them, that any number of processes write to."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from analysis_store.catalogs.kinship import Edge, downwards, nearest, upwards
from analysis_store.documents import Document
from analysis_store.errors import DamagedFileError

if TYPE_CHECKING:
    from analysis_store.catalogs.query.nodes import Scalar
    from analysis_store.catalogs.query.query import Query

_UID, _TEXTS = "_uid", "_texts"

Documents = Iterable[tuple[str, Document]]
"""Documents with their names, in the order they were emitted."""

RESULT_KEY = "processing.key"
"""Path of the identity key in the start document of a computed run."""


@dataclass(frozen=True)
class RunRecord:
    """The catalog's record of one run; everything else is in the run's file.

    A record from a catalog parses a document on first access: most are never used, and descriptors are long.
    """

    start: Document
    """The start document, exactly as it was emitted."""

    stop: Document | None
    """The stop document, or None if the run has none yet."""

    descriptors: tuple[Document, ...]
    """The descriptors, in the order they were emitted."""

    path: str
    """The run file, relative to the root, with forward slashes."""

    parents: tuple[str, ...] = ()
    """Uids of the runs that this run was computed from: the lineage edges."""

    beside: Document = field(default_factory=dict)
    """JSON that the store adds to the documents: the provenance it resolved, the digests it computed."""

    more: bool | None = field(default=None, compare=False)
    """True if the run file has further documents that can name other files; None if unknown."""

    seal: str | None = field(default=None, compare=False)
    """The seal of the run file; None if it has none (as in the first release) or if unknown."""

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return self.__dict__.get(_UID) or str(self.start["uid"])

    @property
    def provenance(self) -> Document:
        """Where the run came from: as the store found it out, else as its start document states it; else empty."""
        found: Document = self.beside.get("provenance") or self.start.get("provenance") or {}
        return found

    @classmethod
    def kept(cls, uid: str, texts: Mapping[str, str | None], **others: object) -> RunRecord:
        """Return the record of a run from the JSON texts of its documents, by field name."""
        record = cls.__new__(cls)
        record.__dict__.update(others)
        record.__dict__.update({_UID: uid, _TEXTS: texts})
        return record

    def __getattr__(self, name: str) -> Any:
        """Return a document on its first access.

        Raises
        ------
        DamagedFileError
            The document in the catalog is damaged.
        """
        texts = self.__dict__.get(_TEXTS, {})
        if name not in texts:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            found: Any = None if texts[name] is None else json.loads(texts[name])
            check_kind(name, found)
        except (ValueError, TypeError, RecursionError) as error:
            raise DamagedFileError(
                f"The catalog has a damaged {name!r} of run {self.uid!r}: {error}. Add it again from its file: "
                "analysis-store reindex --all."
            ) from error
        self.__dict__[name] = tuple(found) if name == "descriptors" else found
        return self.__dict__[name]


def check_kind(name: str, document: object) -> None:
    """Raise `TypeError` if a document in the catalog has a wrong type."""
    those = document if name == "descriptors" and isinstance(document, list) else [document]
    if not all(isinstance(one, dict) or (one is None and name == "stop") for one in those):
        raise TypeError(f"{document!r:.80} is not a document")


@dataclass(frozen=True, slots=True)
class Note:
    """A note on a saved run: that it was reused, or retracted, or other later knowledge about it."""

    uid: str
    """Uid of the run, which need not be in the catalog."""

    kind: str
    """Kind of the note, e.g. ``"retracted"``."""

    time: float
    """Time of the note: seconds since 1970 UTC."""

    who: str
    """Author of the note: ``user@host``."""

    body: Document = field(default_factory=dict)
    """Content of the note; JSON."""


@dataclass(frozen=True, slots=True)
class IndexFaults:
    """Differences between the index of a catalog and the documents of its runs."""

    uids: tuple[str, ...] = ()
    """Runs that a search may miss, find wrongly, or list in a wrong order."""

    strays: int = 0
    """Number of entries that belong to no run: they may match a run that is inserted later."""

    def __bool__(self) -> bool:
        return bool(self.uids or self.strays)


class Catalog(ABC):
    """An index over run files. Subclass it, then prove the subclass with ``analysis_store.testing.CatalogTests``.

    Every method is one transaction: it commits everything or nothing; ``insert`` of an existing uid raises
    `DuplicateRunError` and changes nothing. Unless documented otherwise, order is newest first: by start
    time; among runs of equal time, the last inserted is first.
    """

    stores_events: ClassVar[bool] = False
    """True if `insert` needs the documents of every event, too (for databroker)."""

    def check_writable(self) -> None:
        """Raise `StoreWriteError` if this process may only read; call it before work that could not be saved."""
        return

    @abstractmethod
    def insert(self, record: RunRecord, documents: Documents = (), durable: bool = True) -> None:
        """Commit one run in one transaction. ``documents`` is consumed only where `stores_events`.

        A run that is not ``durable`` is visible at once and survives a killed process; a power cut may lose it, until
        the next durable commit makes both durable.
        """

    @abstractmethod
    def insert_many(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Commit runs at once and return the uids of those that were skipped, because the catalog has them already.

        In a SQL database this is one transaction: all or, after an error, none. MongoDB commits them one by one.
        ``documents`` returns the documents of a run, and is called only if `stores_events`.
        """

    @abstractmethod
    def remove(self, uid: str) -> None:
        """Remove a run in one transaction: its documents, its terms, the edges to its parents.

        Notes on it are kept, and so are the edges of its children, which still name it as a parent.
        Raises `RunNotFoundError` if there is no such run.
        """

    @abstractmethod
    def replace(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Replace runs by new records with the same uids; they keep their place in the order of insertion.

        Afterwards the catalog holds the new records and their index entries only. Return the uids that it does
        not have. ``documents`` returns the documents of a run, and is called only if `stores_events`.
        """

    @abstractmethod
    def check_index(self) -> IndexFaults:
        """Return the differences between the index and the documents of the runs; change nothing.

        Runs that are added or removed meanwhile are not reported.
        """

    @abstractmethod
    def mend_index(self, uids: Iterable[str]) -> None:
        """Index these runs again from their documents, and remove the entries of no run; uids may be gone since."""

    @abstractmethod
    def get(self, uid: str) -> RunRecord:
        """Return the run of exactly this uid, or raise `RunNotFoundError`."""

    @abstractmethod
    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Return up to ``limit`` uids that begin with ``prefix``, newest first. ``%`` and ``_`` are literal."""

    @abstractmethod
    def search(
        self,
        query: Query,
        *,
        offset: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (("time", -1),),
    ) -> list[RunRecord]:
        """Return a page of the runs that satisfy ``query``; ``sort`` is (key, +1 | -1) as in Tiled."""

    @abstractmethod
    def each(self, query: Query) -> Iterator[RunRecord]:
        """Yield every run that satisfies ``query``, newest first, keeping only those being read in memory.

        The set is fixed when the first one is requested; runs removed later are left out.
        """

    @abstractmethod
    def count(self, query: Query, limit: int | None = None) -> int:
        """Return the number of runs that satisfy ``query``, at most ``limit``; counting stops there."""

    @abstractmethod
    def distinct(self, query: Query, key: str) -> list[tuple[Scalar, int]]:
        """Return the scalar values of a key among the hits with their counts, the most frequent first."""

    @abstractmethod
    def children(self, uid: str) -> list[str]:
        """Return the uids of the runs in this catalog that name ``uid`` as a parent, oldest first."""

    @abstractmethod
    def known(self, uids: Iterable[str]) -> set[str]:
        """Return those of these uids that are runs of this catalog."""

    @abstractmethod
    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield uid and path of every run, in the order of insertion; runs added meanwhile may be included."""

    def may_name(self, texts: Iterable[str]) -> set[str]:
        """Return the paths of all runs whose files may contain one of these texts."""
        return {path for _, path in self.paths()}

    @abstractmethod
    def edges(self) -> Iterator[Edge]:
        """Yield (child, parent) for every parent that a run names, in the order of insertion."""

    @abstractmethod
    def edges_above(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for these runs and all their ancestors; the parents of each in their own order."""

    @abstractmethod
    def edges_below(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for all descendants of these runs; for one parent the oldest child first."""

    def ancestors(self, uid: str, limit: int | None = None) -> list[tuple[str, int]]:
        """Return the ancestors of a run with the number of steps to each: once, nearest first, without the run.

        Includes ancestors that are not in this catalog, whose own parents are unknown. At most ``limit``.
        """
        return nearest([uid], upwards(self.edges_above([uid])), limit)

    def descendants(self, uid: str, limit: int | None = None) -> list[tuple[str, int]]:
        """Return the descendants of a run, as `ancestors` does; the run need not be in this catalog."""
        return nearest([uid], downwards(self.edges_below([uid])), limit)

    def results(self, key: str, limit: int = 10) -> list[RunRecord]:
        """Return up to ``limit`` runs whose ``start["processing"]["key"]`` is ``key``, newest first."""
        from analysis_store.catalogs.query.query import Query

        return self.search(Query.parse({RESULT_KEY: key}), limit=limit)

    @abstractmethod
    def add_notes(self, notes: Iterable[Note], durable: bool = True) -> None:
        """Commit notes in one transaction; a note identical to an existing one is not added again.

        If not ``durable``, a power cut may lose them; for notes that can be added again, or that are not essential.
        """

    @abstractmethod
    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""

    def lineage_notes(self, uid: str, kinds: Sequence[str]) -> list[Note]:
        """Return the notes of these kinds on a run and on all its ancestors, in no particular order."""
        uids = [uid, *(other for other, _ in self.ancestors(uid))]
        return [note for one in uids for kind in kinds for note in self.notes(one, kind)]

    @abstractmethod
    def all_notes(self, kind: str | None = None) -> Iterator[Note]:
        """Yield the notes on all runs, of one kind or of all, in no particular order."""

    @abstractmethod
    def close(self) -> None:
        """Close every connection. Idempotent."""

    def info(self) -> Mapping[str, object]:
        """Return information for people: kind, location without password, schema version."""
        return {"kind": type(self).__name__}
