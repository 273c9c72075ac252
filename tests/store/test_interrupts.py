"""Ctrl-C at every step of a save: the run is wholly there or not at all, and the store goes on."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Self

import pytest
import sqlalchemy

import analysis_store
from analysis_store import AnalysisStore, analysis_documents
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, listing, result, scratch_files
from tests.sweeps import sizes

pytestmark = [
    # What is interrupted between opening a file and entering its `with` is closed by the garbage collector.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    # A connection that was torn from its pool, too; Python says so from 3.13 on.
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),
    # SQLAlchemy says so where it is interrupted while it ends a transaction.
    pytest.mark.filterwarnings("ignore:transaction already deassociated:sqlalchemy.exc.SAWarning"),
]


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """What an interrupt left to the garbage collector is collected here, not in the middle of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


PACKAGE = Path(analysis_store.__file__).parent
CRITICAL = tuple(str(PACKAGE / name) for name in ("runs/save.py", "core/atomic_files.py", "runs/packages.py"))
"""Where files are made, named and removed: here an interrupt may come between any two instructions."""

OURS = str(PACKAGE)
BELOW = (str(Path(sqlalchemy.__file__).parent), contextlib.__file__)


class Interrupt:
    """Raises KeyboardInterrupt at one step of what runs inside it, as Python does for Ctrl-C; counts the steps."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.steps = 0
        self.where = ""

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name.startswith(OURS):
            frame.f_trace_opcodes = name in CRITICAL
            return self._count
        return self._count if name.startswith(BELOW) else None

    def _count(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event in ("line", "opcode"):
            if self.steps == self.step:
                self.where = f"{frame.f_code.co_filename}:{frame.f_lineno}"
                raise KeyboardInterrupt
            self.steps += 1
        return self._count

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(self, *error: object) -> None:
        sys.settrace(self._before)


class TextWriter:
    """A writer as they were in 2018."""

    def __init__(self, rpath: str) -> None:
        self.path = Path(rpath)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write the value as text."""
        self.path.write_text(repr(data))
        return {"key": "value"}


class Try:
    """One save of a run that makes the folder of its day, the list of packages and a file of the caller's writer."""

    def __init__(self, location: Path, store: AnalysisStore, number: int) -> None:
        self.store = store
        self.uid = f"run-{number}"
        self.md = {"uid": self.uid, "time": 86400.0 * number}
        self.theirs = location.parent / "theirs"
        shutil.rmtree(location / "files" / "environments", ignore_errors=True)

    def call(self) -> None:
        """Save at once."""
        entry = {"writer": TextWriter, "spec": "TEXT", "resource": {"func": self._place}}
        data = [{"primary": {**event["primary"], "text": "x"}} for event in result()]
        self.store.insert(data, self.md, writers_dict={"text": entry}, provenance=ORIGIN)

    def _place(self, docs: Any, data_key: str) -> dict[str, Any]:
        return {"path": str(self.theirs / self.uid / "text.txt")}

    def open_run(self) -> None:
        """Save event by event."""
        with self.store.new_run(self.md, provenance=ORIGIN) as run:
            for event in result():
                run.event("primary", event["primary"])

    def callback(self) -> None:
        """Take the documents of somebody else."""
        for name, doc in analysis_documents([{"primary": {"n": 1}}], self.md, provenance=ORIGIN):
            self.store(name, doc)


def traceless(location: Path) -> dict[str, int]:
    """Return what is in the folder but for the list of packages, which the runs of before need."""
    return {path: size for path, size in listing(location).items() if "environments" not in path}


@dataclass
class Outcome:
    """What became of an interrupted save."""

    interrupted: bool
    steps: int
    kept: bool


def attempt(location: Path, store: AnalysisStore, way: str, number: int, step: int) -> Outcome:
    """Interrupt a save at a step, and look at what it left."""
    trial = Try(location, store, number)
    before = traceless(location)
    work: Callable[[], None] = getattr(trial, way)
    with Interrupt(step) as interrupt:
        try:  # noqa: SIM105 - contextlib is among what is interrupted
            work()
        except KeyboardInterrupt:
            pass
    kept = trial.uid in store
    if kept:
        report = store[trial.uid].verify()
        assert report, f"{interrupt.where}: {report}"
    else:
        assert before == traceless(location), interrupt.where
        assert not (trial.theirs / trial.uid).exists(), interrupt.where
    assert [] == scratch_files(location), interrupt.where
    return Outcome(bool(interrupt.where), interrupt.steps, kept)


MEMORY = Path("/dev/shm")


@pytest.fixture
def location() -> Iterator[Path]:
    """Return the folder of a store that is sound at the end; in memory where there is such a disk, to be quick."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as folder:
        location = Path(folder) / "store"
        yield location
        with AnalysisStore(location) as store:
            assert_whole(store, location)
            assert_works(store)
        assert [] == scratch_files(location)


@pytest.mark.parametrize(
    ("way", "trials", "near"),
    [
        ("call", 30, 61),
        ("open_run", 12, 43),
        ("callback", 12, 43),
        pytest.param("call", 400, 7, marks=pytest.mark.slow),
        pytest.param("open_run", 100, 7, marks=pytest.mark.slow),
        pytest.param("callback", 100, 7, marks=pytest.mark.slow),
    ],
)
def test_ctrl_c_at_every_step(location: Path, way: str, trials: int, near: int) -> None:
    """Steps evenly spread over the save, from its first line to its last."""
    with AnalysisStore(location) as store:
        attempt(location, store, way, 0, -1)  # everything is imported now
        whole = attempt(location, store, way, 1, -1)
        assert not whole.interrupted
        assert whole.kept
        stride = max(1, whole.steps // trials) | 1
        outcomes: list[Outcome] = []
        while not outcomes or outcomes[-1].interrupted:
            outcomes.append(attempt(location, store, way, 2 + len(outcomes), stride * len(outcomes)))

        assert len(outcomes) > 0.9 * trials
        # Closely about the commit, near the end; a save after one that was interrupted connects anew, and takes longer.
        for step in range(whole.steps - 400, whole.steps + 400, near):
            outcomes.append(attempt(location, store, way, 2 + len(outcomes), step))
        assert {True, False} == {outcome.kept for outcome in outcomes if outcome.interrupted}
        assert_works(store)


@pytest.mark.parametrize("apart", sizes(40, 2))
def test_ctrl_c_while_folders_and_files_are_made(location: Path, apart: int) -> None:
    """Between any two instructions of the code that makes, names and removes files."""
    with AnalysisStore(location) as store:
        attempt(location, store, "call", 0, -1)
        steps = [step for step in critical_steps(location, store) if step % apart == 1]
        for number, step in enumerate(steps):
            attempt(location, store, "call", 2 + number, step)
        assert len(steps) > 200 // apart
        assert_works(store)


def critical_steps(location: Path, store: AnalysisStore) -> list[int]:
    """Return the steps of a save at which it is in the code that makes, names and removes files."""
    found: list[int] = []

    class Listening(Interrupt):
        def _count(self, frame: FrameType, event: str, argument: Any) -> Any:
            if event == "opcode":
                found.append(self.steps)
            return super()._count(frame, event, argument)

    with Listening(-1):
        Try(location, store, 1).call()
    return found
