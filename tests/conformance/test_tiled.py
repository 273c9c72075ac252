"""A run of ours that is sent through ``TiledWriter`` into a plain Tiled catalog reads back equal there."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from bluesky_tiled_plugins import TiledWriter
from tiled.catalog import in_memory
from tiled.client import Context, from_context
from tiled.server.app import build_app

from analysis_store.insertion import analysis_documents
from analysis_store.store import AnalysisStore
from tests.sweeps import some

# Tiled's client uses it as it is
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated")

SIMULATED = {"origin": "simulation", "note": "made for a test"}
RNG = np.random.default_rng(7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where run files and Tiled's own storage lie."""
    tmp_path = tmp_path_factory.mktemp("sent")
    (tmp_path / "tiled").mkdir()
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Iterator[Any]:
    """A client of a plain Tiled catalog, which knows nothing of this package."""
    tree = in_memory(
        named_memory=uuid.uuid4().hex,  # unnamed ones of a process are one database
        specs=[{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
        writable_storage=[str(folder / "tiled"), f"sqlite:///{folder}/tables.db"],
        readable_storage=[str(folder / "runs")],
    )
    with Context.from_app(build_app(tree)) as context:
        yield from_context(context)


def sent(catalog: Any, stream: Any) -> Any:
    """Send documents through ``TiledWriter`` without telling it anything of us; return the run as Tiled has it."""
    write, uid = TiledWriter(catalog, max_array_size=0), ""
    for name, doc in stream:
        uid = doc["uid"] if name == "start" else uid
        write(name, doc)
    return catalog[uid]


def documents(columns: dict[str, Any], folder: Path) -> Any:
    """Return the documents of a run of one stream; its file is where Tiled may read."""
    return analysis_documents({"primary": columns}, {"provenance": SIMULATED}, root=folder / "runs")


INTEGERS = ["i1", "<i2", "<i4", "<i8", "u1", "<u2", "<u4", "<u8", ">i2", ">i4"]
FLOATS = ["<f2", "<f4", "<f8", ">f4", ">f8"]
SURVIVING = ["bool", *INTEGERS, *FLOATS, "<c8", "<c16", ">c16", "S5"]


@pytest.mark.parametrize("dtype", some([">f4", "S5", "<c16", "bool", *SURVIVING], 2))
def test_arrays_read_back_equal(catalog: Any, folder: Path, dtype: str) -> None:
    """Value, dtype and shape of an array of every numeric dtype are the same in Tiled, for several events."""
    images = (RNG.random((3, 4, 20)) * 100).astype(dtype)
    run = sent(catalog, documents({"image": images}, folder))
    found = run["primary"].read()["image"]
    assert found.dtype == images.dtype
    np.testing.assert_array_equal(found.values, images)


@pytest.mark.parametrize("dtype", some(["<i8", "<f4", *INTEGERS, *FLOATS], 2))
def test_inline_numbers_keep_their_values(catalog: Any, folder: Path, dtype: str) -> None:
    """One number per event stays in the documents; Tiled's tables widen it, and change no value."""
    values = np.array([0, 1, 100], dtype=dtype)
    found = sent(catalog, documents({"x": values}, folder))["primary"].read()["x"]
    assert found.dtype == ("f8" if "f" in dtype else "i8")
    np.testing.assert_array_equal(found.values, values)


@pytest.mark.parametrize("dtype", some(["M8[ns]", "m8[ms]", "U3"], 1))
def test_what_does_not_survive_is_an_error(catalog: Any, folder: Path, dtype: str) -> None:
    """HDF5 has no times and no UTF-32: Tiled finds their ordinary forms, and refuses; it never tells wrong values."""
    run = sent(catalog, documents({"x": np.zeros((2, 4, 20), dtype=dtype)}, folder))
    with pytest.raises(ValueError, match="Data type mismatch"):
        run["primary"].read()


def test_a_slice_reads_back_equal(catalog: Any, folder: Path) -> None:
    """Rows are in event order, so that a part of the stack is that part."""
    images = RNG.random((5, 4, 20))
    run = sent(catalog, documents({"image": images}, folder))
    np.testing.assert_array_equal(run["primary"]["image"][2:4, 1], images[2:4, 1])


@pytest.mark.slow
def test_scalars_strings_and_small_arrays_read_back_equal(catalog: Any, folder: Path) -> None:
    """What stays inline in the events arrives with its values, next to what does not."""
    data = {
        "e0": np.array([7112.3, 7113.1]),
        "count": np.array([3, 4]),
        "label": np.array(["pre", "post"]),
        "pair": np.array([[1.5, 2.5], [3.5, 4.5]]),
        "image": RNG.random((2, 5, 7)),
    }
    run = sent(catalog, documents(data, folder))
    found = run["primary"].read()
    for key, values in data.items():
        np.testing.assert_array_equal(found[key].values, values)


@pytest.mark.slow
def test_a_saved_run_is_sent_and_reads_back_equal(catalog: Any, folder: Path) -> None:
    """A run that is in a store already can be sent from there; metadata and values are equal."""
    data = {"mu": RNG.random((2, 500)), "e0": np.array([1.5, 2.5])}
    with AnalysisStore(folder / "runs" / "store") as store:
        run = store.insert(
            {"primary": data, "baseline": {"t": np.array([300.0])}},
            {"provenance": SIMULATED, "sample_name": "Fe foil"},
            descriptor_md={"primary": {"data_keys": {"mu": {"units": "a.u."}}}},
        )
        copy = sent(catalog, run.documents())
        assert copy.start["sample_name"] == "Fe foil"
        assert copy.stop["exit_status"] == "success"
        assert copy.stop["digests"] == run.stop["digests"]
        assert set(copy) == {"primary", "baseline"}
        for key, values in data.items():
            np.testing.assert_array_equal(copy["primary"].read()[key].values, values)
        assert copy["primary"].metadata["data_keys"]["mu"]["units"] == "a.u."
