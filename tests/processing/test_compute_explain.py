"""Why a result is there or not: the part of its identity that differs from the nearest stored one."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InputError, ProcessorError
from analysis_store.processing import explain
from analysis_store.processing.model import registry as registry_module
from analysis_store.runs.read.run import Run
from tests.flow_processors import scale, size, total

CODE = """
from analysis_store.processing import processor

def half(value):
    return value / {by}

@processor(id="flow_halved", version="{version}")
def halved(inputs):
    return {{"half": half(float(inputs["primary"]["counts"][0].sum()))}}
"""


@pytest.fixture
def raw(store: AnalysisStore, origin: Provenance) -> Run:
    """What was measured."""
    return store.insert({"primary": {"counts": np.arange(30.0).reshape(1, 30)}}, {}, provenance=origin)


@pytest.fixture
def other(store: AnalysisStore, origin: Provenance) -> Run:
    """What else was measured."""
    return store.insert({"primary": {"counts": np.ones((1, 30))}}, {}, provenance=origin)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """A function that writes the module of a processor, and imports it as a new process would."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry_module, "_known", {})
    names = [f"flow_module_{number}" for number in range(4)]

    def write(text: str = CODE, **parts: object) -> ModuleType:
        name = "flow_module"
        (tmp_path / f"{name}.py").write_text(text.format(**parts))
        sys.modules.pop(name, None)
        registry_module._known.clear()
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in [*names, "flow_module"]:
        sys.modules.pop(name, None)


def test_nothing_is_there(store: AnalysisStore, raw: Run) -> None:
    """Says so; nothing is written by asking."""
    before = sorted(store.root.rglob("*"))
    told = explain(store, scale, raw)
    assert (told.hit, told.run, told.reasons) == (False, None, ["no result of flow_scale is stored"])
    assert not told
    assert sorted(store.root.rglob("*")) == before


def test_a_hit(store: AnalysisStore, raw: Run) -> None:
    """Names the run; it is no reuse to ask for it."""
    run = store.compute(scale, raw)
    told = store.explain(scale, raw)
    assert told
    assert told.to_dict() == {"hit": True, "run": run.uid, "reasons": []}
    assert repr(told) == f"hit: run {run.uid}"
    assert store.notes(run.uid) == []


def test_other_parameters(store: AnalysisStore, raw: Run) -> None:
    """Each as it was and as it is, beside the nearest of several results."""
    store.compute(scale.preset(gain=9, calls="/dev/null"), raw)
    near = store.compute(scale.preset(gain=3), raw)
    told = explain(store, scale.preset(gain=4), raw)
    assert told.run in (near, store.search()[-1])
    told = explain(store, scale.preset(gain=3, seconds=1), raw)
    assert told.reasons == ["parameter seconds: 0.0 -> 1.0"]
    assert told.run == near
    assert repr(told).splitlines() == [
        f"miss; the nearest stored result is run {near.uid}",
        "  parameter seconds: 0.0 -> 1.0",
    ]


def test_another_input(store: AnalysisStore, raw: Run, other: Run) -> None:
    """Which of them, and of what the stored result is; with equal parameters that one is nearer than a newer one."""
    near = store.compute(scale, raw)
    store.compute(scale.preset(gain=3), raw)
    told = explain(store, scale, other)
    assert told.run == near
    assert told.reasons == [f"inputs[0]: now it is run {other.uid[:8]}; that result is of run {raw.uid[:8]}"]
    assert "inputs: there were 1, now there are 2" in explain(store, scale, [raw, other]).reasons


def test_another_version_and_other_code(store: AnalysisStore, raw: Run, written: Callable[..., ModuleType]) -> None:
    """The functions whose code has changed are named, those that are called among them."""
    first = store.compute(written(by=2, version="1").halved, raw)
    again = written(by=4, version="1").halved
    told = explain(store, again, raw)
    assert told.run == first
    assert told.reasons == ["code: flow_module:half has changed"]
    second = store.compute(again, raw)
    assert second != first
    told = explain(store, written(by=4, version="2").halved, raw)
    assert told.run == second
    assert "version: 1 -> 2" in told.reasons


