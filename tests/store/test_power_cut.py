"""After a power cut, what was returned is there: real processes under strace, and the disks that a cut may leave."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import pytest

import analysis_store.recorder.hdf5.safe as module
from analysis_store import AnalysisStore
from analysis_store.recorder import HDF5DataStore, live_runs, recorded, recover
from tests.faults.power import Choice, Trace, kept, lost, mixed, traced
from tests.sweeps import some

_HEAD = """
import os, sys
from pathlib import Path
import numpy as np
from tests.faults.power import Mark
from tests.faults.on_disk import ORIGIN, result
from analysis_store import AnalysisStore, layout
from analysis_store.recorder import HDF5DataStore, Recorder, RunDataStore
root = Path(sys.argv[1])
mark = Mark(root)

def record(recorder, values):
    for number in range(values):
        recorder.record("x", float(number))
        recorder.record("image", np.full(600, number))
        recorder.record("text", f"value {number}")
        recorder.record(f"new {number // 4}/y", number)
        recorder.set("last", number)
        recorder.flush(durable=number % 3 == 0)
        if number % 3 == 0:
            mark(number + 1)
"""
RECORDING = f"""{_HEAD}
with Recorder(HDF5DataStore(root / "fit.h5", flush_every=3600.0, compression=COMPRESSION)) as recorder:
    record(recorder, 10)
mark(10)
"""
RUN = f"""{_HEAD}
with AnalysisStore(root / "new" / "store") as store:
    with Recorder(RunDataStore(store, {{}}, ORIGIN, flush_every=3600.0)) as recorder:
        record(recorder, 8)
    mark(8)
"""
SAVES = f"""{_HEAD}
returned = {{"store": [], "backup": []}}
with AnalysisStore(root / "new" / "deep" / "store") as store:
    for time in (None, 1.6e9, 1.7e9):
        md = {{}} if time is None else {{"time": time}}
        if time == 1.7e9:  # as another process does that is about to save: the folder is there, its name is not synced
            os.makedirs((store.root / layout.run_path("0" * 36, time)).parent)
        run = store.insert(result(size=50), md, provenance=ORIGIN)
        returned["store"].append(run.uid)
        mark(returned)
    store.note(run.uid, "comment", {{"text": "seen"}})
    returned["note"] = run.uid
    mark(returned)
    store.backup(root / "other" / "backup")
    returned["backup"] = list(returned["store"])
    mark(returned)
"""
Check = Callable[[Path, Any], None]


@pytest.fixture
def trace_of(tmp_path: Path) -> Callable[[str], Trace]:
    """Watches a program."""
    return lambda program: traced(program, tmp_path / "root")


@pytest.fixture
def after_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine was started again."""
    monkeypatch.setattr(module, "boot", lambda: "after")


def moments(trace: Trace, count: int) -> Iterator[tuple[int, Choice]]:
    """Yield moments of a power cut and what it leaves: most of them after something was promised."""
    chance, first = random.Random(count), trace.marks[0][0]
    for _, (step, _) in zip(range(count), trace.marks, strict=False):
        yield step + 1, lost
    for seed in range(count - len(trace.marks)):
        step = chance.randrange(first, trace.steps + 1) if seed % 4 else chance.randrange(1, first)
        yield step, (mixed(seed), mixed(seed), kept, lost)[chance.randrange(4)]


def replay(trace: Trace, count: int, folder: Path, check: Check) -> None:
    """Check the disks of so many power cuts."""
    for number, (step, choice) in enumerate(moments(trace, count)):
        disk = folder / f"disk {number}"
        trace.disk(step, choice, disk)
        check(disk, trace.said(step))


def check_values(get: Callable[[str], Any], keys: list[str], count: int) -> dict[str, int]:
    """Check that each key has the beginning of what was recorded, and what was durable; return how many it has."""
    made = {"x": float, "image": lambda number: [number] * 600, "text": "value {}".format}
    lengths = {}
    for key, make in made.items():
        values = get(key)[:].tolist() if key in keys else []
        assert len(values) >= count, f"{len(values)} values of {key} instead of {count}"
        assert values == [make(number) for number in range(len(values))]
        lengths[key] = len(values)
    for key in (key for key in keys if key.startswith("new")):
        first = int(key[4:].partition("/")[0]) * 4
        assert get(key)[:].tolist() == list(range(first, first + len(get(key))))
        assert len(get(key)) >= min(4, count - first)
    return lengths


