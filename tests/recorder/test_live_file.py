"""A file that grows: what is committed others see, a change is made wholly or not at all, a dead writer is mended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest

from analysis_store.errors import DamagedFileError, InvalidDataError, RunClosedError, StoreBusyError, StoreWriteError
from analysis_store.handlers.columns import LazyDataset, OpenDataset
from analysis_store.recorder.hdf5.copy_on_write import Overlay, read_redo, redo_path
from analysis_store.recorder.hdf5.live import LiveFile
from analysis_store.recorder.hdf5.live_reading import read_live, rows_in
from analysis_store.recorder.hdf5.repair import repair
from analysis_store.recorder.hdf5.row_counts import Column
from analysis_store.recorder.hdf5.superblock import SIZE, checksum, settled

FLOAT = np.dtype(float)


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveFile]:
    """A new file with a column."""
    live = LiveFile(tmp_path / "live.h5", lambda file: file.create_group("entry"))
    live.add({"/entry/x": Column(FLOAT, (2,), {"units": "m"})})
    yield live
    live.close()


def left_by_a_dead_writer(live: LiveFile) -> Path:
    """Return a copy of the file as it is, without the lock."""
    copy = live.path.with_name("left.h5")
    shutil.copy(live.path, copy)
    return copy


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(6.0).reshape(3, 2),
        np.arange(3, dtype=">i2"),
        np.zeros((4, 0, 3), "f4"),
        np.array([True, False]),
        np.array(["aé", "漢字x"]),
        np.array([b"ab", b"c"]),
        np.array(["2020-01-01", "NaT"], "M8[ms]"),
        np.array([1 + 2j]),
        np.zeros((2, 10, 100_000), "u1"),
    ],
    ids=lambda rows: f"{rows.dtype}{rows.shape}",
)
def test_rows_come_back(tmp_path: Path, rows: np.ndarray) -> None:
    """Of every dtype and shape, while it is open and afterwards; the shape is that of the values."""
    live = LiveFile(tmp_path / "live.h5")
    live.add({"/deep/er/x": Column(rows.dtype, rows.shape[1:])})
    live.append("/deep/er/x", rows[:1])
    live.append("/deep/er/x", rows[1:])
    live.commit()
    for _ in range(2):
        found = LazyDataset(str(live.path), "/deep/er/x", swmr=True)
        assert (found.dtype, found.shape) == (rows.dtype, rows.shape)
        np.testing.assert_array_equal(found[:], rows)
        live.close()


def test_only_committed_rows_count(live: LiveFile) -> None:
    """What a writer appended and did not commit is not read, and is cut when the file is mended."""
    live.append("/entry/x", np.ones((3, 2)))
    live.commit()
    live.append("/entry/x", np.full((100_000, 2), 7.0))
    live.read(h5py.h5f.flush)  # HDF5 may write at any time

    left = left_by_a_dead_writer(live)
    assert read_live(left, lambda file: rows_in(file, "/entry/x")) == 3
    repair(left)
    with h5py.File(left) as file:
        np.testing.assert_array_equal(file["entry/x"][:], np.ones((3, 2)))
    assert live.length("/entry/x") == 100_003


def test_goes_on(live: LiveFile) -> None:
    """A closed file, and one whose writer died, get more rows behind those they have."""
    live.append("/entry/x", np.zeros((2, 2)))
    live.commit()
    left = left_by_a_dead_writer(live)
    live.close()
    for path in (live.path, left):
        again = LiveFile(path)
        again.append("/entry/x", np.ones((1, 2)))
        again.close()
        with h5py.File(path) as file:
            assert [0.0, 0.0, 1.0] == file["entry/x"][:, 0].tolist()
            assert file["entry/x"].attrs["units"] == "m"


def test_change_that_fails_changes_nothing(live: LiveFile) -> None:
    """Not even what it had done before it failed."""
    live.append("/entry/x", np.zeros((2, 2)))

    def work(file: h5py.File) -> None:
        del file["entry"]
        raise InvalidDataError("enough")

    with pytest.raises(InvalidDataError, match="enough"):
        live.change(work)
    live.append("/entry/x", np.ones((1, 2)))
    live.commit()
    assert live.counts == {"/entry/x": 3}


def test_change_waits_for_nobody_in_its_process(live: LiveFile) -> None:
    """HDF5 would show this process the file as it was; so the change is refused, and can be made afterwards."""
    with (
        h5py.File(live.path, swmr=True),
        pytest.raises(StoreBusyError, match=r"live\.h5 is open elsewhere in this process; close it there"),
    ):
        live.add({"/y": Column(FLOAT)})
    live.add({"/y": Column(FLOAT)})
    assert {"/entry/x": 0, "/y": 0} == live.counts


def test_redo_is_finished_or_forgotten(live: LiveFile) -> None:
    """A change that was decided is made by whoever comes next; one that is torn is none."""
    left = left_by_a_dead_writer(live)
    before = left.read_bytes()
    with Overlay(left) as overlay:
        with h5py.File(overlay, "r+") as file:
            file["entry"].create_dataset("new", data=np.arange(5000.0))
        changed, size = dict(overlay.pages), overlay.size
        overlay.apply()
    after = left.read_bytes()

    import analysis_store.recorder.hdf5.copy_on_write as module

    module._write_redo(left, size, changed)
    whole = redo_path(left).read_bytes()
    for cut in (0, 20, len(whole) // 2, len(whole) - 1):
        left.write_bytes(before)
        redo_path(left).write_bytes(whole[:cut])
        assert read_redo(left) is None
        repair(left)
        with h5py.File(left) as file:
            assert "new" not in file["entry"]

    for half in (before, after[: len(before)]):
        left.write_bytes(half)
        redo_path(left).write_bytes(whole)
        assert read_live(left, lambda file: len(h5py.h5d.open(file, b"/entry/new").shape)) == 1
        repair(left)
        with h5py.File(left) as file:
            np.testing.assert_array_equal(file["entry/new"][:], np.arange(5000.0))
        assert not redo_path(left).exists()


def test_settled_superblock(live: LiveFile) -> None:
    """Its checksum is HDF5's own, its marks are gone, its end is that of the file."""
    block = live.path.read_bytes()[:SIZE]
    assert block[11] == 5
    assert checksum(block[:44]) == int.from_bytes(block[44:], "little")

    made = settled(block, 10_000)

    assert (made[11], int.from_bytes(made[28:36], "little")) == (0, 10_000)
    assert settled(b"no HDF5 file" * 5, 100) == b"no HDF5 file" * 5


