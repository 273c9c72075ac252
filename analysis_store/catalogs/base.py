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
"""Where the start document of a computed run has the key of its identity."""


@dataclass(frozen=True)
class RunRecord:
    """What a catalog keeps of one run; everything else is in the run's file.

    One that comes out of a catalog reads a document when it is asked for: most are not, and descriptors are long.
    """

    start: Document
    """The start document, exactly as it was emitted."""

    stop: Document | None
    """The stop document, or None while the run has none."""

    descriptors: tuple[Document, ...]
    """The descriptors, in the order they were emitted."""

    path: str
    """The run file, relative to the root, with forward slashes."""

    parents: tuple[str, ...] = ()
    """Uids of the runs this one came from: the lineage edges."""

    beside: Document = field(default_factory=dict)
    """What the store knows beyond the documents (provenance it resolved, digests it computed); JSON."""

    more: bool | None = field(default=None, compare=False)
    """Whether the run file has documents that can name other files, and are not here; None where that is not told."""

    seal: str | None = field(default=None, compare=False)
    """The seal of the run file; None where it has none, as one of the first release, or that is not told."""

    @property
    def uid(self) -> str:
        """The uid of the run."""
        return self.__dict__.get(_UID) or str(self.start["uid"])

    @property
    def provenance(self) -> Document:
        """Where the run came from: as the store found it out, else as its start document states it; else empty."""
        found: Document = self.beside.get("provenance") or self.start.get("provenance") or {}
        return found

    @classmethod
    def kept(cls, uid: str, texts: Mapping[str, str | None], **others: object) -> RunRecord:
        """Return the record of a run whose documents are these JSON texts, by the names of the fields."""
        record = cls.__new__(cls)
        record.__dict__.update(others)
        record.__dict__.update({_UID: uid, _TEXTS: texts})
        return record

    def __getattr__(self, name: str) -> Any:
        """Return a document that was not asked for before.

        Raises
        ------
        DamagedFileError
            The catalog does not have it as it was.
        """
        texts = self.__dict__.get(_TEXTS, {})
        if name not in texts:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        try:
            found: Any = None if texts[name] is None else json.loads(texts[name])
            check_kind(name, found)
        except (ValueError, TypeError, RecursionError) as error:
            raise DamagedFileError(
                f"the catalog has a damaged {name!r} of run {self.uid!r}: {error}. Enter it again from its file: "
                "analysis-store reindex --all."
            ) from error
        self.__dict__[name] = tuple(found) if name == "descriptors" else found
        return self.__dict__[name]


