"""A computed run made anew: same inputs, same or other parameters, linked to the first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InputError, ParameterError, ProcessorError, RunNotFoundError, UnknownProcessorError
from analysis_store.processing import Preset, processor, register_processor
from analysis_store.processing.model import registry
from analysis_store.runs.read.run import Run


@processor(id="rerun_scaled", version="1.0")
def scaled(inputs: Any, *, factor: float = 2.0) -> Any:
    """Return the counts of every input times a factor."""
    return {f"x{number}": one["primary"]["x"][0] * factor for number, one in enumerate(inputs)}


@processor(id="rerun_mixed", version="1.0")
def mixed(inputs: Any) -> Any:
    """Return, in order, what kind of thing each input is."""
    return {"kinds": ",".join(one.path.name if one.path else one.uid for one in inputs)}


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give an input."""
    return store.insert([{"primary": {"x": np.arange(50.0)}}], {}, provenance=origin)


def scaled_anew(inputs: Any, *, factor: float = 3.0) -> Any:
    """Return the same, by a newer version."""
    return {"x0": inputs["primary"]["x"][0] * factor}


def test_the_same_again(store: AnalysisStore, run: Run) -> None:
    """A run of its own, always computed, linked to the first and equal to it; what was said of the first is kept."""
    first = store.compute("rerun_scaled", run, md={"sample_name": "Fe foil"})
    again = store.rerun(first.uid)
    assert again.uid != first.uid
    assert again.start["processing"] == {**first.start["processing"], "rerun_of": first.uid}
    assert again.start["sample_name"] == "Fe foil"
    assert again.start["time"] > first.start["time"]
    assert again.parents == [run.uid]
    assert [found.uid for found in store.search({"processing.rerun_of": first.uid})] == [again.uid]
    assert store.compare(first, again, rtol=0)
    assert store.rerun(again.uid[:8]).start["processing"]["rerun_of"] == again.uid


def test_other_parameters(store: AnalysisStore, run: Run) -> None:
    """Those given replace the stored ones, the others stay; they are checked."""
    first = store.compute(Preset("rerun_scaled", {"factor": 5.0}), run)
    again = store.rerun(first.uid, factor=7)
    assert again.start["provenance"]["parameters"] == {"factor": 7.0}
    assert again["primary"]["x0"][0][1] == 7.0
    assert store.rerun(first.uid)["primary"]["x0"][0][1] == 5.0
    assert not store.compare(first, again)
    with pytest.raises(ParameterError, match="factor"):
        store.rerun(first.uid, factor="x")
    with pytest.raises(ParameterError, match="faktor"):
        store.rerun(first.uid, faktor=1)


def test_inputs_in_their_order(store: AnalysisStore, run: Run, origin: Provenance, tmp_path: Path) -> None:
    """Runs and files, mixed and repeated, are given as they were the first time."""
    file = tmp_path / "dark.bin"
    file.write_bytes(b"dark")
    other = store.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
    first = store.compute("rerun_mixed", [other, file, run, other])
    assert store.rerun(first.uid)["primary"]["kinds"][0] == f"{other.uid},dark.bin,{run.uid},{other.uid}"


def test_a_file_that_changed(store: AnalysisStore, tmp_path: Path) -> None:
    """The error names both digests; the file as it was is taken again, a missing one is named."""
    file = tmp_path / "dark.bin"
    file.write_bytes(b"dark")
    first = store.compute("rerun_mixed", file)
    file.write_bytes(b"darker")
    before = len(store)
    (recorded,) = (each.digest for each in first.provenance.files)
    with pytest.raises(InputError, match=rf"dark\.bin has the digest blake3:\w+, and had {recorded}"):
        store.rerun(first.uid)
    file.unlink()
    with pytest.raises(InputError, match=r"1 of its 1 inputs are missing or have changed: .*dark\.bin"):
        store.rerun(first.uid)
    assert len(store) == before
    file.write_bytes(b"dark")
    assert store.compare(first, store.rerun(first.uid))


def test_an_input_of_another_store(tmp_path: Path, origin: Provenance) -> None:
    """Parents are looked up in the sources, too; without the source the error says who is missing."""
    with AnalysisStore(tmp_path / "raw") as raw:
        run = raw.insert([{"primary": {"x": np.arange(50.0)}}], {}, provenance=origin)
        with AnalysisStore(tmp_path / "results", sources=[raw]) as store:
            first = store.compute("rerun_scaled", run)
            assert store.compare(first, store.rerun(first.uid))
    with AnalysisStore(tmp_path / "results") as alone, pytest.raises(InputError, match=run.uid):
        alone.rerun(first.uid)


def test_a_retracted_input(store: AnalysisStore, run: Run) -> None:
    """Nothing new is made of it."""
    first = store.compute("rerun_scaled", run)
    store.retract(run.uid, "wrong energy")
    with pytest.raises(InputError, match="wrong energy"):
        store.rerun(first.uid)


def test_a_damaged_input(store: AnalysisStore, run: Run) -> None:
    """It is refused before any work."""
    first = store.compute("rerun_scaled", run)
    shutil.move(run.file, run.file.with_suffix(".away"))
    with pytest.raises(InputError, match=run.uid[:8]):
        store.rerun(first.uid)


def test_the_newest_version_where_the_first_is_gone(
    store: AnalysisStore, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as the first version is there it is taken; then the newest, and the new run records which."""
    first = store.compute("rerun_scaled", run)
    monkeypatch.setattr(registry, "_known", dict(registry._known))
    register_processor(scaled_anew, id="rerun_scaled", version="2.0")
    assert store.rerun(first.uid).start["processing"]["version"] == "1.0"
    del registry._known["rerun_scaled", "1.0"]
    again = store.rerun(first.uid)
    assert again.start["processing"]["version"] == "2.0"
    assert again.start["provenance"]["parameters"] == {"factor": 2.0}
    assert store.compare(first, again)


def test_a_processor_that_is_gone(store: AnalysisStore, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named."""
    first = store.compute("rerun_scaled", run)
    monkeypatch.delitem(registry._known, ("rerun_scaled", "1.0"))
    with pytest.raises(UnknownProcessorError, match="rerun_scaled"):
        store.rerun(first.uid)


def test_a_run_that_no_processor_made(store: AnalysisStore, run: Run) -> None:
    """The error says how it could be made again; one that is not there is named."""
    with pytest.raises(ProcessorError, match=rf"{run.uid} was not computed by a processor.*@processor.*compute"):
        store.rerun(run.uid)
    with pytest.raises(RunNotFoundError, match="nobody"):
        store.rerun("nobody")
