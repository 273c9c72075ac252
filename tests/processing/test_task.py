"""Tasks: one input after another, each by itself; what is told of them afterwards; what is done again."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import (
    AmbiguousUidError,
    NoDefaultStoreError,
    ProcessorError,
    RunNotFoundError,
    StoreBusyError,
    UnknownProcessorError,
)
from analysis_store.processing import Pipeline, Selection, Task
from analysis_store.processing.task.executors import crew
from analysis_store.processing.task.outcomes import Outcome, Report
from analysis_store.processing.task.task import tasks
from analysis_store.processing.task.task_log import TaskLog
from tests import task_steps as steps


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnalysisStore]:
    """A store of results of code that nobody has committed yet."""
    with AnalysisStore(tmp_path / "store", policy=Policy(require_code=False, dirty="allow")) as opened:
        yield opened


@pytest.fixture
def uids(store: AnalysisStore, origin: Provenance) -> list[str]:
    """Six runs of three values each, whose doubled sums are 0, 6, 12 …, 30."""
    return [store.insert([{"primary": {"x": np.full(3, float(n))}}], {"n": n}, provenance=origin).uid for n in range(6)]


def branched(unlucky: float = -1.0) -> Pipeline:
    """Return double | ((total | root) & largest); the total of one input can fail."""
    doubled = Pipeline.of(steps.double)
    return (doubled | steps.total.preset(unlucky=unlucky) | steps.root) & (doubled | steps.largest)


# ------------------------------------------------------------------------------------------------ what is done


def test_every_input_every_step(store: AnalysisStore, uids: list[str]) -> None:
    """Each step of each input is a run, whose parents are the runs it got, and which names the task."""
    task = Task(branched(), uids, store=store)
    assert task.status == "new"
    report = task.run()

    assert (task.status, report.status) == ("done", "done")
    assert [one.input for one in report] == uids
    assert report.counts == {"inputs": 6, "done": 6, "failed": 0, "computed": 24, "reused": 0}
    for uid, outcome in zip(uids, report, strict=True):
        runs = {name: store[step.run] for name, step in outcome.results.items()}
        assert runs["t_double"].start["parent_uids"] == [uid]
        assert runs["t_total"].start["parent_uids"] == [runs["t_double"].uid]
        assert {run.start["processing"]["task"] for run in runs.values()} == {task.uid}
        assert runs["t_root"]["primary"]["root"][0] == np.sqrt(6 * store[uid].start["n"])
    assert len(store.search({"processing.task": task.uid})) == 24


def test_files(store: AnalysisStore, tmp_path: Path) -> None:
    """A file is an input, too; one that is not there fails alone."""
    there, missing = tmp_path / "there.txt", tmp_path / "missing.txt"
    there.write_text("four")
    report = Task(steps.size, [there, missing], store=store).run()

    assert [one.status for one in report] == ["done", "failed"]
    assert store[report[0].results["t_size"].run]["primary"]["bytes"][0] == 4
    assert report[1].failures[0].step is None
    assert "missing.txt" in report[1].failures[0].error


def test_failing_input_fails_alone(store: AnalysisStore, uids: list[str]) -> None:
    """Its other branches go on, what needs the failed step is left out, the traceback is kept."""
    task = Task(branched(unlucky=12.0), uids, store=store)
    report = task.run()

    assert (task.status, report.status) == ("partial", "partial")
    (failed,) = report.failed
    assert failed.input == uids[2]
    assert set(failed.results) == {"t_double", "t_largest"}
    assert failed.skipped == ("t_root",)
    (failure,) = failed.failures
    assert (failure.step, failure.error) == ("t_total", "ValueError: 12.0 is unlucky")
    assert "task_steps.py" in failure.traceback
    assert "12.0 is unlucky" in repr(report)


def test_all_failed_is_failed(store: AnalysisStore, uids: list[str]) -> None:
    """Not done, whatever ran to its end."""
    task = Task(steps.size, uids[:2], store=store)

    assert (task.run().status, task.status) == ("failed", "failed")


def test_unknown_run_fails_alone(store: AnalysisStore, uids: list[str]) -> None:
    """The message tells where it was looked for."""
    report = Task(steps.double, [uids[0], "elsewhere", uids[1]], store=store).run()

    assert [one.status for one in report] == ["done", "failed", "done"]
    assert "elsewhere" in report[1].failures[0].error
    assert report[1].skipped == ("t_double",)


def test_processor_that_quits_fails_alone(store: AnalysisStore, uids: list[str]) -> None:
    """``sys.exit()`` in a processor ends neither the task nor Python."""
    report = Task(steps.quits, uids[:2], store=store).run()

    assert [one.failures[0].error for one in report] == ["SystemExit: 3", "SystemExit: 3"]
    assert report[0].failures[0].step == "t_quits"


def test_empty_selection(store: AnalysisStore) -> None:
    """Nothing to do is done, and says that there was nothing."""
    task = Task(steps.double, [], store=store)

    assert repr(task.run()) == "<Report: done; 0 inputs>"
    assert task.status == "done"


# -------------------------------------------------------------------------------------------------- done again


def test_again_does_what_is_missing(store: AnalysisStore, uids: list[str], origin: Provenance) -> None:
    """New runs that match, and nothing else."""
    task = Task(branched(), Selection.where(n={"$gte": 4}), store=store)
    first = task.run()
    new = store.insert([{"primary": {"x": np.ones(3)}}], {"n": 6}, provenance=origin).uid
    second = task.run()

    assert second.counts == {"inputs": 3, "done": 3, "failed": 0, "computed": 4, "reused": 8}
    assert [one.results["t_root"].run for one in second][:2] == [one.results["t_root"].run for one in first]
    assert not any(step.reused for step in second[-1].results.values())
    assert second[-1].input == new


def test_retracted_result_is_made_anew(store: AnalysisStore, uids: list[str]) -> None:
    """What cannot be reused is missing."""
    task = Task(steps.double, uids[:2], store=store)
    first = task.run()
    store.retract(first[0].results["t_double"].run, "the wrong detector")

    second = task.run()
    assert [one.results["t_double"].reused for one in second] == [False, True]


def test_interrupted_loses_nothing(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """Ctrl-C goes on to the caller; what was finished is there, the rest is done the next time."""
    task = Task(steps.interrupts.preset(at=9.0, marks=str(tmp_path / "mark")), uids, store=store)
    with pytest.raises(KeyboardInterrupt):
        task.run()

    assert task.status == "interrupted"
    assert [one.input for one in task.outcomes] == uids[:3]
    assert task.log.entries()[-1]["reason"] == "KeyboardInterrupt"
    second = task.run()
    assert [step.reused for one in second for step in one.results.values()] == [True] * 3 + [False] * 3
    assert task.status == "done"


# ------------------------------------------------------------------------------------------------ what is told


def test_loaded(store: AnalysisStore, uids: list[str]) -> None:
    """A task is found by the beginning of its uid, knows what became of it, and can be run again."""
    task = Task(branched(unlucky=6.0), Selection.where(n={"$lte": 2}), store=store)
    report = task.run()
    again = Task.load(store, task.uid[:9])

    assert (again.uid, again.status) == (task.uid, "partial")
    assert list(again.outcomes) == list(report)
    assert again.pipeline == task.pipeline
    assert again.run().counts["reused"] == 10
    assert again.run().counts["computed"] == 0


def test_loaded_without_its_processors(store: AnalysisStore, uids: list[str]) -> None:
    """What became of a task can be seen where its processors are not installed; run it cannot be."""
    task = Task(steps.double, uids[:2], store=store)
    task.run()
    code = (
        "import sys; from analysis_store import AnalysisStore; from analysis_store.processing import Task\n"
        "task = Task.load(AnalysisStore(sys.argv[1]), sys.argv[2])\n"
        "print(task.status, task.outcomes.counts['done'])\n"
        "try: task.run()\nexcept LookupError as error: print(type(error).__name__)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, store.location, task.uid], capture_output=True, text=True)

    assert done.stdout.split() == ["done", "2", UnknownProcessorError.__name__], done.stderr
    assert task.status == "done"


def test_tasks_of_a_store(store: AnalysisStore, uids: list[str]) -> None:
    """All of them, the latest first; none in a new store."""
    assert tasks(store) == []
    first, second = Task(steps.double, uids[0], store=store), Task(steps.total, uids[0], store=store)
    first.run()
    second.run()

    assert [task.uid for task in tasks(store)] == [second.uid, first.uid]


def test_unknown_and_ambiguous(store: AnalysisStore, uids: list[str]) -> None:
    """A uid that no task has, and one that several begin with."""
    for uid in ("aa-1", "aa-2"):
        Task(steps.double, uids[0], store=store, uid=uid).run()

    with pytest.raises(RunNotFoundError, match="No task's uid is or begins with 'b'"):
        Task.load(store, "b")
    with pytest.raises(AmbiguousUidError, match="2 tasks"):
        Task.load(store, "aa")


def test_log_is_lines_of_json(store: AnalysisStore, uids: list[str]) -> None:
    """The task, its run, each input, the end: for whoever has no Python."""
    task = Task(steps.double, uids[:2], store=store)
    task.run()
    lines = [json.loads(line) for line in (store.root / "tasks" / f"{task.uid}.jsonl").read_text().splitlines()]

    assert [next(iter(line)) for line in lines] == ["task", "began", "outcome", "outcome", "ended"]
    assert lines[0]["selection"] == {"parts": [{"run": uid} for uid in uids[:2]]}
    assert lines[2]["outcome"]["status"] == "done"


def test_report_comes_back() -> None:
    """An outcome that comes back from JSON is the same."""
    outcome = Outcome("a", skipped=("x",), seconds=0.25)

    assert Outcome.from_document(json.loads(json.dumps(outcome.to_document()))) == outcome
    assert Report([]).status == "done"


# ------------------------------------------------------------------------------------------------------ refused


def test_two_at_once(store: AnalysisStore, uids: list[str]) -> None:
    """The second is refused and told who runs it; meanwhile it is seen to be running."""
    task = Task(steps.slow.preset(seconds=0.5), uids[:2], store=store)
    thread = threading.Thread(target=task.run)
    thread.start()
    while not task.outcomes:
        pass
    seen = task.status
    with pytest.raises(StoreBusyError, match=r"is being run by process \d+ of .* since"):
        Task.load(store, task.uid).run()
    thread.join()

    assert (seen, task.status) == ("running", "done")


def test_killed_is_interrupted(store: AnalysisStore, uids: list[str]) -> None:
    """A process that dies while it runs a task leaves it interrupted, neither running nor done."""
    code = (
        "import sys; from analysis_store import AnalysisStore; from analysis_store.processing import Task\n"
        "from tests import task_steps as steps\n"
        "preset = steps.deadly.preset(victim=9.0, marks=sys.argv[2], times=1)\n"
        "Task(preset, sys.argv[3:], store=AnalysisStore(sys.argv[1]), uid='killed').run()"
    )
    marks = str(store.root / "marks")
    done = subprocess.run([sys.executable, "-c", code, store.location, marks, *uids], capture_output=True, text=True)

    task = Task.load(store, "killed")
    assert (done.returncode, task.status) == (-9, "interrupted")
    assert [one.input for one in task.outcomes] == uids[:3]
    assert task.run().counts == {"inputs": 6, "done": 6, "failed": 0, "computed": 3, "reused": 3}
    assert task.status == "done"


@pytest.mark.parametrize("executor", ["somewhere", 0, -1, True, 1.5, object()], ids=lambda part: type(part).__name__)
def test_unknown_executor(store: AnalysisStore, uids: list[str], executor: Any) -> None:
    """Refused before anything is done; the task stays new."""
    task = Task(steps.double, uids, store=store)
    with pytest.raises(ProcessorError, match='expected None, "serial", "processes"'):
        task.run(executor)

    assert task.status == "new"


def test_wrong_pipeline_is_refused_at_once(store: AnalysisStore, uids: list[str]) -> None:
    """Nothing is kept of a task that cannot be one."""
    with pytest.raises(UnknownProcessorError, match="t_doubel"):
        Task("t_doubel", uids, store=store)
    assert tasks(store) == []


def test_without_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """There must be a place for the results."""
    monkeypatch.delenv("ANALYSIS_STORE", raising=False)
    with pytest.raises(NoDefaultStoreError, match="set_working_dir"):
        Task(steps.double, "a")


# ----------------------------------------------------------------------------------------------------- progress


def test_progress_is_told(store: AnalysisStore, uids: list[str]) -> None:
    """How many are done, how many there are, how many failed."""
    told: list[tuple[int, int, int]] = []
    Task(branched(unlucky=6.0), uids[:3], store=store).run(progress=lambda *counts: told.append(counts))

    assert told == [(0, 3, 0), (1, 3, 0), (2, 3, 1), (3, 3, 1)]


def test_bar_for_a_person_only(store: AnalysisStore, uids: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in a pipe; where it is asked for, how many, how fast and what failed."""
    task = Task(branched(unlucky=6.0), uids[:3], store=store)
    task.run()
    assert capsys.readouterr() == ("", "")
    task.run(progress=True)
    out, err = capsys.readouterr()

    assert out == ""
    assert "3/3" in err
    assert "/s" in err
    assert "1 failed" in err


