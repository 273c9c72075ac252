"""The public suite of codecs, run on ours, and on codecs that are broken, which it has to catch."""

from __future__ import annotations

import enum
import random
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import xarray as xr
from hypothesis import strategies as st

from analysis_store.codecs import register_codec
from analysis_store.errors import AnalysisStoreError
from analysis_store.testing import CodecTests
from analysis_store.testing.strategies import arrays, tables
from tests.sweeps import slowly


class Color(enum.Enum):
    RED = "red"
    BLUE = (0, 0, 255)


class Pair(NamedTuple):
    first: Any
    second: Any = None


@dataclass(slots=True)
class Peak:
    center: float
    window: tuple[int, int] = (0, 0)
    history: list[Any] = field(default_factory=list)


for described in (Color, Pair, Peak):
    register_codec(described)


class TestStandard(CodecTests):
    values = (
        (),
        (1, "a", (None,)),
        {1, 2, 3},
        {"b", "a", "c", "", "a/b"},
        frozenset({("x", 1), ("y", 2)}),
        bytearray(b"\0\xff"),
        range(3, 30, 4),
        slice(None, 5, -1),
        deque([1, 2.5, "x"], maxlen=4),
        OrderedDict(b=1, a=[2]),
        defaultdict(list, a=[1]),
        Counter("abca"),
        datetime(2024, 2, 29, 23, 59, 59, 999999),  # noqa: DTZ001 - one without a zone
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(1, 1, 1, tzinfo=UTC),
        date(1999, 12, 31),
        time(1, 2, 3, 4),
        timedelta(-1, 2, 3),
        ZoneInfo("America/New_York"),
        PurePosixPath("a/../b"),
        uuid.UUID(int=5),
        Decimal("-0.00"),
        Fraction(-1, 3),
    )
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


class TestOwnClasses(CodecTests):
    values = (Color.RED, Color.BLUE, Pair(1), Pair([1], {"a": (2,)}), Peak(7112.0), Peak(-0.0, (1, 2), [None, "x"]))
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


class TestNumpy(CodecTests):
    package = "numpy"
    values = (
        np.float32(0.1),
        np.bool_(True),
        np.int64(-5),
        np.datetime64("2024-01-01T00:00:00", "ns"),
        np.str_("µ"),
        np.array([1, "a", None, [2]], dtype=object),
        np.ma.masked_array([1.0, 2.0], mask=[True, False], fill_value=-1),
        np.rec.array([(1, 2.5)], dtype=[("n", "i4"), ("x", "f8")]),
        np.array([(1, "a")], dtype=[("n", "i4"), ("name", "U3")]),
    )


class TestPandas(CodecTests):
    package = "pandas"
    values = st.one_of(
        tables().filter(bool).map(lambda column: column[0]),
        st.sampled_from(
            [
                pd.Series([1.0, np.nan], name="x", index=["a", "b"]),
                pd.Series([1, None], dtype="Int64"),
                pd.MultiIndex.from_tuples([("a", 1), ("b", 2)], names=["x", None]),
                pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin", name="t"),
                pd.Timestamp("2024-01-01T00:00:00.000000001", tz="UTC"),
                pd.Timedelta(5, "ns"),
                pd.Categorical(["a", "b", None], ordered=True),
            ]
        ),
    )
    max_examples = 15
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


class TestLabelledAndSparse(CodecTests):
    values = (
        xr.DataArray([[1.0, 2.0]], dims=["y", "x"], coords={"x": [10, 20]}, name="v", attrs={"units": "mV"}),
        xr.Dataset({"a": ("t", [1, 2]), "b": 3.0}, coords={"t": pd.date_range("2024", periods=2)}, attrs={"n": [1]}),
        scipy.sparse.csr_array(np.eye(3)),
        scipy.sparse.coo_matrix(np.array([[0, 1.5], [2.5, 0]])),
    )
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


class TestArraysInside(CodecTests):
    """Arrays of any dtype, as parts of a value."""

    values = arrays().map(lambda array: Pair(array, [array, array.copy() if array.dtype.kind != "T" else None]))
    max_examples = 20
    test_same_file_in_another_process = slowly(CodecTests.test_same_file_in_another_process)


# ------------------------------------------------------------------------------------------------ broken codecs


class Thing:
    """A value of a class that tells nothing of itself."""

    def __init__(self, size: Any = 1.5) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Thing) and other.size == self.size

    def __hash__(self) -> int:
        return hash(self.size)


