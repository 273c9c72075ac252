"""A stream as a Dataset: every key is in it under a name of its own, however keys and dimensions are called."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.core.lazy import InMemory
from analysis_store.errors import DamagedFileError
from analysis_store.runs.read.dataset import free_dims, label_of
from analysis_store.runs.read.lazy import LazyArray

DIMS: dict[str, tuple[dict[str, tuple[int, ...]], dict[str, list[str]]]] = {
    "time and time_": ({"time": (), "time_": (2,)}, {}),
    "time_ and time": ({"time_": (2,), "time": (), "time__": ()}, {}),
    "a name that another key's dimension has by itself": ({"a": (3,), "b": (1,)}, {"b": ["a-dim-0"]}),
    "a name that a clash would give": ({"a": (3,), "b": (2,), "c": (4,)}, {"a": ["x"], "b": ["x"], "c": ["a-x"]}),
    "two axes of one name": ({"a": (2, 3), "b": (4,)}, {"a": ["x", "x"], "b": ["a-dim-0"]}),
    "the dimension of the events": ({"a": (2,)}, {"a": ["time"]}),
    "a key called as a dimension": ({"x": (), "a": (3,)}, {"a": ["x"]}),
    "its own name": ({"x": (3,), "a": (2,)}, {"x": ["x"], "a": ["x"]}),
}


@pytest.mark.parametrize("case", DIMS)
@pytest.mark.parametrize("events", [0, 1, 2])
def test_every_key_is_there(store: AnalysisStore, origin: Provenance, case: str, events: int) -> None:
    """With its values; no two keys share a name, no two sizes a dimension."""
    shapes, declared = DIMS[case]
    size = {key: events * int(np.prod(shape, dtype=int)) for key, shape in shapes.items()}
    data = {key: np.arange(float(size[key])).reshape(events, *shape) + len(key) for key, shape in shapes.items()}
    md = {"primary": {"data_keys": {key: {"dims": dims} for key, dims in declared.items()}}}
    found = store.insert({"primary": data}, {"provenance": origin}, descriptor_md=md).read()
    assert set(found.variables) - {"time"} == {label_of(key, data) for key in data}
    for key, values in data.items():
        np.testing.assert_array_equal(found[label_of(key, data)].values, values)


def test_the_dims_of_many_keys_are_found_in_one_pass() -> None:
    """However many keys there are, each is looked at as often: reading 5000 keys took hours."""

    class Counting(LazyArray):
        asked = 0

        @property
        def shape(self) -> tuple[int, ...]:
            """Count who asks."""
            Counting.asked += 1
            return super().shape

    def asked_for(count: int) -> int:
        columns = {f"k{number}": Counting(f"k{number}", InMemory(np.zeros((2, 3))), {}) for number in range(count)}
        Counting.asked = 0
        free_dims(columns)
        return Counting.asked

    assert asked_for(400) == 10 * asked_for(40)


def test_one_damaged_key_is_left_out_alone(store: AnalysisStore, origin: Provenance) -> None:
    """With a warning; by its name, and where values are compared with their digests, it is an error."""
    data = {"x": np.arange(3.0), "image": np.ones((3, 20, 30))}
    run = store.insert({"primary": data}, {"provenance": origin})
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        del file["entry/primary/image"]
    with pytest.warns(UserWarning, match="'image' of 'primary' is left out"):
        found = store[run.uid].read()
    assert list(found.data_vars) == ["x"]
    assert found["x"].values.tolist() == [0, 1, 2]
    with pytest.raises(DamagedFileError):
        store[run.uid].read(keys="image")
    with pytest.raises(DamagedFileError):
        store.read_checked(run.uid)


def test_a_stream_of_which_nothing_can_be_read(store: AnalysisStore, origin: Provenance) -> None:
    """It is an error, and not an empty Dataset."""
    run = store.insert({"primary": {"image": np.ones((3, 20, 30))}}, {"provenance": origin})
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        del file["entry/primary/image"]
    with pytest.warns(UserWarning, match="is left out"), pytest.raises(DamagedFileError):
        store[run.uid].read()
