"""A file that is larger than memory becomes a run: a part of it is read at a time, whether it is copied or not."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.arrays import Joined
from analysis_store.errors import InvalidDataError, TooLargeError
from analysis_store.runs.importers import file_rows
from analysis_store.runs.importers.file_rows import FileRows, Source, SourceFile
from tests.sweeps import some

ROWS, SIZE = 384, 512
FRAMES = (ROWS, SIZE, SIZE)
"""192 MiB of ``u2``, which take no room on the disk where they were never written or compress well."""

INSERT = """
import resource, sys
from analysis_store import AnalysisStore

path, folder, chunk = sys.argv[1], sys.argv[2], int(sys.argv[3]) or None
with AnalysisStore(folder) as store:
    store.insert_file(path, dataset="energy")  # whatever is loaded once
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for copy in (True, False):
        run = store.insert_file(path, copy=copy, chunk=chunk, dataset="frames")
        assert sys.argv[4] == "no" or run.verify()
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(run.digests))
"""


def make(path: Path, form: str) -> Path:
    """Write a file with large frames and a number for each."""
    with h5py.File(path, "w") as file:
        if form == "contiguous":
            made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            made.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            made.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple(FRAMES)
            h5py.h5d.create(file.id, b"frames", h5py.h5t.STD_U16LE, space, made)
        elif form == "one volume":  # its only row is the whole
            frames = file.create_dataset("frames", (1, *FRAMES), "<u2", chunks=(1, 8, SIZE, SIZE), compression="lzf")
            for start in range(0, ROWS, 8):
                frames[0, start : start + 8] = start
        else:
            frames = file.create_dataset("frames", FRAMES, "<u2", chunks=(8, SIZE, SIZE), compression="lzf")
            for start in range(0, ROWS, 8):
                frames[start : start + 8] = start
        file["energy"] = np.arange(float(ROWS))
    return path


@pytest.mark.parametrize(
    ("form", "chunk", "verified"),
    some([("contiguous", 0, "yes"), ("one volume", 0, "no"), ("compressed", 1, "yes"), ("compressed", 100, "yes")], 1),
)
def test_a_process_stays_small(tmp_path: Path, form: str, chunk: int, verified: str) -> None:
    """However a file is written, and cut into events (of which the last may be shorter), half of it is never held.

    Nor is it when it is verified, unless its only row is the whole.
    """
    path = make(tmp_path / "scan.h5", form)
    called = [sys.executable, "-c", INSERT, str(path), str(tmp_path / "store"), str(chunk), verified]
    told = subprocess.run(called, check=True, capture_output=True, text=True, timeout=120).stdout
    copied, left = (tuple(map(int, line.split())) for line in told.splitlines())

    assert max(copied[0], left[0]) < 96 << 10  # KiB
    assert copied[1] == left[1] == 1


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "contiguous": ("<f8", {}),
    "big-endian": (">i4", {}),
    "bool": ("?", {"chunks": (7, 40, 30)}),
    "complex": ("<c16", {"chunks": (1, 100, 100), "compression": "gzip"}),
    "tall chunks": ("<f4", {"chunks": (128, 20, 20), "compression": "lzf"}),
    "chosen chunks": ("<f2", {"compression": "lzf", "shuffle": True}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("chunk", some([5, None, 64], 1))
def test_values_are_what_they_were(
    store: AnalysisStore, tmp_path: Path, origin: Provenance, form: str, chunk: int | None
) -> None:
    """Whatever the form of the file, each value is the one of its rows, and the digest is that of values in memory."""
    dtype, options = FORMS[form]
    values = np.random.default_rng(0).integers(0, 200, (128, 100, 100)).astype(dtype)
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("x", data=values, **options)
    events = [values] if chunk is None else [values[at : at + chunk] for at in range(0, 128, chunk)]
    expected = store.insert([{"primary": {"x": event}} for event in events], {}, provenance=origin)

    for copy in (True, False):
        run = store.insert_file(tmp_path / "scan.h5", copy=copy, chunk=chunk)
        found = [np.asarray(value) for value in run["primary"]["x"]]
        assert all(map(np.array_equal, found, events))
        assert {value.dtype for value in found} == {values.dtype}
        assert [each["digest"] for each in run.digests] == [each["digest"] for each in expected.digests]
        assert run.verify()


SHAPES = [(61,), (9, 4), (1, 1, 30), (3, 5, 4, 7), (2, 3, 40)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("room", some([16, 200, 1 << 20], 1))
def test_elements_wherever_they_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], room: int
) -> None:
    """One part after the other, or any: what is read ahead, and how much memory is free, changes no element."""
    monkeypatch.setattr(file_rows, "_AHEAD", 64)
    monkeypatch.setattr(file_rows, "available_memory", lambda: room * 8)
    values = np.arange(np.prod(shape), dtype="<i4").reshape(shape)
    chunkings = [None, *itertools.product(*({1, 2, length} & {*range(length + 1)} for length in shape))]
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        for number, chunks in enumerate(chunkings):
            file.create_dataset(str(number), data=values, chunks=chunks)
        sources = [Source(dataset) for dataset in file.values()]
    path, flat = SourceFile(tmp_path / "scan.h5"), values.ravel()
    for source in sources:
        rows = FileRows(path, source, 0, len(values))
        for step in (1 + len(flat) // 9, 1 + len(flat) // 4):
            parts = [rows.elements(at, min(at + step, len(flat))) for at in range(0, len(flat), step)]
            assert np.concatenate(parts).tobytes() == flat.tobytes()
        for start in (len(flat) - 3, 2, 1, len(flat) // 2):
            assert rows.elements(start, start + 3).tobytes() == flat[start : start + 3].tobytes()


def test_a_row_of_chunks_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks that span rows are read together, however small the parts are that are asked for."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("x", data=np.arange(80_000).reshape(80, 1000), chunks=(20, 100))
        source = Source(file["x"])
    monkeypatch.setattr(file_rows, "_AHEAD", 64)
    path = SourceFile(tmp_path / "scan.h5")
    rows, ends = FileRows(path, source, 0, 80), set()
    for start in range(0, 80_000, 500):
        rows.elements(start, start + 500)
        ends.add(path._first + len(path._part))

    assert ends == {20_000, 40_000, 60_000, 80_000}


def test_elements_of_many_values(tmp_path: Path) -> None:
    """Values one after the other are one, whether they are in memory or not."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["x"] = np.arange(60.0).reshape(12, 5)
        source = Source(file["x"])
    rows = FileRows(SourceFile(tmp_path / "scan.h5"), source, 0, 12)
    joined = Joined([rows.rows(0, 7), np.arange(4.0).reshape(2, 2), rows.rows(7, 99)])
    whole = np.concatenate([np.arange(35.0), np.arange(4.0), np.arange(35.0, 60.0)])

    assert joined.shape == (64,)
    assert np.array_equal(joined, whole)
    for start, stop in itertools.combinations(range(0, 65, 3), 2):
        assert np.array_equal(joined.elements(start, stop), whole[start:stop])


