"""Codec of the arrays of pandas that are stored by Arrow: numbers, text, bytes, decimals and times with gaps.

Its state holds the type in Arrow's notation, and either values (numbers; for times, Arrow's integers) with a mask
(True: missing), or values as a list of text, bytes or decimals and None.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from analysis_store.codecs.libraries.arrays import array as exact
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.core.zones import restore_zone
from analysis_store.errors import InvalidDataError

State = dict[str, Any]

_INTEGERS = {f"{kind}{bits}": f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
_NUMBERS = {**_INTEGERS, "halffloat": "float16", "float": "float32", "double": "float64", "bool": "bool_"}
_OBJECTS = ("string", "large_string", "binary", "large_binary")
_DATES = {"date32[day]": "date32", "date64[ms]": "date64"}
_TIMES = re.compile(r"(timestamp|duration|time32|time64)\[(s|ms|us|ns)(?:, tz=([^\]]+))?\]")
_DECIMAL = re.compile(r"(decimal128|decimal256)\((\d{1,2}), (-?\d{1,2})\)")


def _type(text: str) -> Any:
    """Return the type of Arrow with a name.

    Raises
    ------
    ValueError
        The type is not supported.
    """
    import pyarrow as pa

    if text in _NUMBERS or text in _DATES or text in _OBJECTS:
        return getattr(pa, {**_NUMBERS, **_DATES}.get(text, text))()
    time, decimal = _TIMES.fullmatch(text), _DECIMAL.fullmatch(text)
    if time is not None and time[3] is None:
        return getattr(pa, time[1])(time[2])
    if time is not None and time[1] == "timestamp":
        return pa.timestamp(time[2], str(restore_zone(time[3])))
    if decimal is not None:
        return getattr(pa, decimal[1])(int(decimal[2]), int(decimal[3]))
    raise ValueError(f"{text[:60]!r} is not a type of Arrow that this version knows")


def _state(array: Any) -> State:
    """Return numbers and times as numbers with a mask, other values as a list with None; the type determines which."""
    import pyarrow as pa

    kind = array.dtype.pyarrow_dtype
    _check(kind)
    values = pa.chunked_array(pa.array(array), kind).combine_chunks()
    text = str(kind)
    if text in _OBJECTS or _DECIMAL.fullmatch(text):
        return {"type": text, "values": values.to_pylist()}
    mask = np.asarray(values.is_null())
    if text not in _NUMBERS:
        values = values.view(pa.int32() if kind.bit_width == 32 else pa.int64())
    plain = values.to_numpy(zero_copy_only=False) if not mask.any() else _filled(values, mask)
    return {"type": text, "values": plain, "mask": mask}


def _check(kind: Any) -> None:
    try:
        same = _type(str(kind)) == kind
    except (ValueError, LookupError):
        same = False
    if not same:
        raise InvalidDataError(
            f"Got values of Arrow's type {kind}; expected numbers, bool, text, bytes, decimals or times in a zone with "
            "a "
            "name. Use .astype(object)."
        )


def _filled(values: Any, mask: Any) -> Any:
    """Return numbers with zeros in the gaps, built from the valid ones, since Arrow would convert to floats."""
    there = values.drop_null().to_numpy(zero_copy_only=False)
    made = np.zeros(len(values), there.dtype)
    made[~mask] = there
    return made


def _array(state: State) -> Any:
    import pyarrow as pa

    kind, values = _type(expect(str, state["type"])), state["values"]
    if type(values) is list:
        made = pa.array(values, kind)
    else:
        made = pa.array(exact(values, "biuf", 1), mask=exact(state["mask"], "b"))
        made = made if state["type"] in _NUMBERS else made.view(kind)
    if made.type != kind:
        raise ValueError(f"got values of {made.type} for {kind}")
    return pd.arrays.ArrowExtensionArray(made)


CODECS: tuple[Codec, ...] = (Codec("pandas.arrays.ArrowExtensionArray", pd.arrays.ArrowExtensionArray, _state, _array),)
