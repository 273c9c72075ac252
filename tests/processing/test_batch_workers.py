"""Tasks on other processes: the same results everywhere, and workers that are killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import ProcessorError
from analysis_store.processing import Pipeline, Task
from analysis_store.processing.task import dispatch as feeding
from analysis_store.processing.task.executors import ProcessCrew, crew
from tests import task_steps as steps
from tests.sweeps import some

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(600)  # a worker that is killed is started anew, which takes long on a busy machine
KINDS = ["serial", 2, "dask"]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[AnalysisStore]:
    """A store of results of code that nobody has committed yet."""
    with AnalysisStore(tmp_path / "store", policy=Policy(require_code=False, dirty="allow")) as opened:
        yield opened


@pytest.fixture
def uids(store: AnalysisStore, origin: Provenance) -> list[str]:
    """Twelve runs of three values each, with the sums 0, 3, 6 …, 33."""
    return insert(store, origin, range(12))


def insert(store: AnalysisStore, origin: Provenance, numbers: range) -> list[str]:
    """Insert a run for each number."""
    return [store.insert([{"primary": {"x": np.full(3, float(n))}}], {"n": n}, provenance=origin).uid for n in numbers]


def started() -> Any:
    """Return two workers of Dask, each a process, that are replaced when they die."""
    distributed = pytest.importorskip("distributed", reason="pip install 'analysis_store[cluster]'")
    return distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster whose workers live."""
    with started() as made:
        yield made


@pytest.fixture
def doomed() -> Iterator[Any]:
    """A cluster whose workers are killed."""
    with started() as made:
        yield made


def executor(kind: Any, request: pytest.FixtureRequest) -> Any:
    """Return the executor of a kind; a cluster only where it is asked for."""
    return request.getfixturevalue("cluster") if kind == "dask" else kind


def digests(store: AnalysisStore, report: Any, step: str) -> dict[str, Any]:
    """Return the digests of the results of a step, by input."""
    return {one.input: store[one.results[step].run].digests for one in report}


def test_same_everywhere(store: AnalysisStore, uids: list[str], tmp_path: Path, cluster: Any) -> None:
    """Results are the same values wherever they are computed."""
    pipeline = Pipeline.of(steps.double) | (steps.total.preset() & steps.largest.preset())
    found = []
    for number, kind in enumerate(("serial", 2, cluster)):
        with AnalysisStore(tmp_path / f"copy{number}", policy=store.policy, sources=[store]) as other:
            report = Task(pipeline, uids, store=other).run(kind)
            assert report.counts == {"inputs": 12, "done": 12, "failed": 0, "computed": 36, "reused": 0}
            found.append([digests(other, report, step) for step in pipeline.names])

    assert found[0] == found[1] == found[2]
    assert set(found[0][0]) == set(uids)


@pytest.mark.parametrize("kind", KINDS)
def test_one_fails_alone(kind: Any, store: AnalysisStore, uids: list[str], request: pytest.FixtureRequest) -> None:
    """With its traceback, wherever that was."""
    task = Task(steps.total.preset(unlucky=9.0), [*uids, "elsewhere"], store=store)
    report = task.run(executor(kind, request))

    assert {one.input for one in report.failed} == {uids[3], "elsewhere"}
    assert (task.status, report.counts["done"]) == ("partial", 11)
    failure = next(one for one in report if one.input == uids[3]).failures[0]
    assert (failure.step, failure.error) == ("t_total", "ValueError: 9.0 is unlucky")
    assert "task_steps.py" in failure.traceback


def test_address_of_a_scheduler(store: AnalysisStore, uids: list[str], cluster: Any) -> None:
    """And a client, which stays open."""
    from distributed import Client

    task = Task(steps.total, uids, store=store)
    assert task.run(cluster.scheduler_address).counts["computed"] == 12
    with Client(cluster) as client:
        assert task.run(client).counts["reused"] == 12
        assert client.submit(int).result() == 0


