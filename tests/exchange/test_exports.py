"""An export that cannot be finished: a full disk, a process that is killed. No half of it has the name of a whole."""

from __future__ import annotations

import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from analysis_store.errors import StoreWriteError
from analysis_store.exchange import FORMATS, export, read_export
from tests.store.test_disk_full import largest_file
from tests.sweeps import some

READABLE = ("json", "yaml", "xml", "npz", "hdf5", "nexus")


@pytest.fixture
def run(store, origin):
    """A run whose export is larger than 100 kB in every format."""
    noise = np.random.default_rng(1).integers(0, 255, (2, 60_000), dtype="u1")
    return store.insert({"primary": {"x": noise, "t": ["a", "b"]}}, {}, provenance=origin)


def listing(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with what it holds."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("size", some((50_000, 0, 1, 100, 5_000, 100_000), 1))
@pytest.mark.parametrize("form", some(READABLE, 3))
def test_full_disk(run, tmp_path, form, overwrite, size):
    """A disk that is full at any byte is told of; nothing stays, and a file that was to be replaced is as it was."""
    folder = tmp_path / "out"
    folder.mkdir()
    target = folder / f"run{FORMATS[form].suffix}"
    if overwrite:
        target.write_text("mine")
    before = listing(folder)
    with largest_file(size), pytest.raises(StoreWriteError, match=r"could not write .*run\..*export again"):
        export(run, target, overwrite=overwrite)
    assert listing(folder) == before

    export(run, target, overwrite=overwrite)
    assert read_export(target).uid == run.uid


@pytest.mark.parametrize("form", READABLE)
def test_full_disk_below_an_open_file(run, tmp_path, form):
    """Where the scratch file of an export to a file object does not fit, that is the error."""
    with (tmp_path / "out").open("wb") as file, largest_file(50_000), pytest.raises(StoreWriteError):
        export(run, file, form)
    assert (tmp_path / "out").stat().st_size == 0


KILLED = """
import os, signal, sys
from analysis_store import AnalysisStore
from analysis_store.exchange import export
with AnalysisStore(sys.argv[1]) as store:
    export(store[-1], sys.argv[2], progress=lambda done, total: done and os.kill(os.getpid(), signal.SIGKILL))
"""


@pytest.mark.parametrize("form", some(["json", "hdf5", "yaml", "xml", "npz"], 1))
def test_killed(run, store, tmp_path, form):
    """A process that is killed in the middle leaves no file of the final name, and no later export stumbles over it."""
    target = tmp_path / "out" / f"run{FORMATS[form].suffix}"
    command = [sys.executable, "-c", KILLED, str(tmp_path / "store"), str(target)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert all(path.suffix == ".part" for path in target.parent.iterdir())

    export(run, target)
    assert read_export(target).read().identical(run.read())


@pytest.mark.parametrize("form", some(["json", "hdf5", "xml", "npz"], 2))
def test_memory(store, origin, tmp_path, form):
    """Of a large run one column is in memory at a time, and little of its text."""
    data = {name: np.random.default_rng(2).random((1, 2_000_000)) for name in "abcd"}
    run = store.insert({"primary": data}, {}, provenance=origin)
    size = data["a"].nbytes
    del data
    tracemalloc.start()
    try:
        export(run, tmp_path / f"run{FORMATS[form].suffix}")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4 * size, f"{peak / size:.1f} columns"


def test_scratch_names_are_hidden(run, tmp_path):
    """While an export is written, its scratch file is hidden from ``ls``."""
    seen: list[list[str]] = []

    def names() -> list[str]:
        return [path.name for path in (tmp_path / "out").iterdir()]

    export(run, tmp_path / "out" / "run.json", progress=lambda *_: seen.append(names()))

    assert all(name.startswith(".") for listed in seen for name in listed)
