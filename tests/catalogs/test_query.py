"""Three dialects become one query, and it means what it says."""

from __future__ import annotations

import datetime
import itertools
import math
import random
import re
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_store.catalogs.query.nodes import All, Compare, In, Key, Text, TimeSpan
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.query.terms import is_vague, value_term
from analysis_store.catalogs.query.values import words
from analysis_store.core.equality import equal, holds_nan
from analysis_store.errors import QueryError

START = {
    "uid": "0c3f",
    "time": 1000.0,
    "scan_id": 300,
    "sample": {"name": "Fe foil", "sizes": [{"mm": 1}, {"mm": 3}]},
    "detectors": ["pilatus", "eiger"],
    "note": "Annealed at 300 K",
    "ok": True,
    "nothing": None,
    "nan": math.nan,
    "big": 2**60 + 1,
    "provenance": {"environment": {"packages": "numpy scipy"}, "code": {"name": "larch"}},
}
STOP = {"uid": "s", "exit_status": "success", "num_events": {"primary": 5}}


def matches(query: Any = None, **keywords: Any) -> bool:
    """Tell whether the run above satisfies a query."""
    return Query.parse(query, **keywords).matches(START, STOP)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, True),
        ({"scan_id": 300}, True),
        ({"scan_id": 300.0}, True),
        ({"scan_id": "300"}, False),
        ({"start.scan_id": 300}, True),
        ({"ok": 1}, False),
        ({"ok": True}, True),
        ({"big": 2**60 + 1}, True),
        ({"big": 2**60}, False),
        ({"big": float(2**60 + 1)}, False),
        ({"nan": math.nan}, False),
        ({"nan": {"$ne": math.nan}}, True),
        ({"nan": {"$exists": True}}, True),
        ({"nan": {"$lt": 1}}, False),
        ({"nothing": None}, True),
        ({"missing": None}, False),
        ({"missing": {"$ne": 1}}, True),
        ({"missing": {"$nin": [1]}}, True),
        ({"missing": {"$not": {"$gt": 1}}}, True),
        ({"sample.name": "Fe foil"}, True),
        ({"sample.sizes.mm": 3}, True),
        ({"sample.sizes.mm": {"$gt": 1, "$lt": 3}}, True),  # any of them each, as in Mongo
        ({"sample.sizes.mm": {"$ne": 3}}, False),
        ({"sample.sizes": [{"mm": 1.0}, {"mm": 3}]}, True),
        ({"sample": {"sizes": [{"mm": 1}, {"mm": 3}], "name": "Fe foil"}}, True),
        ({"detectors": "pilatus"}, False),
        ({"detectors": ["pilatus", "eiger"]}, True),
        ({"detectors": {"$contains": "pilatus"}}, True),
        ({"detectors": {"$contains": "pil"}}, False),
        ({"note": {"$contains": "300"}}, True),
        ({"note": {"$contains": 300}}, False),
        ({"note": {"$gt": 0}}, False),
        ({"note": {"$gt": "An"}}, True),
        ({"note": {"$regex": "^annealed", "$options": "i"}}, True),
        ({"note": {"$regex": re.compile("^annealed", re.IGNORECASE)}}, True),
        ({"note": {"$regex": "^annealed"}}, False),
        ({"scan_id": {"$regex": "300"}}, False),
        ({"scan_id": {"$in": [1, 300.0]}}, True),
        ({"scan_id": {"$or": [{"$lt": 10}, {"$gt": 299}]}}, True),
        ({"$not": {"scan_id": 300}}, False),
        ({"$or": [{"scan_id": 1}, {"$and": [{"ok": True}, {"nothing": None}]}]}, True),
        ({"stop.exit_status": "success"}, True),
        ({"stop.num_events.primary": {"$gte": 5}}, True),
        ({"stop": {"$exists": True}}, False),
        ("annealed k", True),
        ("ANNEALED foil", True),
        ("anneal", False),
        ("numpy", False),
        ("larch", False),
    ],
)
def test_mappings_and_text(query: Any, expected: bool) -> None:
    """Each operator has the meaning of the documentation."""
    assert matches(query) is expected


