"""Verification is one function: `verify`, `check` and `dump` find the same in the same damaged run."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import DamagedFileError
from analysis_store.runs.read.run import Run


def change(run: Run, path: str) -> None:
    """Change one value in the file of a run."""
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        file[path][0] += 1


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("entry/primary/image", "stream 'primary', key 'image': the values have the digest"),
        ("entry/primary/time", "the documents or the times of the events were changed"),
    ],
    ids=["values", "times"],
)
def test_every_way_finds_the_same(tmp_path: Path, path: str, named: str) -> None:
    """A changed value and a changed time are told in the same words wherever a run is looked at."""
    with AnalysisStore(tmp_path / "store") as store:
        run = store.insert(
            [{"primary": {"image": np.arange(100.0)}}], {}, provenance=Provenance(origin="synthetic", note="test")
        )
        change(run, path)
        assert named in str(run.verify())
        assert any(named in str(finding) for finding in store.check().findings)
        with pytest.raises(DamagedFileError, match=named):
            store.dump(run, tmp_path / "out.zip")
