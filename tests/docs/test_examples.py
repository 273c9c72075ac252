"""The examples, run as a reader would run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.cli.commands.demo import write_scan
from analysis_store.recorder import HDF5DataStore, recorded

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
PROFILE = EXAMPLES / "profile_collection"


def run(*command: str, cwd: Path, **environment: str) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(
        command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False, timeout=150
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_scan(folder: Path) -> None:
    """The fitted peak is in the store, at its place, with the raw scan as its verified parent."""
    with AnalysisStore(str(folder)) as store:
        (result,) = store.search(analysis_stage="peak")
        found = result.read()

        assert abs(float(found["center"][0])) < 1e-6
        assert abs(float(found["width"][0]) - 1) < 1e-6
        assert found["center"].attrs["units"] == "mm"
        assert np.allclose(found["fit"], found["det"], atol=1e-6)
        (parent,) = result.provenance.parents
        assert parent.resolved
        assert result.parents == [parent.uid]


@pytest.mark.slow
def test_profile_under_ipython(tmp_path):
    """``ipython --profile-dir`` loads the profile; a scan typed at the prompt leaves its fitted peak in the store."""
    shutil.copytree(PROFILE / "startup", tmp_path / "profile" / "startup")
    typed = "RE(scan([det], motor, -5, 5, 21)); print(store[-1].parents == [raw[-1].start['uid']])"
    printed = run(
        sys.executable, "-m", "IPython", "--profile-dir", str(tmp_path / "profile"), "--no-banner", "-c", typed,
        cwd=tmp_path, ANALYSIS_STORE="results", IPYTHONDIR=str(tmp_path / "ipython"),
    )  # fmt: skip

    assert printed.strip().endswith("True")
    check_scan(tmp_path / "results")


@pytest.mark.slow
def test_profile_as_module(tmp_path):
    """The same profile works when it is imported; a scan of something else passes by."""
    code = (
        "from importlib.util import module_from_spec, spec_from_file_location as spec\n"
        f"found = spec('profile', {str(PROFILE / 'startup' / '50-insert_analysis.py')!r})\n"
        "p = module_from_spec(found); found.loader.exec_module(p)\n"
        "from bluesky.plans import count\n"
        "p.RE(count([p.det], 2)); p.RE(p.scan([p.det], p.motor, -5, 5, 41))"
    )
    run(sys.executable, "-c", code, cwd=tmp_path, ANALYSIS_STORE="results")

    check_scan(tmp_path / "results")


def check_normalised(folder: Path, files: list[Path]) -> None:
    """Each file is a run with units, a sensible edge and the file as its provenance."""
    with AnalysisStore(str(folder)) as store:
        runs = {Path(found.provenance.files[0].path).name: found for found in store.search()}
        assert sorted(runs) == sorted(path.name for path in files)
        for found in runs.values():
            data = found.read().isel(time=0)
            above = data["norm"].values[data["energy"].values > float(data["e0"]) + 100]

            assert data["energy"].attrs["units"] == "eV"
            assert float(data["edge_step"]) > 0.05
            assert abs(float(np.mean(above)) - 1) < 0.05
            assert found.start["xdi"]["element"]["symbol"] == found.start["element"]
            assert found.verify()


def test_xafs_normalise(tmp_path):
    """A generated scan is normalised and saved."""
    scan = write_scan(tmp_path / "fe_foil.xdi")
    printed = run(sys.executable, str(EXAMPLES / "xafs_normalise.py"), "--store", "results", str(scan), cwd=tmp_path)

    assert "fe_foil.xdi" in printed
    assert abs(float(printed.partition(" e0 ")[2].split()[0]) - 7112) < 2
    check_normalised(tmp_path / "results", [scan])


def test_xafs_normalise_measured(tmp_path, real_data):
    """So is every measured scan."""
    files = sorted((real_data / "xafs").glob("*.xdi"))
    run(sys.executable, str(EXAMPLES / "xafs_normalise.py"), "--store", "results", *map(str, files), cwd=tmp_path)

    check_normalised(tmp_path / "results", files)


@pytest.mark.slow
def test_processing(tmp_path):
    """A task normalises scans; a second one finds all of it, and one with another window computes it anew."""
    files = [write_scan(tmp_path / "fe.xdi"), write_scan(tmp_path / "other.xdi")]
    files[1].write_text(files[1].read_text().replace("Fe foil", "another"))  # the same content were the same input
    command = [sys.executable, str(EXAMPLES / "processing.py"), "--store", "results", *map(str, files)]

    assert "<Report: done; 2 inputs, 2 done, 4 computed>" in run(*command, cwd=tmp_path)
    assert "<Report: done; 2 inputs, 2 done, 4 reused>" in run(*command, cwd=tmp_path)
    printed = run(*command, "--post", "60", cwd=tmp_path)
    assert "<Report: done; 2 inputs, 2 done, 4 computed>" in printed
    assert "other.xdi" in printed
    assert 7112 < float(printed.partition("white line ")[2].split()[0]) < 7400


@pytest.mark.slow
@pytest.mark.parametrize("name", ["custom_pair.py", "pair_2018.py"])
def test_pairs(name, tmp_path):
    """Pairs of one's own give back what they were given."""
    printed = run(sys.executable, str(EXAMPLES / name), cwd=tmp_path)

    assert "equal: True" in printed
    assert list(tmp_path.iterdir()) == []


