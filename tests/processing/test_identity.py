"""Equal values have equal bytes, different values different ones, and no value's bytes begin another's."""

from __future__ import annotations

import copy
import math
import struct
import timeit
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from analysis_store.errors import ProcessorError
from analysis_store.processing.identity.canonical import encoded
from analysis_store.processing.identity.result_key import Identity, digest_of

pytestmark = pytest.mark.properties

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.binary(max_size=8)
DTYPES = (
    arrays_of.boolean_dtypes()
    | arrays_of.integer_dtypes()
    | arrays_of.unsigned_integer_dtypes()
    | arrays_of.floating_dtypes()
    | arrays_of.complex_number_dtypes()
    | arrays_of.datetime64_dtypes()
    | arrays_of.byte_string_dtypes(max_len=3)
    | arrays_of.unicode_string_dtypes(max_len=3)
)
ARRAYS = arrays_of.arrays(DTYPES, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3))
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)


def meaning(value: Any) -> Any:
    """Return what a value means, independent of the encoding: to be compared with ``==``."""
    if isinstance(value, (list, tuple)):
        return ["list", *map(meaning, value)]
    if isinstance(value, dict):
        return ["dict", {key: meaning(member) for key, member in value.items()}]
    if isinstance(value, np.ndarray):
        little = value.astype(value.dtype.newbyteorder("<"), order="C")
        return ["array", little.dtype.str, value.shape, little.tobytes()]
    if isinstance(value, float):
        return ["float", "nan" if math.isnan(value) else struct.pack("<d", value)]
    return [type(value).__name__, value]


def otherwise(value: Any) -> Any:
    """Return an equal value that lies in memory in another way."""
    if isinstance(value, list):
        return tuple(otherwise(member) for member in value)
    if isinstance(value, dict):
        return {key: otherwise(member) for key, member in reversed(value.items())}
    if isinstance(value, np.ndarray):
        return strided(value.astype(value.dtype.newbyteorder(">"), order="F"))
    if isinstance(value, float):
        return np.float64(value)
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return np.int64(value)
    return copy.deepcopy(value)


def strided(value: np.ndarray) -> np.ndarray:
    """Return the same elements, with others in between."""
    if value.ndim == 0:
        return value
    wide = np.empty((*value.shape[:-1], value.shape[-1] * 2), value.dtype)
    wide[..., ::2] = value
    return wide[..., ::2]


@settings(deadline=None)
@given(VALUES)
def test_equal_values(value):
    """The order of a dict, list or tuple, byte order, memory layout and copies make no difference."""
    assert encoded(value) == encoded(otherwise(value))
    assert encoded([value, value]) == encoded([value, copy.deepcopy(value)])


@settings(deadline=None)
@given(VALUES, VALUES)
def test_different_values(one, other):
    """Two values have the same bytes only if they mean the same, and neither's bytes begin the other's."""
    first, second = encoded(one), encoded(other)

    assert (first == second) == (meaning(one) == meaning(other))
    if first != second:
        assert not first.startswith(second)
        assert not second.startswith(first)


@settings(deadline=None)
@given(VALUES, st.data())
def test_small_changes(value, data):
    """A change anywhere in a value changes its bytes."""
    changed = data.draw(changes(value))
    assume(meaning(changed) != meaning(value))

    assert encoded(changed) != encoded(value)


def changes(value: Any) -> st.SearchStrategy[Any]:
    """Give values that differ from this one in a single place, as collisions are looked for."""
    if isinstance(value, list) and value:
        index = len(value) // 2
        inner = changes(value[index]).map(lambda new: [*value[:index], new, *value[index + 1 :]])
        return inner | st.just(value[:-1]) | st.just([value]) | st.just([*value, None])
    if isinstance(value, dict) and value:
        key = next(iter(value))
        inner = changes(value[key]).map(lambda new: {**value, key: new})
        return inner | st.just({**value, f"{key}\0": None}) | st.just(list(value.items()))
    if isinstance(value, np.ndarray):
        flat = st.just(value.reshape(-1)) | st.just(value[np.newaxis]) | st.just(value.tobytes())
        if value.dtype.kind == "c":  # a complex number by itself is refused
            return flat
        return flat | st.just(value.astype("V" if value.dtype.itemsize == 0 else object).tolist())
    if isinstance(value, str):
        return st.just(value.encode()) | st.just(f"{value} ") | st.just([value])
    return st.just([value]) | st.just(repr(value)) | SCALARS