def test_keywords() -> None:
    """Keywords are equalities, or take operators; all must hold, with the query before them."""
    assert matches(scan_id=300, ok=True)
    assert not matches(scan_id=300, ok=False)
    assert matches({"ok": True}, scan_id={"$gt": 299})
    assert matches("annealed", text="300", **{"sample.name": "Fe foil"})
    assert not matches("annealed", text="301")
    assert Query.parse() == Query.parse("  ") == Query(All())


def test_a_run_without_stop() -> None:
    """Nothing is in a stop document that is not there."""
    assert not Query.parse({"stop.exit_status": {"$exists": True}}).matches(START)
    assert Query.parse({"stop.exit_status": {"$ne": "success"}}).matches(START)


def test_a_query_is_combined_with_and() -> None:
    """Two queries that must both hold are one; a query has no truth value of its own."""
    both = Query.parse(scan_id=300) & Query.parse(ok=True)
    assert both == Query.parse(scan_id=300, ok=True) == Query.parse(both)
    assert (Query() & both) == both
    with pytest.raises(QueryError, match="'&'"):
        bool(both)


@pytest.mark.parametrize(
    "query",
    [
        {"a": {"$gtt": 1}},
        {"$nor": [{"a": 1}]},
        {"$or": [{"b": {"$not": {"$where": "1"}}}]},
        {"a": {"$gt": 1, "name": 2}},
        {"$and": [{"$or": [{"$text": {}}]}]},
    ],
)
def test_an_unknown_operator(query: Any) -> None:
    """At any depth it is refused, with the known ones."""
    with pytest.raises(QueryError, match=r"unknown operator '.*\$regex.*\$not"):
        Query.parse(query)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"a": {"$gt": None}}, "number or a string"),
        ({"a": {"$gt": True}}, "number or a string"),
        ({"a": {"$gt": [1]}}, "number or a string"),
        ({"a": {"$in": 3}}, "takes a list"),
        ({"a": {"$in": "abc"}}, "takes a list"),
        ({"$or": {"a": 1}}, "takes a list"),
        ({"$or": []}, "at least one"),
        ({"$and": [3]}, "takes a mapping"),
        ({"a": {"$not": 3}}, "takes a mapping"),
        ({"a": {"$not": {"b": 3}}}, "mapping of operators"),
        ({"a": {"$exists": "yes"}}, "True or False"),
        ({"a": {"$regex": 3}}, "pattern as a string"),
        ({"a": {"$regex": "(?=a)"}}, r"invalid perl operator.*linear time"),
        ({"a": {"$regex": r"(a)\1"}}, "back-references"),
        ({"a": {"$regex": "("}}, "missing"),
        ({"a": {"$regex": "a", "$options": "x"}}, "'i', to ignore case"),
        ({"a": {"$options": "i"}}, "belongs to"),
        ({"a": object()}, "expected a JSON value"),
        ({"a": {1, object()}}, "expected a JSON value"),
        ({3: 1}, "non-empty string"),
        ({"": 1}, "non-empty string"),
        (3, "expected a mapping, a string"),
        ("!!!", "no word"),
    ],
)
def test_what_cannot_be_asked(query: Any, message: str) -> None:
    """It is refused with what was expected."""
    with pytest.raises(QueryError, match=message):
        Query.parse(query)


def test_nesting_has_an_end() -> None:
    """A query nested without end is refused, not a crash."""
    query: dict[str, Any] = {"a": 1}
    for _ in range(5000):
        query = {"$not": query}
    with pytest.raises(QueryError, match="nested deeper"):
        Query.parse(query)


def test_patterns_take_linear_time() -> None:
    """A pattern that makes Python's own engine run for ever is decided."""
    assert not Query.parse({"note": {"$regex": "(a+)+$"}}).matches({"note": "a" * 50_000 + "!"}, None)


def test_numpy_and_other_values() -> None:
    """A value of NumPy, a tuple, a set, a date or a path is what a document would hold for it."""
    assert matches(scan_id=np.int64(300), ok=np.True_)
    assert matches({"scan_id": {"$in": np.array([1, 300])}})
    assert matches(detectors=("pilatus", "eiger"))
    assert matches({"scan_id": {"$gt": np.float32(299.5)}})
    day = datetime.date(2026, 3, 1)
    assert Query.parse(day=day).matches({"day": "2026-03-01"}, None)