def kill_worker(cluster: Any, marks: Path) -> None:
    """Kill a worker as soon as something was done."""
    while not marks.exists() or len(marks.read_text().split()) < 3:
        time.sleep(0.01)
    os.kill(next(iter(cluster.workers.values())).process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_dask_worker_killed(store: AnalysisStore, origin: Provenance, tmp_path: Path, doomed: Any) -> None:
    """What it was doing goes on elsewhere; every input has its result, once."""
    uids, marks = insert(store, origin, range(40)), tmp_path / "marks"
    pipeline = Pipeline.of(steps.slow.preset(seconds=0.05)) | steps.marked.preset(marks=str(marks))
    killer = threading.Thread(target=kill_worker, args=(doomed, marks))
    killer.start()
    report = Task(pipeline, uids, store=store).run(doomed)
    killer.join()

    assert report.counts["done"] == 40
    assert len(store.search({"processing.processor": "t_marked"})) == 40


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "during"])
def test_dask_scheduler_goes_away(
    moment: str, store: AnalysisStore, origin: Provenance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says that it was the scheduler; nothing waits for it for ever, and what was done is there."""
    dask = pytest.importorskip("dask", reason="pip install 'analysis_store[cluster]'")
    from distributed import Client

    monkeypatch.setattr(feeding, "_LOOK_SECONDS", 2.0)
    uids, marks = insert(store, origin, range(40)), tmp_path / "marks"
    pipeline = Pipeline.of(steps.slow.preset(seconds=0.2)) | steps.marked.preset(marks=str(marks))
    soon = dask.config.set({"distributed.comm.timeouts.connect": "3s"})
    with (
        soon,
        scheduler(tmp_path) as process,
        Client(scheduler_file=str(tmp_path / "scheduler.json"), timeout=60) as client,
    ):
        client.wait_for_workers(1)
        killer = threading.Thread(target=kill_scheduler, args=(process, marks if moment == "during" else tmp_path))
        killer.start()
        if moment == "before":
            killer.join()
        with pytest.raises(ProcessorError, match=r"Got no answer from the scheduler of .*Start a cluster"):
            Task(pipeline, uids, store=store).run(client)
        killer.join()

    report = Task(pipeline, uids[:4], store=store).run()
    assert report.counts["done"] == 4
    assert (report.counts["reused"] > 0) == (moment == "during")


def kill_scheduler(process: subprocess.Popen[bytes], marks: Path) -> None:
    """Kill a scheduler as soon as something is there."""
    while not marks.exists():
        time.sleep(0.01)
    process.kill()
    process.wait()


@contextmanager
def scheduler(folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Give a scheduler that is a process of its own and has one worker."""
    pytest.importorskip("distributed", reason="pip install 'analysis_store[cluster]'")
    command = [sys.executable, "-W", "ignore", "-m", "distributed.cli.dask_{}", "--no-dashboard", "--scheduler-file"]
    more = {"scheduler": ["--port", "0"], "worker": ["--no-nanny", "--nworkers", "1", "--nthreads", "1"]}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    started = []
    try:
        for kind, options in more.items():
            words = [word.format(kind) for word in command] + [str(folder / "scheduler.json"), *options]
            with (folder / f"{kind}.log").open("wb") as log:
                started.append(subprocess.Popen(words, env=environment, cwd=folder, stdout=log, stderr=log))
        yield started[0]
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_process_killed_once(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """New processes take its place, and what was in flight is done after all."""
    marks = tmp_path / "marks"
    task = Task(steps.deadly.preset(victim=15.0, marks=str(marks), times=1), uids, store=store)

    assert task.run(2).counts["done"] == 12
    assert task.status == "done"
    assert marks.read_text().split().count("15.0") == 2


def test_input_that_kills(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """An input whose process dies again, when it is alone there, fails alone."""
    marks = tmp_path / "marks"
    task = Task(steps.deadly.preset(victim=15.0, marks=str(marks)), uids, store=store)
    report = task.run(2)

    (failed,) = report.failed
    assert failed.input == uids[5]
    assert "the process died" in failed.failures[0].error
    assert (task.status, report.counts["done"]) == ("partial", 11)
    assert marks.read_text().split().count("15.0") == 2


@pytest.mark.slow
def test_input_that_kills_dask_workers(store: AnalysisStore, uids: list[str], tmp_path: Path, doomed: Any) -> None:
    """Dask tries it on several workers; then it fails alone."""
    marks = tmp_path / "marks"
    report = Task(steps.deadly.preset(victim=15.0, marks=str(marks)), uids, store=store).run(doomed)

    (failed,) = report.failed
    assert failed.input == uids[5]
    assert "the process died" in failed.failures[0].error
    assert "KilledWorker" in failed.failures[0].error


def test_given_pool_that_breaks(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """It cannot be made anew from here; the task is interrupted, and what is missing is done with another."""
    task = Task(steps.deadly.preset(victim=15.0, marks=str(tmp_path / "marks"), times=1), uids, store=store)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.raises(ProcessorError, match="Create a new one"):
        task.run(pool)

    assert task.status == "interrupted"
    assert task.run().counts["done"] == 12


SCRIPT = """
import sys
from analysis_store import AnalysisStore
from analysis_store.processing import Task
from tests import task_steps as steps
if {guard}:
    task = Task(steps.slow.preset(seconds=0.1), sys.argv[2:], store=AnalysisStore(sys.argv[1]), uid="script")
    task.run({executor})
"""


def script(tmp_path: Path, store: AnalysisStore, uids: list[str], executor: Any, guard: str) -> subprocess.Popen[str]:
    """Start a script that runs a task."""
    file = tmp_path / "script.py"
    file.write_text(SCRIPT.format(executor=repr(executor), guard=guard))
    return subprocess.Popen(
        [sys.executable, str(file), store.location, *uids],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("executor", some([2, None], 1))
def test_ctrl_c(executor: Any, store: AnalysisStore, origin: Provenance, tmp_path: Path) -> None:
    """Every process of a terminal gets it: the task ends interrupted, and is finished the next time."""
    uids = insert(store, origin, range(30))
    process = script(tmp_path, store, uids, executor, '__name__ == "__main__"')
    while len(store.search({"processing.task": "script"})) < 4:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)

    assert process.returncode in {1, -signal.SIGINT}
    assert said.count("KeyboardInterrupt") == 1, said
    task = Task.load(store, "script")
    assert task.status == "interrupted"
    there = len(store.search({"processing.task": "script"}))
    assert task.run().counts == {"inputs": 30, "done": 30, "failed": 0, "computed": 30 - there, "reused": there}


def test_ctrl_c_while_a_worker_starts() -> None:
    """It leaves that alone, too: before it can do anything, it is told nothing of it."""
    with crew(1, 1) as workers:
        assert isinstance(workers, ProcessCrew)
        asked = workers.submit(os.getpid)
        (pid,) = workers._pool._processes
        os.kill(pid, signal.SIGINT)
        assert asked.result() == pid


@pytest.mark.slow
def test_script_without_guard(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """Processes that import a script which starts processes cannot start: told once, before anything is done."""
    process = script(tmp_path, store, uids, 2, "True")
    _, said = process.communicate(timeout=60)

    assert process.returncode == 1
    assert '`if __name__ == "__main__":`' in said
    assert len(store) == 12


@pytest.mark.slow
def test_module_that_workers_lack(store: AnalysisStore, uids: list[str], tmp_path: Path) -> None:
    """A processor that workers cannot import is refused before anything is done."""
    (tmp_path / "only_here.py").write_text(
        "from analysis_store.processing import processor\n"
        "@processor(id='t_only_here', version='1')\ndef only_here(inputs): return {'a': 1}\n"
    )
    sys.path.insert(0, str(tmp_path))
    try:
        import only_here  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    task = Task(only_here.only_here, uids, store=store)
    with pytest.raises(ProcessorError, match=r"No module named 'only_here'.*must be importable"):
        task.run(1)

    assert task.status == "new"
