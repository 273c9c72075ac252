"""Values compared with their digests as they are read: none that was damaged is handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import DamagedFileError, KeyNotFoundError
from analysis_store.runs.read.run import Run

EVENTS: list[dict[str, Any]] = [
    {
        "primary": {
            "x": float(i),
            "image": np.arange(600.0).reshape(20, 30) + i,
            "word": "a" * i,
            "peaks": np.arange(20.0 + i),
            "table": pd.DataFrame({"a": [1, 2, i]}),
        },
    }
    for i in range(3)
]


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """Give a stored run with a key of every form."""
    return store.insert(EVENTS, {}, provenance=origin)


def opened(run: Run) -> h5py.File:
    """Open the file of a run to change it."""
    run.file.chmod(0o644)
    return h5py.File(run.file, "r+")


def test_what_is_whole_is_handed_out(store: AnalysisStore, run: Run) -> None:
    """It is the same as what is read unchecked."""
    plain = ["x", "image", "word"]
    assert store.read_checked(run.uid, keys=plain).identical(run.read(keys=plain))
    everything = store.read_checked(run.uid, None)
    assert list(everything) == ["primary"]
    assert list(everything["primary"]) == list(run["primary"])
    for index, event in enumerate(EVENTS):
        assert np.array_equal(everything["primary"]["peaks"].values[index], event["primary"]["peaks"])
        assert everything["primary"]["table"].values[index].equals(event["primary"]["table"])
    with pytest.raises(KeyNotFoundError, match="nothing"):
        store.read_checked(run.uid, keys=["nothing"])


@pytest.mark.parametrize(
    ("dataset", "key"), [("x", "x"), ("image", "image"), ("peaks/values", "peaks"), ("table/columns/a", "table")]
)
def test_what_is_damaged_is_not(store: AnalysisStore, run: Run, dataset: str, key: str) -> None:
    """The error names run, stream and key; the other keys are handed out still."""
    with opened(run) as file:
        values = file[f"entry/primary/{dataset}"]
        values[(-1,) * values.ndim] += 1
    with pytest.raises(DamagedFileError, match=f"run {run.uid}, stream 'primary', key '{key}'"):
        store.read_checked(run.uid)
    with pytest.raises(DamagedFileError, match=key):
        store.read_checked(run.uid, None)
    others = [other for other in run["primary"] if other != key]
    assert list(store.read_checked(run.uid, keys=others)) == others


def test_documents_are_compared_too(store: AnalysisStore, run: Run) -> None:
    """Values are not read by documents that were changed."""
    with opened(run) as file:
        text = file["entry/documents/descriptors"][()].replace(b'"image"', b'"imagf"')
        del file["entry/documents/descriptors"]
        file["entry/documents/descriptors"] = np.array(text)
    with pytest.raises(DamagedFileError, match=f"run {run.uid}: .*documents"):
        store.read_checked(run.uid)


def test_a_link_is_not_followed(store: AnalysisStore, run: Run, tmp_path: Path) -> None:
    """A file that a link leads to is not the run's."""
    run.file.rename(tmp_path / "moved.h5")
    run.file.symlink_to(tmp_path / "moved.h5")
    with pytest.raises(DamagedFileError, match="link"):
        store.read_checked(run.uid)


def test_what_has_no_digest(open_store: AnalysisStore, tmp_path: Path) -> None:
    """Nobody can tell whether it is what it was, so it is not handed out as checked."""
    keys = {"image": {"dtype": "array", "shape": [2], "source": "PV", "external": "FILESTORE:"}}
    open_store("start", {"uid": "theirs", "time": 1.0})
    open_store("descriptor", {"uid": "d", "run_start": "theirs", "time": 1.0, "name": "primary", "data_keys": keys})
    resource = {"uid": "r", "run_start": "theirs", "spec": "HDF5", "root": str(tmp_path), "resource_path": "x.h5",
                "resource_kwargs": {"dataset": "/x"}, "path_semantics": "posix"}  # fmt: skip
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["x"] = np.ones((1, 2))
    open_store("resource", resource)
    open_store("datum", {"datum_id": "r/0", "resource": "r", "datum_kwargs": {"point_number": 0}})
    event = {"uid": "e", "descriptor": "d", "seq_num": 1, "time": 1.0, "data": {"image": "r/0"},
             "timestamps": {"image": 1.0}, "filled": {"image": False}}  # fmt: skip
    open_store("event", event)
    open_store("stop", {"uid": "s", "run_start": "theirs", "time": 2.0, "exit_status": "success"})
    assert open_store["theirs"].read()["image"].values[0].tolist() == [1, 1]
    with pytest.raises(DamagedFileError, match="no digest"):
        open_store.read_checked("theirs")
    assert open_store.check().findings == ()
    (tmp_path / "x.h5").unlink()
    assert [finding.kind for finding in open_store.check().findings] == ["input"]
