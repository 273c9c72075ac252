"""The catalog in MongoDB, in the collections of databroker and suitcase-mongo, so that an existing databroker reads it.

A collection of our own, ``analysis_store``, holds the rest: the exact documents (MongoDB has no integer
beyond 64 bits), the location of the file, the parents, and the same index of terms that a SQL catalog has.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import uuid4

from analysis_store.catalogs.base import RESULT_KEY, Catalog, Documents, IndexFaults, Note, RunRecord
from analysis_store.catalogs.mongo import index as mongo_index
from analysis_store.catalogs.mongo import kinship as mongo_kinship
from analysis_store.catalogs.mongo.documents import Writing, prepare, remove_run
from analysis_store.catalogs.mongo.index import entry, kept
from analysis_store.catalogs.mongo.kinship import AT_ONCE
from analysis_store.catalogs.mongo.search import Search
from analysis_store.catalogs.query.dialects import key_of
from analysis_store.catalogs.query.nodes import UidPrefix
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.query.scalars import read_order, tally
from analysis_store.catalogs.query.terms import VALUE, place, text_term
from analysis_store.catalogs.records import duplicate, is_text, not_found, note_of, note_row, to_json
from analysis_store.errors import (
    DuplicateRunError,
    MissingDependencyError,
    SettingsError,
    StoreClosedError,
    StoreWriteError,
)

if TYPE_CHECKING:
    from pymongo.database import Database

    from analysis_store.catalogs.kinship import Edge
    from analysis_store.catalogs.query.nodes import Scalar

LEASE = 600.0
"""Seconds after which an unfinished run is taken for one of a dead process."""

OLDEST = [("time", 1), ("order", 1)]
NEWEST = [("time", -1), ("order", -1)]

_RESULT_PLACE = place(key_of(RESULT_KEY))


class MongoCatalog(Catalog):
    """A catalog in MongoDB; the collections and their indexes are created on first use.

    Parameters
    ----------
    uri
        ``mongodb://host/database``.

    Raises
    ------
    SettingsError
        The URI names no database.
    MissingDependencyError
        pymongo is not installed.
    StoreWriteError
        The server cannot be reached.
    StoreVersionError
        A newer version of the package created it.
    """

    stores_events: ClassVar[bool] = True

    def __init__(self, uri: str) -> None:
        self._database = _database(uri)
        host = ",".join(f"{name}:{port}" for name, port in _nodes(uri))
        self._location = f"mongodb://{host}/{self._database.name}"
        self._closed = False
        try:
            with self._translated():
                prepare(self._database, self._location)
        except BaseException:
            self.close()
            raise

    def insert(self, record: RunRecord, documents: Documents = (), durable: bool = True) -> None:
        """Commit one run: its events first, its start document last, so that no reader sees a part of it.

        The write concern of the URI determines its durability.

        Raises
        ------
        DuplicateRunError
            The catalog has the uid already.
        InvalidDocumentError
            A document holds values that JSON does not have, or an invalid start time.
        StoreWriteError
            The server refused or is gone; no part of the run is kept.
        """
        token = uuid4().hex
        own = {"_id": record.uid, "token": token, "begun": time.time(), "committed": False, **kept(record)}
        with self._translated():
            self._reserve(own)
            writing = Writing(self._open())
            try:
                writing.write(record, documents)
                mine = {"_id": record.uid, "token": token}
                if not self._own.update_one(mine, {"$set": {"committed": True}}).matched_count:
                    raise _too_late(record.uid)  # noqa: TRY301 - undone like every other failure
            except BaseException:
                writing.undo()
                self._own.delete_one({"_id": record.uid, "token": token})
                raise

    def insert_many(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Commit runs one by one and return the uids of those that were skipped, because the catalog has them already.

        Raises
        ------
        InvalidDocumentError, StoreWriteError
            As in `insert`; the runs before the failing one are kept.
        """
        left_out = []
        for record in records:
            try:
                self.insert(record, () if documents is None else documents(record))
            except DuplicateRunError:
                left_out.append(record.uid)
        return left_out

    def replace(
        self, records: Iterable[RunRecord], documents: Callable[[RunRecord], Documents] | None = None
    ) -> list[str]:
        """Replace runs of the same uids, one by one; return the uids that the catalog does not have.

        databroker's documents are written again if ``documents`` are given; after an interruption, repeat the call.

        Raises
        ------
        InvalidDocumentError, StoreWriteError
            As in `insert`; the runs before the failing one were replaced.
        """
        missing = []
        for record in records:
            mine = {"_id": record.uid, "committed": True}
            with self._translated():
                if not self._own.update_one(mine, {"$set": kept(record)}).matched_count:
                    missing.append(record.uid)
                elif documents is not None:
                    self._forget_documents(record.uid)
                    Writing(self._open()).write(record, documents(record))
        return missing

    def check_index(self) -> IndexFaults:
        """Return the differences between the index and the documents; change nothing."""
        with self._translated():
            found = list(mongo_index.misindexed(self._own))
            there = mongo_kinship.known(self._own, found)  # a run removed meanwhile is not a fault
            return IndexFaults(tuple(filter(there.__contains__, found)))

    def mend_index(self, uids: Iterable[str]) -> None:
        """Index these runs again from their documents."""
        with self._translated():
            mongo_index.index_again(self._own, uids)

    def remove(self, uid: str) -> None:
        """Remove a run: first for readers of databroker, then for ours; after an interruption, repeat the call.

        Raises
        ------
        RunNotFoundError
            There is no such run.
        StoreWriteError
            The server refused or is gone.
        """
        self.get(uid)
        with self._translated():
            self._forget_documents(uid)
            self._own.delete_one({"_id": uid})

    def get(self, uid: str) -> RunRecord:
        """Return the run of exactly this uid, or raise `RunNotFoundError`."""
        with self._translated():
            found = self._own.find_one({"_id": uid, "committed": True}) if is_text(uid) else None
        if found is None:
            raise not_found(uid, self._location)
        return _record(found)

    def with_prefix(self, prefix: str, limit: int = 10) -> list[str]:
        """Return up to ``limit`` uids that begin with ``prefix``, newest first."""
        with self._translated():
            return [str(own["_id"]) for own in self._search(Query(UidPrefix(prefix))).page([], 0, limit)]

    def search(
        self,
        query: Query,
        *,
        offset: int = 0,
        limit: int | None = None,
        sort: Sequence[tuple[str, int]] = (("time", -1),),
    ) -> list[RunRecord]:
        """Return a page of the runs that satisfy ``query``, in the order of `SqlCatalog.search`."""
        order = read_order(sort)
        with self._translated():
            return [_record(own) for own in self._search(query).page(order, offset, limit)]

    def each(self, query: Query) -> Iterator[RunRecord]:
        """Yield every run that satisfies ``query``, newest first, keeping only those being read in memory."""
        with self._translated():
            yield from map(_record, self._search(query).hits([]))

    def count(self, query: Query, limit: int | None = None) -> int:
        """Return the number of runs that satisfy ``query``, at most ``limit``."""
        with self._translated():
            return self._search(query).count(limit)

    def distinct(self, query: Query, key: str) -> list[tuple[Scalar, int]]:
        """Return the scalar values of a key among the hits with their counts, the most frequent first."""
        place = key_of(key)
        with self._translated():
            records = map(_record, self._search(query).hits([]))
            return tally(((record.start, record.stop) for record in records), place)

    def children(self, uid: str) -> list[str]:
        """Return the uids of the runs in this catalog that name ``uid`` as a parent, oldest first."""
        with self._translated():
            found = self._own.find({"parents": uid, "committed": True}, {"_id": True}) if is_text(uid) else None
            return [] if found is None else [str(own["_id"]) for own in found.sort(OLDEST)]

    def known(self, uids: Iterable[str]) -> set[str]:
        """Return those of these uids that are runs of this catalog."""
        with self._translated():
            return mongo_kinship.known(self._own, uids)

    def paths(self) -> Iterator[tuple[str, str]]:
        """Yield uid and path of every run, in the order of insertion."""
        with self._translated():
            for own in self._own.find({"committed": True}, {"path": True}).sort("order", 1):
                yield str(own["_id"]), str(own["path"])

    def may_name(self, texts: Iterable[str]) -> set[str]:
        """Return the paths of all runs whose files may contain one of these texts."""
        sought = "|".join(re.escape(to_json(text)[1:-1]) for text in texts)
        held = [{name: {"$regex": sought}} for name in ("start", "stop", "descriptors", "beside") if sought]
        with self._translated():
            found = self._own.find({"$or": [{"more": {"$ne": False}}, *held], "committed": True}, {"path": True})
            return {str(own["path"]) for own in found}

    def edges(self) -> Iterator[Edge]:
        """Yield (child, parent) for every parent that a run names, in the order of insertion."""
        with self._translated():
            yield from mongo_kinship.all_edges(self._own)

    def edges_above(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for these runs and all their ancestors; the parents of each in their own order."""
        with self._translated():
            return mongo_kinship.edges_above(self._own, uids)

    def edges_below(self, uids: Iterable[str]) -> list[Edge]:
        """Return (child, parent) for all descendants of these runs; for one parent the oldest child first."""
        with self._translated():
            return mongo_kinship.edges_below(self._own, uids)

    def results(self, key: str, limit: int = 10) -> list[RunRecord]:
        """Return up to ``limit`` runs whose ``start["processing"]["key"]`` is ``key``, newest first."""
        term = entry(_RESULT_PLACE, VALUE + text_term(key))
        with self._translated():
            found = self._own.find({"terms": term, "committed": True}).sort(NEWEST).limit(limit) if limit else ()
            return [_record(own) for own in found]

    def add_notes(self, notes: Iterable[Note], durable: bool = True) -> None:
        """Commit notes; a note identical to an existing one is not added again."""
        from pymongo import UpdateOne, WriteConcern

        rows = [note_row(note) for note in notes]
        changes = [UpdateOne({"_id": row.pop("digest")}, {"$setOnInsert": row}, upsert=True) for row in rows]
        with self._translated():
            if changes:
                notes_here = self._notes if durable else self._notes.with_options(write_concern=WriteConcern(w=1))
                notes_here.bulk_write(changes)

    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""
        if not is_text(uid + (kind or "")):
            return []
        wanted = {"uid": uid} if kind is None else {"uid": uid, "kind": kind}
        with self._translated():
            found = self._notes.find(wanted).sort([("time", 1), ("_id", 1)])
            return [_note(one) for one in found]

    def lineage_notes(self, uid: str, kinds: Sequence[str]) -> list[Note]:
        """Return the notes of these kinds on a run and on all its ancestors, in no particular order."""
        of_kinds = {"kind": {"$in": [kind for kind in kinds if is_text(kind)]}}
        with self._translated():
            if not is_text(uid) or self._notes.find_one(of_kinds, {"_id": True}) is None:
                return []
            uids = [uid, *(other for other, _ in self.ancestors(uid))]
            chunks = (uids[begin : begin + AT_ONCE] for begin in range(0, len(uids), AT_ONCE))
            return [_note(one) for chunk in chunks for one in self._notes.find({"uid": {"$in": chunk}, **of_kinds})]

    def all_notes(self, kind: str | None = None) -> Iterator[Note]:
        """Yield the notes on all runs, of one kind or of all, in no particular order."""
        if is_text(kind or ""):
            with self._translated():
                yield from map(_note, self._notes.find({} if kind is None else {"kind": kind}))

    def close(self) -> None:
        """Close every connection. Idempotent."""
        self._closed = True
        self._database.client.close()

    def info(self) -> Mapping[str, object]:
        """Return the kind of database and its location."""
        return {"kind": "mongodb", "location": self._location}

    def _open(self) -> Database[dict[str, Any]]:
        if self._closed:
            raise StoreClosedError(f"The catalog {self._location} is closed. Open it again.")
        return self._database

    @property
    def _own(self) -> Any:
        return self._open()["analysis_store"]

    @property
    def _notes(self) -> Any:
        return self._open()["analysis_store_note"]

    def _search(self, query: Query) -> Search:
        return Search(self._own, query)

    def _forget_documents(self, uid: str) -> None:
        """Remove the documents of a run that databroker reads."""
        self._open()["run_start"].delete_one({"uid": uid})
        remove_run(self._open(), uid)

    def _reserve(self, own: dict[str, Any]) -> None:
        """Reserve the uid, which only one writer can, without making the run visible."""
        from pymongo.errors import DuplicateKeyError

        if self._open()["run_start"].find_one({"uid": own["_id"]}, {"_id": True}) is not None:
            raise duplicate(own["_id"])
        meta = self._open()["analysis_store_meta"]
        counted = meta.find_one_and_update({"_id": "order"}, {"$inc": {"last": 1}}, upsert=True, return_document=True)
        own["order"] = (counted or {})["last"]
        try:
            self._own.insert_one(own)
        except DuplicateKeyError as error:
            stale = {"_id": own["_id"], "committed": False, "begun": {"$lt": time.time() - LEASE}}
            if not self._own.delete_one(stale).deleted_count:
                raise duplicate(own["_id"]) from error
            remove_run(self._open(), own["_id"])
            self._own.insert_one(own)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from pymongo.errors import PyMongoError

        self._open()
        try:
            yield
        except PyMongoError as error:
            raise StoreWriteError(
                f"The catalog {self._location} cannot be used, nothing was changed: {error}. "
                "Check that the server runs and that you have access, then try again."
            ) from error


def _nodes(uri: str) -> list[tuple[str, int | None]]:
    from pymongo.uri_parser import parse_uri

    return list(parse_uri(uri)["nodelist"])


def _database(uri: str) -> Database[dict[str, Any]]:
    try:
        from pymongo import MongoClient, WriteConcern
        from pymongo.errors import PyMongoError
    except ImportError as error:
        raise MissingDependencyError(
            "A catalog in MongoDB needs pymongo. Install it with: pip install 'analysis-store[mongo]'"
        ) from error
    try:
        client: MongoClient[dict[str, Any]] = MongoClient(uri, connect=False)
        # an insert that returned must survive a power cut, and the loss of one server of several
        return client.get_default_database().with_options(write_concern=WriteConcern(w="majority", j=True))
    except PyMongoError as error:
        where = uri.rpartition("@")[2]
        raise SettingsError(f"Got the URI {where!r}; expected mongodb://host/database: {error}") from error


def _too_late(uid: str) -> StoreWriteError:
    return StoreWriteError(
        f"Writing run {uid!r} took more than {LEASE:g} s, and another process removed it as abandoned. Save it again."
    )


def _note(found: Mapping[str, Any]) -> Note:
    return note_of(*(found[name] for name in ("uid", "kind", "time", "who", "body")))


def _record(own: Mapping[str, Any]) -> RunRecord:
    texts = {name: own[name] for name in ("start", "stop", "descriptors", "beside")}
    told = {"more": own.get("more"), "seal": own.get("seal")}  # older versions did not keep these
    return RunRecord.kept(own["_id"], texts, path=own["path"], parents=tuple(own["parents"]), **told)
