"""Time zones are found by their names in one place, which opens no file that a name leads to."""

from __future__ import annotations

import json
import struct
from datetime import timedelta, timezone
from pathlib import Path

import h5py
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.core.zones import restore_zone, zone_name
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.handlers.tables import TableHandler
from analysis_store.writers.tables import TableWriter


@pytest.mark.parametrize("name", ["Europe/Berlin", "UTC", "UTC+01:00", "Etc/GMT+5", "EST5EDT"])
def test_a_zone_comes_back_by_its_name(name: str) -> None:
    """The name of a zone gives that zone."""
    assert zone_name(restore_zone(name)) == name


@pytest.mark.parametrize(
    "name", ["dateutil//etc/localtime", "dateutil/Europe/Berlin", "../UTC", "/etc/localtime", "", 3]
)
def test_what_is_no_name_is_refused(name: object) -> None:
    """Neither a path nor what pandas takes for one is a name."""
    with pytest.raises(ValueError, match="is not the name of a time zone"):
        restore_zone(name)


def test_a_zone_without_a_name_is_refused_with_the_column() -> None:
    """An offset that somebody named as he liked cannot be found again; the error says in which column it is."""
    frame = pd.DataFrame({"t": pd.to_datetime([0, 1]).tz_localize(timezone(timedelta(hours=1), "lab"))})
    with pytest.raises(InvalidDataError, match=r"Column 't': The time zone .* has no name"):
        TableWriter("/nowhere", "/t")({"t": frame})


def test_a_table_that_names_a_file_as_its_zone(tmp_path: Path) -> None:
    """A hostile file cannot make the reader open another one; pandas alone would read it, and take it for a zone."""
    other = tmp_path / "other"
    other.write_bytes(
        b"TZif" + bytes(16) + struct.pack(">6l", 0, 0, 0, 0, 1, 4) + struct.pack(">lbb", 9 * 3600, 0, 0) + b"LAB\0"
    )
    assert pd.Timestamp(0, tz=f"dateutil/{other}").hour == 9
    frame = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=2, tz="Europe/Berlin")})
    path = tmp_path / "tables.h5"
    writer = TableWriter(path, "/t")
    writer({"t": frame})
    writer.close()
    with h5py.File(path, "r+") as file:
        (name,) = file["t/columns"]
        spec = json.loads(file[f"t/columns/{name}"].attrs["pandas"])
        file[f"t/columns/{name}"].attrs["pandas"] = json.dumps({**spec, "zone": f"dateutil/{other}"})
    with pytest.raises(DamagedFileError, match="is not the name of a time zone"):
        TableHandler(path, "/t")(0)


def test_a_table_in_a_zone_is_saved(tmp_path: Path) -> None:
    """Through the whole store, as ever."""
    frame = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=2, tz="UTC+01:00")})
    with AnalysisStore(tmp_path / "store") as store:
        run = store.insert([{"primary": {"t": frame}}], {}, provenance=Provenance(origin="synthetic", note="test"))
        pd.testing.assert_frame_equal(run["primary"]["t"][0], frame)