def test_threads_of_somebody_else(store: AnalysisStore, uids: list[str]) -> None:
    """Any executor of the standard library does, and stays open."""
    with ThreadPoolExecutor(2) as executor:
        report = Task(branched(), uids, store=store).run(executor)
        assert executor.submit(int).result() == 0

    assert report.counts["computed"] == 24
    assert {one.input for one in report} == set(uids)


def test_none_is_here() -> None:
    """Without an executor there are no workers."""
    with crew(None, 3) as workers:
        assert workers is None


def test_log_of_a_task_that_never_ran(tmp_path: Path) -> None:
    """It is new, and has no outcomes."""
    log = TaskLog(tmp_path, "a")

    assert (log.status, list(log.report())) == ("new", [])
    with pytest.raises(RunNotFoundError, match="No task 'a'"):
        log.entries()


def test_log_whose_first_line_was_torn(store: AnalysisStore, uids: list[str]) -> None:
    """A process that was killed while it wrote the first line has left nothing, and the task can be run."""
    task = Task(steps.double, uids[:1], store=store)
    task.log.path.parent.mkdir()
    task.log.path.write_text('{"task": "' + task.uid)

    assert (task.status, tasks(store)) == ("new", [])
    task.run()
    with pytest.warns(UserWarning, match="line 1 is not an entry"):
        assert task.status == "done"