DIFFERENT = [
    [1, 1.0, True, "1", b"1", None, [1], {"1": 1}, np.int64([1]), np.array(1)],
    [0.0, -0.0, math.nan, math.inf, -math.inf],
    [["ab", "c"], ["a", "bc"], ["abc"], "abc", ["a", "b", "c"]],
    [[[], []], [[[]]], [], {}, "", b"", None, np.empty(0)],
    [{"a": {"b": 1}}, {"a": {}, "b": 1}, {"a": ["b", 1]}],
    [np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(6), np.zeros(6, "f4"), np.zeros(12, "f4"), np.zeros(6, "i8")],
    [np.array([1], "<i2"), np.array([256], "<i2"), np.array([1], ">i4")],
    [np.array(["a"], object), np.array(["a"]), np.array(["a"], "U2"), np.array(["a", ""], object)],
    [np.array([0], "M8[s]"), np.array([0], "M8[ns]"), np.array([0], "m8[s]"), np.array([0])],
    [10**5000, -(10**5000), 10**5000 + 1],
]


@pytest.mark.parametrize("values", DIFFERENT, ids=range(len(DIFFERENT)))
def test_known_pairs(values):
    """What is easily mistaken for one another is told apart."""
    assert len({encoded(value) for value in values}) == len(values)


def test_bits_of_a_nan():
    """A NaN is one value, whichever bits it has; in an array every bit counts, as in the digests of files."""
    odd = struct.unpack("<d", bytes.fromhex("010000000000f8ff"))[0]

    assert encoded(odd) == encoded(math.nan)
    assert encoded(np.array([odd])) != encoded(np.array([math.nan]))


CIRCLE: list[Any] = []
CIRCLE.append({"x": CIRCLE})
DEEP: list[Any] = []
for _ in range(100_000):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"a": [1, {"b": object()}]}, r"value\['a'\]\[1\]\['b'\]: Got <object .* of type object; expected None, bool"),
        ({"a": {1: 2}}, r"value\['a'\]: Got the key 1 of type int; expected keys of type str"),
        ([{1, 2}], r"value\[0\]: .* of type set"),
        ([np.datetime64("2020-01-01")], r"value\[0\]: .* of type datetime64"),
        ([np.longdouble(1)], "of type longdouble"),
        ([1j], "of type complex"),
        ([np.array([object()])], r"value\[0\]: .*object.*expected only str"),
        ([np.ma.array([1])], "of type MaskedArray"),
        (["\ud800"], r"value\[0\]: .* lone surrogate"),
        (CIRCLE, r"value\[0\]\['x'\]: it contains itself"),
        (DEEP, "nested too deeply"),
    ],
)
def test_refused(value, told):
    """What has no encoding is refused with the way to it."""
    with pytest.raises(ProcessorError, match=told):
        encoded(value)


KEY = Identity("centre", "1", "blake3:00", "blake3:11", ("blake3:22", "blake3:33"))


def test_every_part_counts():
    """A change of any part, or of the order of inputs, makes another key; and is named."""
    told = KEY.to_document()
    others = {
        "processor": "center",
        "version": "2",
        "source": "blake3:01",
        "parameters": "blake3:12",
        "inputs": ["blake3:33", "blake3:22"],
    }
    for part, value in others.items():
        other = Identity.from_document({**told, part: value})
        assert other.key != KEY.key
        assert KEY.differences(other) == (part,)
    assert Identity("a", "b", "c", "d", ("e",)).key != Identity("a", "b", "c", "d", ("e", "")).key


def test_document():
    """An identity is made again from what the start document says, whatever else that says."""
    again = Identity.from_document({**KEY.to_document(), "task": "x"})

    assert again == KEY
    assert KEY.differences(again) == ()
    with pytest.raises(ProcessorError, match="expected processor, version, source, parameters, inputs"):
        Identity.from_document({"processor": "a"})


def test_fast():
    """The digest of usual parameters takes some microseconds; the bound leaves room for a busy machine."""
    usual = {"threshold": 0.5, "method": "gauss", "window": [1, 2], "order": 3, "flag": True, "more": {"a": 1.0}}

    assert min(timeit.repeat(lambda: digest_of(usual), number=100, repeat=20)) / 100 <= 50e-6