def test_record_loop(tmp_path):
    """A fit is recorded in a file and in a run at once; both have every step, and the loss falls."""
    printed = run(sys.executable, str(EXAMPLES / "record_loop.py"), cwd=tmp_path)

    assert "400 steps" in printed
    with AnalysisStore(str(tmp_path / "analysis")) as store, HDF5DataStore(tmp_path / "fit.h5", mode="r") as kept:
        (result,) = store.search(analysis_stage="fit")
        loss = result["fit_loss"]["loss"].read()
        assert np.array_equal(loss, kept.get_all("fit/loss")[:])
        assert np.array_equal(result["fit_parameters"]["parameters"].read(), kept.get_all("fit/parameters")[:])
        assert loss[-1] < loss[0] / 1000
        assert result["set"]["curve"].shape == (1, 101)
        assert result.stop["exit_status"] == "success"
        assert result.verify()


@pytest.mark.slow
def test_record_runengine(tmp_path):
    """Beside a scan a run is recorded, whose parent the scan is; it has a value for each point."""
    printed = run(sys.executable, str(EXAMPLES / "record_runengine.py"), cwd=tmp_path)

    assert "is the parent: True" in printed
    with AnalysisStore(str(tmp_path / "analysis")) as store:
        (result,) = store.search(analysis_stage="center")
        assert result["peak_center"]["center"].shape == (21,)
        assert result["peak_center"]["center"].attrs["units"] == "mm"
        assert abs(float(result["peak_center"]["center"][-1])) < 1e-6
        assert result["set"]["raw_exit_status"][0] == "success"


@pytest.mark.slow
def test_many_processes(tmp_path, redis_server):
    """What processes record through Redis is one run, with each frame once."""
    command = [str(EXAMPLES / "many_processes.py"), "--redis", redis_server.url, "--processes", "2"]
    printed = run(sys.executable, *command, cwd=tmp_path)

    assert "200 frames by 2 processes, 0.20 pixels per frame" in printed
    with AnalysisStore(str(tmp_path / "analysis")) as store:
        (result,) = store.search(analysis_stage="centres")
        found = recorded(result)["centre"][:]
        assert sorted(found[:, 0]) == list(range(200))
        assert result.verify()


def test_every_example_is_run():
    """There is a test for each file in the folder."""
    files = {path.name for path in EXAMPLES.rglob("*.py")}

    assert files == {
        "50-insert_analysis.py",
        "custom_pair.py",
        "many_processes.py",
        "pair_2018.py",
        "processing.py",
        "record_loop.py",
        "record_runengine.py",
        "xafs_normalise.py",
    }
