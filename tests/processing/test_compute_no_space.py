"""A result that cannot be kept: said before it is computed where that is known, and without a trace where it is not."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import StoreWriteError
from analysis_store.processing.engine.compute_lock import claimed
from analysis_store.runs.read.run import Run
from tests.faults.children import call
from tests.flow_processors import scale

NOBODY = 65534


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """Return a folder that every user reaches, unlike those of pytest."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def measured(store: AnalysisStore, size: int = 30) -> Run:
    """Save what could be measured; noise, which cannot be compressed."""
    counts = np.random.default_rng(size).random((1, size))
    return store.insert(
        {"primary": {"counts": counts}}, {}, provenance=Provenance(origin="synthetic", note="made by a test")
    )


def lines(calls: Path) -> int:
    """Return how often a processor was called."""
    return len(calls.read_text().splitlines()) if calls.exists() else 0


def test_permission_taken(public_folder: Path) -> None:
    """Where no claim can be made, the block is not run; with the permission back it is."""
    call(without_permission, public_folder)


def without_permission(root: Path) -> None:
    """Take the right to write from the root of a store, and claim a result."""
    if os.getuid() == 0:  # whom no permission stops
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    root = root / "files"
    root.mkdir()
    done = []
    for mode in (0o555, 0o755):
        root.chmod(mode)
        try:
            with claimed(root, "blake3:" + "ab" * 32, "scale of run 1"):
                done.append(mode)
        except StoreWriteError as error:
            assert "the claim" in str(error)
            assert "on the result of scale of run 1: Permission denied" in str(error)
    assert done == [0o755]


@pytest.mark.parametrize(("limit", "called"), [(0, 0), (20_000, 1)])
def test_a_full_disk(tmp_path: Path, limit: int, called: int) -> None:
    """No byte for the claim: nothing is computed. Too few for the result: nothing of it stays, the claim neither."""
    call(on_a_full_disk, tmp_path, limit, called)


def on_a_full_disk(folder: Path, limit: int, called: int) -> None:
    """Compute while no file may become larger than so many bytes."""
    calls = folder / "calls"
    with AnalysisStore(folder / "store") as store:
        raw, preset = measured(store, 10_000), scale.preset(calls=str(calls))
        before = sorted(store.root.rglob("*.*"))
        unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
        try:
            with pytest.raises(StoreWriteError, match="File too large"):
                store.compute(preset, raw)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
        assert sorted(store.root.rglob("*.*")) == before
        assert lines(calls) == called
        run = store.compute(preset, raw)
        assert store.compute(preset, raw) == run
        assert lines(calls) == called + 1
