"""The run file read by others: a NeXus library finds the plot, plain h5py reads every value."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance

ENERGY = np.linspace(7000.0, 7300.0, 301)
MU = np.arctan(ENERGY - 7112.0)


def nxload(path: Path) -> Any:
    """Load a file with nexusformat, the reference library of NeXus for Python."""
    nexus = pytest.importorskip("nexusformat.nexus")
    return nexus.nxload(str(path))


def test_a_nexus_reader_finds_plot_axes_and_units(store: AnalysisStore, origin: Provenance) -> None:
    """A spectrum is drawn over its energy, in eV."""
    run = store.insert(
        [{"primary": {"energy": ENERGY, "mu": MU, "e0": 7112.3}}],
        {"sample_name": "Fe foil"},
        provenance=origin,
        descriptor_md={"primary": {"data_keys": {"energy": {"units": "eV"}, "mu": {"units": "1"}}}},
    )

    plot = nxload(run.file).plottable_data

    assert plot.nxsignal.nxname == "mu"
    np.testing.assert_array_equal(MU, plot.nxsignal.nxdata.ravel())
    np.testing.assert_array_equal(ENERGY, plot.nxaxes[-1].nxdata.ravel())
    assert (plot.nxsignal.attrs["units"], plot.nxaxes[-1].attrs["units"]) == ("1", "eV")


@pytest.mark.parametrize(
    ("data", "signal", "axis"),
    [
        ({"primary": {"x": np.arange(9.0), "y": np.arange(9.0) ** 2}}, "y", "x"),
        ([{"primary": {"image": np.zeros((30, 40))}}], "image", None),
        ({"primary": {"image": np.zeros((3, 30, 40)), "x": [1, 2, 3], "ok": [True, False, True]}}, "image", None),
        ([{"primary": {"label": "a", "n": 1}}, {"primary": {"label": "b", "n": 3}}], "n", None),
    ],
)
def test_every_kind_of_data_has_its_plot(
    store: AnalysisStore, origin: Provenance, data: Any, signal: str, axis: str | None
) -> None:
    """Numbers over events, curves, images."""
    plot = nxload(store.insert(data, {}, provenance=origin).file).plottable_data

    assert signal == plot.nxsignal.nxname
    if axis:
        assert axis == plot.nxaxes[0].nxname


def test_the_file_says_what_made_it(store: AnalysisStore) -> None:
    """Program, version, parameters, parents and input files stand in an NXprocess."""
    code = {"name": "larch", "version": "0.9.80", "url": "https://github.com/xraypy/xraylarch"}
    parent = store.insert([{"s": {"x": 1}}], {}, provenance=Provenance(origin="manual", note="n", code=code))
    provenance = Provenance(parents=[parent], code=code, parameters={"e0": 7112.0, "edge": "K", "ranges": [1, 2]})

    run = store.insert([{"s": {"x": 1}}], {"sample_name": "Fe"}, provenance=provenance)

    entry = nxload(run.file).entry
    assert (str(entry.process.program), str(entry.process.version)) == ("larch", "0.9.80")
    assert parent.uid == str(entry.process.origin.parents[0])
    parameters = entry.process.parameters
    assert (float(parameters.e0), str(parameters.edge), str(parameters.ranges)) == (7112.0, "K", "[1,2]")
    assert ("Fe", run.uid) == (str(entry.title), str(entry.entry_identifier))


def test_plain_h5py_reads_values_and_documents(store: AnalysisStore, origin: Provenance) -> None:
    """Nothing of this package is needed to read the file."""
    frame = pd.DataFrame({"a": [1.5, 2.5], "s": ["x", "y"]})
    run = store.insert([{"primary": {"mu": MU, "n": 7, "edge": "Fe K", "t": frame}}], {"k": "ü"}, provenance=origin)

    with h5py.File(run.file) as file:
        assert file.attrs["analysis_store_layout"] == "2"
        stream = file["entry/primary"]
        np.testing.assert_array_equal(MU, stream["mu"][0])
        assert (stream["n"][0], stream["edge"][0]) == (7, b"Fe K")
        assert (stream["seq_num"][0], stream["time"].attrs["units"]) == (1, "s")
        start = json.loads(file["entry/documents/start"][()])
        stop = json.loads(file["entry/documents/stop"][()])
        opaque = []
        file.visititems(lambda name, item: opaque.append(name) if _is_opaque(item) else None)
    assert (run.start, run.stop) == (start, stop)
    assert opaque == []


def _is_opaque(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.dtype.kind == "V" and item.dtype.names is None


def test_a_published_file_is_read_only_and_alone(store: AnalysisStore, origin: Provenance) -> None:
    """It lies in the folder of its day, and nothing else does."""
    run = store.insert([{"s": {"x": 1}}], {"time": 0.0}, provenance=origin)

    assert store.root / "1970" / "01" / "01" / f"{run.uid}.h5" == run.file
    assert not run.file.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)
    assert [run.file] == list(run.file.parent.iterdir())


@pytest.mark.parametrize("uid", ["../../escape", ".hidden", "a/b", "ü" * 200, "c:d*?"])
def test_a_strange_uid_stays_inside_the_root(store: AnalysisStore, origin: Provenance, uid: str) -> None:
    """Whatever a foreign program calls its runs."""
    run = store.insert([{"s": {"x": 1}}], {"uid": uid}, provenance=origin)

    assert run.file.resolve().is_relative_to(store.root.resolve())
    assert uid == store[uid].uid
    assert store[uid].verify()


def test_values_survive_repacking(store: AnalysisStore, origin: Provenance) -> None:
    """The digest is over values: another chunk shape or compression changes nothing."""
    image = np.random.default_rng(0).poisson(2, (3, 64, 64)).astype("u2")
    run = store.insert({"s": {"image": image}}, {}, provenance=origin)
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        group = file["entry/s"]
        attrs = dict(group["image"].attrs)
        del group["image"]
        packed = group.create_dataset("image", data=image, chunks=(1, 8, 8), compression="gzip", shuffle=True)
        packed.attrs.update(attrs)

    assert run.verify()
    with h5py.File(run.file, "r+") as file:
        file["entry/s/image"][1, 2, 3] += 1
    report = run.verify()
    assert not report
    assert "stream 's', key 'image'" in str(report)
