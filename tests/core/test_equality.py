"""The definitions of "the same value" that this package has are those that the table of the module states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from analysis_store.core.equality import equal, holds_nan
from analysis_store.documents import dumps
from analysis_store.exchange.parameters import canonical
from analysis_store.processing.identity.differences import Differences
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.testing.equality import assert_identical

NAN = float("nan")


def compared(a: object, b: object) -> bool:
    """Return True if comparing two runs finds no difference."""
    found = Differences(0, 0)
    found.compare(a, b)
    return not found.unequal


def came_back(a: object, b: object) -> bool:
    """Return True if a value came back as it was."""
    try:
        assert_identical(a, b)
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize("wrap", [lambda value: value, lambda value: {"a": [value]}], ids=["alone", "nested"])
@pytest.mark.parametrize(
    ("same", "integer_and_float", "bool_and_integer", "nan"),
    [
        (equal, True, False, False),
        (lambda a, b: equal(a, b, nan=True), True, False, True),
        (lambda a, b: canonical(a) == canonical(b), True, False, True),
        (lambda a, b: digest_of(a) == digest_of(b), False, False, True),
        (lambda a, b: dumps(a) == dumps(b), False, False, True),
        (compared, False, False, True),
        (came_back, False, False, True),
    ],
    ids=["search", "stale", "links", "reuse", "verify", "compare", "conformance"],
)
def test_each_definition_is_as_stated(
    same: Callable[[object, object], bool],
    integer_and_float: bool,
    bool_and_integer: bool,
    nan: bool,
    wrap: Callable[[Any], Any],
) -> None:
    """Three and 3.0, True and 1, NaN and NaN; beyond these, all agree."""
    assert same(wrap(3), wrap(3.0)) is integer_and_float
    assert same(wrap(True), wrap(1)) is bool_and_integer
    assert same(wrap(NAN), wrap(NAN)) is nan
    assert same(wrap(2.5), wrap(2.5))
    assert not same(wrap("3"), wrap(3))
    assert not same(wrap(2**60), wrap(2**60 + 1))
    assert not same(wrap(None), wrap(0))


def test_a_nan_is_found_at_any_depth() -> None:
    """What holds a NaN equals nothing in a search."""
    assert holds_nan({"a": [1, {"b": NAN}]})
    assert not holds_nan({"a": [1, "nan"]})
