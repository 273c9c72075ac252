"""Which array says exactly what a value says; where none does, there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_store.exact import exact_array, exact_text
from tests.zoo import Level, Mode, Point, Real, assert_came_back

SCALARS = [
    *(True, 3, -(2**63), 2**64 - 1, 2**53 + 1, 0.1, -0.0, float("nan"), 1j, "a", "b\0", b"c", b"d\0", None),
    *(np.bool_(False), np.int8(-1), np.int64(2**53 + 1), np.uint64(2**64 - 1), np.float16(0.1), np.float32(0.1)),
    *(np.float64(0.1), np.longdouble(1) / 3, np.complex64(1j), np.str_("e"), np.str_("f\0"), np.bytes_(b"g\0")),
    *(np.datetime64(1, "s"), np.datetime64(10**12, "s"), np.datetime64(1, "ns"), np.timedelta64(2, "h")),
    *(Mode.FAST, Level.LOW, Real(0.5), Point(1, 2), np.zeros(2, ">f4"), np.zeros(2), np.ma.array([1.0], mask=[True])),
]


@given(st.lists(st.sampled_from(SCALARS), max_size=4), st.sampled_from(["flat", "nested", "ragged", "tuple"]))
def test_a_list_is_an_array_only_if_that_says_the_same(items: list[Any], form: str) -> None:
    """Whatever is side by side in it: no item loses its type, its dtype or a bit."""
    value = {"flat": items, "nested": [items, items], "ragged": [items, items[1:]], "tuple": (tuple(items),)}[form]
    made = exact_array(value)

    if made is not None and made.size:
        assert_came_back(value, made)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [
        ([], "f8"),
        ([[], []], "f8"),
        ([1, 2.5], "f8"),
        ([1, np.float64(2.5)], "f8"),
        ([1, 2**64 - 1], "u8"),
        ([np.int64(1), 2], "i8"),
        ([np.float32(1), np.float32(2)], "f4"),
        ([np.arange(2, dtype=">f4")] * 2, ">f4"),
        ([np.datetime64(1, "s"), np.datetime64("NaT", "s")], "M8[s]"),
        ([b"a", b"longer"], "S6"),
        (["a", np.str_("longer")], "U6"),
        ((((1,), (2,)),), "i8"),
    ],
    ids=repr,
)
def test_what_is_regular_and_of_one_dtype_is_an_array(value: Any, dtype: str) -> None:
    """The rule does not refuse more than it has to: such lists are what people have."""
    made = exact_array(value)

    assert made is not None
    assert made.dtype == np.dtype(dtype)


def test_lists_that_hold_themselves_end() -> None:
    """One that is its own item, or that holds another sixty times twofold, is no array, and not gone through."""
    itself: list[Any] = []
    itself += [itself, itself]
    last: list[Any] = [1.0]
    last.append(last)
    twofold: list[Any] = [1]
    for _ in range(60):
        twofold = [twofold, twofold]

    assert exact_array(itself) is exact_array(last) is exact_array(twofold) is None


@pytest.mark.parametrize("text", [np.str_("ab\0"), Mode.SAFE, "plain\0"], ids=repr)
def test_text_is_what_it_says(text: str) -> None:
    """``str`` would drop the NUL of NumPy's, and say the name of a member."""
    assert exact_text(text) == "".join(text)
    assert type(exact_text(text)) is str
