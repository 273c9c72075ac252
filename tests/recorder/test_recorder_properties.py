"""Random records, sets, flushes and reopenings, against lists and a dict."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from analysis_store.core.selection import select
from analysis_store.errors import InvalidDataError
from analysis_store.recorder import DataStore, InMemoryDataStore, ZarrDataStore
from analysis_store.recorder.core.numeric import as_array
from analysis_store.recorder.core.value_kinds import Declared, form_of
from analysis_store.testing.equality import assert_identical

pytestmark = pytest.mark.properties

KEYS = st.sampled_from(["a", "b", "c/x", "c/y", "c/z/deep", "λ %"])
NUMBERS = st.one_of(
    st.integers(), st.integers(-9, 9), st.floats(), st.booleans(), st.complex_numbers(), st.integers(2**52, 2**54)
)
VALUES = st.one_of(
    NUMBERS,
    st.text(),
    st.none(),
    st.binary(),
    st.lists(NUMBERS, max_size=3),
    st.dictionaries(st.text(min_size=1, max_size=3), NUMBERS, max_size=2),
    npst.arrays(
        st.sampled_from(["f8", "f4", "i8", "u1", "?", "c8", ">i2", "U2"]), npst.array_shapes(min_dims=0, min_side=0)
    ),
)


class Model(RuleBasedStateMachine):
    """A datastore, and what it must hold."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded: dict[str, list[Any]] = {}
        self.set_to: dict[str, Any] = {}

    def make(self) -> DataStore:
        """Return a datastore in memory."""
        return InMemoryDataStore()

    @initialize()
    def begin(self) -> None:
        """Start with an empty one."""
        self.datastore = self.make()

    @rule(key=KEYS, value=VALUES)
    def record(self, key: str, value: Any) -> None:
        """Record a value: it is there, or refused, and then nothing has changed."""
        try:
            self.datastore.append(key, value, 1.0)
        except InvalidDataError:
            return
        self.recorded.setdefault(key, []).append(value)

    @rule(key=st.sampled_from(["set", "also/set", "a"]), value=VALUES)
    def set(self, key: str, value: Any) -> None:
        """Set a value, of a key that is not recorded."""
        try:
            self.datastore.set(key, value, 1.0)
        except InvalidDataError:
            return
        self.set_to[key] = value

    @rule(key=KEYS, ragged=st.booleans(), dtype=st.sampled_from([None, "f8", "c16", "i2"]))
    def declare(self, key: str, ragged: bool, dtype: str | None) -> None:
        """Declare a key that has no values."""
        try:
            self.datastore.declare(key, Declared(ragged, dtype))
        except InvalidDataError:
            assert key in {*self.recorded, *self.set_to}

    @rule()
    def flush(self) -> None:
        """Flush."""
        self.datastore.flush()

    @invariant()
    def holds_what_was_recorded(self) -> None:
        """Keys, lengths and last values are as in the lists."""
        if not hasattr(self, "datastore"):
            return
        assert set(self.datastore.keys()) == {*self.recorded, *self.set_to}
        for key, values in self.recorded.items():
            assert len(self.datastore.get_all(key)) == len(values) == len(self.datastore.times(key))
            same(values[-1], self.datastore.get(key))
        for key, value in self.set_to.items():
            assert_identical(value, self.datastore.get(key))

    def teardown(self) -> None:
        """Compare every value."""
        if not hasattr(self, "datastore"):
            return
        self.datastore.close()
        for key, values in self.recorded.items():
            for value, found in zip(values, self.datastore.get_all(key)[:], strict=True):
                same(value, found)


class ZarrModel(Model):
    """The same on disk, in small blocks, opened again now and then."""

    def make(self) -> DataStore:
        """Return a datastore in a directory of its own."""
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory()
        return ZarrDataStore(Path(self.folder.name) / "x.zarr", block=64, flush_every=30)

    @precondition(lambda self: self.recorded)
    @rule()
    def open_again(self) -> None:
        """Close, and go on."""
        self.datastore.close()
        self.datastore = self.make()

    def teardown(self) -> None:
        """Compare every value, and remove the directory."""
        super().teardown()
        if hasattr(self, "folder"):
            self.folder.cleanup()


def same(wanted: Any, found: Any) -> None:
    """Fail where a value is not what was recorded; a number among wider ones is as large."""
    array = as_array(wanted)
    if array is None and not (isinstance(wanted, list) and isinstance(found, np.ndarray)):
        assert_identical(wanted, found)
        return
    given_, back = np.asarray(wanted), np.asarray(found)
    assert given_.shape == back.shape
    before, after = given_.astype(object), back.astype(object)
    assert np.all((before == after) | (before != before))  # noqa: PLR0124 - NaN


class TestInMemory(Model.TestCase):
    """Some sequences of steps in memory."""

    settings = settings(max_examples=15, stateful_step_count=30, deadline=None)


@pytest.mark.slow
class TestInMemoryLonger(Model.TestCase):
    """More of them."""

    settings = settings(TestInMemory.settings, max_examples=100)


class TestZarr(ZarrModel.TestCase):
    """Some sequences of steps on disk."""

    settings = settings(max_examples=4, stateful_step_count=20, deadline=None)


@pytest.mark.slow
class TestZarrLonger(ZarrModel.TestCase):
    """More of them."""

    settings = settings(TestZarr.settings, max_examples=25)


INDICES = st.one_of(
    npst.basic_indices((7, 3, 2), allow_newaxis=True),
    npst.integer_array_indices((7, 3, 2)),
    npst.arrays("?", 7),
    st.tuples(npst.arrays("i8", st.integers(0, 4), elements=st.integers(-7, 6)), st.integers(-3, 2)),
)


@given(INDICES)
@settings(max_examples=400, deadline=None)
def test_select_is_numpys_indexing(key: Any) -> None:
    """Every index selects what NumPy selects, by slices with a positive step alone."""
    whole = np.arange(42).reshape(7, 3, 2)

    def rows(run: slice, rest: tuple[Any, ...]) -> Any:
        assert run.step is None or run.step > 0
        assert all(isinstance(item, (int, np.integer)) or item.step is None or item.step > 0 for item in rest)
        return whole[(run, *rest)]

    found, wanted = select(key, whole.shape, rows), whole[key]

    assert np.shape(found) == np.shape(wanted)
    assert np.array_equal(found, wanted)


@given(VALUES, VALUES)
@settings(max_examples=500, deadline=None)
def test_nothing_is_lost_between_two_values(first: Any, second: Any) -> None:
    """The second value of a key is refused, or says the same after it has become like the first."""
    try:
        form = form_of(first, "a")
        fitted = form.fitted(second, "a")
    except InvalidDataError:
        return
    if form.kind == "array":
        same(second, fitted)
        assert (fitted.dtype, fitted.shape) == (form.dtype, form.shape)
        assert not np.shares_memory(fitted, np.asarray(second))
    elif form.kind == "text":
        assert fitted == second
