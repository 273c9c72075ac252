"""Broken writers, blocks, plug-ins, clocks and catalogs: a clear error, nothing by halves, a store that goes on."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from event_model import DocumentNames, schema_validators

from analysis_store import AnalysisStore, Writer, analysis_documents, insert_analysis
from analysis_store.catalogs.sql import engine as sql_engine
from analysis_store.errors import DamagedFileError, PairError, RunClosedError, StoreBusyError, StoreWriteError
from tests.faults.children import call
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, listing, result, scratch_files


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Where the store of a test is."""
    return tmp_path / "store"


@pytest.fixture
def store(location: Path) -> Iterator[AnalysisStore]:
    """Return a store with one run; at the end it is sound, and nothing lies about."""
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        yield store
        assert_works(store)
        assert_whole(store, location)
    assert [] == scratch_files(location)


# -------------------------------------------------------------------------------------------------- writers


class Modern(Writer):
    """Writes one text file, and breaks at the third value."""

    spec = "BROKEN"
    closed = 0

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.count = 0

    def __call__(self, data: Any) -> Any:
        """Write, or fail half-way through."""
        (key,) = data
        with self.path.open("a") as file:
            file.write("half of a value")
            self.count += 1
            if data[key][0] == 2:
                raise RuntimeError("the detector software crashed")
        return {key: {"number": self.count}}

    def close(self) -> None:
        """Count how often it was closed."""
        type(self).closed += 1