def test_final_change(live: LiveFile) -> None:
    """The last change leaves an ordinary file; nothing lies beside it."""
    live.append("/entry/x", np.ones((1, 2)))

    def work(file: h5py.File) -> None:
        del file[".live"]
        file["entry"].attrs["ended"] = True

    live.close(work)
    live.close(work)

    with h5py.File(live.path) as file:
        assert ["entry"] == list(file)
        assert file["entry"].attrs["ended"]
        assert len(file["entry/x"]) == 1
    assert [live.path] == list(live.path.parent.iterdir())
    with pytest.raises(RunClosedError, match=r"live\.h5 is closed"):
        live.append("/entry/x", np.ones((1, 2)))


def test_the_second_writer_is_refused(live: LiveFile) -> None:
    """In the same process as well; whoever repairs is refused as long."""
    with pytest.raises(StoreBusyError, match=rf"being written by process {os.getpid()} of "):
        LiveFile(live.path)
    with pytest.raises(StoreBusyError, match="Wait until it has ended"):
        repair(live.path)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Each is refused by name, stays as it was, and is not locked."""
    (tmp_path / "text").write_text("no HDF5")
    with h5py.File(tmp_path / "old.h5", "w", libver=("earliest", "v108")) as file:
        file["x"] = 1
    for name, message in (("text", "is not a recording in HDF5"), ("old.h5", "has a format that cannot grow")):
        before = (tmp_path / name).read_bytes()
        for _ in range(2):
            with pytest.raises(DamagedFileError, match=rf"{name} {message}"):
                LiveFile(tmp_path / name)
        assert before == (tmp_path / name).read_bytes()
    with pytest.raises(StoreWriteError, match=r"could not write .*No such file or directory"):
        LiveFile(tmp_path / "missing" / "x.h5")
    assert {"text", "old.h5"} == {found.name for found in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["plain", "packed", "text"])
def test_a_file_that_is_read_through_python(tmp_path, name):
    """Where HDF5 has no descriptor, none is made up: a Python object is not one."""
    values = np.arange(400_000, dtype="f8").reshape(-1, 10)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["plain"] = values
        file.create_dataset("packed", data=values, chunks=(1000, 10), **hdf5plugin.Bitshuffle(cname="lz4"))
        file.create_dataset("text", data=["ä" * number for number in range(50)], dtype=h5py.string_dtype())
        file["text"].attrs["dtype_numpy"] = "object"
    with (tmp_path / "a.h5").open("rb") as raw, h5py.File(raw, "r") as file:
        found = OpenDataset(file.id, f"/{name}").whole()

    assert np.array_equal(found, values) or list(found) == ["ä" * number for number in range(50)]
