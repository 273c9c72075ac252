"""AutoAnalysis: every finished run that matches is analysed in the background, whatever happens there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bluesky import RunEngine
from bluesky.plan_stubs import close_run, open_run
from bluesky.plans import count, scan
from bluesky.preprocessors import run_decorator, stage_decorator
from ophyd.sim import SynAxis, SynSignal

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import ProcessorError, QueryError, SettingsError
from analysis_store.processing import AutoAnalysis, Pipeline, Preset, Task
from analysis_store.processing.task.batch import Batch
from analysis_store.processing.task.worker_process import Companion
from tests import auto_steps as steps

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that a test waits for the background; a process starts in one or two."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnalysisStore]:
    """A home for raw data and results."""
    policy = Policy(require_code=False, require_inputs=False, dirty="allow")
    with AnalysisStore(tmp_path / "store", policy=policy) as opened:
        yield opened


@pytest.fixture
def engine(store: AnalysisStore) -> Iterator[RunEngine]:
    """A RunEngine whose runs are saved in the store."""
    made = RunEngine(context_managers=[])
    made.subscribe(store)
    yield made
    made.loop.call_soon_threadsafe(made.loop.stop)
    made._th.join()
    made.loop.close()


@pytest.fixture
def signal() -> SynSignal:
    """A detector that counts 3."""
    return SynSignal(func=lambda: 3, name="x")


def results(store: AnalysisStore, processor: str = "a_total") -> list[Any]:
    """Return the results of a processor, newest first."""
    return list(store.search({"processing.processor": processor}))


def test_finished_runs_are_analysed(store: AnalysisStore, engine: RunEngine, signal: SynSignal) -> None:
    """Each that matches has its result, in another process; the others have none."""
    with AutoAnalysis(store, steps.total, {"plan_name": "count", "sample": "Fe"}) as auto:
        engine.subscribe(auto)
        (wanted,) = engine(count([signal], 4), sample="Fe")
        engine(count([signal], 4), sample="Cu")
        engine(scan([signal], SynAxis(name="m"), 0, 1, 3), sample="Fe")
        assert auto.wait(PATIENCE)

    (found,) = results(store)
    assert found.start["parent_uids"] == [wanted]
    assert found["primary"]["total"][0] == 12
    assert found["primary"]["pid"][0] != os.getpid()
    assert found["primary"]["session"][0] != os.getsid(0), "Ctrl-C in this terminal would end it"
    assert auto.failures == []


def test_subscribed_before_the_store(store: AnalysisStore, signal: SynSignal) -> None:
    """The run cannot be read yet when its stop document comes: it is waited for."""
    with AutoAnalysis(store, steps.total) as auto:
        for run in range(2):
            documents: list[tuple[str, dict[str, Any]]] = []
            engine = RunEngine(context_managers=[])
            engine(count([signal], 2), lambda name, doc, to=documents: to.append((name, doc)))
            for name, doc in documents:
                auto(name, doc)
            assert not auto.wait(0.1)
            for name, doc in documents:
                store(name, doc)
            assert auto.wait(PATIENCE), run

    assert len(results(store)) == 2


def test_run_that_never_comes(store: AnalysisStore, caplog: pytest.LogCaptureFixture) -> None:
    """After the patience it is told, and the next one is looked at."""
    with AutoAnalysis(store, steps.total, executor="thread", patience=0.1) as auto:
        auto("start", {"uid": "nowhere", "time": 0.0})
        auto("stop", {"uid": "s", "run_start": "nowhere", "exit_status": "success"})
        assert auto.wait(PATIENCE)

    (failed,) = auto.failures
    assert failed.input == "nowhere"
    assert "nowhere" in caplog.text


def test_interleaved_runs(store: AnalysisStore, engine: RunEngine) -> None:
    """Several runs are open at once; each is judged by its own start and stop."""

    def plan() -> Iterator[Any]:
        from bluesky.preprocessors import set_run_key_wrapper as keyed

        yield from keyed(open_run({"n": 1}), "one")
        yield from keyed(open_run({"n": 2}), "two")
        yield from keyed(close_run("success"), "one")
        yield from keyed(close_run("success"), "two")

    with AutoAnalysis(store, steps.number, {"n": 2}, executor="thread") as auto:
        engine.subscribe(auto)
        engine(plan())
        assert auto.wait(PATIENCE)

    assert [run["primary"]["n"][0] for run in results(store, "a_number")] == [2]
    assert auto.failures == []


@pytest.mark.parametrize(("when", "analysed"), [(None, 0), ({"stop.exit_status": {"$in": ["abort", "fail"]}}, 1)])
def test_failed_runs(store: AnalysisStore, engine: RunEngine, signal: SynSignal, when: Any, analysed: int) -> None:
    """Only if they are asked for."""

    @stage_decorator([])
    @run_decorator()
    def failing() -> Iterator[Any]:
        yield from ()
        raise RuntimeError("beam lost")

    with AutoAnalysis(store, steps.number, when, executor="thread") as auto:
        engine.subscribe(auto)
        with pytest.raises(RuntimeError, match="beam lost"):
            engine(failing())
        assert auto.wait(PATIENCE)

    assert len(results(store, "a_number")) == analysed
    assert auto.failures == []


@pytest.mark.parametrize("executor", ["process", "thread"])
def test_processor_that_raises(
    store: AnalysisStore, engine: RunEngine, signal: SynSignal, executor: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The scan does not see it; it is logged, kept, and found as a task, which catches up."""
    with AutoAnalysis(store, steps.unlucky, executor=executor) as auto:
        engine.subscribe(auto)
        (uid,) = engine(count([signal]))
        (lucky,) = engine(count([signal]), lucky=True)
        assert auto.wait(PATIENCE)

    assert [one.input for one in auto.failures] == [uid]
    assert "no luck" in caplog.text
    task = Task.load(store, auto.uid)
    assert task.status == "partial"
    assert {one.input: one.status for one in task.outcomes} == {uid: "failed", lucky: "done"}
    assert task.run().counts == {"inputs": 2, "done": 1, "failed": 1, "computed": 0, "reused": 1}


