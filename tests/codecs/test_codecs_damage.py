"""Whatever is changed in a file, what comes of it is an object or an error of the package, and nothing else."""

from __future__ import annotations

from collections import defaultdict, deque
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import PurePosixPath
from zoneinfo import ZoneInfo

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_store.codecs import dump, load
from analysis_store.codecs.registry import for_type, revive
from analysis_store.errors import AnalysisStoreError
from analysis_store.testing.strategies import objects

pytestmark = pytest.mark.properties

LABELS = (
    "none",
    "bool",
    "int",
    "float",
    "complex",
    "text",
    "bytes",
    "array",
    "ref",
    "record",
    "map",
    "lists",
    "union",
    "items",
    "graph",
    "runs",
    "list of int",
    "list of ref",
    "list of text",
    "list of record",
    "list of lists",
    "list of union",
    "list of items",
    "text of runs",
    "fortran of array",
    "tuple@1 of list of int",
    "set@1 of list of float",
    "datetime.datetime@1 of text",
    "decimal.Decimal@1 of text",
    "pandas.DataFrame@1 of record",
    "numpy.ndarray@1 of record",
    "numpy.scalar@1 of array",
    "quantities.Quantity@1 of record",
    "tuple@2 of list of int",
    "os.system@1",
)

VALUES = (
    np.int64(3),
    np.float64(-1.5),
    np.arange(4),
    np.array([-1, 2**62]),
    np.zeros((2, 2)),
    np.zeros(0, "u1"),
    np.array([255, 0], "u1"),
    np.array([b"a", b"\xff"], "S1"),
    "text",
    np.array([(1, 2.5)], dtype="i4,f8"),
    h5py.Empty("i1"),
)


def places(group):
    """Return every group and dataset with the group that it lies in."""
    found = []
    for name in group:
        found.append((group, name))
        if isinstance(group[name], h5py.Group):
            found += places(group[name])
    return found


def change(data, file):
    """Change one thing: a label, the values of a dataset, or what lies where."""
    group, name = data.draw(st.sampled_from(places(file)))
    kind = data.draw(st.sampled_from(["label", "no label", "values", "gone", "moved", "dtype"]))
    if kind == "label":
        group[name].attrs["codec"] = data.draw(st.sampled_from(LABELS))
    elif kind == "no label" and "codec" in group[name].attrs:
        del group[name].attrs["codec"]
    elif kind == "dtype":
        group[name].attrs["dtype_numpy"] = data.draw(st.sampled_from(["<U3", ">M8[ns]", "object", "|O", "<i4"]))
    elif kind == "values" and isinstance(group[name], h5py.Dataset):
        label = group[name].attrs.get("codec")
        del group[name]
        group[name] = data.draw(st.sampled_from(VALUES))
        if label is not None:
            group[name].attrs["codec"] = label
    elif kind == "gone" and group.name != "/":
        del group[name]
    elif kind == "moved":
        other, _ = data.draw(st.sampled_from(places(file)))
        free = next(name for name in map(str, count(100)) if name not in other)
        if not f"{other.name}/".startswith(f"{group[name].name}/"):
            group.file.move(f"{group.name}/{name}", f"{other.name}/{free}")


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data(), value=objects(8), packed=st.booleans(), missing=st.sampled_from(["error", "plain"]))
def test_changed_files(data, value, packed, missing):
    """An object of which parts were changed is refused, or is another one; no other error, no endless work."""
    with h5py.File("changed", "w", driver="core", backing_store=False) as file:
        dump([value, [[index] for index in range(1200)]] if packed else value, file, "x")
        for _ in range(data.draw(st.integers(1, 3))):
            change(data, file)
        for name in file:
            try:
                load(file[name], missing=missing)
            except AnalysisStoreError as error:
                assert str(error)


NUMBERS = (None, True, -1, 0, 1, 2**31, 2**40, 2**62, -(2**63), 10**30, 1.5, float("nan"), Decimal("1e999999"))
TEXTS = ("x", "", "os.system", "2024-01-01", "f8", "O", "<U400000000", "M8[ns]", b"a", PurePosixPath("a"))
ARRAYS = (np.array(1), np.zeros(0), np.arange(3), np.array([2**40, -5]), np.array(["a"]), np.zeros((2, 2)))
NESTED = ([], [1], ["a"], [2**40, 2**40], [-1], [[1]], {}, {"a": 1}, (1, 2), {1}, range(2**60), pd.Index([1]))
CRAFTED = (*NUMBERS, *TEXTS, *ARRAYS, *NESTED)

VALUES_OF_CODECS = (
    {1, 2},
    deque([1], 3),
    defaultdict(list),
    Fraction(1, 3),
    datetime(2024, 1, 2, tzinfo=ZoneInfo("Europe/Berlin")),
    timedelta(1),
    np.dtype("i4,f8"),
    np.array([1, "a"], object),
    np.zeros(2, [("a", "U3"), ("b", "f8")]),
    np.ma.masked_array([1, 2], [0, 1]),
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    pd.RangeIndex(3),
    pd.MultiIndex.from_product([[1], [2]]),
    pd.Categorical(["a"]),
    pd.Timestamp("2024", tz="UTC"),
    pd.Period("2024", "M"),
    pd.interval_range(0, 3),
    pd.array([1, None], dtype="Int64"),
    pd.arrays.SparseArray([0, 1]),
    xr.DataArray([1.0], dims="x", coords={"x": [1]}),
    *(getattr(scipy.sparse, f"{kind}_array")(np.eye(3)) for kind in ("csr", "coo", "bsr", "dia", "lil", "dok")),
)


def crafted(data, state):
    """Return a state of which something was replaced, at some depth."""
    if type(state) not in {dict, list} or not state or data.draw(st.integers(0, 5)) == 0:
        return data.draw(st.sampled_from(CRAFTED))
    changed = state.copy()
    place = data.draw(st.sampled_from(list(state) if type(state) is dict else range(len(state))))
    changed[place] = crafted(data, state[place])
    return changed


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=300)
@given(data=st.data(), value=st.sampled_from(VALUES_OF_CODECS))
def test_crafted_states(data, value):
    """A state that somebody made up gives a value or an error of the package, in little memory and not after ages."""
    codec = for_type(type(value))
    try:
        revive(codec, codec.version, crafted(data, codec.to_state(value)))
    except AnalysisStoreError as error:
        assert not isinstance(error.__cause__, MemoryError)
