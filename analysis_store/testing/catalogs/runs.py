"""How runs come into a catalog, come back, and go; from one thread or many."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from analysis_store.catalogs.base import Catalog, Note, RunRecord
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import (
    DuplicateRunError,
    InvalidDocumentError,
    RunNotFoundError,
)
from analysis_store.testing.catalogs.cases import INJECTIONS, is_same, make_record, table


class RunsOfCatalog:
    """What goes in comes back, once, and is gone when it is removed."""

    def test_one_that_need_not_be_durable(self, catalog: Catalog, reopen: Callable[[], Catalog]) -> None:
        """It is there at once, for others too, and once."""
        catalog.insert(make_record("lax"), durable=False)
        assert catalog.get("lax").uid == reopen().get("lax").uid == "lax"
        with pytest.raises(DuplicateRunError, match="lax"):
            catalog.insert(make_record("lax"), durable=False)

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
            with pytest.raises(RunNotFoundError, match="No run"):
                filled.get(uid)

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
        """A run that is added and removed is found or not; searches meanwhile do not fail."""
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

    def test_may_name(self, catalog: Catalog) -> None:
        """A run is left out only where it is known that its documents are all here, and hold none of the texts."""
        known = {
            "named": make_record("named", sample={"like": ['ü/"quoted" 5%_']}),
            "stopped": make_record("stopped", 0.0, {"uid": "s", "reason": "see raw-1.h5"}),
            "silent": make_record("silent"),
        }
        catalog.insert_many([replace(record, more=False) for record in known.values()])
        catalog.insert_many([replace(make_record("elsewhere"), more=True), make_record("untold")])
        always = {catalog.get(uid).path for uid in ("elsewhere", "untold")}
        assert catalog.may_name([]) >= always
        for uid, text in (("named", 'ü/"quoted" 5%_'), ("stopped", "raw-1.h5"), ("silent", "silent")):
            found = catalog.may_name(["neither", text])
            assert found >= {known[uid].path, *always}
        if type(catalog).may_name is not Catalog.may_name:
            assert catalog.may_name(["raw_1.h5", "RAW-1.h5", "r.w-1.h5"]) == always