def test_missed_runs_are_caught_up(store: AnalysisStore, engine: RunEngine, signal: SynSignal) -> None:
    """The task of an analysis has all that it should have seen, and does only what is missing."""
    (before,) = engine(count([signal]))
    with AutoAnalysis(store, steps.total, {"plan_name": "count"}) as auto:
        engine.subscribe(auto)
        (during,) = engine(count([signal]))
        assert auto.wait(PATIENCE)
    (after,) = engine(count([signal]))

    report = Task.load(store, auto.uid).run()
    assert [one.input for one in report] == [before, during, after]
    assert report.counts["computed"] == 2
    assert len(results(store)) == 3


def test_scan_is_not_slowed(store: AnalysisStore, engine: RunEngine, signal: SynSignal, tmp_path: Path) -> None:
    """Scans go on while a processor is not done with the first of them."""
    gate = tmp_path / "gate"
    with AutoAnalysis(store, steps.busy.preset(gate=str(gate))) as auto:
        engine.subscribe(auto)
        engine(count([signal]))
        engine(count([signal], 100))
        pending = auto.pending
        gate.touch()
        assert auto.wait(PATIENCE)

    assert len(pending) == 2
    assert len(results(store, "a_busy")) == 2


def test_nothing_is_raised(store: AnalysisStore, caplog: pytest.LogCaptureFixture) -> None:
    """Not even by documents that are none."""
    with AutoAnalysis(store, steps.total, executor="thread") as auto:
        for name, doc in [("start", {}), ("start", None), ("stop", {}), ("stop", {"run_start": "a"}), ("wrong", 3)]:
            auto(name, doc)  # type: ignore[arg-type]

    assert len(auto.failures) == 3
    assert "began before the analysis was subscribed" in caplog.text


def test_close_finishes(store: AnalysisStore, engine: RunEngine, signal: SynSignal) -> None:
    """What is pending when it is closed is done; documents that come later are nobody's."""
    auto = AutoAnalysis(store, steps.total)
    engine.subscribe(auto)
    for _ in range(3):
        engine(count([signal]))
    auto.close()
    auto.close()

    assert len(results(store)) == 3
    engine(count([signal]))
    assert auto.pending == []


def endless(folder: Path) -> Preset:
    """Work that is never done."""
    return steps.busy.preset(gate=str(folder / "never"))