class Former:
    """The same as it would have been in 2018."""

    def __init__(self, rpath: str) -> None:
        self._modern = Modern(rpath)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write, or fail half-way through."""
        return {"key": self._modern(data)}


class FolderWriter(Modern):
    """Writes a folder of files, as Zarr does."""

    def __init__(self, path: str) -> None:
        Path(path).mkdir()
        super().__init__(str(Path(path) / "part"))


class FullDiskWriter(Modern):
    """Meets a full disk."""

    def __call__(self, data: Any) -> Any:
        """Fail as a write does."""
        super().__call__({key: [0] for key in data})
        raise OSError(28, os.strerror(28), str(self.path))


class UnclosableWriter(Modern):
    """Fails at the very end."""

    def __call__(self, data: Any) -> Any:
        """Write."""
        return super().__call__({key: [0] for key in data})

    def close(self) -> None:
        """Fail."""
        raise RuntimeError("the buffer could not be flushed")


FIVE = [{"primary": {"n": index, "image": np.full(1000, index)}} for index in range(5)]
BROKEN = {
    "subclass": (
        Modern,
        PairError,
        r'data\[2\]\["primary"\]\["image"\]: the writer Modern failed: RuntimeError: the det',
    ),
    "2018": (Former, PairError, r'data\[2\]\["primary"\]\["image"\]: the writer Former failed: RuntimeError: the det'),
    "folder": (FolderWriter, PairError, r"data\[2\].*the detector software crashed"),
    "full disk": (FullDiskWriter, StoreWriteError, r"data\[0\].*the writer FullDiskWriter failed.*No space left"),
    "close": (UnclosableWriter, PairError, r"closing the writer UnclosableWriter failed: .* could not be flushed"),
}


@pytest.mark.parametrize(("writer", "error", "message"), BROKEN.values(), ids=list(BROKEN))
@pytest.mark.parametrize("files", ["one", "many", "ours"])
def test_broken_writer(
    store: AnalysisStore, location: Path, tmp_path: Path, writer: Any, error: type[Exception], message: str, files: str
) -> None:
    """Event 3 of 5 fails: neither the run, nor its file, nor what the writer made is left."""

    def place(docs: Any, data_key: str) -> dict[str, Any]:
        name = docs["event"]["seq_num"] if files == "many" else "all"
        return {"path": str(tmp_path / "new" / "folder" / f"{name}.txt")}

    entry = {"writer": writer, "spec": "BROKEN"} | ({} if files == "ours" else {"resource": {"func": place}})
    before = listing(location)

    with pytest.raises(error, match=message):
        insert_analysis(FIVE, {}, store=store, writers_dict={"image": entry}, provenance=ORIGIN)

    assert before == listing(location)
    assert [location] == list(tmp_path.iterdir())

    root = tmp_path / "root"
    documents = analysis_documents(
        FIVE, {}, writers_dict={"image": entry}, provenance=ORIGIN, root=root if files == "ours" else None
    )
    told: list[Any] = []
    with pytest.raises(error, match=message):
        listen(documents, told)
    assert ["start", "stop"] == [name for name, _ in told]
    stop = told[-1][1]
    assert "fail" == stop["exit_status"]
    assert stop["reason"].startswith(f"{error.__name__}: ")
    assert {"primary": 0} == stop["num_events"]
    for name, doc in told:
        schema_validators[DocumentNames[name]].validate(doc)
    assert [location] == list(tmp_path.iterdir())


def listen(documents: Iterable[Any], told: list[Any]) -> None:
    """Add documents to a list until they end, however they end."""
    for named in documents:
        told.append(named)  # noqa: PERF402 - those before an error count


def test_file_that_was_there_before_stays(store: AnalysisStore, tmp_path: Path) -> None:
    """A writer that adds to a file of its owner: only files that it made are removed."""
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("mine, ")
    entry = {"writer": Modern, "resource": {"func": lambda docs, data_key: {"path": str(theirs)}}}

    with pytest.raises(PairError, match=r"data\[2\]"):
        store.insert(FIVE, {}, writers_dict={"image": entry}, provenance=ORIGIN)

    assert theirs.read_text().startswith("mine, ")


def test_writers_are_closed(store: AnalysisStore, tmp_path: Path) -> None:
    """Those that worked before another broke, too."""
    Modern.closed = 0
    fine = [{"primary": {"a": [1] * 20, "image": event["primary"]["image"]}} for event in FIVE]
    writers = {
        key: {"writer": Modern, "resource": {"func": lambda docs, data_key: {"path": str(tmp_path / data_key)}}}
        for key in ("a", "image")
    }

    with pytest.raises(PairError, match=r'data\[2\]\["primary"\]\["image"\]'):
        store.insert(fine, {}, writers_dict=writers, provenance=ORIGIN)

    assert 2 == Modern.closed
    assert not (tmp_path / "a").exists()


# ------------------------------------------------------------------------------------------------ open runs


class BeamLostError(Exception):
    """What goes wrong in a block."""


def test_exception_before_the_first_event_leaves_nothing(store: AnalysisStore, location: Path) -> None:
    """There is nothing to keep."""
    before = listing(location)

    with pytest.raises(BeamLostError), store.new_run({"sample_name": "x"}, provenance=ORIGIN) as run:
        raise BeamLostError

    assert before == listing(location)
    assert run.closed
    with pytest.raises(RunClosedError, match=rf"run {run.uid} has ended"):
        run.event("primary", {"x": 1})


@pytest.mark.parametrize("error", [BeamLostError("the beam was lost"), KeyboardInterrupt(), SystemExit(3)])
def test_exception_after_the_first_event_keeps_the_run(store: AnalysisStore, error: BaseException) -> None:
    """It ends as a failure, with the reason and every event; the exception goes on its way."""
    with (  # noqa: PT012 - the block is what is tested
        pytest.raises(type(error)),
        store.new_run({}, provenance=ORIGIN, descriptor_md={"later": {}}) as run,
    ):
        run.event("primary", {"x": 1.5, "image": np.zeros(100)})
        run.events("primary", {"x": [2.5, 3.5], "image": np.ones((2, 100))})
        raise error

    saved = store[run.uid]
    assert "fail" == saved.stop["exit_status"]
    assert saved.stop["reason"].startswith(type(error).__name__)
    assert str(error) in saved.stop["reason"]
    assert {"primary": 3} == saved.stop["num_events"]
    np.testing.assert_array_equal([1.5, 2.5, 3.5], saved["primary"]["x"][...])
    assert saved.verify()


def test_discarded_run_leaves_nothing(store: AnalysisStore, location: Path) -> None:
    """Not even with events."""
    before = listing(location)
    with store.new_run({}, provenance=ORIGIN) as run:
        run.event("primary", {"x": 1})
        run.discard()

    assert before == listing(location)


def test_open_runs_end_with_the_store(location: Path) -> None:
    """As aborted where they have events, though nobody holds them any more; else not at all."""
    with AnalysisStore(location) as store:
        store.new_run({"n": 1}, provenance=ORIGIN).event("primary", {"x": 1})
        store.new_run({"n": 2}, provenance=ORIGIN)
        store("start", {"uid": "foreign", "time": 1.0, "provenance": ORIGIN.to_document()})

    with AnalysisStore(location) as store:
        assert {"foreign", store.search(n=1)[0].uid} == assert_whole(store, location)
        for run in store:
            assert "abort" == run.stop["exit_status"]
            assert "the store was closed" in run.stop["reason"]


# ------------------------------------------------------------------------------------------------- plug-ins

PLUG_IN = """
[databroker.handlers]
RUINED = ruined_plug_in.handlers:Handler
[analysis_store.writers]
RUINED = ruined_plug_in.writers:Writer
"""

USE_PLUG_IN = """
import json, sys, warnings
warnings.simplefilter("error")
from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from tests.faults.on_disk import ORIGIN, assert_whole, assert_works, result

