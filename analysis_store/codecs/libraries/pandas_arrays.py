"""Codecs of the arrays of pandas: numbers and text with gaps, sparse ones, zoned times, categories, spans.

States::

    IntegerArray, FloatingArray, BooleanArray   values (zero where one is missing), mask (True: missing)
    SparseArray         values, positions, fill_value, length, kind ("integer" or "block")
    StringArray, ...    text, mask, missing ("NA" or "NaN"), storage ("python" or "pyarrow"; "python" if it is not
                        installed, since it only determines the memory layout of text)
    DatetimeArray       values (UTC), zone (its name, or None)
    TimedeltaArray, NumpyExtensionArray         the values themselves
    PeriodArray         ordinals (since 1970, in steps of freq), freq
    IntervalArray       left, right, closed ("left", "right", "both", "neither")
    Categorical         codes (which category; -1: missing), categories (an index), ordered
"""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.dtypes import StringDType

from analysis_store.codecs.libraries.arrays import array as exact
from analysis_store.codecs.libraries.arrays import some
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.core.zones import restore_zone, zone_name
from analysis_store.errors import InvalidDataError

State = dict[str, Any]

_LONGEST = 1 << 27  # the size of a range in the file does not limit its length


def unwrap(values: Any) -> Any:
    """Return an array of pandas as NumPy's if that holds everything, without a copy, else unchanged."""
    plain = type(values) is pd.arrays.NumpyExtensionArray or isinstance(values.dtype, np.dtype)
    return np.asarray(values) if plain else values


def wrapped(values: object) -> Any:
    """Return an array of NumPy or pandas that was read from a file.

    Raises
    ------
    InvalidDataError
        The value has another type.
    """
    return exact(values) if isinstance(values, np.ndarray) else some(pd.api.extensions.ExtensionArray, values)


def short(index: Any) -> Any:
    """Return an index read from a file, before values are looked up in it.

    Raises
    ------
    InvalidDataError
        The value is not an index, or is too long to be in memory.
    """
    if len(some(pd.Index, index)) > _LONGEST:
        raise InvalidDataError(f"Got an index of {len(index)} values; expected at most {_LONGEST}.")
    return index


def _mask(values: Any, mask: Any) -> Any:
    if exact(mask, "b", 1).shape != values.shape:
        raise ValueError(f"a mask of {mask.dtype} {mask.shape} does not fit values {values.shape}")
    return mask


# ------------------------------------------------------------------------------------------------ numbers


def _masked_state(array: Any) -> State:
    mask = array.isna()
    plain = array.dtype.numpy_dtype
    return {"values": array.to_numpy(dtype=plain, na_value=plain.type(0)), "mask": mask}


def _masked(cls: type[Any], state: State) -> Any:
    return cls(exact(state["values"], axes=1), _mask(state["values"], state["mask"]))


def _sparse_state(array: Any) -> State:
    return {
        "values": array.sp_values,
        "positions": array.sp_index.to_int_index().indices,
        "fill_value": array.fill_value,
        "length": len(array),
        "kind": array.kind,
    }


def _sparse(state: State) -> Any:
    values, positions = exact(state["values"], axes=1), exact(state["positions"], "i")
    if positions.shape != values.shape or expect(str, state["kind"]) not in ("integer", "block"):
        raise ValueError(f"positions {positions.dtype} {positions.shape} do not fit values {values.shape}")
    array: Any = pd.arrays.SparseArray
    if hasattr(array, "from_indices"):
        return array.from_indices(
            values, positions, expect(int, state["length"]), state["fill_value"], kind=state["kind"]
        )
    # In pandas 2 no public name leads to the class of the index, which checks the positions itself.
    index = type(array([0]).sp_index)(expect(int, state["length"]), positions)
    index = index.to_block_index() if state["kind"] == "block" else index
    return array(values, sparse_index=index, fill_value=state["fill_value"])


# ------------------------------------------------------------------------------------------------ text


def _text_state(array: Any) -> State:
    mask = np.asarray(array.isna(), bool)
    objects = np.array(array, dtype=object)
    objects[mask] = ""
    dtype = array.dtype
    try:
        text = objects.astype(StringDType())
    except UnicodeEncodeError as error:
        raise InvalidDataError(
            f"Got {error.object!r:.80}, which holds a lone surrogate; expected text that UTF-8 can hold. Correct it."
        ) from error
    return {"text": text, "mask": mask, "missing": "NA" if dtype.na_value is pd.NA else "NaN", "storage": dtype.storage}