class TestTimes:
    """Spans of time, in every form they are given."""

    def test_half_open(self) -> None:
        """The beginning is within, the end is not."""
        assert matches(since=1000, until=1001)
        assert not matches(since=999, until=1000)
        assert matches(since=1000.0)
        assert matches(until=np.float64(1000.5))

    def test_without_a_zone_it_is_local_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Strings and datetimes mean the clock on the wall, unless they say otherwise."""
        monkeypatch.setenv("TZ", "America/New_York")
        time.tzset()
        try:
            assert _since("2026-03-01") == 1772341200.0
            morning = datetime.datetime(2026, 3, 1, 5, 30)  # noqa: DTZ001 - the clock on the wall
            assert _since("2026-03-01 05:30") == _since(morning) == 1772361000.0
            assert _since(datetime.date(2026, 3, 1)) == _since("2026-03") == 1772341200.0
            assert _since("2026-03-01T00:00:00+00:00") == _since("2026-03-01T00:00:00Z") == 1772323200.0
            assert _since(datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)) == 1772323200.0
            assert _since("2026") == 1767243600.0
        finally:
            monkeypatch.undo()
            time.tzset()

    @pytest.mark.parametrize("moment", ["yesterday", "2026-13-01", math.nan, True, [1], {}])
    def test_what_is_no_time(self, moment: Any) -> None:
        """It is refused by the name of the argument."""
        with pytest.raises(QueryError, match="until"):
            Query.parse(until=moment)


def _since(moment: Any) -> float | None:
    node = Query.parse(since=moment).node
    assert isinstance(node, TimeSpan)
    return node.since


def test_tiled_and_databroker() -> None:
    """Their query objects say the same as mappings do."""
    queries = pytest.importorskip("bluesky_tiled_plugins.queries")
    tiled = pytest.importorskip("tiled.queries")
    key = tiled.Key("start.scan_id")
    same: list[tuple[Any, Any]] = [
        (key == 300, {"scan_id": 300}),
        (key != 300, {"scan_id": {"$ne": 300}}),
        (key < 300, {"scan_id": {"$lt": 300}}),
        (key <= 300, {"scan_id": {"$lte": 300}}),
        (key > 300, {"scan_id": {"$gt": 300}}),
        (key >= 300, {"scan_id": {"$gte": 300}}),
        (tiled.In("scan_id", [1, 300]), {"scan_id": {"$in": [1, 300]}}),
        (tiled.NotIn("scan_id", [1, 300]), {"scan_id": {"$nin": [1, 300]}}),
        (tiled.Contains("detectors", "eiger"), {"detectors": {"$contains": "eiger"}}),
        (tiled.Regex("note", "^A"), {"note": {"$regex": "^A"}}),
        (tiled.Regex("note", "^a", case_sensitive=False), {"note": {"$regex": "^a", "$options": "i"}}),
        (tiled.FullText("annealed foil"), "annealed foil"),
        (tiled.KeyPresent("ok"), {"ok": {"$exists": True}}),
        (tiled.KeyPresent("ok", exists=False), {"ok": {"$exists": False}}),
        (tiled.KeysFilter(["0c3f", "x"]), {"uid": {"$in": ["0c3f", "x"]}}),
        (tiled.KeyLookup("0c3f"), {"uid": {"$in": ["0c3f"]}}),
        (tiled.Key("stop.exit_status") == "success", {"stop.exit_status": "success"}),
        (queries.ScanID(1, 300), {"scan_id": {"$in": [1, 300]}}),
        (queries.ScanIDRange(300, 301), {"scan_id": {"$gte": 300, "$lt": 301}}),
    ]
    for theirs, ours in same:
        assert Query.parse(theirs) == Query.parse(ours)
    span = queries.TimeRange(since="1970-01-01", until="1970-01-02", timezone="UTC")
    assert Query.parse(span) == Query.parse(since=0, until=86400)


def test_tiled_like_and_prefixes() -> None:
    """``%`` and ``_`` of Like are wildcards, everything else is itself; prefixes of uids may be several."""
    queries = pytest.importorskip("bluesky_tiled_plugins.queries")
    tiled = pytest.importorskip("tiled.queries")
    for pattern in ("Fe%", "%foil", "Fe_foil"):
        assert matches(tiled.Like("sample.name", pattern))
    for pattern in ("fe%", "F", "Fe.foil"):
        assert not matches(tiled.Like("sample.name", pattern))
    assert matches(tiled.Like("uid", "0c%"))
    assert matches(queries.PartialUID("0c"))
    assert matches(queries.PartialUID("x", "0c3f"))
    assert not matches(queries.PartialUID("c3"))


def test_an_object_that_only_has_the_name() -> None:
    """It is refused, naming what is missing."""

    class Eq:
        key = "a"

    with pytest.raises(QueryError, match="value"):
        Query.parse(Eq())
    with pytest.raises(QueryError, match=r"known ones are|FullText, In"):
        Query.parse(object())


def test_parsing_loads_nothing_heavy() -> None:
    """Neither Tiled nor a database is imported to understand a query."""
    code = (
        "import sys; from analysis_store.catalogs.query.query import Query; Query.parse({'a': {'$gt': 1}}, text='b');"
        "print([m for m in ('tiled', 'sqlalchemy', 'pymongo', 're2', 'numpy', 'databroker') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_tree() -> None:
    """A query is a tree of small values that can be compared and shown."""
    assert Query.parse(a=1).node == In(Key("start", "a"), (1,))
    assert Query.parse({"stop.a": {"$gt": 1}}).node == Compare(Key("stop", "a"), "$gt", 1)
    assert Query.parse("b a A").node == Text(("a", "b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Fe-foil, 300 K", {"fe", "foil", "300", "k"}),
        ("sample_1", {"sample_1"}),
        ("Stra\u00dfe", {"strasse"}),
        ("A\u0308pfel \u00c4pfel", {"\u00e4pfel"}),
        ("\ufb01ne", {"fine"}),
        ("", set()),
    ],
)
def test_words(text: str, expected: set[str]) -> None:
    """Words are found whatever their case and however their accents are written."""
    assert words(text) == expected


numbers = (
    st.integers() | st.floats(allow_nan=False) | st.integers(2**53 - 3, 2**53 + 3) | st.integers(-(2**1030), 2**1030)
)


@given(numbers, numbers)
def test_terms_of_numbers_sort_as_numbers(a: float, b: float) -> None:
    """The index orders integers of any size among floats as mathematics does."""
    assert (value_term(a) < value_term(b)) == (a < b)
    assert (value_term(a) == value_term(b)) == (a == b)


def test_terms_at_the_edges() -> None:
    """So it is where doubles end, begin, and become coarser than integers."""
    edges: list[float] = [0, 5e-324, 2**53, 2**60, 2**1023, 10**400, 2**5000]
    edges += [int(1.7976931348623157e308), math.inf, 0.1, 1e308]
    near = [n + d for n in edges if isinstance(n, int) for d in (-1, 0, 1)]
    near += [float(n) for n in near if abs(n) < 2**1000]
    everything = [sign * n for n in edges + near for sign in (1, -1)]
    for a, b in itertools.product(everything, everything):
        assert (value_term(a) < value_term(b), value_term(a) == value_term(b)) == (a < b, a == b)


@given(st.text(max_size=30), st.text(max_size=30))
def test_terms_of_strings_sort_as_strings(a: str, b: str) -> None:
    """The index orders short strings by code point, as Python does."""
    assert (value_term(a) < value_term(b)) == (a < b)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(json_values, st.data())
def test_equal_values_have_equal_terms(value: Any, data: st.DataObject) -> None:
    """And different ones have different terms, unless the term is known to be vague."""
    other = data.draw(json_values | st.just(_reversed(value)))
    if equal(value, other):
        assert value_term(value) == value_term(other)
    elif not (is_vague(value) or is_vague(other) or holds_nan(value) or holds_nan(other)):
        assert value_term(value) != value_term(other)


def _reversed(value: Any) -> Any:
    """Return an equal value: keys in another order, integers as floats."""
    if isinstance(value, dict):
        return {key: _reversed(value[key]) for key in reversed(value)}
    if isinstance(value, list):
        return [_reversed(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def test_long_strings_differ() -> None:
    """Strings that begin alike have terms that begin alike and differ."""
    beginning = "".join(random.Random(1).choices("ab", k=150))
    a, b = value_term(beginning + "a"), value_term(beginning + "b")
    assert a != b
    assert a[:100] == b[:100]
    assert len(a) < 130