def check_kind(name: str, document: object) -> None:
    """Raise `TypeError` where what a catalog has of a run is another kind of value than it was."""
    those = document if name == "descriptors" and isinstance(document, list) else [document]
    if not all(isinstance(one, dict) or (one is None and name == "stop") for one in those):
        raise TypeError(f"{document!r:.80} is none")


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody said of a run after it was saved: that it was reused, or retracted, or what became known of it."""

    uid: str
    """The run; it need not be in the catalog."""

    kind: str
    """What the note is about, e.g. ``"retracted"``."""

    time: float
    """When it was said: seconds since 1970 UTC."""

    who: str
    """Who said it: ``user@host``."""

    body: Document = field(default_factory=dict)
    """What was said; JSON."""


@dataclass(frozen=True, slots=True)
class IndexFaults:
    """Where the index of a catalog has other entries than the documents of its runs give."""

    uids: tuple[str, ...] = ()
    """The runs that a search may miss, or find where it should not, or show at a wrong place."""

    strays: int = 0
    """How many entries are of no run: one that comes later may be found by them."""

    def __bool__(self) -> bool:
        return bool(self.uids or self.strays)


class Catalog(ABC):
    """An index over run files. Subclass it, then prove the subclass with ``analysis_store.testing.CatalogTests``.

    Everything is committed when a method returns, or not at all; ``insert`` of a uid that is there raises
    `DuplicateRunError` and changes nothing. Order, where nothing else is said, is newest first: by start
    time, runs of equal time by insertion, the latest inserted first.
    """

    stores_events: ClassVar[bool] = False
    """Whether `insert` wants the documents of every event, too (for databroker's sake)."""

    def check_writable(self) -> None:
        """Raise `StoreWriteError` where this process may only read; called before work that could not be kept."""
        return

    @abstractmethod
    def insert(self, record: RunRecord, documents: Documents = (), durable: bool = True) -> None:
        """Commit one run in one transaction. ``documents`` is consumed only where `stores_events`.

        One that need not be ``durable`` is there at once, for everybody and whoever is killed; a power cut may take it
        back, until the next one that is durable makes both so.
        """

    @abstractmethod
    def insert_many(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Commit runs at once and return the uids of those that were left out, because the catalog has them already.

        In a SQL database this is one transaction: all of them, or on an error none. MongoDB commits them one by one.
        ``documents`` gives the documents of a run, and is called only where `stores_events`.
        """

    @abstractmethod
    def remove(self, uid: str) -> None:
        """Forget a run in one transaction: its documents, its terms, the edges to its parents.

        Notes on it stay, and so do the edges of its children: they name it as a parent still.
        Raises `RunNotFoundError` where there is none.
        """

    @abstractmethod
    def replace(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Put runs in the place of those of the same uids, which keep their place in the order of insertion.

        All that is kept of a run is then what its new record says, and the index has what that gives. Return the uids
        that are not there. ``documents`` gives the documents of a run, and is called only where `stores_events`.
        """

    @abstractmethod
    def check_index(self) -> IndexFaults:
        """Return where the index has other entries than the documents of the runs give; nothing is changed.

        Runs that come or go meanwhile are no faults.
        """

    @abstractmethod
    def mend_index(self, uids: Iterable[str]) -> None:
        """Index these runs again from their documents, and remove the entries of no run; a uid may be gone since."""

    @abstractmethod
    def get(self, uid: str) -> RunRecord:
        """Return the run of exactly this uid, or raise `RunNotFoundError`."""

    @abstractmethod
    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Return up to ``limit`` uids that begin with ``prefix``, newest first. ``%`` and ``_`` are themselves."""

    @abstractmethod
    def search(
        self,
        query: Query,
        *,
        offset: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (("time", -1),),
    ) -> list[RunRecord]:
        """Return a page of the runs that satisfy ``query``; ``sort`` is (key, +1 | -1) as Tiled has it."""

    @abstractmethod
    def each(self, query: Query) -> Iterator[RunRecord]:
        """Yield every run that satisfies ``query``, newest first, and keep no more of them than are looked at.

        Which these are is settled when the first one is asked for; those that are removed since are left out.
        """

    @abstractmethod
    def count(self, query: Query, limit: int | None = None) -> int:
        """Return how many runs satisfy ``query``, and no more than ``limit``: no more of them are looked for then."""

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
        """Yield uid and path of every run, in the order they were inserted; what comes meanwhile may be among them."""

    def may_name(self, texts: Iterable[str]) -> set[str]:
        """Return the paths of all runs but those of which is known here that their files hold none of these texts."""
        return {path for _, path in self.paths()}

    @abstractmethod
    def edges(self) -> Iterator[Edge]:
        """Yield (child, parent) for every parent that a run names, in the order they were inserted."""

    @abstractmethod
    def edges_above(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for these runs and all they came from; the parents of each in its own order."""

    @abstractmethod
    def edges_below(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for all that came from these runs; of one parent the oldest child first."""

    def ancestors(self, uid: str, limit: int | None = None) -> list[tuple[str, int]]:
        """Return whom a run came from with the number of steps to each: once, nearest first, itself never.

        Those that are not in this catalog are among them; nothing is known of their parents. At most ``limit``.
        """
        return nearest([uid], upwards(self.edges_above([uid])), limit)

    def descendants(self, uid: str, limit: int | None = None) -> list[tuple[str, int]]:
        """Return what came from a run, as `ancestors` does; the run need not be in this catalog."""
        return nearest([uid], downwards(self.edges_below([uid])), limit)

    def results(self, key: str, limit: int = 10) -> list[RunRecord]:
        """Return up to ``limit`` runs whose ``start["processing"]["key"]`` is ``key``, newest first."""
        from analysis_store.catalogs.query.query import Query

        return self.search(Query.parse({RESULT_KEY: key}), limit=limit)

    @abstractmethod
    def add_notes(self, notes: Iterable[Note], durable: bool = True) -> None:
        """Commit notes in one transaction; one that is there already, the same in everything, is added once.

        Unless ``durable``, a power cut may take them back; for notes that can be added again, or be missed.
        """

    @abstractmethod
    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""

    def lineage_notes(self, uid: str, kinds: Sequence[str]) -> list[Note]:
        """Return the notes of these kinds on a run and on all that it came from, in no order that means something."""
        uids = [uid, *(other for other, _ in self.ancestors(uid))]
        return [note for one in uids for kind in kinds for note in self.notes(one, kind)]

    @abstractmethod
    def all_notes(self, kind: str | None = None) -> Iterator[Note]:
        """Yield the notes on all runs, of one kind or of all, in no order that means something."""

    @abstractmethod
    def close(self) -> None:
        """Give every connection back. May be called twice."""

    def info(self) -> Mapping[str, object]:
        """Return what a person wants to know: kind, location without password, schema version."""
        return {"kind": type(self).__name__}
