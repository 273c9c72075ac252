"""The SQL catalog does what a list of runs does, whatever is inserted and asked for."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import RunRecord
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import DuplicateRunError, RunNotFoundError
from analysis_store.testing.catalogs import is_same

pytestmark = pytest.mark.properties

KEYS = ["a", "b", "a.b", "list", "list.a"]
WORDS = ["iron", "Iron", "foil", "é", "x_1", "%"]

texts = st.lists(st.sampled_from(WORDS), max_size=3).map(" ".join) | st.text(max_size=5) | st.just("long " * 30)
numbers = st.integers(-3, 3) | st.integers(2**53 - 2, 2**53 + 2) | st.integers() | st.floats()
# few enough that what is asked for is often there, and like enough to be mistaken for one another
alike = st.sampled_from([True, False, None, 0, -0.0, 1, 1.0, "1", 2**53, float(2**53), 2**53 + 1, math.nan, "iron", ""])
scalars = alike | alike | alike | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=6,
)
documents = st.dictionaries(st.sampled_from(["a", "b", "list"]), values, max_size=3)
keys = st.sampled_from(["a", "a", "a", "list", *KEYS, "stop.a", "start.a", "missing"])
comparable = st.sampled_from([0, 1, 2**53, "", "iron"]) | numbers | texts


def _operators(operand: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return (
        st.fixed_dictionaries({}, optional=dict.fromkeys(["$lt", "$lte", "$gt", "$gte"], comparable)).filter(bool)
        | st.fixed_dictionaries({"$eq": operand})
        | st.fixed_dictionaries({"$ne": operand})
        | st.fixed_dictionaries({"$in": st.lists(operand, max_size=3)})
        | st.fixed_dictionaries({"$nin": st.lists(operand, max_size=3)})
        | st.fixed_dictionaries({"$exists": st.booleans()})
        | st.fixed_dictionaries({"$contains": operand})
        | st.fixed_dictionaries({"$regex": st.sampled_from(["iron", "^I", "o.*l", ".", "^$"])})
    )


fields = st.dictionaries(keys, _operators(values) | scalars, min_size=1, max_size=2)
mappings = st.recursive(
    fields,
    lambda inner: (
        st.fixed_dictionaries({"$not": inner})
        | st.fixed_dictionaries({"$and": st.lists(inner, min_size=1, max_size=3)})
        | st.fixed_dictionaries({"$or": st.lists(inner, min_size=1, max_size=3)})
    ),
    max_leaves=4,
)
spans = st.tuples(st.none() | st.integers(0, 5), st.none() | st.integers(0, 5))


class CatalogMachine(RuleBasedStateMachine):
    """A catalog in SQLite and a list of runs, told and asked the same."""

    runs = Bundle("runs")

    @initialize(target=runs)
    def make(self) -> Any:
        """Begin with runs whose values are easily mistaken for one another."""
        self.folder = Path(tempfile.mkdtemp())
        self.catalog = open_catalog(f"sqlite:///{self.folder}/catalog.sqlite")
        self.model: list[RunRecord] = []
        for number, value in enumerate([True, 1, 0.0, None, [1, True], {"a": 1}, [{"a": 1}, {"a": "iron"}], math.nan]):
            start = {"uid": f"r{number}", "time": number % 3, "a": value, "list": [value]}
            record = RunRecord(start, None, (), "r.h5", ("raw", f"r{number - 1}"))
            self.catalog.insert(record)
            self.model.append(record)
        return multiple(*(run.uid for run in self.model))

    def teardown(self) -> None:
        """Leave nothing."""
        if hasattr(self, "folder"):
            self.catalog.close()
            shutil.rmtree(self.folder)

    @property
    def newest_first(self) -> list[RunRecord]:
        """The runs of the model in the order of the catalog."""
        return [run for _, run in sorted(enumerate(self.model), key=lambda item: (-item[1].start["time"], -item[0]))]

    @rule(
        target=runs,
        uid=st.text("ab%_", min_size=1, max_size=4),
        time=st.integers(0, 5),
        start=documents,
        stop=st.none() | documents,
        data=st.data(),
    )
    def insert(self, uid: str, time: int, start: Any, stop: Any, data: st.DataObject) -> str:
        """Insert a run; one whose uid is there is refused."""
        parents = tuple(
            data.draw(st.lists(st.sampled_from([uid, "raw", *(run.uid for run in self.model)]), max_size=2))
        )
        record = RunRecord({"uid": uid, "time": time, **start}, stop, (), f"{uid}.h5", parents, {"n": math.inf})
        if any(run.uid == uid for run in self.model):
            with pytest.raises(DuplicateRunError, match="already"):
                self.catalog.insert(record)
        else:
            self.catalog.insert(record)
            self.model.append(record)
        return uid

    @rule(queries=st.lists(mappings, min_size=5, max_size=15))
    def search(self, queries: list[Any]) -> None:
        """The catalog finds what `Query.matches` finds, and counts it."""
        for query in queries:
            asked = Query.parse(query)
            expected = [run.uid for run in self.newest_first if asked.matches(run.start, run.stop)]
            assert [run.uid for run in self.catalog.search(asked)] == expected
            assert self.catalog.count(asked) == len(expected)

    @rule(query=st.just({}) | mappings, span=spans, offset=st.integers(0, 3), limit=st.none() | st.integers(0, 3))
    def search_a_page(self, query: Any, span: tuple[int | None, int | None], offset: int, limit: int | None) -> None:
        """So it does page by page, and within a span of time."""
        asked = Query.parse(query, since=span[0], until=span[1])
        expected = [run.uid for run in self.newest_first if asked.matches(run.start, run.stop)]
        end = None if limit is None else offset + limit
        assert [run.uid for run in self.catalog.search(asked, offset=offset, limit=limit)] == expected[offset:end]

    @rule(words=st.lists(st.sampled_from(["iron", "FOIL", "é", "x_1", "long", "none"]), min_size=1, max_size=2))
    def search_text(self, words: list[str]) -> None:
        """The full text is that of `Query.matches`."""
        asked = Query.parse(" ".join(words))
        expected = [run.uid for run in self.newest_first if asked.matches(run.start, run.stop)]
        assert [run.uid for run in self.catalog.search(asked)] == expected

    @rule(uid=runs)
    def search_for_what_is_there(self, uid: str) -> None:
        """Every value of a run finds it, unless it holds a NaN."""
        (record,) = (run for run in self.model if run.uid == uid)
        for key, value in record.start.items():
            asked = Query.parse({key: {"$eq": value}})
            expected = [run.uid for run in self.newest_first if asked.matches(run.start, run.stop)]
            assert [run.uid for run in self.catalog.search(asked)] == expected

    @rule(uid=runs)
    def get(self, uid: str) -> None:
        """A run comes back exactly."""
        (record,) = (run for run in self.model if run.uid == uid)
        found = self.catalog.get(uid)
        assert is_same([found.start, found.stop, found.beside], [record.start, record.stop, record.beside])
        assert found.parents == record.parents

    @rule(prefix=st.text("ab%_", max_size=2), limit=st.integers(1, 4))
    def with_prefix(self, prefix: str, limit: int) -> None:
        """Prefixes are taken literally."""
        expected = [run.uid for run in self.newest_first if run.uid.startswith(prefix)]
        assert self.catalog.with_prefix(prefix, limit) == expected[:limit]
        if not any(run.uid == prefix for run in self.model):
            with pytest.raises(RunNotFoundError, match="No run"):
                self.catalog.get(prefix)

    @rule(uid=runs | st.just("raw"))
    def children(self, uid: str) -> None:
        """Lineage is known downwards, oldest first."""
        expected = [run.uid for run in reversed(self.newest_first) if uid in run.parents]
        assert self.catalog.children(uid) == expected

    @rule(key=st.sampled_from(KEYS), direction=st.sampled_from([1, -1]))
    def sort_and_count(self, key: str, direction: int) -> None:
        """Sorting loses no run, and the counts of distinct values are those of searching for each."""
        found = [run.uid for run in self.catalog.search(Query(), sort=[(key, direction)])]
        assert sorted(found) == sorted(run.uid for run in self.model)
        for value, count in self.catalog.distinct(Query(), key):
            assert self.catalog.count(Query.parse({key: {"$eq": value}})) == count

    @rule()
    def reopen(self) -> None:
        """Nothing is lost between one opening and the next."""
        self.catalog.close()
        self.catalog = open_catalog(f"sqlite:///{self.folder}/catalog.sqlite")

    @invariant()
    def the_count_is_right(self) -> None:
        """No run is lost or doubled."""
        if hasattr(self, "catalog"):
            assert self.catalog.count(Query()) == len(self.model)


class TestCatalogModel(CatalogMachine.TestCase):
    """Some sequences of steps."""

    settings = settings(
        max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )


@pytest.mark.slow
class TestCatalogModelLonger(CatalogMachine.TestCase):
    """More of them."""

    settings = settings(TestCatalogModel.settings, max_examples=120)
