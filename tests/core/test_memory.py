"""The memory guard knows the limit of a container, and every room asks it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.core import memory
from analysis_store.errors import TooLargeError
from analysis_store.exchange.skeleton import check_held
from analysis_store.handlers.arrays import ArrayHandler

LIMIT = 80 << 20
ROWS = 90 << 20


V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


@pytest.fixture(params=[V2, V1], ids=["v2", "v1"])
def container(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container whose processes may have 180 MiB and have 120, of which 20 are cached files; the machine has more."""
    limit, used, cached = request.param
    (tmp_path / "meminfo").write_text(f"MemTotal: {1 << 30} kB\nMemAvailable: {1 << 25} kB\n")
    (tmp_path / limit).write_text(f"{180 << 20}\n")
    (tmp_path / used).write_text(f"{120 << 20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\n{cached} {20 << 20}\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CONTAINERS", ((tmp_path, *V2), (tmp_path, *V1)))


@pytest.mark.usefixtures("container")
def test_a_container_has_what_its_limit_says() -> None:
    """The machine has 32 GiB free, the container 80 MiB: what is cached can be given back."""
    assert memory.available_memory() == LIMIT


@pytest.mark.usefixtures("container")
@pytest.mark.parametrize("name", ["big.h5", "big.npz"])
def test_a_file_that_no_container_holds_is_refused(tmp_path: Path, name: str) -> None:
    """A file to insert is refused before its 90 MiB are allocated, rather than the process killed."""
    path = tmp_path / name
    if name.endswith("h5"):
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=np.zeros((90, 1 << 20), "u1"), chunks=(1, 1 << 20), compression="lzf")
            file["t"] = np.array(["a", "b" * (ROWS // 8)], dtype=object)  # as wide as the longest
        dataset = "t"
    else:
        dataset = None
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as out:
            np.lib.format.write_array(out, np.zeros(ROWS, "u1"))
    with AnalysisStore(tmp_path / "store") as store, pytest.raises(TooLargeError, match=f"{name} would take"):
        store.insert_file(path, dataset=dataset, provenance={"origin": "synthetic", "note": "zeros"})
    with h5py.File(tmp_path / "column.h5", "w") as file:
        file.create_dataset("x", data=np.zeros((90, 1 << 20), "u1"), chunks=(1, 1 << 20), compression="lzf")
    with pytest.raises(TooLargeError, match="Read a slice of it"):
        ArrayHandler(tmp_path / "column.h5", "/x").column().read()


@pytest.mark.usefixtures("container")
def test_an_export_as_text_that_no_container_holds_is_refused(tmp_path: Path) -> None:
    """Text becomes several times as large when it is read; the message names a form that does not."""
    with (tmp_path / "run.json").open("w+b") as file:
        file.truncate(ROWS)
        with pytest.raises(TooLargeError, match=r"run\.json as a tree would take .* Export as hdf5 or npz"):
            check_held(file)


@pytest.mark.usefixtures("container")
def test_a_container_that_is_full_has_nothing(tmp_path: Path) -> None:
    """Where more is in use than a limit that was lowered meanwhile allows, nothing is free."""
    for name in ("memory.max", "memory.limit_in_bytes"):
        (tmp_path / name).write_text("1000\n")
        (tmp_path / {"memory.max": V2, "memory.limit_in_bytes": V1}[name][1]).write_text(f"{120 << 20}\n")
    assert memory.available_memory() == 0


def test_no_container_and_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of "max" is none, and a system that says nothing has what is built in."""
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory, "_CONTAINERS", ((tmp_path, *V2),))
    assert memory.available_memory() > LIMIT
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "nothing")
    assert 1 << 20 < memory.available_memory() < 1 << 50
