"""A list of runs reads only what is looked at: nothing is counted that nobody asked to count."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from analysis_store import AnalysisStore
from analysis_store.runs.read import show
from analysis_store.runs.read.results import Runs
from analysis_store.testing.catalogs import make_record

NUMBER = 25


@pytest.fixture
def filled(store: AnalysisStore) -> AnalysisStore:
    """Give a store of which the catalog has many runs; two of each time."""
    store.catalog.insert_many(make_record(f"r{n:02d}", float(n // 2), number=n, text="foil") for n in range(NUMBER))
    return store


@contextmanager
def asked_to_count(store: AnalysisStore) -> Iterator[list[int | None]]:
    """Give up to how many the catalog was asked to count, each time; None for all."""
    asked: list[int | None] = []
    count = store.catalog.count

    def counted(*arguments: Any) -> int:
        asked.append(arguments[1] if len(arguments) > 1 else None)
        return count(*arguments)

    store.catalog.count = counted  # type: ignore[method-assign]
    try:
        yield asked
    finally:
        store.catalog.count = count  # type: ignore[method-assign]


SLICES = [
    slice(*bounds)
    for bounds in (
        (None,), (10,), (5, 12), (20, 40), (40, 50), (3, None), (None, None, 3), (2, 20, 4), (-5, None), (None, -20),
        (-7, -2), (None, None, -1), (20, 3, -4), (0,), (7, 7), (-100, 3), (24, 25), (None, None, -7),
    )
]  # fmt: skip


@pytest.mark.parametrize("index", SLICES, ids=str)
def test_slices_are_those_of_a_list(filled: AnalysisStore, index: slice) -> None:
    """Whatever the bounds, length, items, order and further slices are those of a list of all runs."""
    found, expected = filled.search(), [f"r{n:02d}" for n in reversed(range(NUMBER))]
    assert [run.uid for run in found[index]] == expected[index]
    assert len(found[index]) == len(expected[index])
    assert bool(found[index]) is bool(expected[index])
    for inner in (slice(2), slice(1, None, 2), slice(-2, None), slice(None, None, -1)):
        assert [run.uid for run in found[index][inner]] == expected[index][inner]
        assert len(found[index][inner]) == len(expected[index][inner])
    for number in (0, 1, -1):
        if -len(expected[index]) <= number < len(expected[index]):
            assert found[index][number].uid == expected[index][number]
        else:
            with pytest.raises(IndexError, match=f"Got run number {number}; expected"):
                found[index][number]


def test_what_is_not_counted(filled: AnalysisStore) -> None:
    """A page, a table, a number from the beginning, a loop: none counts the runs, or no further than it reads."""
    found = filled.search({"text": "foil"})
    with asked_to_count(filled) as asked:
        assert [run.start["number"] for run in found[20:30]] == [4, 3, 2, 1, 0]
        assert len(found.table(5)) == 5
        assert len(found.table()) == NUMBER
        assert found[3].start["number"] == 21
        assert found
        assert sum(1 for _ in found) == NUMBER
        assert asked == []
        assert len(list(found[:10])) == 10  # which asks for the length to begin with
        assert asked == [10]


def test_what_is_counted_is_counted_no_further(filled: AnalysisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that is shown counts up to a thousand, a page up to its end, and says so."""
    found = filled.search()
    assert len(found[:10]) == 10
    assert found.length(7) == 7
    assert found.length(99) == NUMBER
    assert repr(found).startswith(f"<{NUMBER} runs, newest first>")
    assert repr(found).endswith("… and 15 more")
    monkeypatch.setattr(show, "_COUNTED", 20)
    assert repr(found).startswith("<more than 20 runs, newest first>")
    assert repr(found).endswith("… and more")
    assert "… and more" in found._repr_html_()
    assert repr(found[:3]).startswith("<3 runs")


def test_a_search_in_a_part(filled: AnalysisStore) -> None:
    """What is searched in some of the runs is found among these."""
    part = filled.search()[3:9]
    assert [run.start["number"] for run in part.search({"number": {"$gte": 18}})] == [21, 20, 19, 18]
    assert len(part.search()) == 6


def test_a_page_while_others_save(filled: AnalysisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that come meanwhile neither repeat nor hide others, also where only some are read."""
    monkeypatch.setattr("analysis_store.runs.read.results._PAGE", 3)
    part: Runs = filled.search()[2:20]
    found = []
    for number, run in enumerate(part):
        found.append(run.start["number"])
        filled.catalog.insert(make_record(f"late-{number}", 99.0, number=100 + number))
    assert found == list(range(22, 4, -1))
