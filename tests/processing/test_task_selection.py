"""Selections: what they take, what they resolve to, and that they come back from JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiled.queries import FullText, Key

from analysis_store import AnalysisStore, Provenance
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AmbiguousUidError, InputError, QueryError
from analysis_store.processing import Selection


@pytest.fixture
def uids(store: AnalysisStore, origin: Provenance) -> list[str]:
    """Six runs, oldest first."""
    return [store.insert([{"primary": {"x": n}}], {"n": n}, provenance=origin).uid for n in range(6)]


def test_each_once_in_order(store: AnalysisStore, uids: list[str]) -> None:
    """A run that several parts name comes where it came first."""
    selection = Selection(uids[3], uids[0], {"n": {"$lt": 3}}, [uids[3], uids[5]])

    assert selection.resolve(store) == [uids[3], uids[0], uids[1], uids[2], uids[5]]


def test_prefix_is_the_run(store: AnalysisStore, uids: list[str]) -> None:
    """The beginning of a uid and the run itself are the same run."""
    assert Selection(uids[2][:13], store[uids[2]], uids[2]).resolve(store) == [uids[2]]


def test_unknown_uid_stays(store: AnalysisStore, uids: list[str]) -> None:
    """A uid that the store does not have may be in a source; it fails alone, later."""
    assert Selection("elsewhere", uids[0]).resolve(store) == ["elsewhere", uids[0]]


def test_part_of_several_uids(store: AnalysisStore, origin: Provenance) -> None:
    """It is refused before any work, with the runs that it may have meant."""
    for end in "ab":
        store.insert([{"primary": {"x": 1}}], {"uid": f"abc{end}"}, provenance=origin)
    with pytest.raises(AmbiguousUidError, match="begins the uids of several runs: abc"):
        Selection("abc").resolve(store)


def test_what_a_search_found(store: AnalysisStore, uids: list[str]) -> None:
    """The runs that were found are a list of runs as any; in the order in which they were found."""
    assert Selection(store.search(n={"$lt": 2})).resolve(store) == [uids[1], uids[0]]


def test_files_by_absolute_path(store: AnalysisStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is named by a path, however it is written."""
    monkeypatch.chdir(tmp_path)

    assert Selection(Path("a.txt"), tmp_path / "b" / ".." / "a.txt").resolve(store) == [tmp_path / "a.txt"]


def test_queries_are_asked_anew(store: AnalysisStore, origin: Provenance, uids: list[str]) -> None:
    """A run that came later is found the next time."""
    selection = Selection.where(n={"$gte": 4})
    assert selection.resolve(store) == uids[4:]

    new = store.insert([{"primary": {"x": 9}}], {"n": 9}, provenance=origin).uid
    assert selection.resolve(store) == [*uids[4:], new]


def test_nested_in_a_circle(store: AnalysisStore, uids: list[str]) -> None:
    """A selection that contains itself, directly or by another, has its runs once."""
    one, two = Selection(uids[0]), Selection(uids[1])
    one.add(two, one)
    two.add(one, uids[2])

    assert one.resolve(store) == [uids[0], uids[1], uids[2]]
    assert two.resolve(store) == [uids[1], uids[0], uids[2]]
    assert len(json.dumps(one.to_document())) < 300


@pytest.mark.parametrize(
    "query",
    [
        Query.parse(n={"$in": [1, 4]}),
        Query.parse({"$or": [{"n": 1}, {"$not": {"n": {"$gt": 0}}}]}),
        Query.parse(since=0, until=4e9, n={"$gte": 1, "$lt": 3}),
        Query.parse({"name": {"$regex": "^a", "$options": "i"}}, text="iron foil"),
        Query.parse({"tags": {"$contains": "x"}, "n": {"$exists": True}, "stop.exit_status": "success"}),
        Query.parse(Key("n") > 3),
        Query.parse(FullText("iron")),
        Query.parse({"list": {"$eq": [1, [2, 3]]}}),
        Query.parse(),
    ],
    ids=str,
)
def test_queries_come_back(query: Query) -> None:
    """Whatever a query asks, the one that comes back from JSON asks the same."""
    document = json.loads(json.dumps(Selection(query).to_document()))

    assert list(Selection.from_document(document).parts()) == [query]


def test_comes_back(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """Runs, files, queries and what is nested come back in their order."""
    selection = Selection(uids[5], tmp_path / "a.txt", Selection({"n": {"$lte": 1}}), Key("n") == 3)
    again = Selection.from_document(json.loads(json.dumps(selection.to_document())))

    assert again.resolve(store) == [uids[5], tmp_path / "a.txt", uids[0], uids[1], uids[3]]
    assert repr(again) == "<Selection of 1 run, 1 file, 2 queries>"


def test_empty(store: AnalysisStore) -> None:
    """An empty one is fine, and says so."""
    assert Selection().resolve(store) == []
    assert "empty" in repr(Selection())
    assert Selection.from_document(Selection().to_document()).resolve(store) == []


@pytest.mark.parametrize("part", [3, None, "", 1.5, object()], ids=lambda part: type(part).__name__)
def test_refused(part: object) -> None:
    """What names neither runs nor files."""
    with pytest.raises(InputError, match=r"expected the uid of a run, a run, a pathlib\.Path"):
        Selection(part)


def test_wrong_query_is_refused_at_once() -> None:
    """Not when it is resolved."""
    with pytest.raises(QueryError, match=r"\$gtt"):
        Selection({"n": {"$gtt": 3}})


@pytest.mark.parametrize(
    ("document", "error", "match"),
    [
        ({}, InputError, '"parts"'),
        ({"parts": [{"walk": "a"}]}, InputError, '"query"'),
        ({"parts": [{"query": {"Zoo": {}}}]}, QueryError, "Compare"),
        ({"parts": [{"query": {"In": {"key": "n", "values": []}}}]}, QueryError, '"start" or "stop"'),
        ({"parts": [{"query": {"In": {"values": []}}}]}, QueryError, "which is not a valid In"),
        ({"parts": [{"query": {"And": {"parts": 3}}}]}, QueryError, "list of nodes"),
    ],
)
def test_documents_that_tell_of_none(document: dict[str, object], error: type[Exception], match: str) -> None:
    """Say what came and what was expected."""
    with pytest.raises(error, match=match):
        Selection.from_document(document)
