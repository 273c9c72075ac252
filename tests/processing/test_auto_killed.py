"""The program that measures is killed while a run is analysed in the background: nothing of that goes on without it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from analysis_store import AnalysisStore

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0

SCRIPT = """
import os, signal, sys, time
from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.processing import AutoAnalysis
from tests.auto_steps import endless

folder = sys.argv[1]
with AnalysisStore(folder + "/store", policy=Policy(require_code=False, dirty="allow")) as store:
    auto = AutoAnalysis(store, endless.preset(sign=folder + "/sign"))
    run = store.insert({"primary": {"x": [1.0]}}, {}, provenance=Provenance(origin="synthetic", note="test"))
    for name, doc in run.documents():
        auto(name, doc)
    while not os.path.exists(folder + "/sign"):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def is_alive(process: int) -> bool:
    """Tell whether a process is there; one that ended and that nobody waited for is not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_process_that_analyses_ends(tmp_path: Path) -> None:
    """Even if the processor never does; no result is there by halves."""
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], cwd=ROOT, timeout=PATIENCE, check=False)
    assert killed.returncode == -signal.SIGKILL
    companion, until = int((tmp_path / "sign").read_text()), time.monotonic() + PATIENCE
    try:
        while is_alive(companion):
            assert time.monotonic() < until, "it goes on"
            time.sleep(0.05)
    finally:
        if is_alive(companion):
            os.kill(companion, signal.SIGKILL)
    with AnalysisStore(tmp_path / "store") as store:
        assert len(store) == 1
        assert store.check()
