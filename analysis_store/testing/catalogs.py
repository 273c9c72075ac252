"""The suite that proves a catalog: subclass `CatalogTests` and give it a fixture or two."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

from analysis_store.catalogs.base import Catalog, Document, Note, RunRecord
from analysis_store.catalogs.nodes import Not, Uids
from analysis_store.catalogs.query import Query
from analysis_store.errors import (
    DuplicateRunError,
    InvalidDocumentError,
    QueryError,
    RunNotFoundError,
    StoreClosedError,
)

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
    uid: str, time: float = 0.0, stop: Document | None = None, parents: tuple[str, ...] = (), **start: Any
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


def is_same(a: Any, b: Any) -> bool:
    """Tell whether two documents are equal in value, type and order of keys; NaN is itself."""
    return json.dumps(a) == json.dumps(b)


class CatalogTests:
    """What holds for every catalog.

    A subclass has a fixture ``catalog``, an empty `Catalog`, and a fixture ``reopen``, a callable that opens one more
    `Catalog` on the same data and is responsible for closing it.
    """

    @pytest.fixture
    def catalog(self) -> Iterator[Catalog]:
        """Give an empty catalog."""
        raise NotImplementedError("a subclass of CatalogTests has a fixture 'catalog', an empty Catalog")

    @pytest.fixture
    def reopen(self) -> Callable[[], Catalog]:
        """Give a function that opens one more catalog on the same data."""
        raise NotImplementedError("a subclass of CatalogTests has a fixture 'reopen', which opens the same data again")

    @pytest.fixture
    def filled(self, catalog: Catalog) -> Catalog:
        """Give a catalog that holds the `table`."""
        for record in table():
            catalog.insert(record)
        return catalog

    def test_a_run_comes_back_exactly(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """NaN, infinities, integers of any size, unicode, the order of keys: all is as it was, in a second catalog."""
        values: list[Any] = [
            math.nan,
            math.inf,
            -math.inf,
            2**53 + 1,
            2**70,
            -(2**70),
            1.0,
            1,
            True,
            None,
            "日本\x00\ud800",
            {},
            [],
            [[]],
        ]
        record = RunRecord(
            {"z": values, "uid": "exact", "time": 1, "a": {"z": 1, "b": -0.0}},
            {"uid": "stop", "time": 2.5, "run_start": "exact", "exit_status": "success", "big": 2**80},
            (
                {"uid": "d1", "run_start": "exact", "name": "primary"},
                {"uid": "d2", "run_start": "exact", "limit": math.nan},
            ),
            "2026/03/01/exact.h5",
            ("parent b", "parent a"),
            {"resolved": {"b": True}, "n": 2**65},
        )
        catalog.insert(record)
        for found in (catalog.get("exact"), reopen().get("exact"), catalog.search(Query())[0]):
            assert is_same(found.start, record.start)
            assert is_same(found.stop, record.stop)
            assert is_same(found.descriptors, record.descriptors)
            assert is_same(found.beside, record.beside)
            assert (found.path, found.parents) == (record.path, record.parents)

    def test_a_run_without_stop(self, catalog: Catalog) -> None:
        """A run that has no stop document comes back without one."""
        catalog.insert(make_record("open"))
        assert catalog.get("open").stop is None

    def test_an_inserted_record_is_not_modified(self, catalog: Catalog) -> None:
        """The caller's documents stay as they were."""
        record = make_record("mine", sample={"name": "Fe"}, stop={"uid": "s", "time": 1.0, "run_start": "mine"})
        before = json.dumps([record.start, record.stop])
        catalog.insert(record)
        assert json.dumps([record.start, record.stop]) == before

    def test_a_duplicate_changes_nothing(self, catalog: Catalog) -> None:
        """A second run of the same uid is refused, and the first is found as before."""
        catalog.insert(make_record("twin", sample="first"))
        with pytest.raises(DuplicateRunError, match="twin"):
            catalog.insert(make_record("twin", 1.0, sample="second", parents=("mother",)))
        assert catalog.get("twin").start["sample"] == "first"
        assert catalog.count(Query()) == 1
        assert catalog.count(Query.parse(sample="second")) == 0
        assert catalog.children("mother") == []
        catalog.insert(make_record("other"))
        assert catalog.count(Query()) == 2

    @pytest.mark.parametrize("time", [None, math.nan, "now", True])
    def test_a_start_time_is_a_number(self, catalog: Catalog, time: Any) -> None:
        """Without a time there is no order; nothing of such a run stays."""
        with pytest.raises(InvalidDocumentError, match="time"):
            catalog.insert(make_record("timeless", time))
        assert catalog.count(Query()) == 0

    def test_a_value_that_json_does_not_have(self, catalog: Catalog) -> None:
        """It is refused, and nothing of the run stays."""
        with pytest.raises(InvalidDocumentError, match="object"):
            catalog.insert(make_record("odd", value=object()))
        assert catalog.count(Query()) == 0

    def test_an_unknown_uid(self, filled: Catalog) -> None:
        """A uid is found whole or not at all."""
        for uid in ("", "00f3", "00f3-0 ", "00F3-0", *INJECTIONS):
            with pytest.raises(RunNotFoundError, match="no run"):
                filled.get(uid)

    def test_newest_first(self, catalog: Catalog) -> None:
        """Runs come by start time, those of equal time by insertion, the latest first."""
        for uid, time in {"b": 5.0, "a": 1.0, "d": 5.0, "c": 9.0, "e": -2.0, "f": 5}.items():
            catalog.insert(make_record(uid, time, same=1))
        for query in (Query(), Query.parse(same=1), Query.parse({"same": {"$gt": 0}}), Query.parse(since=-10)):
            assert [run.uid for run in catalog.search(query)] == ["c", "f", "d", "b", "a", "e"]
            assert [run.uid for run in catalog.search(query, sort=[("time", 1)])] == ["e", "a", "b", "d", "f", "c"]

    def test_pages(self, filled: Catalog) -> None:
        """Pages laid side by side are the whole, whatever finds the runs."""
        for query in (
            Query(),
            Query.parse({"temperature": {"$exists": True}}),
            Query.parse({"sample": {"$regex": "f"}}),
        ):
            whole = [run.uid for run in filled.search(query)]
            assert len(whole) == filled.count(query) >= 3
            pages = [filled.search(query, offset=at, limit=3) for at in range(0, len(whole) + 3, 3)]
            assert [run.uid for page in pages for run in page] == whole
            assert filled.search(query, offset=100) == []
            assert filled.search(query, limit=0) == []
            assert [run.uid for run in filled.search(query, offset=2)] == whole[2:]

    def test_sorting_by_any_key(self, catalog: Catalog) -> None:
        """Values come in their order, kind by kind; runs without one come last both ways; ties newest first."""
        for number, value in enumerate([3, 10, "b", None, True, 3.0, "a", [1], -(2**70)]):
            catalog.insert(make_record(f"r{number}", float(number), value=value))
        catalog.insert(make_record("none", 99.0))

        def order(*sort: tuple[str, int], limit: int | None = None) -> list[str]:
            return [run.uid for run in catalog.search(Query(), sort=sort, limit=limit)]

        assert order(("value", 1)) == ["r4", "r8", "r5", "r0", "r1", "r6", "r2", "r3", "none", "r7"]
        assert order(("value", -1)) == ["r3", "r2", "r6", "r1", "r5", "r0", "r8", "r4", "none", "r7"]
        assert order(("value", 1), ("time", 1))[2:4] == ["r0", "r5"]
        assert order(("uid", 1), limit=2) == ["none", "r0"]
        with pytest.raises(QueryError, match="1"):
            order(("value", 2))

    def test_sorting_what_the_documents_must_tell(self, filled: Catalog) -> None:
        """A regular expression and an order by key go together."""
        query = Query.parse({"note": {"$regex": "o"}})
        uids = [run.uid for run in filled.search(query, sort=[("uid", 1)])]
        assert uids == sorted(run.uid for run in filled.search(query))
        assert [run.uid for run in filled.search(query, sort=[("uid", 1)], offset=1, limit=2)] == uids[1:3]

    def test_prefixes(self, catalog: Catalog) -> None:
        """Uids are found by how they begin, newest first; ``%`` and ``_`` stand for themselves."""
        for number, uid in enumerate(["abc", "abd", "ab%", "ab_", "Abc", "b", "ab\U0010fffd"]):
            catalog.insert(make_record(uid, float(number)))
        assert catalog.with_prefix("ab") == ["ab\U0010fffd", "ab_", "ab%", "abd", "abc"]
        assert catalog.with_prefix("ab", limit=2) == ["ab\U0010fffd", "ab_"]
        assert catalog.with_prefix("ab%") == ["ab%"]
        assert catalog.with_prefix("ab_") == ["ab_"]
        assert catalog.with_prefix("x") == []
        assert len(catalog.with_prefix("")) == 7
        for text in INJECTIONS:
            assert catalog.with_prefix(text) == []

    def test_children(self, catalog: Catalog) -> None:
        """Who came from a run is known, oldest first, each once; the parent need not be here."""
        catalog.insert(make_record("late", 9.0, parents=("raw", "other")))
        catalog.insert(make_record("early", 1.0, parents=("raw", "raw")))
        catalog.insert(make_record("grandchild", 2.0, parents=("late",)))
        assert catalog.children("raw") == ["early", "late"]
        assert catalog.children("late") == ["grandchild"]
        assert catalog.children("grandchild") == []
        assert catalog.get("late").parents == ("raw", "other")
        assert all(catalog.children(text) == [] for text in INJECTIONS)

    def test_kin(self, catalog: Catalog) -> None:
        """Whom a run came from and what came of it: each once, nearest first; who is not here is told, and leads on."""
        catalog.insert(make_record("end", 1.0, parents=("left", "right")))
        catalog.insert(make_record("left", 5.0, parents=("top",)))
        catalog.insert(make_record("right", 3.0, parents=("top", "elsewhere")))
        catalog.insert(make_record("top", 9.0, parents=("raw",)))
        catalog.insert(make_record("alone", 9.0))
        above = [("left", 1), ("right", 1), ("top", 2), ("elsewhere", 2), ("raw", 3)]
        assert catalog.ancestors("end") == above
        assert catalog.ancestors("end", 3) == above[:3]
        assert catalog.ancestors("end", 0) == []
        assert catalog.descendants("raw") == [("top", 1), ("right", 2), ("left", 2), ("end", 3)]
        assert catalog.descendants("raw", 2) == [("top", 1), ("right", 2)]
        assert catalog.descendants("elsewhere") == [("right", 1), ("end", 2)]
        for uid in ("alone", "nobody", *INJECTIONS):
            assert catalog.ancestors(uid) == catalog.descendants(uid) == []
        assert catalog.edges_above(["left", "top"]) == [("left", "top"), ("top", "raw")]
        assert set(catalog.edges_below(["left", "right"])) == {("end", "left"), ("end", "right")}

    def test_kin_in_a_circle(self, catalog: Catalog) -> None:
        """A circle, which no honest program makes, is walked once."""
        for uid, parent in {"a": "c", "b": "a", "c": "b", "self": "self"}.items():
            catalog.insert(make_record(uid, parents=(parent,)))
        assert catalog.ancestors("a") == [("c", 1), ("b", 2)]
        assert catalog.descendants("a") == [("b", 1), ("c", 2)]
        assert catalog.ancestors("self") == catalog.descendants("self") == []

    def test_kin_far_away(self, catalog: Catalog) -> None:
        """A long chain of diamonds is walked to its end: as many steps as there are runs, not as there are ways."""
        catalog.insert_many(
            make_record(f"{number}{side}", float(number), parents=(f"{number - 1}a", f"{number - 1}b"))
            for number in range(1, 101)
            for side in "ab"
        )
        assert catalog.ancestors("100a")[-1] == ("0b", 100)
        assert len(catalog.ancestors("100a")) == len(catalog.descendants("0a")) == 200
        assert catalog.descendants("0b")[-1][1] == 100

    def test_all_edges_and_paths(self, catalog: Catalog) -> None:
        """Every edge and every path comes, in the order of insertion; so do those that are known among some uids."""
        catalog.insert(make_record("late", 9.0, parents=("raw", "other", "raw")))
        catalog.insert(make_record("early", 1.0, parents=("late",)))
        assert list(catalog.edges()) == [("late", "raw"), ("late", "other"), ("late", "raw"), ("early", "late")]
        assert list(catalog.paths()) == [("late", "1970/01/01/late.h5"), ("early", "1970/01/01/early.h5")]
        assert catalog.known(["late", "raw", "early", *INJECTIONS]) == {"late", "early"}
        assert catalog.known([]) == set()

    def test_many_at_once(self, catalog: Catalog) -> None:
        """Runs that come together are found as those that came one by one; what is there already is left as it is."""
        catalog.insert(make_record("there", sample="first"))
        batch = [make_record("a", 1.0), make_record("there", sample="second"), make_record("b", 1.0, parents=("a",))]
        assert catalog.insert_many([*batch, make_record("a", 2.0)]) == ["there", "a"]
        assert [run.uid for run in catalog.search(Query())] == ["b", "a", "there"]
        assert catalog.get("there").start["sample"] == "first"
        assert catalog.get("a").start["time"] == 1.0
        assert catalog.children("a") == ["b"]
        assert catalog.insert_many(batch) == ["a", "there", "b"]
        assert catalog.insert_many([]) == []

    def test_many_of_which_one_is_odd(self, catalog: Catalog) -> None:
        """It is refused; in a SQL database, those that came with it are not there, either."""
        with pytest.raises(InvalidDocumentError, match="odd"):
            catalog.insert_many([make_record("good"), make_record("odd", math.nan)])
        assert catalog.known(["good", "odd"]) <= (set() if not catalog.stores_events else {"good"})

    def test_a_run_is_removed(self, catalog: Catalog) -> None:
        """Nothing finds it any more, what is said of it stays, and another may come in its place."""
        keep, gone = table()[0], make_record("gone", 99.0, sample="Fe foil", parents=("raw",), list=[1, {"a": 2}])
        catalog.insert(keep)
        catalog.insert(gone)
        catalog.insert(make_record("child", 3.0, parents=("gone",)))
        catalog.add_notes([Note("gone", "deleted", 1.0, "ann@bl7")])
        catalog.remove("gone")
        with pytest.raises(RunNotFoundError, match="gone"):
            catalog.get("gone")
        with pytest.raises(RunNotFoundError, match="gone"):
            catalog.remove("gone")
        assert [run.uid for run in catalog.search(Query())] == ["child", keep.uid]
        assert [run.uid for run in catalog.search(Query.parse(sample="Fe foil"))] == [keep.uid]
        assert catalog.children("raw") == []
        assert catalog.descendants("raw") == []
        assert catalog.children("gone") == ["child"]
        assert len(catalog.notes("gone")) == 1
        catalog.insert(make_record("next", 99.0, sample="Ni"))
        assert catalog.count(Query.parse({"sample": "Fe foil"})) == catalog.count(Query.parse({"list.a": 2})) + 1 == 1
        catalog.insert(gone)
        assert is_same(catalog.get("gone").start, gone.start)
        assert catalog.children("raw") == ["gone"]

    def test_removal_while_others_search(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """A run that comes and goes is found or not; nobody who searches meanwhile fails."""
        other, stay = reopen(), make_record("stay", 1.0, here=1, text="some words")
        catalog.insert(stay)

        def flicker() -> None:
            for number in range(25):
                catalog.insert(make_record("flicker", 2.0, here=number, text="some other words", parents=("stay",)))
                catalog.remove("flicker")

        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(flicker)
            while not busy.done():
                for asked in ({"here": {"$exists": True}}, {"text": {"$regex": "some"}}):
                    assert other.search(Query.parse(asked))[-1].uid == "stay"
                assert (1, 1) in [(value, 1) for value, _ in other.distinct(Query(), "here")]
                assert other.ancestors("flicker") in ([], [("stay", 1)])
                with suppress(RunNotFoundError):
                    assert other.get("flicker").parents in ((), ("stay",))
            busy.result()
        assert [run.uid for run in other.search(Query())] == ["stay"]

    @pytest.mark.parametrize("group", QUERIES)
    def test_queries(self, filled: Catalog, group: str) -> None:
        """Each query finds, counts and pages exactly the runs that `Query.matches` says, in order."""
        newest_first = sorted(enumerate(table()), key=lambda item: (-item[1].start["time"], -item[0]))
        wrong = []
        for asked in QUERIES[group]:
            query = Query.parse(asked)
            expected = [record.uid for _, record in newest_first if query.matches(record.start, record.stop)]
            found = [record.uid for record in filled.search(query)]
            page = [record.uid for record in filled.search(query, offset=1, limit=2)]
            if (found, page, filled.count(query)) != (expected, expected[1:3], len(expected)):
                wrong.append((asked, found, page, filled.count(query), expected))
        assert not wrong

    def test_very_many_uids(self, filled: Catalog) -> None:
        """More uids than a statement can hold are asked for, or left out, alone and with other conditions."""
        uids = frozenset({"00f3-0", "03f3-0", *INJECTIONS, *(f"nobody-{number}" for number in range(70_000))})
        for node in (Uids(uids), Not(Uids(uids)), Uids(frozenset()), Not(Uids(frozenset()))):
            for query in (Query(node), Query(node) & Query.parse({"sample": {"$regex": "o"}})):
                expected = {record.uid for record in table() if query.matches(record.start, record.stop)}
                assert {record.uid for record in filled.search(query)} == expected
                assert filled.count(query) == len(expected)
                assert len(filled.search(query, limit=1)) == min(1, len(expected))

    def test_time_spans(self, filled: Catalog) -> None:
        """``since`` is within the span, ``until`` is not; either may be left out."""
        times = {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
        for since, until in [(1, 3), (None, 2), (4, None), (2, 2), (3, 1)]:
            query = Query.parse(since=since, until=until)
            expected = {t for t in times if (since is None or t >= since) and (until is None or t < until)}
            assert {run.start["time"] for run in filled.search(query)} == expected
            both = query & Query.parse(sample="Fe foil")
            assert filled.count(both) == sum(both.matches(run.start, run.stop) for run in table())

    def test_distinct(self, filled: Catalog) -> None:
        """Scalar values come with the number of runs, the most frequent first; equal numbers are one value."""
        assert filled.distinct(Query(), "sample") == [("Fe foil", 2), ("fe foil", 1), ("日本", 1)]
        assert filled.distinct(Query(), "sample.name") == [("Ni", 3), ("Cu", 1)]
        assert filled.distinct(Query(), "stop.exit_status") == [("success", 8), ("fail", 4)]
        assert filled.distinct(Query.parse(scan_id=1), "sample") == [("Fe foil", 1), ("fe foil", 1)]
        assert filled.distinct(Query.parse({"sample": {"$regex": "^F"}}), "scan_id") == [(1, 1), (2, 1)]
        assert filled.distinct(Query(), "missing") == []
        assert dict(filled.distinct(Query(), "records.n")) == dict.fromkeys(range(600), 1)
        assert sorted(filled.distinct(Query(), "ok"), key=repr) == [(0, 1), (1, 1), (False, 1), (True, 1)]

    def test_results(self, catalog: Catalog) -> None:
        """The results of one key come newest first, with their parents, and no more of them than are asked for."""
        key, other = f"blake3:{'ab' * 32}", f"blake3:{'ab' * 31}ac"
        for number, (uid, time) in enumerate({"b": 5.0, "a": 1.0, "d": 5.0}.items()):
            parents = ("raw", "dark")[: number % 3]
            catalog.insert(make_record(uid, time, parents=parents, processing={"key": key, "inputs": [other]}))
        catalog.insert(make_record("else", 9.0, processing={"key": other}))
        catalog.insert(make_record("elsewhere", 9.0, key=key, processing=key))
        for find in (catalog.results, lambda *asked: Catalog.results(catalog, *asked)):
            assert [run.uid for run in find(key)] == ["d", "b", "a"]
            assert [run.uid for run in find(key, 2)] == ["d", "b"]
            assert [run.uid for run in find(other)] == ["else"]
            assert all(find(text) == [] for text in (key[:-1], "", *INJECTIONS))
        assert [run.parents for run in catalog.results(key)] == [("raw", "dark"), (), ("raw",)]
        assert is_same(catalog.results(key)[0].start, catalog.get("d").start)

    def test_results_of_long_keys(self, catalog: Catalog) -> None:
        """Keys that differ only far from their beginnings are told apart."""
        for end in ("one", "two"):
            catalog.insert(make_record(end, processing={"key": LONG + end}))
        assert [run.uid for run in catalog.results(LONG + "one")] == ["one"]
        assert catalog.results(LONG) == []

    def test_notes(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Notes come back exactly, oldest first, of one kind or of all; the run need not be here."""
        body = {"z": [math.nan, 2**70, None, "日本\x00\ud800"], "a": {}}
        notes = [
            Note("gone", "reuse", 2.0, "ann@bl7", body),
            Note("gone", "retracted", 1.5, "bob@bl7", {"reason": "wrong energy"}),
            Note("gone", "reuse", 1.0, "bob@bl7"),
            Note("other", "reuse", 0.0, "bob@bl7"),
        ]
        catalog.add_notes(iter(notes[:3]))
        catalog.add_notes(notes[3:], durable=False)
        catalog.add_notes([])
        for found in (catalog, reopen()):
            assert repr(found.notes("gone")) == repr([notes[2], notes[1], notes[0]])
            assert repr(found.notes("gone", "reuse")) == repr([notes[2], notes[0]])
            assert found.notes("other", "retracted") == []
            assert all(found.notes(text) == found.notes("gone", text) == [] for text in ("", "gon", *INJECTIONS))
        assert catalog.count(Query()) == 0

    def test_a_note_that_is_there_already(self, catalog: Catalog) -> None:
        """The same note is there once, however often it is added; one that differs in anything is another."""
        note = Note("run", "reuse", 1.0, "ann@bl7", {"a": 1})
        catalog.add_notes([note, note])
        catalog.add_notes([note])
        assert catalog.notes("run") == [note]
        others = [
            Note("run", "reuse", 1.0, "ann@bl7", {"a": 2}),
            Note("run", "reuse", 1.0, "bob@bl7", {"a": 1}),
            Note("run", "read", 1.0, "ann@bl7", {"a": 1}),
            Note("run", "reuse", 2.0, "ann@bl7", {"a": 1}),
        ]
        catalog.add_notes([note, *others])
        assert len(catalog.notes("run")) == 5

    def test_all_notes(self, catalog: Catalog) -> None:
        """The notes of a kind come, or those of all kinds, on whatever runs."""
        notes = [Note(uid, kind, 1.0, "ann@bl7", {"a": uid}) for uid in ("x", "y") for kind in ("reuse", "retracted")]
        catalog.add_notes(notes)
        assert sorted(map(repr, catalog.all_notes())) == sorted(map(repr, notes))
        assert sorted(note.uid for note in catalog.all_notes("retracted")) == ["x", "y"]
        assert all(list(catalog.all_notes(text)) == [] for text in ("retract", *INJECTIONS))

    @pytest.mark.parametrize(
        ("note", "message"),
        [
            (Note("run", "odd", 1.0, "ann", {"x": object()}), "JSON"),
            (Note("run", "odd", math.nan, "ann"), "time nan"),
            (Note("run\ud800", "odd", 1.0, "ann"), "UTF-8"),
            (Note("run", "", 1.0, "ann"), "''"),
        ],
    )
    def test_a_note_that_cannot_be_kept(self, catalog: Catalog, note: Note, message: str) -> None:
        """It is refused, and none of those that came with it stays."""
        with pytest.raises(InvalidDocumentError, match=message):
            catalog.add_notes([Note("run", "good", 1.0, "ann"), note])
        assert catalog.notes("run") == []

    def test_many_writers_of_notes(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Threads that share a catalog, and others with their own, lose no note."""
        catalogs = [catalog, catalog, reopen(), reopen()]

        def write(number: int) -> None:
            for time in range(10):
                catalogs[number].add_notes([Note("run", "reuse", float(time), f"{number}@bl7")])

        with ThreadPoolExecutor(len(catalogs)) as pool:
            list(pool.map(write, range(len(catalogs))))
        assert len(catalog.notes("run")) == 40

    def test_many_writers(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Threads that share a catalog, and others with their own, lose no run and find what they wrote."""
        catalogs = [catalog, catalog, reopen(), reopen()]

        def write(number: int) -> None:
            for run in range(10):
                catalogs[number].insert(make_record(f"{number}-{run}", float(run), writer=number))
                assert catalogs[number].count(Query.parse(writer=number)) == run + 1

        with ThreadPoolExecutor(len(catalogs)) as pool:
            list(pool.map(write, range(len(catalogs))))
        assert catalog.count(Query()) == 40

    def test_one_of_many_duplicates_wins(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Of several who insert the same uid at once, one succeeds, and its run is the one that is found."""
        catalogs = [catalog, catalog, reopen(), reopen()]

        def write(number: int) -> bool:
            try:
                catalogs[number].insert(make_record("contested", writer=number))
            except DuplicateRunError:
                return False
            return True

        with ThreadPoolExecutor(len(catalogs)) as pool:
            won = list(pool.map(write, range(len(catalogs))))
        assert won.count(True) == 1
        assert catalog.get("contested").start["writer"] == won.index(True)
        assert catalog.count(Query()) == 1

    def test_closing(self, catalog: Catalog) -> None:
        """A catalog may be closed twice; then it says so."""
        catalog.close()
        catalog.close()
        uses: tuple[Callable[[], Any], ...] = (
            lambda: catalog.get("a"),
            lambda: catalog.insert(make_record("a")),
            lambda: catalog.count(Query()),
            lambda: catalog.results("key"),
            lambda: catalog.notes("a"),
            lambda: catalog.add_notes([Note("a", "reuse", 1.0, "ann")]),
            lambda: catalog.insert_many([make_record("a")]),
            lambda: catalog.remove("a"),
            lambda: catalog.known(["a"]),
            lambda: catalog.ancestors("a"),
            lambda: catalog.descendants("a"),
            lambda: list(catalog.paths()),
            lambda: list(catalog.edges()),
            lambda: list(catalog.all_notes()),
        )
        for use in uses:
            with pytest.raises(StoreClosedError, match="closed"):
                use()

    def test_info(self, catalog: Catalog) -> None:
        """A person learns what kind of catalog it is."""
        assert catalog.info()["kind"]
