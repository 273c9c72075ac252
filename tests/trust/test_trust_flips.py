"""A bit that flips in a run file is found, or changes nothing that is read: every byte of a file is tried."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore
from tests.sweeps import sizes

SMALL = [{"primary": {"energy": 7112.0}}]
RICH = [
    {
        "primary": {
            "peaks": np.arange(20.0 + i),
            "when": np.array(["2026-01-01"], "M8[ns]"),
            "table": pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]}),
            "z": np.full(20, 1j * i),
        }
    }
    for i in range(2)
]


def start(folder, first, step, out):
    """Start a process that flips bytes, and writes what became of each into a file."""
    command = [sys.executable, "-m", "tests.faults.flips", str(folder), str(first), str(step)]
    with out.open("w") as file:
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)


def flipped(folder, first, step):
    """Flip bytes in two processes; return how many were found and how many harmless, and fail for all else."""
    places = [first, first + step]
    folders = [folder, folder.with_name("copy")]
    shutil.copytree(*folders)
    told = [each.with_suffix(".txt") for each in folders]
    started = [start(each, place, 2 * step, out) for each, place, out in zip(folders, places, told, strict=True)]
    try:
        for process, out in zip(started, told, strict=True):
            assert process.wait(170) == 0, out.read_text()[-2000:]
    finally:
        for process in started:
            process.kill()
            process.wait()
    lines = [line.split(" ", 1) for out in told for line in out.read_text().splitlines()]
    assert [line for line in lines if line[1] not in ("found", "harmless")] == []
    return Counter(became for _, became in lines)


@pytest.fixture
def saved(tmp_path, origin):
    """A function that makes a store with one run, and returns its folder and the bytes of the run file."""

    def save(data):
        with AnalysisStore(tmp_path / "store") as store:
            run = store.insert(data, {"sample_name": "foil"}, provenance=origin)
            return tmp_path / "store", run.file.read_bytes()

    return save


@pytest.mark.parametrize("step", sizes(181, 1))
def test_every_byte(saved, capsys, step):
    """Every byte of a small run file: what is not found changes nothing; nothing of the documents goes unnoticed."""
    folder, content = saved(SMALL)

    became = flipped(folder, 0, step)

    with capsys.disabled():
        print(f"\n{len(content)} bytes flipped: {dict(became)}")
    assert became.total() == len(range(0, len(content), step))
    assert became["found"] > 2500 // step


@pytest.mark.slow
@pytest.mark.parametrize("step", sizes(1801, 29))
def test_every_form_of_values(saved, step):
    """Ragged arrays, times, tables and complex numbers: the same, of one byte in so many."""
    folder, _ = saved(RICH)

    became = flipped(folder, 5, step)

    assert became["found"] > 2900 // step
