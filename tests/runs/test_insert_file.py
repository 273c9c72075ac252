"""A file that another program wrote becomes a run; the file itself is its provenance."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import InvalidDataError


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """An HDF5 file with two columns of ten rows."""
    path = tmp_path / "scan.h5"
    with h5py.File(path, "w") as file:
        file["energy"] = np.arange(10.0)
        file["energy"].attrs["units"] = "eV"
        file["entry/counts"] = np.arange(30).reshape(10, 3)
    return path


def test_a_file_is_one_event(store: AnalysisStore, measured: Path) -> None:
    """Each column is a key with its units; the file is hashed."""
    run = store.insert_file(measured, {"sample_name": "Fe"})

    np.testing.assert_array_equal(np.arange(30).reshape(10, 3), run["primary"]["counts"][0])
    assert run["primary"]["energy"].attrs["units"] == "eV"
    assert [str(measured)] == [entry.path for entry in run.provenance.files]
    assert run.verify()


def test_a_file_may_be_cut_into_events(store: AnalysisStore, measured: Path) -> None:
    """So many rows each; the last may have less."""
    run = store.insert_file(measured, chunk=4)

    assert [4, 4, 2] == [len(value) for value in run["primary"]["energy"]]
    np.testing.assert_array_equal([8.0, 9.0], run["primary"]["energy"][2])


@pytest.mark.parametrize("chunk", [None, 4, 10])
def test_data_may_stay_where_they_are(store: AnalysisStore, measured: Path, chunk: int | None) -> None:
    """The documents refer to the file, and a change of it is found."""
    run = store.insert_file(measured, copy=False, chunk=chunk)

    values = [np.asarray(value) for value in run["primary"]["counts"]]
    np.testing.assert_array_equal(np.arange(30).reshape(10, 3), np.concatenate(values))
    resource = next(doc for name, doc in run.documents() if name == "resource")
    assert (str(measured.parent), measured.name) == (resource["root"], resource["resource_path"])
    assert run.verify()
    with h5py.File(measured, "r+") as file:
        file["energy"][3] = 7.5
    assert "energy" in str(run.verify())


def test_one_dataset_may_be_named(store: AnalysisStore, measured: Path) -> None:
    """The others are left out."""
    assert ["energy"] == list(store.insert_file(measured, dataset="energy")["primary"])


def test_text_columns_keep_their_units(store: AnalysisStore, tmp_path: Path) -> None:
    """A csv file with units in its header."""
    path = tmp_path / "scan.csv"
    path.write_text("energy (eV),mu\n1.5,2\n2.5,3\n")

    run = store.insert_file(path)

    assert ("eV", [1.5, 2.5]) == (run["primary"]["energy"].attrs["units"], run["primary"]["energy"][0].tolist())
    with pytest.raises(InvalidDataError, match="HDF5 file, which this is not"):
        store.insert_file(path, copy=False)


@pytest.mark.parametrize("chunk", [0, -1, 1.5, True])
def test_a_chunk_is_a_number_of_rows(store: AnalysisStore, measured: Path, chunk: object) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidDataError, match="number of rows"):
        store.insert_file(measured, chunk=chunk)  # type: ignore[arg-type]


def test_measured_spectra_go_in_and_come_back(store: AnalysisStore, real_data: Path) -> None:
    """Every xdi file that was measured at a beamline."""
    files = sorted((real_data / "xafs").glob("*.xdi"))
    for path in files:
        run = store.insert_file(path)
        assert run["primary"]["energy"].attrs["units"] == "eV"
        assert run["primary"]["energy"].shape[1] > 100
        assert run.verify()
    assert len(files) == len(store) > 0
