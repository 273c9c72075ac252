"""Any object comes back: its value, its types at every depth, what is one object in it, and cycles."""

from __future__ import annotations

import copy
from enum import StrEnum

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis_store.codecs import dump, load
from analysis_store.testing.codecs import content, through_file
from analysis_store.testing.equality import assert_identical
from analysis_store.testing.strategies import arrays, immutables, keys, objects, primitives

pytestmark = pytest.mark.properties

PACKING = [[index] for index in range(1200)]
"""What makes the engine pack everything beside it into columns."""


class Word(StrEnum):
    """Text that is a member of an enumeration."""

    A = "a"


thorough = settings(suppress_health_check=list(HealthCheck), deadline=None)


@thorough
@given(value=objects())
def test_objects_come_back(value):
    """Anything comes back as it was."""
    assert_identical(value, through_file(value))


@thorough
@given(values=st.lists(objects(5), max_size=5))
def test_objects_come_back_packed(values):
    """Anything comes back as it was from among so many values that all lie in columns."""
    wanted = {"a": {"b": {"c": values}}, "rows": [{"x": value, "y": [value]} for value in values], "packing": PACKING}
    assert_identical(wanted, through_file(wanted))


@thorough
@given(values=st.one_of(*(st.lists(kind, max_size=8) for kind in (primitives(), immutables(), keys(), arrays()))))
def test_columns_come_back(values):
    """Values of one kind side by side come back, each in its place."""
    wanted = [values, [values, PACKING]]
    assert_identical(wanted, through_file(wanted))


@thorough
@given(values=st.lists(st.dictionaries(st.sampled_from("abc"), primitives()), max_size=8))
def test_rows_come_back(values):
    """Dicts side by side come back with their keys in order, whether or not they have the same."""
    wanted = {"rows": values, "packing": PACKING}
    assert_identical(wanted, through_file(wanted))


def test_keys_that_equal_text():
    """A key that equals text but is none keeps its type among dicts that have the text itself."""
    wanted = [{"a": 1}, {np.str_("a"): 2}, {Word.A: 3}]
    assert_identical(wanted, through_file(wanted))


@thorough
@given(value=objects())
def test_same_object_same_file(value):
    """The same object gives the same file, and so does what came back of it."""
    with h5py.File("same", "w", driver="core", backing_store=False) as file:
        dump(value, file, "one")
        dump(load(file["one"]), file, "two")
        assert content(file["two"]) == content(file["one"])


@thorough
@given(value=objects())
def test_equality_is_strict(value):
    """What the tests here compare with tells a changed object from the one it was."""
    with pytest.raises(AssertionError):
        assert_identical([value, 1.0], [copy.copy(value), 1])
    with pytest.raises(AssertionError):
        assert_identical([value, -0.0], [value, 0.0])
    shared = [0]
    with pytest.raises(AssertionError, match="one object came back as two"):
        assert_identical([value, shared, shared], [value, [0], [0]])