def check_recording(disk: Path, said: int | None) -> None:
    """Check that a recording is read, is gone on with, and is an ordinary file in the end."""
    count, path = said or 0, disk / "fit.h5"
    if not path.exists():
        assert said is None
        return
    lengths: dict[str, int] = {}
    for mode in ("r", "a"):
        with HDF5DataStore(path, mode=mode) as datastore:
            lengths = check_values(datastore.get_all, datastore.keys(), count)
            assert not count or datastore.get("last") >= count - 1
            if mode == "a":
                datastore.append("x", float(lengths["x"]), 0.0)
                datastore.flush(durable=True)
    with h5py.File(path) as file:
        assert file["x"][:].tolist() == [float(number) for number in range(lengths["x"] + 1)]
    assert not module.safe_path(path).exists()


def check_run(disk: Path, said: int | None) -> None:
    """Check that a recording that was to be a run is one, or becomes one, and that nothing else is left."""
    location = disk / "new" / "store"
    if not location.exists():
        assert said is None
        return
    with AnalysisStore(location) as store, warnings.catch_warnings():
        if not said:
            warnings.simplefilter("ignore")  # a file that was being made, of which nothing was promised
        said_of = {finding.subject: finding.what for finding in store.check().findings}
        for run in live_runs(store):
            assert ("started again" in said_of[run.uid]) == module.is_kept(run.path)  # else it had ended
            if run.keys:  # none once the file is a run but for its name
                check_values(run.recorded, list(run.keys), said or 0)
        recover(store)
        runs = list(store.search())
        assert len(runs) <= 1
        assert runs or not said
        for run in runs:
            assert run.verify()
            assert not said or run.stop["exit_status"] == "success" or "restarted" in run.stop["reason"]
            check_values(recorded(run).__getitem__, list(recorded(run)), said or 0)
        store.check(repair=True)
        assert not [finding for finding in store.check().findings if finding.is_fault]


def check_saves(disk: Path, said: dict[str, Any] | None) -> None:
    """Check that every run is there, its note and its copy in the backup."""
    told = said or {"store": [], "backup": []}
    for uids, location in (
        (told["store"], disk / "new" / "deep" / "store"),
        (told["backup"], disk / "other" / "backup"),
    ):
        if not uids:
            continue
        with AnalysisStore(location) as store:
            for uid in uids:
                assert store[uid].verify()
            store.check(repair=True)  # a run that was being saved may be in no catalog
            assert not [finding for finding in store.check().findings if finding.is_fault]
            if "note" in told:
                assert [note.kind for note in store.notes(told["note"])] == ["comment"]


CASES: dict[str, tuple[str, Check, int]] = {
    "recording": (RECORDING.replace("COMPRESSION", "None"), check_recording, 24),
    "run": (RUN, check_run, 12),
    "compressed": (RECORDING.replace("COMPRESSION", "'gzip'"), check_recording, 12),
    "saves": (SAVES, check_saves, 10),
}


@pytest.mark.usefixtures("after_boot")
@pytest.mark.parametrize("case", some(CASES, 2))
def test_power_cut(trace_of: Callable[[str], Trace], tmp_path: Path, case: str) -> None:
    """What was returned before the cut is there, whatever the disk kept of the rest."""
    program, check, count = CASES[case]
    replay(trace_of(program), count, tmp_path, check)


@pytest.mark.slow
@pytest.mark.usefixtures("after_boot")
@pytest.mark.parametrize("case", CASES)
def test_many_power_cuts(trace_of: Callable[[str], Trace], tmp_path: Path, case: str) -> None:
    """As `test_power_cut`, for many moments."""
    program, check, count = CASES[case]
    replay(trace_of(program), 12 * count, tmp_path, check)
