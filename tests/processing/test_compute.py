"""A result is found or made: what is reused, what never is, what is said of it, and what becomes of errors."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import (
    InputError,
    InvalidDataError,
    InvalidMetadataError,
    NoDefaultStoreError,
    ParameterError,
    ProcessorError,
    StoreWriteError,
    UnknownProcessorError,
)
from analysis_store.insertion import set_working_dir
from analysis_store.processing import Pipeline, compute, get_autosaving, set_autosaving
from analysis_store.processing.engine.computation import run_pipeline
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.runs.read.run import Run
from tests.flow_processors import fail, returns, scale, size, total


@pytest.fixture
def raw(store: AnalysisStore, origin: Provenance) -> Run:
    """What was measured."""
    return store.insert({"primary": {"counts": np.arange(30.0).reshape(1, 30)}}, {}, provenance=origin)


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """Has a line for each call of a processor that is told of it."""
    return tmp_path / "calls"


def number(calls: Path) -> int:
    """Return how many calls there were."""
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def spoil(run: Run) -> None:
    """Change a bit of a value in the file of a run."""
    data = bytearray(run.file.read_bytes())
    at = data.rindex(np.float64(58.0).tobytes())
    data[at] ^= 1
    run.file.chmod(0o644)
    run.file.write_bytes(data)


class TestReuse:
    """What is computed once."""

    def test_a_result_is_computed_once(self, store: AnalysisStore, raw: Run, calls: Path) -> None:
        """By id or preset, with defaults left out or spelled out, of the run or its uid."""
        first = compute(store, scale.preset(calls=str(calls)), raw)
        again = [
            store.compute(scale.preset(calls=str(calls), gain=2), raw.uid),
            compute(store, scale.preset(gain=2.0, seconds=0.0, calls=str(calls)), [raw]),
            compute(store, Pipeline({"s": scale.preset(calls=str(calls))}), Inputs.of(raw)),
        ]
        assert again == [first] * 3
        assert number(calls) == 1
        assert len(store) == 2
        np.testing.assert_array_equal(first["primary"]["curve"][0], np.arange(30.0) * 2)

    def test_the_id_alone_names_a_processor_with_its_defaults(self, store: AnalysisStore, raw: Run) -> None:
        """Text is as good as the object."""
        assert store.compute("flow_scale", raw) == store.compute(scale, raw) == store.compute("flow_scale@1", raw)

    def test_reuse_is_noted(self, store: AnalysisStore, raw: Run) -> None:
        """Who asked for it again, when and how; the first time is no reuse."""
        run = store.compute(scale, raw)
        assert store.notes(run.uid) == []
        store.compute(scale, raw)
        (note,) = store.notes(run.uid, "reuse")
        assert note.body == {"key": run.start["processing"]["key"], "how": "compute"}
        assert note.time > run.start["time"]

    def test_other_parameters_or_inputs_are_another_result(
        self, store: AnalysisStore, raw: Run, origin: Provenance
    ) -> None:
        """Even where the values of the inputs are equal: they are other runs."""
        twin = store.insert({"primary": {"counts": np.arange(30.0).reshape(1, 30)}}, {}, provenance=origin)
        found = [store.compute(scale, raw), store.compute(scale.preset(gain=3), raw), store.compute(scale, twin)]
        assert len({run.uid for run in found}) == 3

    def test_the_order_of_inputs_counts_and_one_may_come_twice(self, store: AnalysisStore, raw: Run) -> None:
        """Results of a and b, of b and a, and of a and a are three."""
        one, two = store.compute(scale, raw), store.compute(scale.preset(gain=3), raw)
        found = {store.compute(total, inputs).uid for inputs in ([one, two], [two, one], [one, one])}
        assert len(found) == 3
        assert store.compute(total, [one, one])["primary"]["total"][0] == 4 * np.arange(30).sum()

    def test_a_damaged_result_is_computed_again(self, store: AnalysisStore, raw: Run, calls: Path) -> None:
        """A warning names it; it stays, and the new one is reused from then on."""
        preset = scale.preset(calls=str(calls))
        first = store.compute(preset, raw)
        spoil(first)
        with pytest.warns(UserWarning, match=f"run {first.uid} is damaged: .*'curve'.* computed again") as told:
            second = store.compute(preset, raw)
        assert len(told) == 1
        assert second != first
        assert first.file.exists()
        assert store.compute(preset, raw) == second
        assert number(calls) == 2

    def test_a_result_whose_file_is_gone_is_computed_again(self, store: AnalysisStore, raw: Run) -> None:
        """As one that is damaged."""
        first = store.compute(scale, raw)
        first.file.unlink()
        with pytest.warns(UserWarning, match="is damaged"):
            assert store.compute(scale, raw) != first

    def test_a_retracted_result_is_computed_again(self, store: AnalysisStore, raw: Run) -> None:
        """Without a warning: somebody has said so."""
        first = store.compute(scale, raw)
        store.retract(first.uid, "wrong gain")
        second = store.compute(scale, raw)
        assert second != first
        assert store.compute(scale, raw) == second

    def test_a_result_that_failed_is_no_result(self, store: AnalysisStore, raw: Run) -> None:
        """A run that carries the key, but ended as a failure, is left alone."""
        done = store.compute(scale, raw)
        opened = store.new_run({"processing": done.start["processing"]}, provenance=Provenance(parents=[raw]))
        opened.event("primary", {"x": 1.0})
        broken = opened.close("fail", "no peak")
        store.retract(done.uid, "to be done again")
        again = store.compute(scale, raw)
        assert again not in (done, broken)
        assert again.stop is not None
        assert again.stop["exit_status"] == "success"

    def test_a_file_is_what_its_bytes_are(self, store: AnalysisStore, tmp_path: Path) -> None:
        """Elsewhere it is the same input; with other bytes, in the same place, it is another."""
        here, there = tmp_path / "a.dat", tmp_path / "b.dat"
        here.write_bytes(b"one")
        first = store.compute(size, here)
        shutil.move(here, there)
        assert store.compute(size, there) == first
        there.write_bytes(b"four")
        second = store.compute(size, there)
        assert (first["primary"]["size"][0], second["primary"]["size"][0]) == (3, 4)
        assert [file.path for file in second.provenance.files] == [str(there)]


class TestDocuments:
    """What a computed run says of itself."""

    def test_start(self, store: AnalysisStore, raw: Run) -> None:
        """Processor, key, code and inputs; parameters, parents and code where every run has them."""
        run = store.compute(scale.preset(gain=3), raw, md={"sample_name": "Fe foil"})
        told = run.start["processing"]
        assert set(told) == {"processor", "version", "key", "source", "functions", "parameters", "inputs"}
        assert (told["processor"], told["version"]) == ("flow_scale", "1")
        assert any(entry.startswith("tests.flow_processors:scale ") for entry in told["functions"])
        assert told["inputs"] == [Inputs.of(raw).digests[0]]
        assert run.start["provenance"]["parameters"] == {"gain": 3.0, "calls": "", "seconds": 0.0}
        assert run.start["sample_name"] == "Fe foil"
        assert run.parents == [raw.uid]
        assert run.provenance.parents[0].catalog == store.location
        assert run.provenance.code is not None
        assert run.provenance.code.entry_point == "tests.flow_processors:scale"
        assert run["primary"]["curve"].attrs["units"] == "eV"

    def test_metadata_are_no_part_of_the_key(self, store: AnalysisStore, raw: Run) -> None:
        """What is found is found whatever is said of a new one."""
        assert store.compute(scale, raw, md={"note": "a"}) == store.compute(scale, raw, md={"note": "b"})

    def test_metadata_that_cannot_be(self, store: AnalysisStore, raw: Run) -> None:
        """Refused before anything is computed."""
        with pytest.raises(InvalidMetadataError, match=r'md\["processing"\]: Got a key that the store sets'):
            store.compute(scale, raw, md={"processing": {}})
        with pytest.raises(InvalidMetadataError, match=r'md\["uid"\]: Got one uid for 2 runs'):
            store.compute(scale | total, raw, md={"uid": "x"})
        with pytest.raises(InvalidMetadataError, match="md: Got list"):
            compute(store, scale, raw, md=[])  # type: ignore[arg-type]
        assert len(store) == 1


class TestErrors:
    """Nothing is left behind, and everybody is named."""

    def test_what_a_processor_raises_reaches_the_caller(self, store: AnalysisStore, raw: Run) -> None:
        """Unchanged, with a note on processor, version and inputs; the claim is gone."""
        with pytest.raises(ValueError, match="no peak") as caught:
            store.compute(fail, raw)
        assert caught.value.__notes__ == [f"in processor flow_fail 1 on run {raw.uid[:8]}"]
        for kind, error in (("interrupt", KeyboardInterrupt), ("exit", SystemExit)):
            with pytest.raises(error):
                store.compute(fail.preset(kind=kind), raw)
        assert len(store) == 1
        assert (store.root / "claims").is_dir()
        assert not list((store.root / "claims").rglob("*.lock"))

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            ("lambda", r'^flow_returns returned: data\["primary"\]\["x"\]: '),
            ("inner", r'^flow_returns returned: data\["fit"\]\["peaks"\]\[1\]: '),
            ("value", r'^flow_returns returned: data\["x"\]: '),
            ("event", r'^flow_returns returned: data\[1\]\["primary"\]\["x"\]: '),
            ("keys", r'^flow_returns returned: data\[1\]\["primary"\] lacks \[\'x\'\]'),
        ],
    )
    def test_what_cannot_be_stored(self, store: AnalysisStore, raw: Run, what: str, message: str) -> None:
        """The path of the value in what was returned; nothing of it stays."""
        before = sorted(store.root.rglob("*.h5"))
        with pytest.raises(InvalidDataError, match=message):
            store.compute(returns.preset(what=what), raw)
        assert sorted(store.root.rglob("*.h5")) == before
        assert len(store) == 1

    @pytest.mark.parametrize(
        ("what", "came"), [("none", "NoneType"), ("number", "int"), ("empty", "empty dict"), ("array", "ndarray")]
    )
    def test_what_is_no_result(self, store: AnalysisStore, raw: Run, what: str, came: str) -> None:
        """Says what came and what is expected."""
        with pytest.raises(ProcessorError, match=f"flow_returns returned {came}; expected {{stream: {{key: value}}}}"):
            store.compute(returns.preset(what=what), raw)

    def test_refused_before_work(self, store: AnalysisStore, raw: Run, calls: Path) -> None:
        """Unknown processors, wrong parameters, what is no preset, and several last steps."""
        with pytest.raises(UnknownProcessorError, match="flow_scale"):
            store.compute("flow_scales", raw)
        with pytest.raises(ParameterError, match="gain"):
            store.compute(scale.preset(gain="much"), raw)
        with pytest.raises(ProcessorError, match="expected a processor"):
            store.compute(3, raw)
        with pytest.raises(ProcessorError, match=r"ends in 2 steps, flow_scale, flow_size.*pipeline\.run"):
            store.compute(scale & size, raw)
        assert number(calls) == 0

    def test_an_input_that_cannot_be_read(self, store: AnalysisStore, raw: Run, calls: Path) -> None:
        """Refused before the function is called; a result that is there needs its input no more."""
        done = store.compute(scale, raw)
        raw.file.unlink()
        with pytest.raises(InputError, match=f"run {raw.uid[:8]} cannot be read: "):
            store.compute(scale.preset(calls=str(calls)), raw.uid)
        assert number(calls) == 0
        assert store.compute(scale, raw.uid) == done

    def test_a_claim_that_cannot_be_made(self, store: AnalysisStore, raw: Run, calls: Path) -> None:
        """Said before the function is called, with the file and what to do."""
        (store.root / "claims").write_text("in the way")
        with pytest.raises(StoreWriteError, match=r"could not write the claim .*claims.*: .*Nothing was computed"):
            store.compute(scale.preset(calls=str(calls)), raw)
        assert number(calls) == 0


class TestPipelines:
    """Steps whose results flow on."""

    def test_every_step_is_a_run(self, store: AnalysisStore, raw: Run) -> None:
        """With the parents it got; the run of the last step is returned."""
        pipeline = (scale & scale.preset(gain=3)) | total
        run = store.compute(pipeline, raw)
        parents = [store[uid] for uid in run.parents]
        assert [parent.start["provenance"]["parameters"]["gain"] for parent in parents] == [2.0, 3.0]
        assert all(parent.parents == [raw.uid] for parent in parents)
        assert run["primary"]["total"][0] == 5 * np.arange(30).sum()
        assert {one.start["processing"]["pipeline"] for one in (run, *parents)} == {pipeline.digest}
        assert store.compute(pipeline, raw) == run

    def test_a_step_is_shared_with_results_that_were_computed_alone(self, store: AnalysisStore, raw: Run) -> None:
        """What flows in memory has the same identity as the stored run of it."""
        alone = store.compute(scale, raw)
        results = (scale | total).run(raw, store=store)
        assert results["flow_scale"].reused
        assert results["flow_scale"].run == alone
        assert not results["flow_total"].reused
        assert store.compute(total, alone) == results["flow_total"].run
        (note,) = store.notes(alone.uid, "reuse")
        assert set(note.body["how"]) == {"pipeline"}

    def test_nothing_is_read_back(self, store: AnalysisStore, raw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """The second step gets the values of the first while its file cannot be opened."""
        from analysis_store.runs.read import run as module

        opened: list[Path] = []
        plain = module.RunFile
        monkeypatch.setattr(module, "RunFile", lambda path: opened.append(path) or plain(path))
        (scale | total).run(raw, store=store)
        assert opened in ([], [raw.file])

    def test_results_by_name(self, store: AnalysisStore, raw: Run) -> None:
        """As a mapping; a step that is not there is answered with those that are."""
        results = Pipeline({"s": scale, "t": (total, ["s"])}).run(raw, store=store)
        assert list(results) == ["s", "t"]
        assert results["t"]["primary"]["total"][0] == 2 * np.arange(30).sum()
        assert results["s"].seconds > 0
        assert str(results["s"].run and results["s"].run.uid) in repr(results)
        with pytest.raises(LookupError, match=r"no step 'u'; it has \['s', 't'\]"):
            results["u"]

    def test_a_branch_that_fails_stops_only_what_needs_it(self, store: AnalysisStore, raw: Run) -> None:
        """Whoever asks is told of each failure; without asking, the first is raised."""
        pipeline = Pipeline({"f": fail, "after": (total, ["f"]), "s": scale, "t": (total, ["s"])})
        failed: list[tuple[str, str]] = []
        results = run_pipeline(
            pipeline, Inputs.of(raw), store, failed=lambda step, error: failed.append((step, str(error)))
        )
        assert failed == [("f", "no peak")]
        assert sorted(results) == ["s", "t"]
        with pytest.raises(ValueError, match="no peak"):
            run_pipeline(pipeline, Inputs.of(raw), store)

    def test_more_is_said_of_a_task(self, store: AnalysisStore, raw: Run) -> None:
        """As whoever runs it wishes."""
        results = run_pipeline(Pipeline.of(scale), Inputs.of(raw), store, extra={"task": "abc"})
        run = results["flow_scale"].run
        assert run is not None
        assert run.start["processing"]["task"] == "abc"


class TestByHand:
    """Where results go that nobody named a store for."""

    @pytest.fixture(autouse=True)
    def as_before(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Put the settings of the process back."""
        monkeypatch.delenv("ANALYSIS_STORE", raising=False)
        yield
        set_autosaving(True)
        set_working_dir(None)

    def test_saved_in_the_working_dir(self, store: AnalysisStore, raw: Run, tmp_path: Path) -> None:
        """By default."""
        assert get_autosaving()
        set_working_dir(tmp_path / "store")
        run = (scale | total).run(raw)["flow_total"].run
        assert run is not None
        assert store[run.uid] == run

    def test_without_a_working_dir(self, raw: Run) -> None:
        """Says what to do, in three ways and a fourth."""
        with pytest.raises(NoDefaultStoreError, match=r"set_working_dir\(folder\).*, or set_autosaving\(False\)\."):
            (scale | total).run(raw)

    def test_in_memory(self, store: AnalysisStore, raw: Run) -> None:
        """Of runs or of plain data; nothing is written."""
        set_autosaving(False)
        data = {"primary": {"counts": np.arange(30.0)}}
        for inputs in (raw, data, [data]):
            results = (scale | total).run(inputs)
            assert results["flow_total"].run is None
            assert results["flow_total"]["primary"]["total"][0] == 2 * np.arange(30).sum()
            assert "not saved" in repr(results)
        assert len(store) == 1

    def test_plain_data_are_no_origin(self, store: AnalysisStore) -> None:
        """A result that is kept must tell what it came from."""
        with pytest.raises(InputError, match=r"Got plain data .*insert_analysis\(data, md\)"):
            (scale | total).run({"primary": {"counts": np.arange(30.0)}}, store=store)


def test_the_last_result_is_durable(store: AnalysisStore, raw: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inner results need not be waited for: what is committed after them takes them along."""
    told: list[bool] = []
    insert = store.catalog.insert

    def noted(record: Any, documents: Any = (), durable: bool = True) -> None:
        told.append(durable)
        insert(record, documents, durable)

    monkeypatch.setattr(store.catalog, "insert", noted)
    store.compute(scale.preset() | total.preset(), raw)
    store.compute(scale.preset(gain=5.0), raw)
    assert told == [False, True, True]