def test_name_used_for_something_else(store: AnalysisStore, uids: list[str]) -> None:
    """The task is what was run last under its name; inputs of the pipeline before are told no more."""
    Task(steps.double, uids, store=store, uid="nightly").run()
    Task(steps.double, uids[:1], store=store, uid="nightly").run()
    assert len(Task.load(store, "nightly").outcomes) == len(uids)
    Task(steps.total, uids[:1], store=store, uid="nightly").run()

    found = Task.load(store, "nightly")
    assert [one.input for one in found.outcomes] == uids[:1]
    assert list(found.pipeline.names) == ["t_total"]
    assert found.run().counts["reused"] == 1


def test_name_that_is_no_text(store: AnalysisStore, uids: list[str]) -> None:
    """It is refused, as it names a file."""
    with pytest.raises(ProcessorError, match="uid: Got 5, a int"):
        Task(steps.double, uids, store=store, uid=5)  # type: ignore[arg-type]


def test_cluster_that_is_not_there(store: AnalysisStore, uids: list[str]) -> None:
    """The address is told."""
    dask = pytest.importorskip("dask", reason="dask is not installed")
    pytest.importorskip("distributed", reason="distributed is not installed")
    soon = dask.config.set({"distributed.comm.timeouts.connect": "0.5s"})
    with soon, pytest.raises(ProcessorError, match=r"tcp://127\.0\.0\.1:1 cannot be reached"):
        Task(steps.double, uids, store=store).run("tcp://127.0.0.1:1")
