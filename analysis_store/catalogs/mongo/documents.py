"""The documents of a run in the collections that databroker and suitcase-mongo share: written and removed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any

from analysis_store.documents import unpack_page
from analysis_store.errors import StoreVersionError

if TYPE_CHECKING:
    from pymongo.database import Database

    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document

VERSION = 1
"""The version of our own collections in the database."""

BATCH = 1000
"""Number of documents sent at once."""

COLLECTIONS = {
    "start": "run_start",
    "stop": "run_stop",
    "descriptor": "event_descriptor",
    "event": "event",
    "resource": "resource",
    "datum": "datum",
}

INDEXES: dict[str, tuple[tuple[Any, bool], ...]] = {
    # as suitcase.mongo_normalized makes them: (keys, unique)
    "resource": (("uid", False), ("resource_id", False)),
    "datum": (("datum_id", True), ("resource", False)),
    "run_start": (
        ("uid", True),
        ("scan_id", False),
        ([("scan_id", -1), ("_id", -1)], True),
        ([("time", 1), ("_id", -1)], True),
        ([("time", -1), ("_id", -1)], True),
        ([("time", -1), ("scan_id", -1)], False),
        ([("$**", "text")], False),
        ("data_session", False),
        ("data_groups", False),
    ),
    "run_stop": (("run_start", True), ("uid", True), ([("time", -1)], False), ([("$**", "text")], False)),
    "event_descriptor": (
        ("uid", True),
        ([("run_start", -1), ("time", -1)], False),
        ([("time", -1)], False),
        ([("$**", "text")], False),
    ),
    "event": (("uid", True), ([("descriptor", -1), ("time", 1)], False)),
    # our own collections
    "analysis_store": (
        ([("terms", 1), ("time", -1), ("order", -1)], False),
        ([("time", -1), ("order", -1)], False),
        ("parents", False),
    ),
    "analysis_store_note": (([("uid", 1), ("kind", 1), ("time", 1)], False), ("kind", False)),
}


def prepare(database: Database[Document], location: str) -> None:
    """Create missing indexes; raise if a newer version of the package created them."""
    meta = database["analysis_store_meta"]
    meta.update_one({"_id": "schema"}, {"$setOnInsert": {"version": VERSION}}, upsert=True)
    there = (meta.find_one({"_id": "schema"}) or {}).get("version", VERSION)
    if there > VERSION:
        raise StoreVersionError(
            f"The catalog {location} has version {there} of the schema; this package knows up to {VERSION}: "
            "upgrade analysis_store."
        )
    for name, indexes in INDEXES.items():
        made = {_signature(index["key"].items()) for index in database[name].list_indexes()}
        for keys, unique in indexes:
            if _signature([(keys, 1)] if isinstance(keys, str) else keys) not in made:
                database[name].create_index(keys, unique=unique)


def _signature(keys: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    """Return the definition of an index for comparison; the server renames the keys of a text index."""
    pairs = tuple(keys)
    return ("text",) if any(way == "text" for _, way in pairs) else tuple((name, int(way)) for name, way in pairs)


class Writing:
    """Writes the documents of one run into the collections."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._sent: dict[str, list[Any]] = defaultdict(list)

    def write(self, record: RunRecord, documents: Iterable[tuple[str, Document]]) -> None:
        """Write a run, its start document last, since readers of databroker begin with it."""
        waiting: dict[str, list[Document]] = defaultdict(list)
        for name, document in chain((("descriptor", d) for d in record.descriptors), _singles(documents)):
            waiting[name].append(document)
            if len(waiting[name]) >= BATCH:
                self._send(name, waiting.pop(name))
        for name, several in waiting.items():
            self._send(name, several)
        if record.stop is not None:
            self._send("stop", [record.stop])
        self._send("start", [record.start])

    def undo(self) -> None:
        """Remove everything that was written, and nothing else."""
        for name, ids in self._sent.items():
            for begin in range(0, len(ids), BATCH):
                self._database[name].delete_many({"_id": {"$in": ids[begin : begin + BATCH]}})

    def _send(self, name: str, documents: list[Document]) -> None:
        from bson import ObjectId

        collection = COLLECTIONS[name]
        fitting = [{"_id": ObjectId(), **fit(document)} for document in documents]
        self._sent[collection] += [document["_id"] for document in fitting]  # before sending: some may arrive
        self._database[collection].insert_many(fitting)


def _singles(documents: Iterable[tuple[str, Document]]) -> Iterator[tuple[str, Document]]:
    """Yield events, resources and data one by one; other documents are in the record, or unknown to databroker."""
    for page_or_single in documents:
        for name, document in unpack_page(*page_or_single):
            if name in ("event", "resource", "datum"):
                yield name, document


def fit(value: object) -> Any:
    """Return a value as BSON can hold it; the exact value is kept in our own collection."""
    if isinstance(value, dict):
        return {_text(key).replace("\0", "\ufffd"): fit(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [fit(item) for item in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return json.dumps(value)
    return value


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def remove_run(database: Database[Document], uid: str) -> None:
    """Remove documents of a process that died while it wrote this run."""
    descriptors = [found["uid"] for found in database["event_descriptor"].find({"run_start": uid}, {"uid": True})]
    resources = [found["uid"] for found in database["resource"].find({"run_start": uid}, {"uid": True})]
    database["event"].delete_many({"descriptor": {"$in": descriptors}})
    database["datum"].delete_many({"resource": {"$in": resources}})
    for name in ("resource", "event_descriptor", "run_stop"):
        database[name].delete_many({"run_start": uid})