told = {}
with warnings.catch_warnings(record=True) as caught, AnalysisStore(sys.argv[1]) as store:
    warnings.simplefilter("always")
    assert_works(store)
    run = store.insert(result(), {}, provenance=ORIGIN)
    assert run.read()["x"].shape == (2, 1000)
    key = {"dtype": "array", "shape": [2], "source": "x", "external": "FILESTORE:"}
    documents = [
        ("start", {"uid": "theirs", "time": 1.0, "provenance": ORIGIN.to_document()}),
        ("descriptor", {"uid": "d", "time": 1.0, "run_start": "theirs", "name": "primary", "hints": {},
                        "data_keys": {"a": key, "b": {"dtype": "integer", "shape": [], "source": "x"}}}),
        ("resource", {"uid": "r", "run_start": "theirs", "spec": "RUINED", "root": "/", "resource_path": "x",
                      "resource_kwargs": {}, "path_semantics": "posix"}),
        ("datum", {"datum_id": "r/0", "resource": "r", "datum_kwargs": {}}),
        ("event", {"uid": "e", "time": 1.0, "seq_num": 1, "descriptor": "d", "data": {"a": "r/0", "b": 3},
                   "timestamps": {"a": 1.0, "b": 1.0}, "filled": {"a": False}}),
        ("stop", {"uid": "s", "time": 2.0, "run_start": "theirs", "exit_status": "success"}),
    ]
    for name, doc in documents:
        store(name, doc)
    theirs = store["theirs"]["primary"]
    assert theirs["b"][0] == 3
    try:
        theirs["a"][0]
    except AnalysisStoreError as error:
        told["error"] = f"{type(error).__name__}: {error}"
told["warnings"] = [str(warning.message) for warning in caught]
print(json.dumps(told))
"""


@pytest.mark.slow
def test_plug_in_that_raises_on_import(tmp_path: Path) -> None:
    """It is named in a warning; everything that is not its own works."""
    info = tmp_path / "site" / "ruined_plug_in-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ruined-plug-in\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(PLUG_IN)
    package = info.parent / "ruined_plug_in"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('no licence server')\n")
    place = {"PYTHONPATH": os.pathsep.join([str(info.parent), str(Path(__file__).parents[2])])}

    done = subprocess.run(
        [sys.executable, "-c", USE_PLUG_IN, tmp_path / "store"],
        env={**os.environ, **place},
        capture_output=True,
        text=True,
        check=False,
    )

    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert "UnknownSpecError: " in told["error"]
    assert "'RUINED'" in told["error"]
    assert "HDF5" in told["error"], "the known ones"
    assert told["warnings"], "it was passed over in silence"
    assert all("RUINED" in warning or "ruined" in warning for warning in told["warnings"])
    assert any("no licence server" in warning for warning in told["warnings"])
    assert [] == scratch_files(tmp_path / "store")


# --------------------------------------------------------------------------------------------------- clocks


def test_clock_that_goes_backwards(tmp_path: Path) -> None:
    """Whatever the clock does, nothing of a run is before its start, and its events stay in order."""
    assert 4 == call(save_backwards, tmp_path)


def save_backwards(location: Path) -> int:
    """Save in every way while each look at the clock gives an earlier time."""
    steps = itertools.count()
    first = time.time()
    time.time = lambda: first - 10.0 * next(steps)
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        with store.new_run({}, provenance=ORIGIN) as run:
            for number in range(3):
                run.event("primary", {"n": number})
                run.event("monitor", {"m": number})
            run.events("primary", {"n": [3, 4]})
        for name, doc in analysis_documents(result(0, 3), {}, provenance=ORIGIN):
            store(name, doc)
        store("start", {"uid": "unfinished", "time": time.time(), "provenance": ORIGIN.to_document()})
    with AnalysisStore(location) as store:
        for saved in store:
            check_times(list(saved.documents()))
            for stream in saved.values():
                assert (np.diff(stream.times) >= 0).all()
                assert list(range(1, stream.num_events + 1)) == list(stream.seq_nums)
        np.testing.assert_array_equal([0, 1, 2, 3, 4], store[run.uid]["primary"]["n"][...])
        return len(assert_whole(store, location))


def check_times(documents: list[Any]) -> None:
    """Assert that the times of a run's documents are in order."""
    start, stop = documents[0][1]["time"], documents[-1][1]["time"]
    times = [doc["time"] for name, doc in documents if name == "event"]
    assert start <= stop
    assert all(start <= moment <= stop for moment in times)


