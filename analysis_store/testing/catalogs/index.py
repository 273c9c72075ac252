"""An index that has other entries than the documents give is noticed, and put right."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from analysis_store.catalogs.base import Catalog, IndexFaults
from analysis_store.catalogs.query.query import Query
from analysis_store.testing.catalogs.cases import is_same, make_record

SPOILINGS = ("lose", "lose one", "add", "move", "move entries")
"""How an index is falsified: all entries of a run are lost, or one; it has one too many; the run, or its entries, are
sorted under another time."""

Spoil = Callable[[str, str], None]


class IndexOfCatalog:
    """The index and the documents agree, or the difference is named."""

    def test_an_index_that_is_right(self, filled: Catalog, reopen: Callable[[], Catalog]) -> None:
        """A sound index has no faults, for all values of documents, and after runs were removed."""
        filled.insert_many([make_record("a", 1.0, list=[1, {"a": 2}]), make_record("b", -0.0)])
        filled.remove("a")
        for catalog in (filled, reopen()):
            assert catalog.check_index() == IndexFaults()
            assert not catalog.check_index()

    def test_an_empty_index(self, catalog: Catalog) -> None:
        """A catalog without runs has no faults, and repairing it changes nothing."""
        assert catalog.check_index() == IndexFaults()
        catalog.mend_index([])
        catalog.mend_index(["nobody"])

    @pytest.mark.parametrize("how", SPOILINGS)
    def test_an_index_that_is_wrong(self, filled: Catalog, spoil: Spoil, how: str) -> None:
        """A run that a search misses or shows at a wrong place is listed; after repair, searches are as before."""
        queries = [Query(), Query.parse({"here": {"$gte": 0}}), Query.parse(here=2), Query.parse(text="spoiled words")]
        filled.insert_many(
            make_record(f"r{number}", 9.0 + number / 10, here=number, note="spoiled words", parents=("raw",))
            for number in range(4)
        )
        before = [filled.search(query) for query in queries]
        spoil("r2", how)
        assert filled.check_index().uids == ("r2",)
        assert ([filled.search(query) for query in queries] == before) is (how in ("lose one", "add"))
        filled.mend_index(filled.check_index().uids)
        assert filled.check_index() == IndexFaults()
        assert [filled.search(query) for query in queries] == before
        filled.remove("r2")
        assert filled.check_index() == IndexFaults()

    def test_several_that_are_wrong(self, filled: Catalog, spoil: Spoil) -> None:
        """All wrong runs are listed and repaired at once, and no other run is changed."""
        filled.insert_many(make_record(f"r{number}", float(number), here=number) for number in range(9))
        for number, how in enumerate(SPOILINGS):
            spoil(f"r{number}", how)
        wrong = filled.check_index().uids
        assert sorted(wrong) == [f"r{number}" for number in range(len(SPOILINGS))]
        filled.mend_index(wrong[:1])
        assert sorted(filled.check_index().uids) == sorted(wrong[1:])
        filled.mend_index(wrong)
        assert filled.check_index() == IndexFaults()

    def test_runs_that_come_and_go_meanwhile(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """Runs that are added or removed meanwhile are not faults."""
        other = reopen()
        catalog.insert(make_record("stay", 1.0, text="some words"))

        def flicker() -> None:
            for number in range(25):
                catalog.insert(make_record(f"come-{number}", 2.0, here=number, text="some other words"))
                catalog.insert(make_record("flicker", 2.0, here=number))
                catalog.remove("flicker")

        with ThreadPoolExecutor(1) as pool:
            busy = pool.submit(flicker)
            while not busy.done():
                assert other.check_index() == IndexFaults()
            busy.result()

    def test_replacing(self, filled: Catalog, reopen: Callable[[], Catalog]) -> None:
        """A run is found by its new documents only, keeps its place among those of equal time, and its notes stay."""
        old = [make_record(uid, 9.0, here=uid, list=[1, {"a": 2}], parents=("raw", "dark")) for uid in ("a", "b", "c")]
        filled.insert_many(old)
        new = replace(old[1], start={"uid": "b", "time": 9.0, "there": "b"}, parents=("dark",), path="other.h5")
        new = replace(new, stop={"uid": "s", "exit_status": "abort"}, seal="blake3:00", more=True, beside={"n": 1})
        assert filled.replace([new, make_record("nobody", 9.0)]) == ["nobody"]
        for catalog in (filled, reopen()):
            found = catalog.get("b")
            assert is_same([found.start, found.stop, found.beside], [new.start, new.stop, new.beside])
            assert (found.path, found.parents, found.seal, found.more) == ("other.h5", ("dark",), "blake3:00", True)
            assert [run.uid for run in catalog.search(Query(), limit=3)] == ["c", "b", "a"]
            assert [run.uid for run in catalog.search(Query.parse({"here": {"$exists": True}}))] == ["c", "a"]
            assert [run.uid for run in catalog.search(Query.parse({"there": "b", "stop.exit_status": "abort"}))] == [
                "b"
            ]
            assert catalog.children("raw") == ["a", "c"]
            assert catalog.known(["nobody"]) == set()
            assert catalog.check_index() == IndexFaults()
        assert filled.replace(iter(old)) == []
        assert filled.children("raw") == ["a", "b", "c"]
        assert filled.replace([]) == []

    def test_the_seal_comes_back(self, catalog: Catalog) -> None:
        """So does whether it is known that the file holds more, by every way to a run."""
        sealed = replace(make_record("sealed", processing={"key": "k"}), seal="blake3:ab", more=False)
        catalog.insert_many([sealed, make_record("untold", processing={"key": "l"})])
        for found in (catalog.get("sealed"), catalog.search(Query.parse(uid="sealed"))[0], catalog.results("k")[0]):
            assert (found.seal, found.more) == ("blake3:ab", False)
        assert (catalog.get("untold").seal, catalog.get("untold").more) == (None, None)
