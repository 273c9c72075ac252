"""Codecs that an installed package announces: found by the type, and by the name in a file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TYPES = """
class Peak:
    def __init__(self, center):
        self.center = center
"""
CODECS = """
from analysis_store.codecs import Codec
from beamlib import Peak

CODECS = (Codec("beamlib.Peak", Peak, lambda peak: {"center": peak.center}, lambda state: Peak(state["center"])),)
"""
DUMP = """
import h5py, beamlib
from analysis_store.codecs import dump
with h5py.File("peaks.h5", "w") as file:
    dump([beamlib.Peak(n * 0.5) for n in range(3)], file, "peaks")
"""
LOAD = """
import h5py
from analysis_store.codecs import load
with h5py.File("peaks.h5") as file:
    print([peak.center for peak in load(file["peaks"])])
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with a package that announces codecs."""
    (tmp_path / "beamlib").mkdir()
    (tmp_path / "beamlib" / "__init__.py").write_text(TYPES)
    (tmp_path / "beamlib" / "codecs.py").write_text(CODECS)
    info = tmp_path / "beamlib-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: beamlib\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[analysis_store.codecs]\nbeamlib = beamlib.codecs\n")
    return tmp_path


def run(code: str, folder: Path, *, installed: bool = True) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with or without the package in it."""
    environment = {**os.environ, "PYTHONPATH": str(folder) if installed else ""}
    command = [sys.executable, "-P", "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_plug_in_is_found_by_type_and_by_name(site: Path) -> None:
    """By the one that writes, and by another process that has never seen the class."""
    written, read = run(DUMP, site), run(LOAD, site)

    assert (written.returncode, written.stderr) == (0, "")
    assert read.stdout == "[0.0, 0.5, 1.0]\n", read.stderr


def test_without_the_package_the_type_is_unknown(site: Path) -> None:
    """And nothing of that name is looked for anywhere else."""
    run(DUMP, site)
    read = run(LOAD, site, installed=False)

    assert "UnknownTypeError: No codec is known for the type 'beamlib.Peak'" in read.stderr


def test_a_broken_plug_in_is_warned_of_by_name(site: Path) -> None:
    """The codecs of others still work."""
    run(DUMP, site)
    (site / "beamlib" / "codecs.py").write_text("raise RuntimeError('no licence')")
    with_others = "from analysis_store.codecs import load; import h5py, decimal\n" + LOAD
    read = run(with_others, site)

    assert "The codecs of 'beamlib' (beamlib.codecs) cannot be loaded: no licence" in read.stderr
    assert "UnknownTypeError" in read.stderr


def test_a_plug_in_cannot_take_the_name_of_a_type_of_another(site: Path) -> None:
    """What is there first stays."""
    (site / "beamlib" / "codecs.py").write_text(CODECS.replace('"beamlib.Peak"', '"decimal.Decimal"'))
    done = run(
        "import decimal\nfrom analysis_store.codecs.registry import for_type\nfor_type(decimal.Decimal)\n" + DUMP, site
    )

    assert "CodecError: Got the name 'decimal.Decimal' for beamlib.Peak; it belongs to decimal.Decimal" in done.stderr