def test_failed_generator_with_a_clock_that_goes_backwards(tmp_path: Path) -> None:
    """The stop document of a failure is not before its start either."""
    call(fail_backwards, tmp_path)


def fail_backwards(folder: Path) -> None:
    """Let a writer fail while the clock runs backwards."""
    steps = itertools.count()
    first = time.time()
    time.time = lambda: first - 10.0 * next(steps)
    entry = {"writer": Modern, "resource": {"func": lambda docs, data_key: {"path": str(folder / "x")}}}
    told: list[Any] = []
    with pytest.raises(PairError):
        listen(analysis_documents(FIVE, {}, writers_dict={"image": entry}, provenance=ORIGIN), told)
    check_times(told)
    assert [] == list(folder.iterdir())


# -------------------------------------------------------------------------------------------------- catalog


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    """Let a store that is opened from now on wait for a lock less than half a minute."""
    monkeypatch.setattr(sql_engine, "PATIENCE", 0.3)
    return 0.3


def test_lock_held_by_somebody_else(impatient: float, location: Path) -> None:
    """It is waited for, then the file is named; reading goes on meanwhile."""
    with AnalysisStore(location) as store:
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
        before = listing(location)
        with closing(sqlite3.connect(location / "catalog.sqlite", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()

            with pytest.raises(StoreBusyError, match=r"catalog\.sqlite is locked by another process; waited 0\.3 s"):
                store.insert(result(), {}, provenance=ORIGIN)

            assert time.monotonic() - began >= impatient
            assert store[uid].verify()
            other.execute("ROLLBACK")
        assert before == listing(location)
        assert_works(store)
    assert [] == scratch_files(location)


def test_lock_that_is_let_go_in_time(location: Path) -> None:
    """A save that has to wait is a save."""
    with AnalysisStore(location) as store:
        other = sqlite3.connect(location / "catalog.sqlite", isolation_level=None, check_same_thread=False)
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.3, lambda: (other.execute("ROLLBACK"), other.close()))
        release.start()

        run = store.insert(result(), {}, provenance=ORIGIN)

        release.join()
        assert run.verify()
        assert {run.uid} == assert_whole(store, location)


def test_catalog_overwritten_with_garbage(location: Path) -> None:
    """Whoever opens the store is told which file, and what can be done."""
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
    catalog = location / "catalog.sqlite"
    whole = catalog.read_bytes()

    def spoiled(content: bytes) -> None:
        catalog.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"catalog\.sqlite is damaged or not a catalog"):  # noqa: SIM117
            with AnalysisStore(location) as store:
                store.insert(result(), {}, provenance=ORIGIN)
        for path in location.glob("catalog.sqlite-*"):
            path.unlink()

    files = set((location / "files").rglob("*"))
    spoiled(b"\x00garbage" * 4096)
    spoiled(whole[:5000] + bytes(reversed(whole[5000:])))
    assert files == set((location / "files").rglob("*"))

    catalog.write_bytes(whole)
    with AnalysisStore(location) as store:
        assert_works(store)


@pytest.mark.parametrize("exchange", [False, True])
def test_catalog_removed_under_an_open_store(location: Path, tmp_path: Path, exchange: bool) -> None:
    """A run that nobody would find again is not taken for saved."""
    with AnalysisStore(tmp_path / "other"):
        pass
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        files = set((location / "files").rglob("*"))
        (location / "catalog.sqlite").rename(tmp_path / "away")
        if exchange:
            (location / "catalog.sqlite").write_bytes((tmp_path / "other" / "catalog.sqlite").read_bytes())

        with pytest.raises(StoreWriteError, match=r"catalog\.sqlite .* (removed|exchanged)"):
            store.insert(result(), {}, provenance=ORIGIN)

        assert files == set((location / "files").rglob("*"))
    assert [] == scratch_files(location)
