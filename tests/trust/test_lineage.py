"""Lineage: the relatives of a run, from every key in use, and the graph about it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import RunNotFoundError, StoreClosedError
from analysis_store.provenance import Parent
from analysis_store.runs.read.run import Run
from analysis_store.testing.catalogs import make_record

DATA = [{"primary": {"x": 1.0}}]


def child_of(store: AnalysisStore, *parents: object, **md: object) -> Run:
    """Save a run that came from these."""
    return store.insert(DATA, md, provenance=Provenance(parents=parents))


@pytest.fixture
def family(store: AnalysisStore, origin: Provenance) -> dict[str, Run]:
    """Give a diamond below a run, one of whose sides came from a run elsewhere, too."""
    top = store.insert(DATA, {"sample_name": "Fe foil"}, provenance=origin)
    left = child_of(store, top)
    right = child_of(store, top, Parent("raw-1", catalog="csx"))
    return {"top": top, "left": left, "right": right, "end": child_of(store, left, right)}


def test_relatives(family: dict[str, Run]) -> None:
    """Each comes once, the nearest first; those elsewhere are told, with the catalog that they are in."""
    above = family["end"].ancestors()
    assert [(one.uid, one.depth, one.here) for one in above] == [
        (family["left"].uid, 1, True),
        (family["right"].uid, 1, True),
        (family["top"].uid, 2, True),
        ("raw-1", 2, False),
    ]
    assert above[0].run == family["left"]
    assert [one.catalog for one in above] == [None, None, None, "csx"]
    assert above[3].run is None
    assert [(one.run, one.depth) for one in family["top"].descendants()] == [
        (family["left"], 1),
        (family["right"], 1),
        (family["end"], 2),
    ]
    assert family["top"].ancestors() == family["end"].descendants() == []
    assert family["end"].ancestors(2) == above[:2]


def test_relatives_of_a_closed_store(store: AnalysisStore, family: dict[str, Run]) -> None:
    """A store that is closed is not asked, neither now nor later."""
    (relative, *_) = family["end"].ancestors()
    store.close()
    for use in (family["end"].ancestors, family["end"].descendants, lambda: relative.run, lambda: relative.catalog):
        with pytest.raises(StoreClosedError, match="closed"):
            use()


@pytest.mark.parametrize(
    "key", ["parent_uids", "parent_uid", "original_run_uid", "original_start_uid", "raw_uid", "exp_uid"]
)
@pytest.mark.parametrize("is_foreign", [False, True])
def test_keys_of_older_systems(tmp_path: Path, origin: Provenance, key: str, is_foreign: bool) -> None:
    """Whatever key names the parent, and whoever wrote the documents, the edge is in the same graph."""
    with AnalysisStore(tmp_path / "store", policy=Policy(require_inputs=False, require_code=False)) as store:
        parent = store.insert(DATA, {}, provenance=origin)
        named = [parent.uid] if key == "parent_uids" else parent.uid
        if is_foreign:
            store("start", {"uid": "child", "time": 1.0, key: named})
            store("stop", {"uid": "stop", "time": 2.0, "run_start": "child", "exit_status": "success"})
        else:
            store.insert(DATA, {"uid": "child", key: named})
        assert [one.uid for one in store["child"].ancestors()] == [parent.uid]
        assert [one.uid for one in parent.descendants()] == ["child"]
        assert store.lineage("child").edges == (("child", parent.uid),)
        assert [each.uid for each in store.impact(parent)] == ["child"]


def test_a_long_chain(store: AnalysisStore) -> None:
    """A thousand steps are walked up, down and drawn, and the catalog is asked once, not at every step."""
    store.catalog.insert_many(
        make_record(f"run-{number:04d}", float(number), parents=(f"run-{number - 1:04d}",)) for number in range(1, 1001)
    )
    last = store["run-1000"]
    with statements() as asked:
        found = last.ancestors()
    assert len(asked) < 10
    assert (found[-1].uid, found[-1].depth, found[-1].here) == ("run-0000", 1000, False)
    assert len(store["run-0001"].descendants()) == 999
    graph = store.lineage("run-1000")
    assert len(graph.to_text().splitlines()) == 1002
    assert graph.to_svg().count("<rect") == 1002


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what databases are asked."""
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def test_the_graph(store: AnalysisStore, family: dict[str, Run]) -> None:
    """It holds who is above and below, or one of them, or the nearest; and all edges between those."""
    end, left, right, top = (family[name].uid for name in ("end", "left", "right", "top"))
    graph = store.lineage(left[:13])
    assert graph.uid == left
    assert {uid: member.depth for uid, member in graph.members.items()} == {left: 0, top: -1, end: 1}
    assert set(graph.edges) == {(left, top), (end, left)}
    whole = store.lineage(end)
    assert whole.members["raw-1"].catalog == "csx"
    assert whole.members["raw-1"].record is None
    assert set(whole.edges) == {(end, left), (end, right), (left, top), (right, top), (right, "raw-1")}
    assert store.lineage(left, up=False).edges == ((end, left),)
    assert store.lineage(left, down=False).edges == ((left, top),)
    assert list(store.lineage(left, up=False, down=False).members) == [left]
    assert len(store.lineage(end, limit=1).members) == 2
    with pytest.raises(RunNotFoundError, match="nobody"):
        store.lineage("nobody")


def test_a_circle_is_drawn(store: AnalysisStore) -> None:
    """Runs that came from each other, which no honest program makes, are a graph all the same."""
    for uid, parent in (("a", "c"), ("b", "a"), ("c", "b"), ("self", "self")):
        store.catalog.insert(make_record(uid, parents=(parent,)))
    graph = store.lineage("a")
    assert set(graph.members) == {"a", "b", "c"}
    for drawn in (graph.to_text(), graph.to_dot(), graph.to_svg(), graph.to_mermaid()):
        assert "b" in drawn
    assert store.lineage("self").to_text().count("self") >= 1