def test_the_plot_of_a_large_file(store: AnalysisStore, tmp_path: Path) -> None:
    """An axis is found among columns that are not in memory, too; one that falls somewhere is none."""
    angle = np.linspace(0, 5, 2_500_000)
    turned = angle.copy()
    turned[-1] = 0
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["a_turned"], file["angle"], file["counts"] = turned, angle, np.random.default_rng(0).random(len(angle))
    run = store.insert_file(tmp_path / "scan.h5")

    with h5py.File(run.file) as file:
        group = file["entry/primary"]
        assert (group.attrs["signal"], group.attrs["angle_indices"].tolist()) == ("counts", [0, 1])


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Rows of two states of a file are not mixed."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["x"] = np.zeros((64, 40_000))
        source = Source(file["x"])
    rows = FileRows(SourceFile(tmp_path / "scan.h5"), source, 0, 64)
    assert len(rows.elements(0, 40_000)) == 40_000
    with h5py.File(tmp_path / "scan.h5", "r+") as file:
        file["x"][63] = 1

    with pytest.raises(InvalidDataError, match="was changed while it was read"):
        rows.elements(63 * 40_000, 64 * 40_000)
    (tmp_path / "scan.h5").unlink()
    with pytest.raises(InvalidDataError, match="cannot be read any more"):
        rows.elements(63 * 40_000, 64 * 40_000)


@pytest.mark.parametrize("copy", [True, False], ids=["copied", "left"])
def test_a_damaged_chunk(store: AnalysisStore, tmp_path: Path, copy: bool) -> None:
    """The file is named, although it was opened without an error, and nothing of the run stays."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        data = np.random.default_rng(0).random((256, 1000))
        frames = file.create_dataset("x", data=data, chunks=(16, 1000), compression="gzip")
        place = frames.id.get_chunk_info(12)
    raw = bytearray((tmp_path / "scan.h5").read_bytes())
    raw[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    (tmp_path / "scan.h5").write_bytes(raw)

    with pytest.raises(InvalidDataError, match=r"scan\.h5 cannot be read as HDF5"):
        store.insert_file(tmp_path / "scan.h5", copy=copy)
    assert len(store) == 0
    assert not list(store.root.rglob("20*/*"))


def test_chunks_that_were_never_written(store: AnalysisStore, tmp_path: Path) -> None:
    """A scan that was cut short has fill values in the place of its frames."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("x", (100, 60, 60), "<f8", chunks=(1, 60, 60), fillvalue=-7)[:20] = 1.5
    run = store.insert_file(tmp_path / "scan.h5")

    values = np.asarray(run["primary"]["x"][0])
    assert (values[:20] == 1.5).all()
    assert (values[20:] == -7).all()


def test_text_of_which_one_is_long(store: AnalysisStore, tmp_path: Path) -> None:
    """As an array each text takes the room of the longest; that is refused before it is taken."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file.create_dataset("x", data=["a"] * 100_000 + ["b" * 10_000_000], dtype=h5py.string_dtype())

    with pytest.raises(TooLargeError, match="would take 4000040000000 bytes"):
        store.insert_file(tmp_path / "scan.h5")


def test_text_without_any_shape(store: AnalysisStore, tmp_path: Path) -> None:
    """It is refused as numbers without one are."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["x"] = h5py.Empty(h5py.string_dtype())

    with pytest.raises(InvalidDataError, match="shape None"):
        store.insert_file(tmp_path / "scan.h5")
