"""Runs of real beamlines through every format that brings them back."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis_store import AnalysisStore, Policy, export, read_export
from analysis_store.exchange import check_tree, link_tree
from analysis_store.testing.equality import assert_identical


@pytest.fixture(scope="module")
def runs(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with two days of measurements of others."""
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(tmp_path_factory.mktemp("real") / "store", policy=policy) as store:
        for name in ("usaxs", "apstools"):
            for document in json.loads(gzip.decompress((real_data / "bluesky" / f"{name}.json.gz").read_bytes())):
                store(*document)
        yield store


@pytest.mark.parametrize("form", ["json", "yaml", "xml", "npz", "hdf5", "nexus"])
def test_every_run_comes_back(runs: AnalysisStore, tmp_path: Path, form: str) -> None:
    """Metadata, events and values, as the store itself has them."""
    assert len(runs) > 5
    for run in runs.search():
        found = read_export(export(run, tmp_path / f"{run.uid}.{form}", format=form), format=form)
        assert found.metadata["start"] == run.start
        assert found.metadata["stop"] == run.stop
        assert list(found.streams) == list(run)
        for name in run:
            assert_identical(run.read(name), found.read(name))


@pytest.mark.parametrize("form", ["jsonl", "msgpack"])
def test_the_documents_of_every_run_are_written(runs: AnalysisStore, tmp_path: Path, form: str) -> None:
    """A file for each."""
    written = export(runs.search(), f"{tmp_path}/all/", format=form)

    assert len(written) == len(runs)
    assert all(path.stat().st_size > 100 for path in written)


def test_a_tree_over_all_runs(runs: AnalysisStore, tmp_path: Path) -> None:
    """They have no inputs that are known, and each is linked once."""
    tree = link_tree(runs, tmp_path / "tree", by=["plan_name"])

    assert "no-input.h5" in {path.name for path in (tmp_path / "tree").iterdir()}
    assert not check_tree(tmp_path / "tree")
    assert str(len(runs)) in str(tree)
