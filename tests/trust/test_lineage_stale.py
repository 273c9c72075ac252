"""Staleness: results that would come out otherwise today, and why."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.processing import Preset, processor
from analysis_store.processing.model import registry
from analysis_store.runs.read.run import Run

DATA = [{"primary": {"x": np.arange(4.0)}}]


@processor(id="stale_scaled", version="1")
def scaled(inputs: Any, *, factor: float = 2.0) -> Any:
    """Return the values times a factor."""
    return {"x": inputs["primary"]["x"][0] * factor}


@processor(id="stale_scaled", version="2")
def scaled_anew(inputs: Any, *, factor: float = 2.0, offset: float = 1.0) -> Any:
    """Return the same, and something added, by a newer version."""
    return {"x": inputs["primary"]["x"][0] * factor + offset}


@processor(id="stale_unsettled", version="1")
def unsettled(inputs: Any, *, factor: float = 1.0) -> Any:
    """Return the values times what depends on more than the inputs."""
    return {"x": inputs["primary"]["x"][0] * factor * float(os.environ.get("STALE_FACTOR", "1"))}


CODE = """
from analysis_store.processing import processor

@processor(id="stale_changed", version="1")
def changed(inputs):
    return {{"x": {factor} * inputs["primary"]["x"][0]}}
"""


def told(store: AnalysisStore, query: Any = None) -> dict[str, tuple[str, ...]]:
    """Return the reasons of each stale run, by uid."""
    return {stale.run.uid: stale.reasons for stale in store.stale(query)}


@pytest.fixture
def raw(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run to start from."""
    return store.insert(DATA, {}, provenance=origin)


def test_nothing_is_stale(store: AnalysisStore, raw: Run) -> None:
    """A result of what is as it was is up to date."""
    store.insert(DATA, {}, provenance=Provenance(parents=[raw]))
    assert told(store) == {}


def test_a_retracted_input(store: AnalysisStore, raw: Run) -> None:
    """All that came from it, however far away, and it is named; it is not stale itself. Reinstated, nothing is."""
    child = store.insert(DATA, {}, provenance=Provenance(parents=[raw]))
    store.insert(DATA, {"uid": "end"}, provenance=Provenance(parents=[child]))
    store.retract(raw.uid, "wrong energy")
    found = told(store)
    assert set(found) == {child.uid, "end"}
    assert found["end"][0].startswith(f"run {raw.uid}, which it came from, was retracted: wrong energy (")
    assert len(found["end"]) == 1
    assert set(told(store, {"uid": "end"})) == {"end"}
    store.reinstate(raw.uid, "the energy was right")
    assert told(store) == {}


def test_what_was_retracted_because_of_a_run_elsewhere(store: AnalysisStore, raw: Run) -> None:
    """Its cause did not come with it; what came from it since is stale all the same, whatever else was retracted."""
    store.insert(DATA, {"uid": "end"}, provenance=Provenance(parents=[raw]))
    other = store.insert(DATA, {}, provenance=raw.provenance)
    store.note(raw.uid, "retracted", {"because": "elsewhere", "reason": "wrong energy"})
    store.retract(other.uid, "wrong sample")
    (reason,) = told(store)["end"]
    assert reason.startswith(f"run {raw.uid}, which it came from, was retracted: wrong energy (")


def test_a_newer_version(store: AnalysisStore, raw: Run) -> None:
    """The older result of the same inputs is stale; the newer is not, nor one with other parameters or inputs."""
    first = store.compute(Preset(scaled), raw)
    store.compute(Preset(scaled, {"factor": 7.0}), raw)
    store.compute(Preset(scaled), store.insert(DATA, {}, provenance=Provenance(origin="synthetic", note="another")))
    second = store.compute(Preset(scaled_anew), raw)
    reason = f"stale_scaled of version 2 instead of 1 has another result of the same inputs: run {second.uid}"
    assert told(store) == told(store, {"processing": {"$exists": True}}) == {first.uid: (reason,)}
    store.retract(second.uid, "worse than the first")
    assert told(store) == {}


def test_changed_code(store: AnalysisStore, raw: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The version may be the same: the code is not."""
    monkeypatch.setattr(registry, "_known", dict(registry._known))
    monkeypatch.syspath_prepend(tmp_path)
    runs = []
    for name, factor in (("stale_before", 2), ("stale_after", 3)):
        (tmp_path / f"{name}.py").write_text(CODE.format(factor=factor))
        registry._known.pop(("stale_changed", "1"), None)
        runs.append(store.compute(Preset(importlib.import_module(name).changed), raw))
    reason = f"stale_changed with changed code has another result of the same inputs: run {runs[1].uid}"
    assert told(store) == {runs[0].uid: (reason,)}


def test_a_changed_file(store: AnalysisStore, tmp_path: Path) -> None:
    """A file that holds something else, or is gone; one that was only touched is the same."""
    path = tmp_path / "in.txt"
    path.write_text("measured")
    run = store.insert(DATA, {}, provenance=Provenance(files=[path]))
    before = path.stat().st_mtime_ns
    path.write_text("added to, by somebody who hides it")
    os.utime(path, ns=(before, before))
    assert set(told(store)) == {run.uid}
    path.write_text("measured")
    os.utime(path, (1.0, 1.0))
    assert told(store) == {}
    for text in ("MEASURED", "longer than it was"):
        path.write_text(text)
        assert told(store) == {run.uid: (f"{path}, which it was made from, was changed",)}
    path.unlink()
    assert told(store)[run.uid][0].startswith(f"{path}, which it was made from, cannot be read any more: No such file")
    path.write_text("measured")
    assert told(store) == {}


def test_a_rerun_of_an_input(store: AnalysisStore, raw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of a result is stale when that was made again with other values, of the same parameters."""
    first = store.compute("stale_unsettled", raw)
    child = store.insert(DATA, {}, provenance=Provenance(parents=[first]))
    store.rerun(first.uid)
    store.rerun(first.uid, factor=3.0)
    assert told(store) == {}
    monkeypatch.setenv("STALE_FACTOR", "5")
    newest = store.rerun(first.uid)
    reason = f"run {first.uid}, which it came from, was made again with another result: run {newest.uid}"
    assert told(store) == {child.uid: (reason,)}
    store.retract(newest.uid, "the rerun was wrong")
    assert told(store) == {}


def test_to_dict(store: AnalysisStore, raw: Run) -> None:
    """A stale result is told as JSON has it."""
    child = store.insert(DATA, {}, provenance=Provenance(parents=[raw]))
    store.retract(raw.uid, "wrong")
    (stale,) = store.stale()
    assert stale.to_dict() == {"uid": child.uid, "reasons": list(stale.reasons)}


def test_foreign_documents(tmp_path: Path) -> None:
    """Documents in which anything is called processing are up to date, and break nothing."""
    odd = [{"inputs": ["a"], "rerun_of": "x"}], {"inputs": "a"}, {"inputs": [{}]}, "dark", {"inputs": ["a"]}
    with AnalysisStore(tmp_path / "open", policy=Policy(require_inputs=False, require_code=False)) as store:
        for number, processing in enumerate(odd):
            store("start", {"uid": f"odd-{number}", "time": float(number), "processing": processing, "parent_uid": "x"})
            stop = {"uid": f"stop-{number}", "time": 9.0, "run_start": f"odd-{number}", "exit_status": "success"}
            store("stop", stop)
        assert told(store) == told(store, {"processing": {"$exists": True}}) == {}
