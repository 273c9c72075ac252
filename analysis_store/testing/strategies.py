"""Hypothesis strategies for values: arrays of every dtype and shape, ragged columns, pandas tables, any objects."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from datetime import UTC, timedelta, timezone
from enum import Enum, IntFlag
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.dtypes import StringDType

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis_store.dtypes import AnyArray

_NUMBERS = ("?", "i1", "u1", "<i2", ">u2", "<i4", ">i4", "<u8", "<f2", ">f2", "<f4", "<f8", ">f8", "<c8", ">c16")
_OTHERS = ("S1", "S5", "<U1", "<U4", ">U2", "<M8[ns]", ">M8[s]", "<M8[D]", "<m8[us]", "<m8[7ms]")

texts: st.SearchStrategy[str] = st.text(max_size=6)
"""Any text that UTF-8 can say: empty, and with NUL in it, too."""


def dtypes() -> st.SearchStrategy[np.dtype]:
    """Return a strategy for the dtypes that a column of arrays may have."""
    return st.sampled_from([*map(np.dtype, (*_NUMBERS, *_OTHERS)), np.dtype(object), np.dtype(StringDType())])


@st.composite
def arrays(draw: st.DrawFn, dtype: np.dtype | None = None, min_dims: int = 0, max_dims: int = 3) -> AnyArray:
    """Return a strategy for arrays, empty and 0-d ones among them; object arrays hold text."""
    dtype = draw(dtypes()) if dtype is None else dtype
    shape = draw(hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, min_side=0, max_side=4))
    if dtype.kind not in "OT":
        made: AnyArray = draw(hnp.arrays(dtype, shape))
        return made
    size = int(np.prod(shape))
    flat = np.empty(size, dtype)
    flat[:] = draw(st.lists(texts, min_size=size, max_size=size))
    return flat.reshape(shape)


def columns() -> st.SearchStrategy[AnyArray]:
    """Return a strategy for whole columns: arrays with at least an axis for the events."""
    return arrays(min_dims=1)


@st.composite
def ragged(draw: st.DrawFn) -> list[AnyArray]:
    """Return a strategy for columns of one dtype whose values differ in shape and dimensions."""
    dtype = draw(dtypes())
    return draw(st.lists(arrays(dtype=dtype), max_size=4))


@st.composite
def tables(draw: st.DrawFn) -> list[pd.DataFrame]:
    """Return a strategy for columns of tables: the same columns, of differing length."""
    labels = draw(st.lists(st.one_of(texts, st.integers(-5, 5)), max_size=4))
    kinds = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=len(labels), max_size=len(labels)))
    index = draw(st.sampled_from(sorted(_INDEXES)))
    lengths = draw(st.lists(st.integers(0, 4), max_size=3))
    return [_table(draw, labels, kinds, index, length) for length in lengths]


def _table(draw: st.DrawFn, labels: list[Any], kinds: list[str], index: str, length: int) -> pd.DataFrame:
    rows = _INDEXES[index](draw, length)
    columns: dict[int, pd.Series[Any]] = {}
    for number, kind in enumerate(kinds):
        values = _COLUMNS[kind](draw, length)
        columns[number] = pd.Series(values, index=rows, dtype=values.dtype)  # pandas would guess a dtype
    frame = pd.DataFrame(columns, index=rows)
    frame.columns = pd.Index(labels, dtype=object)
    return frame


def _drawn(draw: st.DrawFn, length: int, one: st.SearchStrategy[Any]) -> list[Any]:
    return draw(st.lists(one, min_size=length, max_size=length))


def _numbers(draw: st.DrawFn, length: int) -> Any:
    return draw(hnp.arrays(np.float64, length))


def _integers(draw: st.DrawFn, length: int) -> Any:
    return draw(hnp.arrays(np.int16, length))


def _maybe_integers(draw: st.DrawFn, length: int) -> Any:
    return pd.array(_drawn(draw, length, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))), dtype="Int64")


def _maybe_bool(draw: st.DrawFn, length: int) -> Any:
    return pd.array(_drawn(draw, length, st.sampled_from([None, True, False])), dtype="boolean")


def _text(draw: st.DrawFn, length: int) -> Any:
    return pd.array(_drawn(draw, length, st.one_of(st.none(), texts)), dtype="str")


def _objects(draw: st.DrawFn, length: int) -> Any:
    made = np.empty(length, object)
    made[:] = _drawn(draw, length, st.one_of(st.none(), st.just(np.nan), st.just(pd.NA), texts))
    return made


def _times(draw: st.DrawFn, length: int) -> Any:
    return pd.DatetimeIndex(draw(hnp.arrays("M8[us]", length, elements=hnp.from_dtype(np.dtype("M8[us]"))))).array


def _zoned(draw: st.DrawFn, length: int) -> Any:
    whole = st.integers(0, 2**31)
    seconds = np.array(_drawn(draw, length, whole), dtype="M8[s]")
    return pd.DatetimeIndex(seconds).tz_localize("UTC").tz_convert("Europe/Berlin").array


def _categories(draw: st.DrawFn, length: int) -> Any:
    return pd.Categorical(_drawn(draw, length, st.sampled_from(["a", "b", None])), categories=["a", "b"], ordered=True)


_COLUMNS: dict[str, Callable[[st.DrawFn, int], Any]] = {
    "bool": _maybe_bool,
    "categories": _categories,
    "int16": _integers,
    "Int64": _maybe_integers,
    "numbers": _numbers,
    "objects": _objects,
    "text": _text,
    "times": _times,
    "zoned": _zoned,
}

_INDEXES: dict[str, Callable[[st.DrawFn, int], Any]] = {
    "categories": lambda draw, length: pd.CategoricalIndex(_categories(draw, length), name="c"),
    "multi": lambda draw, length: pd.MultiIndex.from_arrays(
        [_integers(draw, length), _text(draw, length)], names=["i", None]
    ),
    "numbers": lambda draw, length: pd.Index(_numbers(draw, length), name=("x", 1)),
    "range": lambda _, length: pd.RangeIndex(3, 3 + 2 * length, 2, name="r"),
    "text": lambda draw, length: pd.Index(_text(draw, length)),
    "zoned": lambda draw, length: pd.DatetimeIndex(_zoned(draw, length), name="t"),
}


# ------------------------------------------------------------------------------------------------- any objects


class Color(Enum):
    """An enumeration whose values are of several types."""

    RED = "red"
    BLUE = (0, 0, 255)


class Flags(IntFlag):
    """Flags, which combine."""

    FAST = 1
    SAFE = 4


class Pair(NamedTuple):
    """A named tuple of anything."""

    first: Any
    second: Any = None


@dataclass
class Peak:
    """A dataclass of anything."""

    center: Any
    history: list[Any]


def primitives() -> st.SearchStrategy[object]:
    """Return a strategy for values that need no codec: numbers of any size, any text, bytes, None."""
    return st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(2**200), 2**200),
        st.floats(),
        st.complex_numbers(allow_nan=True, allow_infinity=True),
        texts,
        st.text(st.characters(codec=None), max_size=4),  # lone surrogates among them
        st.binary(max_size=6),
    )


def immutables() -> st.SearchStrategy[object]:
    """Return a strategy for small values of the standard library: times, exact numbers, paths, members of enums."""
    zones = st.one_of(st.none(), st.just(UTC), st.just(timezone(timedelta(hours=-3, minutes=-30))), st.timezones())
    return st.one_of(
        st.datetimes(timezones=zones),
        st.dates(),
        st.times(timezones=st.sampled_from([None, UTC])),
        st.timedeltas(),
        st.decimals(),
        st.fractions(),
        st.uuids(),
        st.builds(PurePosixPath, texts.filter(lambda text: "\0" not in text)),
        st.builds(range, st.integers(), st.integers(), st.integers(1, 2**70)),
        st.sampled_from([Color.RED, Color.BLUE, Flags.FAST | Flags.SAFE, Flags(0), slice(None, 3), ...]),
    )


def keys() -> st.SearchStrategy[object]:
    """Return a strategy for hashable values that equal themselves, nested ones among them."""
    simple = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts, st.binary(max_size=3), st.uuids()
    )
    some = st.one_of(simple, st.dates(), st.sampled_from([Color.RED, Color.BLUE, "a/b", "", ".", ".."]))
    return st.recursive(
        some, lambda inner: st.one_of(st.tuples(inner, inner), st.frozensets(inner, max_size=2)), max_leaves=3
    )


def library_values() -> st.SearchStrategy[object]:
    """Return a strategy for arrays, tables and, where their packages are installed, quantities."""
    numbers = arrays()
    kinds = [
        numbers,
        numbers.filter(lambda array: array.size and array.dtype.kind not in "OT").map(lambda array: array.flat[0]),
        numbers.filter(lambda array: array.ndim > 1 and array.dtype.kind not in "OT").map(np.asfortranarray),
        tables().filter(bool).map(lambda column: column[0]),
        *_quantities(),
    ]
    return st.one_of(*kinds)


def _quantities() -> list[st.SearchStrategy[Any]]:
    numbers = hnp.arrays(np.float64, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    found = []
    if find_spec("quantities"):
        import quantities as pq

        named = st.sampled_from(["mV", "s", "kg*m**2/s**2", "dimensionless", "degC", "1/cm**3"])
        found.append(st.builds(pq.Quantity, numbers, named))
    if find_spec("pint"):
        import pint

        registry: Any = pint.get_application_registry()  # type: ignore[no-untyped-call]
        found.append(st.builds(registry.Quantity, numbers, st.sampled_from(["mV", "m**0.5", "degC", ""])))
    return found


def objects(max_leaves: int = 12) -> st.SearchStrategy[object]:
    """Return a strategy for nested objects of all that codecs know, in which some values are met several times."""
    leaves = st.one_of(primitives(), immutables(), keys(), library_values())
    return st.recursive(leaves, _containers, max_leaves=max_leaves)


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, max_size=4)
    return st.one_of(
        some,
        some.map(tuple),
        some.map(deque),
        st.dictionaries(keys(), inner, max_size=4),
        st.dictionaries(texts, inner, max_size=4),
        st.dictionaries(texts, inner, max_size=3).map(OrderedDict),
        st.dictionaries(keys(), inner, max_size=3).map(lambda items: defaultdict(list, items)),
        st.sets(keys(), max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Peak, inner, some),
        inner.map(lambda one: [one, {"again": one}, (one,)]),
        some.map(_cycle),
    )


def _cycle(values: list[Any]) -> list[Any]:
    """Return a list which holds itself."""
    values.append({"self": values})
    return values
