"""A disk that is full in the middle of an export: a clear error, and not a byte of it left."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from analysis_store import Provenance, insert_analysis
from analysis_store.errors import StoreWriteError
from analysis_store.exchange import export, link_tree
from tests.store.test_disk_full import largest_file
from tests.sweeps import some

MISSING = (1, 2, 10, 30, 100, 1000, 8000)
"""How many bytes the disk is short of."""


@pytest.mark.parametrize("form", some(["csv", "parquet", "jsonl", "msgpack", "png", "wav", "flac"], 3))
def test_export(store, origin, tmp_path, form):
    """However little is missing, the export fails, and nothing of it stays."""
    noise = np.random.default_rng(0).integers(-(2**15), 2**15, 20_000, np.int16)
    md = {"sample_rate": 8000, "remark": "x" * 10_000}
    run = insert_analysis([{"s": {"signal": noise}}], md, provenance=origin, store=store)
    path = tmp_path / f"out.{form}"
    size = export(run, path).stat().st_size
    whole = path.read_bytes()
    path.unlink()
    for missing in MISSING:
        with largest_file(size - missing), pytest.raises(StoreWriteError, match=r"could not write .*out\."):
            export(run, path)
        assert [each.name for each in tmp_path.iterdir()] == ["store"], missing
    assert export(run, path).read_bytes() == whole


def test_link_tree(store, origin, tmp_path):
    """A tree that cannot be brought up to date stays as it was, each of its files whole."""
    raw = insert_analysis([{"s": {"x": 1.0}}], {}, provenance=origin, store=store)
    insert_analysis([{"s": {"x": 2.0}}], {}, provenance=Provenance(parents=raw), store=store)
    files = link_tree(store, tmp_path / "tree").files
    before = {path: path.read_bytes() for path in files}
    insert_analysis([{"s": {"x": 3.0}}], {}, provenance=Provenance(parents=raw), store=store)
    with largest_file(1000), pytest.raises(StoreWriteError, match="could not write"):
        link_tree(store, tmp_path / "tree")

    assert {path: path.read_bytes() for path in (tmp_path / "tree").iterdir()} == before
    assert link_tree(store, tmp_path / "tree").links == 3
    with h5py.File(tmp_path / "tree" / f"{raw.uid}.h5") as file:
        assert sum(map(len, file.values())) == 2
