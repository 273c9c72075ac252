"""The index of a catalog in MongoDB, compared with the documents of its runs and repaired."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.index_digest import Term, index_digest, read_index
from analysis_store.catalogs.records import check_names, start_time, terms_of, texts_of

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document


def entry(place: int, value: bytes) -> str:
    """Return an entry of the index as MongoDB sorts it: it compares strings byte by byte, but bytes by length first."""
    return (place.to_bytes(8, "big", signed=True) + value).hex()


def kept(record: RunRecord) -> Document:
    """Return the stored form of a run, or raise `InvalidDocumentError`."""
    check_names(record)
    told = {"path": record.path, "parents": list(record.parents), "more": record.more, "seal": record.seal}
    return {**told, **texts_of(record), **_indexed(start_time(record), terms_of(record))}


def _indexed(time: float, terms: list[Term]) -> Document:
    """Return the index entries of a run with their digest."""
    entries = [entry(place, value) for place, value in terms]
    return {"time": time, "terms": entries, "indexed": index_digest(time, terms)}


def misindexed(own: Collection[Document]) -> Iterator[str]:
    """Yield the uids of the runs whose entries do not match their documents."""
    for found in own.find({"committed": True}, {"time": True, "terms": True, "indexed": True}):
        due = found.get("indexed")
        if due is None:  # an older version inserted it
            told = _read(own, found["_id"])
            due = None if told is None else index_digest(*told)
        if due is None or due != _found(found):
            yield str(found["_id"])


def _read(own: Collection[Document], uid: str) -> tuple[float, list[Term]] | None:
    """Return the entries according to the documents of a run, None if it is gone or they are damaged."""
    found = own.find_one({"_id": uid, "committed": True}, {"start": True, "stop": True})
    return None if found is None else read_index(found["start"], found["stop"])


def _found(own: Mapping[str, Any]) -> int | None:
    """Return the digest of the stored entries of a run, None if they have an invalid form."""
    try:
        read = [bytes.fromhex(each) for each in own["terms"]]
        terms = [(int.from_bytes(each[:8], "big", signed=True), each[8:]) for each in read]
        return index_digest(float(own["time"]), terms)
    except (ValueError, TypeError, LookupError):
        return None


def index_again(own: Collection[Document], uids: Iterable[str]) -> None:
    """Index runs again from their documents."""
    for uid in uids:
        if (told := _read(own, uid)) is not None:
            own.update_one({"_id": uid, "committed": True}, {"$set": _indexed(*told)})