def test_the_same_inputs_are_nearer(
    store: AnalysisStore, raw: Run, other: Run, written: Callable[..., ModuleType]
) -> None:
    """After an edit the code is the reason, though one other input was computed anew already."""
    first = store.compute(written(by=2, version="1").halved, raw)
    again = written(by=4, version="2").halved
    store.compute(again, other)
    told = explain(store, again, raw)
    assert told.run == first
    assert told.reasons == ["version: 1 -> 2", "code: flow_module:half has changed, flow_module:halved has changed"]


def test_code_that_is_not_used_any_more(store: AnalysisStore, raw: Run, written: Callable[..., ModuleType]) -> None:
    """A function that was called, and one that is called in its place, are named."""
    store.compute(written(by=2, version="1").halved, raw)
    text = CODE.replace("def half", "def part").replace("half(float", "part(float")
    told = explain(store, written(text, by=2, version="1").halved, raw)
    (reason,) = told.reasons
    assert reason == (
        "code: flow_module:half is not used any more, flow_module:halved has changed, flow_module:part is new"
    )


def test_nothing_in_common(store: AnalysisStore, raw: Run, other: Run, written: Callable[..., ModuleType]) -> None:
    """A result of the same processor is the nearest, even if all else is different."""
    text = CODE.replace("(inputs)", "(inputs, times: int = {by})")
    first = store.compute(written(text, by=2, version="1").halved, raw)
    told = explain(store, written(text, by=4, version="2").halved, other)
    assert told.run == first
    assert [reason.partition(":")[0] for reason in told.reasons] == ["version", "code", "parameter times", "inputs[0]"]


def test_the_newest_of_those_that_are_as_near(store: AnalysisStore, raw: Run, other: Run) -> None:
    """Whether they differ in their parameters or in their input."""
    runs = [store.compute(scale.preset(gain=gain), one) for gain, one in [(3, other), (2, raw), (4, other)]]
    assert explain(store, scale.preset(gain=2), other).run == runs[2]
    store.compute(scale.preset(gain=5), raw)
    newest = store.compute(scale.preset(gain=3), raw)
    assert explain(store, scale.preset(gain=3), raw).run == newest
    store.retract(newest.uid, "to be computed again")


def test_there_was_one(store: AnalysisStore, raw: Run) -> None:
    """Which was retracted, or is damaged; both are told."""
    first = store.compute(scale, raw)
    store.retract(first.uid, "wrong gain")
    second = store.compute(scale, raw)
    second.file.chmod(0o644)
    second.file.write_bytes(b"spoilt")
    told = explain(store, scale, raw)
    assert not told
    assert told.run == second
    assert told.reasons[0].startswith(f"there is such a result, but run {second.uid} is damaged: ")
    assert told.reasons[1].startswith(f"there is such a result, but run {first.uid} was retracted: wrong gain")


def test_pipelines(store: AnalysisStore, raw: Run) -> None:
    """A step is explained when those before it are hits; else they are what is missing."""
    told = explain(store, scale | total, raw)
    assert told.reasons == ["step 'flow_scale', whose result it needs: no result of flow_scale is stored"]
    store.compute(scale, raw)
    assert explain(store, scale | total, raw).reasons == ["no result of flow_total is stored"]
    run = store.compute(scale | total, raw)
    assert explain(store, scale | total, raw).run == run


def test_refused_as_compute_does(store: AnalysisStore, raw: Run) -> None:
    """What cannot be computed cannot be explained."""
    with pytest.raises(InputError, match="'abc' was not found"):
        explain(store, scale, "abc")
    store.retract(raw.uid, "wrong sample")
    with pytest.raises(InputError, match="was retracted"):
        explain(store, scale, raw)
    with pytest.raises(ProcessorError, match="ends in several steps"):
        explain(store, scale & size, raw)
