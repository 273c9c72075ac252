"""The default pairs, event by event: what their writers take, their handlers give back."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import find

from analysis_store.errors import InvalidDataError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.handlers.tables import TableHandler
from analysis_store.testing import strategies
from analysis_store.testing.pairs import PairTests, assert_same
from analysis_store.writers.arrays import ArrayWriter
from analysis_store.writers.ragged import RaggedWriter
from analysis_store.writers.tables import TableWriter
from tests.sweeps import slowly

PLACE = {"dataset": "/entry/primary/value", "chunk_shape": [1], "swmr": False}


class TestArrays(PairTests):
    """Arrays of one dtype and shape."""

    writer, handler, resource_kwargs = ArrayWriter, ArrayHandler, PLACE

    test_is_a_pair = slowly(PairTests.test_is_a_pair)


class TestRagged(PairTests):
    """Arrays that differ in shape."""

    writer, handler, resource_kwargs = RaggedWriter, RaggedHandler, PLACE
    alike = (np.arange(6.0).reshape(2, 3), np.zeros((0, 4)), np.full((3,), np.nan), np.array(1.5))


class TestTables(PairTests):
    """pandas tables."""

    writer, handler, resource_kwargs = TableWriter, TableHandler, PLACE
    values = strategies.tables().filter(len).map(lambda frames: frames[0])
    alike = tuple(
        pd.DataFrame({"energy": np.arange(n, dtype=float), "label": pd.array(["a", None][:n] * (n > 0), dtype="str")})
        for n in (2, 0, 1)
    )
    alien = pd.DataFrame({"energy": [1.0]})


@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)], ids=str)
@pytest.mark.parametrize("dtype", ["?", "<i4", ">u2", "<f2", ">f8", "<f16", "<c16", "S3", "<U3", ">M8[s]", "O"])
def test_shape_and_dtype(tmp_path, dtype, shape):
    """Every shape comes back with every dtype, the 0-d big-endian one, too."""
    value = np.full(shape, "é\N{SNOWMAN}", object) if dtype == "O" else np.ones(shape, "i8").astype(dtype)
    writer, handler = ArrayWriter(tmp_path / "x.h5", **PLACE), ArrayHandler(tmp_path / "x.h5", **PLACE)
    numbers = [writer({"key": value})["key"] for _ in range(2)]

    assert numbers == [{"point_number": 0}, {"point_number": 1}]
    for datum_kwargs in numbers:
        assert_same(value, handler(**datum_kwargs))


def test_swmr(tmp_path):
    """A reader that was made before sees what is written after, in a file made to be read meanwhile."""
    place = {**PLACE, "swmr": True}
    writer, handler = ArrayWriter(tmp_path / "x.h5", **place), ArrayHandler(tmp_path / "x.h5", **place)
    for number in range(3):
        writer({"key": np.full(2, number)})
        assert len(handler.column()) == number + 1
        assert_same(np.full(2, number), handler(point_number=number))


@pytest.mark.parametrize("number", [-1, 2, "0", None, 0.5])
def test_value_that_is_not_there(tmp_path, number):
    """A point number beyond the column is an error that says how many values there are."""
    writer = ArrayWriter(tmp_path / "x.h5", **PLACE)
    for _ in range(2):
        writer({"key": 1.0})

    with pytest.raises(OSError, match="expected one below 2"):
        ArrayHandler(tmp_path / "x.h5", **PLACE)(point_number=number)


def test_several_keys_are_refused(tmp_path):
    """A dataset holds one data key: two in one call are refused, and no file is made."""
    with pytest.raises(InvalidDataError, match=r"'a', 'b'.*holds the values of one"):
        ArrayWriter(tmp_path / "x.h5", **PLACE)({"a": 1, "b": 2})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros(3, "f4"), "float32"),
        (np.zeros(2), r"\(2,\)"),
        (np.array(["a", "b", "c"]), "<U1"),
    ],
)
def test_value_unlike_the_first(tmp_path, value, message):
    """Dtype and shape of a dataset are those of its first value."""
    writer = ArrayWriter(tmp_path / "x.h5", **PLACE)
    writer({"key": np.zeros(3)})

    with pytest.raises(InvalidDataError, match=message):
        writer({"key": value})
    assert len(ArrayHandler(tmp_path / "x.h5", **PLACE).column()) == 1


def test_text_with_nul_after_text_without(tmp_path):
    """HDF5's strings end at NUL: where the first value had none, a later one is refused rather than cut."""
    writer = ArrayWriter(tmp_path / "x.h5", **PLACE)
    writer({"key": "plain"})

    with pytest.raises(InvalidDataError, match="expected them to be alike"):
        writer({"key": "a\0b"})


@pytest.mark.parametrize("module", ["arrays", "ragged", "tables"])
def test_handler_loads_no_writer(module):
    """A machine that only reads never loads a writer, nor pandas before a table is read."""
    code = (
        f"import sys, analysis_store.handlers.{module}\n"
        "print([name for name in sys.modules if name.startswith(('analysis_store.writers', 'pandas.core'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_strategy_has_every_kind():
    """The strategies offer numbers, times and text, so that the suites above mean something."""
    for kind in "biufcmMSUOT":
        found = find(strategies.columns(), lambda column, kind=kind: column.dtype.kind == kind)
        assert found.ndim >= 1
