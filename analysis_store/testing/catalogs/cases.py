"""Runs in which every kind of value occurs, and what is asked of them."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.base import RunRecord

if TYPE_CHECKING:
    from analysis_store.documents import Document

LONG = "a long string " * 20
INJECTIONS = ("'; DROP TABLE run; --", '" OR 1=1', "%", "_", "\\", "$gt", "\x00", "\ud800", "name' OR 'a'='a", ")")

STARTS: tuple[Document, ...] = (
    {"sample": "Fe foil", "temperature": 300, "scan_id": 1, "note": "Iron foil, K-edge", "tags": ["xafs", "iron"]},
    {"sample": "Fe foil", "temperature": 300.0, "scan_id": 2, "detectors": ["pilatus", "eiger"], "ok": True},
    {"sample": "fe foil", "temperature": -4.5, "scan_id": 1, "ok": False, "tags": [], "nothing": None},
    {"sample": {"name": "Ni", "size": {"mm": 2}}, "temperature": "cold", "tags": "xafs", "ok": 1},
    {"sample": {"size": {"mm": 2}, "name": "Ni"}, "temperature": math.nan, "ok": 0},
    {"sample": [{"name": "Cu", "mm": 1}, {"name": "Ni", "mm": 3}], "temperature": math.inf, "tags": [["xafs"], 7]},
    {"big": 2**60, "temperature": -math.inf, "list": [1, 2, [3, {"a": None}]]},
    {"big": 2**60 + 1, "temperature": [300], "list": [1.0, 2, [3.0, {"a": None}]]},
    {"big": float(2**60), "temperature": True, "tags": [None, math.nan, True, 1]},
    {"big": -(2**70), "note": "Ünïcode ÄTOM ﬁne atom", "sample": "日本"},
    {"big": 10**400, "note": LONG + "one", "tags": [LONG + "one"]},
    {"big": -(10**400), "note": LONG + "two", "$odd": "dollar", "name' OR 'a'='a": "; --"},
    {"big": 1e308, "note": "\x00\ud800 % _ \\", "tags": list(range(1000)), "records": [{"n": n} for n in range(600)]},
    {"big": 5e-324, "note": "", "provenance": {"environment": {"python": "hidden"}, "code": {"name": "visible"}}},
    {"big": 0, "note": "a\nb", "stop": {"exit_status": "inside the start"}},
    {"big": -0.0, "note": " ".join(f"w{n}" for n in range(5000))},
)
STOPS: tuple[Document | None, ...] = (
    {"exit_status": "success", "num_events": {"primary": 5}},
    {"exit_status": "fail", "reason": "beam dump"},
    None,
    {"exit_status": "success", "num_events": {"primary": 10, "baseline": 2}, "a.b": 1},
)


def table() -> list[RunRecord]:
    """Return runs in which every kind of value occurs, and times that tie; some have no stop document."""
    records = []
    for number, start in enumerate(STARTS):
        stop = STOPS[number % len(STOPS)]
        uid = f"{number:02d}f3-{number % 3}"
        documents = {"uid": uid, "time": float(number // 3), **start}, stop and {"uid": uid, "run_start": uid, **stop}
        records.append(RunRecord(*documents, (), f"1970/01/01/{uid}.h5"))
    return records


def make_record(
    uid: str, time: float = 0.0, stop: Document | None = None, parents: tuple[str, ...] = (), **start: object
) -> RunRecord:
    """Return the record of a small run."""
    return RunRecord({"uid": uid, "time": time, **start}, stop, (), f"1970/01/01/{uid}.h5", parents)


QUERIES: dict[str, tuple[Any, ...]] = {
    "equality": tuple(
        {key: value}
        for key, values in {
            "sample": ("Fe foil", "Ni", {"name": "Ni", "size": {"mm": 2}}, {"name": "Ni"}, "日本", 3, []),
            "sample.name": ("Ni", "Cu", None),
            "sample.size.mm": (2, 2.0, True),
            "temperature": (300, 300.0, "300", [300], math.inf, -math.inf, math.nan, True, 1),
            "big": (2**60, 2**60 + 1, float(2**60), 2**70, -(2**70), 10**400, 10**400 + 1, 0, -0.0, 1e308, 5e-324),
            "ok": (True, False, 1, 0),
            "nothing": (None, False),
            "missing": (None, 1),
            "list": ([1, 2, [3, {"a": None}]], [1, 2]),
            "tags": ("xafs", ["xafs", "iron"], [], [None, math.nan, True, 1], list(range(1000))),
            "note": (LONG, LONG + "one", "", "\x00\ud800 % _ \\"),
            "records.n": (5, 599, 600),
            "uid": ("00f3-0", "00f3"),
        }.items()
        for value in values
    ),
    "documents": (
        {"stop.exit_status": "success"},
        {"start.sample": "Fe foil"},
        {"start.stop.exit_status": "inside the start"},
        {"stop.num_events.primary": {"$gt": 5}},
        {"stop.a.b": 1},
        {"stop.exit_status": {"$exists": False}},
        {"stop": {"$exists": True}},
    ),
    "$eq $ne": (
        *({"temperature": {"$eq": value}} for value in (300, "cold", math.nan)),
        *({"temperature": {"$ne": value}} for value in (300, "cold", math.nan, None)),
        {"sample.name": {"$ne": "Ni"}},
    ),
    "$lt $lte $gt $gte": tuple(
        {key: {operator: value}}
        for operator in ("$lt", "$lte", "$gt", "$gte")
        for key, values in {
            "temperature": (300, -4.5, math.inf, -math.inf, math.nan, "cold", "c"),
            "big": (2**60, 2**60 + 1, float(2**60), 2**60 + 2, -(2**70), 10**400, 0, 5e-324),
            "note": ("", "a", LONG, LONG + "one", LONG[:100], LONG[:101], LONG[:99], "\ud800"),
            "sample.mm": (1, 2, 3),
            "records.n": (300, 599),
        }.items()
        for value in values
    ),
    "$in $nin": (
        {"sample": {"$in": ["Fe foil", {"name": "Ni", "size": {"mm": 2}}]}},
        {"sample": {"$nin": ["Fe foil", "fe foil"]}},
        {"temperature": {"$in": [300, "cold", math.nan]}},
        {"temperature": {"$nin": [math.nan]}},
        {"temperature": {"$in": []}},
        {"temperature": {"$nin": []}},
        {"scan_id": {"$in": list(range(2, 1000))}},
        {"scan_id": {"$nin": list(range(2, 1000))}},
        {"nothing": {"$in": [None]}},
    ),
    "$exists": tuple(
        {key: {"$exists": wanted}}
        for key in (
            "sample",
            "sample.name",
            "nothing",
            "missing",
            "tags",
            "temperature",
            "records",
            "records.n",
            "sample.x",
        )
        for wanted in (True, False)
    ),
    "$regex": (
        {"sample": {"$regex": "^Fe"}},
        {"sample": {"$regex": "^FE", "$options": "i"}},
        {"sample": {"$not": {"$regex": "foil$"}}},
        {"sample.name": {"$regex": "u|i"}},
        {"note": {"$regex": r"two$"}},
        {"note": {"$regex": r"^a.b$"}},
        {"note": {"$regex": r"(?s)^a.b$"}},
        {"temperature": {"$regex": "."}},
        {"tags": {"$regex": "xafs"}},
    ),
    "$contains": tuple(
        {"tags": {"$contains": value}}
        for value in ("xafs", "xa", "iron", ["xafs"], 7, None, True, 1, math.nan, LONG + "one", 999, 1000, "")
    ),
    "$contains elsewhere": ({"sample": {"$contains": "foil"}}, {"sample": {"$contains": {"name": "Cu", "mm": 1.0}}}),
    "$and $or $not": (
        {"sample": "Fe foil", "scan_id": 2},
        {"$and": [{"sample": "Fe foil"}, {"temperature": {"$gte": 300}}]},
        {"$or": [{"sample": "Fe foil"}, {"big": {"$gt": 2**60}}]},
        {"$or": [{"sample": "Fe foil"}, {"sample": {"$regex": "^f"}}]},
        {"$not": {"sample": "Fe foil"}},
        {"$not": {"sample": {"$regex": "foil"}}},
        {"$not": {"$or": [{"tags": {"$contains": "xa"}}, {"big": {"$exists": True}}]}},
        {"temperature": {"$not": {"$gt": 0}}},
        {"temperature": {"$gt": 0, "$lt": 301}},
        {"sample.mm": {"$gt": 1, "$lt": 3}},
        {"records.n": {"$gt": 598, "$lt": 1}},
        {"big": {"$gt": 0, "$lt": 2**60 + 2, "$lte": 2**60}},
        {"note": {"$gt": LONG + "one", "$lt": "b"}},
        {"temperature": {"$or": [{"$lt": 0}, {"$gt": 300}]}},
        {"temperature": {"$not": {"$not": {"$gt": 0}}}},
        {"$or": [{"scan_id": number} for number in range(300)]},
        {},
    ),
    "text": (
        "iron",
        "IRON foil",
        "foil iron edge",
        "ünïcode ätom",
        "fine",
        "ato",
        "inside",
        "hidden",
        "visible",
        "w4999",
        "xafs",
    ),
    "injections": tuple(
        query
        for text in INJECTIONS
        for query in (
            {"sample": text},
            {"note": {"$contains": text}},
            {"tags": {"$contains": text}},
            {"sample": {"$gte": text}},
            *([] if text.startswith("$") else [{text: "; --"}, {text: {"$exists": True}}, {f"stop.{text}": 1}]),
        )
    ),
}


def is_same(a: object, b: object) -> bool:
    """Return True if two documents are equal in value, type and order of keys; NaN is itself."""
    return json.dumps(a) == json.dumps(b)
