"""Files that declare more than they hold, or than the documents tell of: nobody goes through it, and it is named."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import AnalysisStoreError, DamagedFileError, TooLargeError
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.runs.read.run import Run

DATA = [
    {"primary": {"n": 1.5, "image": np.arange(600.0).reshape(20, 30) + event, "r": np.arange(20.0 + event)}}
    for event in range(2)
]
HUGE = {"image": (2, 2**20, 2**20), "n": (2**40,), "r/offsets": (2**40,), "r/values": (2**40,)}


@pytest.fixture
def run(store: AnalysisStore, origin: Provenance) -> Run:
    """A run whose file may be changed."""
    made = store.insert(DATA, {}, provenance=origin)
    made.file.chmod(0o644)
    return made


def exchange(path: Path, name: str, shape: tuple[int, ...], **options: object) -> None:
    """Put a dataset of another shape in the place of one, with its attributes."""
    with h5py.File(path, "r+") as file:
        group = file["entry/primary"]
        kept, dtype = dict(group[name].attrs), group[name].dtype
        del group[name]
        group.create_dataset(name, shape, dtype, **options).attrs.update(kept)


@pytest.mark.parametrize("name", HUGE)
@pytest.mark.timeout(60)
def test_values_that_were_never_written(store: AnalysisStore, run: Run, name: str) -> None:
    """It takes no longer than to look: by the check, by `verify`, and by whoever reads with digests."""
    exchange(run.file, name, HUGE[name], chunks=tuple(min(64, length) for length in HUGE[name]))

    (fault,) = run.verify().faults
    assert f"key {name.partition('/')[0]!r}" in fault
    assert [finding.kind for finding in store.check().faults] == ["damaged"]
    with pytest.raises(AnalysisStoreError):
        store.read_checked(run.uid)
    with pytest.raises(DamagedFileError, match="is damaged"):
        store.dump({}, store.root.parent / "out.zip")


@pytest.mark.timeout(60)
def test_values_that_a_sparse_file_holds(run: Run) -> None:
    """A file may seem to hold what it declares, and take no room on the disk: the documents tell how much there is."""
    path = run.file
    early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, "r+") as file:
        group = file["entry/primary"]
        del group["image"]
        space = h5py.h5s.create_simple((2, 2**18, 2**18))
        try:
            h5py.h5d.create(group.id, b"image", h5py.h5t.IEEE_F64LE, space, early)
            file.flush()
        except (OSError, RuntimeError) as error:  # pragma: no cover - a file system with small files
            pytest.skip(f"no file of a TiB can be made here: {error}")

    (fault,) = run.verify().faults
    assert "the documents (2, 20, 30)" in fault


@pytest.mark.timeout(60)
def test_ragged_column_without_an_end(run: Run) -> None:
    """How many values there are is not believed before the file is seen to hold where each begins."""
    exchange(run.file, "r/offsets", (2**40,), chunks=(4096,))
    column = RaggedHandler(run.file, "/entry/primary/r").column()

    for use in (lambda: len(column), lambda: column[0], column.read, lambda: next(iter(column))):
        with pytest.raises(TooLargeError, match="does not hold"):
            use()


def test_large_values_that_are_right(store: AnalysisStore, origin: Provenance) -> None:
    """Values of which there are many are gone through, where the documents tell of as many."""
    run = store.insert({"primary": {"x": np.zeros((3, 3 << 20))}}, {}, provenance=origin)

    assert run.verify().checked == 1