def suite(to_state, from_state, value, **more):
    """A suite of a codec of a class made now."""
    made = type(value).__name__
    cls = type(f"{made}{uuid.uuid4().hex}", (type(value),), {})
    thing = cls.__new__(cls)
    vars(thing).update(vars(value))
    register_codec(cls, to_state=to_state, from_state=lambda state: from_state(cls, state), **more)
    return type("Suite", (CodecTests,), {"values": [thing]})()


BROKEN = {
    "loses a part": (
        lambda it: {},
        lambda cls, state: cls(1.0),
        "test_comes_back_alone",
        "came back of",
    ),
    "rounds": (
        lambda it: {"size": round(it.size)},
        lambda cls, state: cls(state["size"]),
        "test_state_gives_the_value",
        "came back of",
    ),
    "gives another type": (
        lambda it: {"size": it.size},
        lambda cls, state: Thing(state["size"]),
        "test_comes_back_in_containers",
        "came back of",
    ),
    "gives text for a number": (
        lambda it: {"size": str(it.size)},
        lambda cls, state: cls(state["size"]),
        "test_comes_back_in_columns",
        "came back of",
    ),
    "is its own state": (
        lambda it: it,
        lambda cls, state: state,
        "test_state_gives_the_value",
        "is the value itself",
    ),
    "tells what differs each time": (
        lambda it: {"size": it.size, "salt": random.random()},
        lambda cls, state: cls(state["size"]),
        "test_same_file_twice",
        "two files of",
    ),
    "gives one object for all": (
        lambda it: {"size": it.size},
        lambda cls, state, made=[]: made.append(cls(state["size"])) or made[0],
        "test_comes_back_from_a_closed_file",
        None,
    ),
    "tells what no codec knows": (
        lambda it: {"size": object()},
        lambda cls, state: cls(1.5),
        "test_comes_back_alone",
        "no codec",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_codecs_are_caught(name, tmp_path):
    """The suite fails for a codec that is broken, and says where."""
    to_state, from_state, test, message = BROKEN[name]
    broken = suite(to_state, from_state, Thing())
    if message is None:
        broken.values = [broken.values[0], type(broken.values[0])(2.5)]
    arguments = (tmp_path,) if test == "test_comes_back_from_a_closed_file" else ()
    with pytest.raises((AssertionError, AnalysisStoreError), match=message):
        getattr(broken, test)(*arguments)


class Bag:
    """A value whose codec tells its words in the order in which this process hashes them."""

    def __init__(self, words: set[str]) -> None:
        self.words = words

    def to_state(self) -> list[str]:
        """Return the words as they come."""
        return list(self.words)

    @classmethod
    def from_state(cls, state: list[str]) -> Bag:
        """Return the bag of some words."""
        return cls(set(state))


register_codec(Bag)


class OfBags(CodecTests):
    values = (Bag({f"word {index}" for index in range(20)}),)


@pytest.mark.slow
def test_order_of_hashes_is_caught(tmp_path):
    """A state in the order of a set, which is another one in each process, fails the suite."""
    OfBags().test_comes_back_alone()
    with pytest.raises(AssertionError, match="hashes otherwise"):
        OfBags().test_same_file_in_another_process(tmp_path)


def test_types_without_a_codec_are_caught():
    """A value that needs no codec, or has none, fails the suite."""
    for value, message in ((1.5, "needs no codec"), (object(), "has no codec")):
        nothing = type("Suite", (CodecTests,), {"values": [value]})()
        with pytest.raises(AssertionError, match=message):
            nothing.test_has_a_name()


def test_name_of_another_package_is_caught():
    """A codec that is named after another package than it should be fails the suite."""
    wrong = type("Suite", (CodecTests,), {"values": [Decimal(1)], "package": "numpy"})()
    with pytest.raises(AssertionError, match="named after decimal, not numpy"):
        wrong.test_has_a_name()


def test_good_codec_passes(tmp_path):
    """The suite passes for a codec made in the same way, so that it is the fault which fails it."""
    good = suite(lambda it: {"size": it.size}, lambda cls, state: cls(state["size"]), Thing())
    for name in dir(good):
        if name.startswith("test_") and "process" not in name:
            getattr(good, name)(*((tmp_path,) if "closed" in name else ()))
