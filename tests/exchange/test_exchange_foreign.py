"""Runs whose documents or values are somebody else's: exported with all their values, wherever these lie."""

from __future__ import annotations

from pathlib import Path

import event_model
import numpy as np
import pytest

from analysis_store.errors import ExportError, UnknownSpecError
from analysis_store.exchange import FORMATS, export, read_export
from analysis_store.testing.pairs import assert_same
from analysis_store.writers.base import Writer

READABLE = ("json", "yaml", "xml", "npz", "hdf5", "nexus")


class NpyHandler:
    """Reads images, one npy file per event."""

    specs = frozenset({"LAB_NPY"})

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, number: int) -> np.ndarray:
        """Return one image."""
        return np.load(f"{self.path}/{number}.npy")


@pytest.fixture
def theirs(open_store, tmp_path):
    """A foreign run: numbers, one of which an event lacks, arrays in events, and images in files of its own."""
    images = tmp_path / "raw"
    images.mkdir()
    bundle = event_model.compose_run()
    open_store("start", bundle.start_doc)
    keys = {
        "x": {"dtype": "number", "shape": [], "source": "sim", "units": "mm"},
        "wave": {"dtype": "array", "shape": [3], "source": "sim"},
        "image": {"dtype": "array", "shape": [2, 2], "source": "sim", "external": "FILESTORE:", "dtype_numpy": "<f8"},
    }
    stream = bundle.compose_descriptor(name="primary", data_keys=keys)
    open_store("descriptor", stream.descriptor_doc)
    files = bundle.compose_resource(spec="LAB_NPY", root=str(tmp_path), resource_path="raw", resource_kwargs={})
    open_store("resource", files.resource_doc)
    for number in range(3):
        np.save(images / f"{number}.npy", np.full((2, 2), float(number)))
        datum = files.compose_datum(datum_kwargs={"number": number})
        open_store("datum", datum)
        event = stream.compose_event(
            data={"x": number / 2, "wave": np.arange(3.0) + number, "image": datum["datum_id"]},
            timestamps=dict.fromkeys(keys, 5.0 + number),
            filled={"image": False},
        )
        open_store("event", event)
    open_store("stop", bundle.compose_stop())
    return open_store[bundle.start_doc["uid"]]


@pytest.mark.parametrize("form", READABLE)
def test_foreign_run(theirs, open_store, tmp_path, form):
    """Documents come back as they came, and values from wherever they lie."""
    open_store.register_handler("LAB_NPY", NpyHandler)
    found = read_export(export(theirs, tmp_path / f"run{FORMATS[form].suffix}"))
    stream = found.streams["primary"]

    assert found.metadata == {"start": theirs.start, "stop": theirs.stop, "descriptors": theirs.descriptors}
    for key in ("x", "wave", "image"):
        assert_same(theirs["primary"][key].read(), stream[key])
    assert_same(np.stack([np.full((2, 2), float(number)) for number in range(3)]), stream["image"])
    assert_same(theirs["primary"].seq_nums, stream.seq_num)
    assert stream.units("x") == "mm"


@pytest.mark.parametrize("form", READABLE)
def test_nothing_is_left_out_in_silence(theirs, tmp_path, form):
    """Values that no handler reads are an error that names their spec; other keys can be asked for."""
    with pytest.raises((UnknownSpecError, ExportError), match="LAB_NPY"):
        export(theirs, tmp_path / f"run{FORMATS[form].suffix}")
    if form != "nexus":
        assert list(read_export(export(theirs, tmp_path / "x", form, key="x"), form).streams["primary"]) == ["x"]
    assert not list(tmp_path.glob("run*"))


class NpyWriter(Writer):
    """Writes images, one npy file per event."""

    spec = "LAB_NPY"

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def __call__(self, data):
        """Write one image; return its number."""
        self.path.mkdir(parents=True, exist_ok=True)
        number = len(list(self.path.iterdir()))
        for value in data.values():
            np.save(self.path / f"{number}.npy", value)
        return {key: {"number": number} for key in data}

    def close(self) -> None:
        """Let go of nothing."""


@pytest.mark.parametrize("form", READABLE)
def test_values_that_a_writer_of_the_caller_keeps(store, origin, tmp_path, form):
    """Values that lie in files of the caller's own writer are exported with the others."""
    store.register_handler("LAB_NPY", NpyHandler)
    images = [np.full((2, 2), 1.5), np.full((2, 2), 2.5)]
    run = store.insert(
        {"primary": {"n": [1, 2], "image": images}}, {}, provenance=origin,
        writers_dict={"image": {"writer": NpyWriter, "resource": {"func": _resource, "kwargs": {}}, "root": tmp_path}},
    )  # fmt: skip
    found = read_export(export(run, tmp_path / f"run{FORMATS[form].suffix}"))

    assert found.metadata == {"start": run.start, "stop": run.stop, "descriptors": run.descriptors}
    assert_same(np.stack(images), np.stack(list(found.streams["primary"]["image"])))
    assert found.streams["primary"]["n"].tolist() == [1, 2]


def _resource(docs, data_key):
    return {"path": f"images-{docs['start']['uid']}"}