def _text(state: State) -> Any:
    missing = {"NA": pd.NA, "NaN": np.nan}[state["missing"]]
    objects = exact(state["text"], "T", 1).astype(object)
    objects[_mask(objects, state["mask"])] = missing
    return pd.array(objects, dtype=_text_dtype(expect(str, state["storage"]), missing))


def _text_dtype(storage: str, missing: Any) -> Any:
    """Return the dtype of text, with Python storage if pyarrow is not installed."""
    here = storage == "pyarrow" and importlib.util.find_spec("pyarrow") is not None
    return pd.StringDtype("pyarrow" if here else "python", na_value=missing)


_TEXT = (  # the last two are separate classes in pandas 2 only; the last codec of a class is used
    ("ArrowStringArrayNumpySemantics", "pyarrow", np.nan),
    ("StringArrayNumpySemantics", "python", np.nan),
    ("ArrowStringArray", "pyarrow", pd.NA),
    ("StringArray", "python", pd.NA),
)

# ------------------------------------------------------------------------------------------------ times, categories


def _zoned_state(array: Any) -> State:
    zone = zone_name(array.tz)
    return {"values": np.asarray(array.tz_convert(None) if zone else array), "zone": zone}


def _zoned(state: State) -> Any:
    index = pd.DatetimeIndex(exact(state["values"], "M", 1))
    return (
        index.array if state["zone"] is None else index.tz_localize("UTC").tz_convert(restore_zone(state["zone"])).array
    )


def _period_state(array: Any) -> State:
    return {"ordinals": array.asi8, "freq": array.freqstr}


def _period(state: State) -> Any:
    index: Any = pd.PeriodIndex
    return index.from_ordinals(exact(state["ordinals"], "i", 1), freq=expect(str, state["freq"])).array


def _interval_state(array: Any) -> State:
    return {"left": unwrap(array.left.array), "right": unwrap(array.right.array), "closed": array.closed}


def _interval(state: State) -> Any:
    left, right = pd.Index(wrapped(state["left"])), pd.Index(wrapped(state["right"]))
    closed: Any = expect(str, state["closed"])
    return pd.arrays.IntervalArray.from_arrays(left, right, closed=closed)


def _categorical_state(array: Any) -> State:
    return {"codes": array.codes, "categories": array.categories, "ordered": bool(array.ordered)}


def _categorical(state: State) -> Any:
    categories = short(state["categories"])
    codes = exact(state["codes"], "i", 1)
    return pd.Categorical.from_codes(codes, categories=categories, ordered=bool(state["ordered"]))


def _shell(state: Any) -> Any:
    return pd.arrays.NumpyExtensionArray(exact(state, axes=1))


def _plain(cls: type[Any], state: Any) -> Any:
    made = pd.array(exact(state, "m", 1), dtype=state.dtype, copy=False)
    if type(made) is not cls:
        raise ValueError(f"an array of {state.dtype} is not a {cls.__name__}")
    return made


CODECS: tuple[Codec, ...] = (
    *(
        Codec(f"pandas.arrays.{cls.__name__}", cls, _masked_state, partial(_masked, cls))
        for cls in (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)
    ),
    Codec("pandas.arrays.NumpyExtensionArray", pd.arrays.NumpyExtensionArray, unwrap, _shell),
    Codec("pandas.arrays.SparseArray", pd.arrays.SparseArray, _sparse_state, _sparse),
    *(
        Codec(f"pandas.arrays.{name}", _text_dtype(storage, missing).construct_array_type(), _text_state, _text)
        for name, storage, missing in _TEXT
    ),
    Codec("pandas.arrays.DatetimeArray", pd.arrays.DatetimeArray, _zoned_state, _zoned),
    Codec("pandas.arrays.TimedeltaArray", pd.arrays.TimedeltaArray, unwrap, partial(_plain, pd.arrays.TimedeltaArray)),
    Codec("pandas.arrays.PeriodArray", pd.arrays.PeriodArray, _period_state, _period),
    Codec("pandas.arrays.IntervalArray", pd.arrays.IntervalArray, _interval_state, _interval),
    Codec("pandas.Categorical", pd.Categorical, _categorical_state, _categorical),
)
