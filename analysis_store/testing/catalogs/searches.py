"""What a search finds, in which order; the queries themselves are judged by `Query.matches`."""

from __future__ import annotations

import pytest

from analysis_store.catalogs.base import Catalog
from analysis_store.catalogs.query.nodes import Not, Uids
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import QueryError
from analysis_store.testing.catalogs.cases import INJECTIONS, LONG, QUERIES, is_same, make_record, table


class SearchesOfCatalog:
    """What is asked for is found, all of it and nothing else."""

    def test_newest_first(self, catalog: Catalog) -> None:
        """Runs come by start time, those of equal time by insertion, the latest first."""
        for uid, time in {"b": 5.0, "a": 1.0, "d": 5.0, "c": 9.0, "e": -2.0, "f": 5}.items():
            catalog.insert(make_record(uid, time, same=1))
        for query in (Query(), Query.parse(same=1), Query.parse({"same": {"$gt": 0}}), Query.parse(since=-10)):
            assert [run.uid for run in catalog.search(query)] == ["c", "f", "d", "b", "a", "e"]
            assert [run.uid for run in catalog.search(query, sort=[("time", 1)])] == ["e", "a", "b", "d", "f", "c"]

    def test_pages(self, filled: Catalog) -> None:
        """Joined pages are the whole result, for every kind of query."""
        for query in (
            Query(),
            Query.parse({"temperature": {"$exists": True}}),
            Query.parse({"sample": {"$regex": "f"}}),
        ):
            whole = [run.uid for run in filled.search(query)]
            assert len(whole) == filled.count(query) >= 3
            pages = [filled.search(query, offset=at, limit=3) for at in range(0, len(whole) + 3, 3)]
            assert [run.uid for page in pages for run in page] == whole
            counts = [filled.count(query, limit) for limit in (0, 1, len(whole) - 1, len(whole), len(whole) + 9, None)]
            assert counts == [0, 1, len(whole) - 1, len(whole), len(whole), len(whole)]
            assert [run.uid for run in filled.each(query)] == whole
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
        uids = frozenset({"00f3-0", "03f3-0", *INJECTIONS, *(f"nowhere-{number}" for number in range(70_000))})
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
