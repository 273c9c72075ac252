"""A recording that was damaged, or whose writer died in the middle of a change: it is told, and nobody waits for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from analysis_store import AnalysisStore
from analysis_store.recorder.run.live_runs import live_runs


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store with a recording whose writer died."""
    folder = tmp_path_factory.mktemp("left") / "store"
    code = f"from tests.fuzz.run_files import die; die({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    return folder


@pytest.mark.parametrize("place", [512, 1024, 2048, 4096, 16384])
def test_zeros_in_the_place_of_its_structure(left: Path, tmp_path: Path, place: int) -> None:
    """HDF5 would look at what has no right checksum for ever, as a writer might be about to change it."""
    shutil.copytree(left, tmp_path / "store")
    with AnalysisStore(tmp_path / "store") as store:
        live = next(store.root.rglob("*.live"))
        content = live.read_bytes()
        live.write_bytes(content[:place] + bytes(2048) + content[place + 2048 :])

        report = store.check()

        assert [finding.kind for finding in report.findings] == ["live"]
        if not report.findings[0].repairable:
            with pytest.warns(UserWarning, match="is left out of the recordings"):
                assert live_runs(store) == []