def test_close_gives_up(
    store: AnalysisStore, engine: RunEngine, signal: SynSignal, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After the timeout what is left is told, not done; the task catches up."""
    auto = AutoAnalysis(store, endless(tmp_path))
    engine.subscribe(auto)
    for _ in range(3):
        engine(count([signal]))
    auto.close(timeout=0.1)

    assert "3 runs were not analysed" in caplog.text
    assert results(store, "a_busy") == []


def interrupted(auto: AutoAnalysis, engine: RunEngine, signal: SynSignal) -> None:
    """Scan, and press Ctrl-C."""
    with auto:
        engine.subscribe(auto)
        engine(count([signal]))
        raise KeyboardInterrupt


def test_error_in_the_block_gives_up(
    store: AnalysisStore, engine: RunEngine, signal: SynSignal, tmp_path: Path
) -> None:
    """Ctrl-C is not made to wait for the background."""
    with pytest.raises(KeyboardInterrupt):
        interrupted(AutoAnalysis(store, endless(tmp_path)), engine, signal)
    assert results(store, "a_busy") == []


def test_given_up_before_it_began(store: AnalysisStore) -> None:
    """A process that is started too late to be ended does nothing."""
    run = store.insert([{"primary": {"x": 1}}], {}, provenance=Provenance(origin="synthetic", note="a test"))
    worker = Companion(Batch(Pipeline.of(steps.total), store, "task"))
    worker.give_up()
    outcome = worker.outcome(run.uid)

    assert [one.error for one in outcome.failures] == ["abandoned: the analysis was closed"]
    assert results(store) == []


@pytest.mark.slow
def test_process_that_dies(store: AnalysisStore, engine: RunEngine, signal: SynSignal, tmp_path: Path) -> None:
    """It is replaced, and the run is tried again; a run that kills it twice is given up."""
    marks = tmp_path / "marks"
    with AutoAnalysis(store, steps.deadly.preset(marks=str(marks))) as auto:
        engine.subscribe(auto)
        engine(count([signal]), deaths=1)
        (lost,) = engine(count([signal]), deaths=9)
        engine(count([signal]), deaths=0)
        assert auto.wait(PATIENCE)

    assert len(results(store, "a_deadly")) == 2
    assert [one.input for one in auto.failures] == [lost]
    assert "the process died" in auto.failures[0].failures[0].error


def test_in_a_thread_where_it_must_be(
    store: AnalysisStore, engine: RunEngine, signal: SynSignal, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that has what cannot be sent does not go to another process; this is said, and the work is done here."""

    class OwnHandler:
        """A handler that nobody else can import."""

        def __init__(self, path: str) -> None: ...

        def __call__(self) -> int:
            return 0

    store.register_handler("OWN", OwnHandler)
    with caplog.at_level(logging.INFO), AutoAnalysis(store, steps.total) as auto:
        engine.subscribe(auto)
        engine(count([signal]))
        assert auto.wait(PATIENCE)

    assert "by a thread of this process" in caplog.text
    assert "OWN" in caplog.text
    assert results(store)[0]["primary"]["pid"][0] == os.getpid()
    with pytest.raises(SettingsError, match=r'executor="process".*OWN'):
        AutoAnalysis(store, steps.total, executor="process")


SCRIPT = """
import atexit, logging, os, sys
logging.basicConfig(level=logging.INFO)
from analysis_store import AnalysisStore, Policy
from analysis_store.processing import AutoAnalysis
from bluesky import RunEngine
from bluesky.plans import count
from ophyd.sim import SynSignal
from tests import auto_steps

store = AnalysisStore(sys.argv[1], policy=Policy(require_code=False, require_inputs=False, dirty="allow"))
atexit.register(lambda: print("analysed", len(store.search({"processing": {"$exists": True}}))))
RE = RunEngine(context_managers=[])
RE.subscribe(store)
auto = AutoAnalysis(store, auto_steps.total)
RE.subscribe(auto)
print("scanned")
for _ in range(2):
    RE(count([SynSignal(func=lambda: 1, name="x")]))
"""


def run_script(script: Path, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of a beamline."""
    return subprocess.run(
        [sys.executable, str(script), str(tmp_path / "raw")],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
    )


@pytest.mark.slow
def test_end_of_python(tmp_path: Path) -> None:
    """What is pending when the script ends is finished; the script is not run twice, though it has no guard."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = run_script(script, tmp_path)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["scanned", "analysed", "2"]
    assert "wait for analysis" in done.stderr
    (log,) = (tmp_path / "raw" / "files" / "tasks").glob("*.jsonl")
    assert '"status":"done"' in log.read_text().splitlines()[-1]


def test_source_that_lags(tmp_path: Path, store: AnalysisStore, signal: SynSignal) -> None:
    """Raw data are elsewhere, and come there late."""
    with (
        AnalysisStore(tmp_path / "results", policy=store.policy, sources=[store]) as own,
        AutoAnalysis(own, steps.total) as auto,
    ):
        documents: list[tuple[str, dict[str, Any]]] = []
        engine = RunEngine(context_managers=[])
        engine.subscribe(auto)
        engine(count([signal], 2), lambda name, doc: documents.append((name, doc)))
        time.sleep(0.3)
        for name, doc in documents:
            store(name, doc)
        assert auto.wait(PATIENCE)
        assert len(results(own)) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "match"),
    [
        ({"pipeline": "a_totl"}, LookupError, "a_total"),
        ({"pipeline": 3}, ProcessorError, "expected a processor"),
        ({"when": {"n": {"$gtt": 1}}}, QueryError, r"\$gtt"),
        ({"executor": "cloud"}, SettingsError, '"process" or "thread"'),
    ],
)
def test_refused(store: AnalysisStore, arguments: dict[str, Any], error: type[Exception], match: str) -> None:
    """When it is made, not when the first run ends."""
    with pytest.raises(error, match=match):
        AutoAnalysis(store, **{"pipeline": steps.total, **arguments})


def test_log_tells_how_it_is_done(store: AnalysisStore, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said of a thread where there is a process."""
    with caplog.at_level(logging.INFO):
        AutoAnalysis(store, steps.total).close()

    assert "thread" not in caplog.text


def test_databroker_as_source(tmp_path: Path, store: AnalysisStore, engine: RunEngine, signal: SynSignal) -> None:
    """Raw data are read from a databroker."""
    with (
        AnalysisStore(tmp_path / "results", policy=store.policy, sources=[store.broker()]) as own,
        AutoAnalysis(own, steps.total) as auto,
    ):
        engine.subscribe(auto)
        (uid,) = engine(count([signal], 2))
        assert auto.wait(PATIENCE)
        assert auto.failures == []
        (found,) = results(own)
        assert (found["primary"]["total"][0], found.start["parent_uids"]) == (6, [uid])
