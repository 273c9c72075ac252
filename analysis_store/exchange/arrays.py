"""Arrays as trees of JSON types: dtype, shape and memory order as text, values as numbers and text."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from analysis_store.arrays import as_objects
from analysis_store.core.text import is_utf8
from analysis_store.dtypes import VARIABLE_TEXT, AnyArray
from analysis_store.errors import DamagedFileError

Tree = Any
"""None, bool, int, float, str, lists and dicts of them; C-ordered native arrays of numbers in place of lists."""

_NAMES = {text: dtype for text, dtype in VARIABLE_TEXT.items() if dtype.kind == "T"}
_NUMBER = r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f(?:2|4|8|12|16)|[<>]c(?:8|16|24|32)"
_TIME = r"[<>][mM]8(?:\[\d{0,9}(?:Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
_SIMPLE = re.compile(rf"{_NUMBER}|{_TIME}|\|S\d{{1,9}}|[<>]U\d{{1,9}}")
_AFFORDABLE = 64 << 20
_MOST_PADDING = 1024
_DEEPEST = 8

Convert = Callable[[Any], Any]


def is_plain(dtype: np.dtype) -> bool:
    """Return True if arrays of a dtype are written here: numbers, text, times, structures, bytes, bool, objects."""
    if dtype.names is not None:
        return bool(dtype.names) and all(
            is_plain(dtype[name].base) and not dtype[name].hasobject for name in dtype.names
        )
    if dtype.kind == "T":
        return dtype in _NAMES.values()
    return dtype.kind == "O" or _SIMPLE.fullmatch(dtype.str) is not None


def array_tree(array: AnyArray, convert: Convert) -> Tree:
    """Return the tree of an array of a plain dtype; ``convert`` converts objects and unusual text.

    NaN and infinities are null among the data; ``nonfinite`` holds their positions as flat indices in C order.
    """
    body: dict[str, Any] = {"dtype": _named(array.dtype), "shape": list(array.shape)}
    if array.flags.f_contiguous and not array.flags.c_contiguous:
        body["order"] = "F"
    if array.dtype.names is not None:
        return body | {"fields": {name: array_tree(array[name], convert) for name in array.dtype.names}}
    data = _told(array, convert)
    if not isinstance(data, np.ndarray):
        return body | {"data": data}
    nonfinite = _nonfinite(data) if data.dtype.kind == "f" else {}
    if data.ndim == 0:
        data = None if nonfinite else data.item()
    return body | {"data": data} | nonfinite


def _named(dtype: np.dtype) -> Tree:
    if dtype.subdtype is not None:
        return {"base": _named(dtype.base), "shape": list(dtype.shape)}
    if dtype.names is not None and dtype.fields is not None:
        return {
            "names": list(dtype.names),
            "formats": [_named(dtype[name]) for name in dtype.names],
            "offsets": [dtype.fields[name][1] for name in dtype.names],
            "itemsize": dtype.itemsize,
        }
    if dtype.kind == "T":
        return next(name for name, known in _NAMES.items() if known == dtype)
    return "object" if dtype.kind == "O" else dtype.str


def _told(array: AnyArray, convert: Convert) -> Tree:
    """Return the data: an array for numbers, nested lists for text, a flat list for objects."""
    kind = array.dtype.kind
    if kind == "O":
        return [convert(item) for item in array.ravel()]
    if kind in "mM":
        array = array.view(np.dtype("i8").newbyteorder(array.dtype.byteorder))
    if kind == "c":
        parts = np.ascontiguousarray(array).reshape((*array.shape, 1))
        array = parts.view(parts.real.dtype)
    if kind == "S":
        return np.char.decode(array, "latin-1").tolist()
    if kind in "UT":
        return _text(array, convert)
    if array.dtype.itemsize > 8:  # wider than JSON's numbers
        return _nested([str(number) for number in array.ravel()], array.shape)
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False)).reshape(array.shape)


def _text(array: AnyArray, convert: Convert) -> Tree:
    texts = array.ravel().tolist()
    return array.tolist() if is_utf8("".join(texts)) else _nested(list(map(convert, texts)), array.shape)


def _nested(items: list[Any], shape: tuple[int, ...]) -> Tree:
    made = np.empty(len(items), object)
    made[:] = items
    return made.reshape(shape).tolist()


def _nonfinite(numbers: AnyArray) -> dict[str, Any]:
    if np.isfinite(numbers).all():
        return {}
    flat = numbers.ravel()
    found = {"nan": np.isnan(flat), "inf": flat == np.inf, "-inf": flat == -np.inf}
    return {"nonfinite": {name: np.flatnonzero(where) for name, where in found.items() if where.any()}}


# ------------------------------------------------------------------------------------------------- reading


def array_of(body: Any, convert: Convert) -> AnyArray:
    """Return the array of a tree; ``convert`` decodes the objects in it. The tree is untrusted input.

    Raises
    ------
    DamagedFileError
        The data do not match dtype and shape, or `array_tree` never writes such a dtype.
    ValueError, TypeError, KeyError, OverflowError
        The tree was not written by `array_tree`.
    """
    shape = tuple(_length(size) for size in body["shape"])
    if body["dtype"] == "object":
        made = as_objects([convert(item) for item in body["data"]]).reshape(shape)
    elif isinstance(body["dtype"], dict):
        made = _structured(_dtype(body["dtype"], 0), shape, body["fields"], convert)
    else:
        made = _filled(_dtype(body["dtype"], 0), shape, body, convert)
    return np.asfortranarray(made) if body.get("order") == "F" else made


def _length(size: Any) -> int:
    if type(size) is not int or size < 0:
        raise DamagedFileError(f"Got {size!r} as the length of an axis; expected an integer from 0.")
    return size


def _dtype(told: Any, depth: int) -> np.dtype:
    """Return a dtype; pass to NumPy only names that `_named` writes."""
    if isinstance(told, str):
        if told in _NAMES:
            return _NAMES[told]
        if not _SIMPLE.fullmatch(told):
            raise DamagedFileError(f"Got {told[:60]!r} as a dtype; expected the form of numpy.dtype.str.")
        return np.dtype(told)
    if depth > _DEEPEST:
        raise DamagedFileError(f"A dtype is nested more than {_DEEPEST} deep.")
    if "base" in told:
        return np.dtype((_dtype(told["base"], depth + 1), tuple(_length(size) for size in told["shape"])))
    names, offsets = [str(name) for name in told["names"]], [_length(offset) for offset in told["offsets"]]
    formats = [_dtype(each, depth + 1) for each in told["formats"]]
    return np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": _length(told["itemsize"])})


def _filled(dtype: np.dtype, shape: tuple[int, ...], body: Any, convert: Convert) -> AnyArray:
    data = body["data"]
    if dtype.kind in "SUT":
        return _texts(dtype, shape, data, convert)
    wanted, inner = dtype, shape
    if dtype.kind in "mM":
        wanted = np.dtype("i8").newbyteorder(dtype.byteorder)
    elif dtype.kind == "c":
        wanted, inner = np.dtype(f"{dtype.str[0]}f{dtype.itemsize // 2}"), (*shape, 2)
    if wanted.itemsize > 8:
        numbers = _shaped(np.array(data, object), inner).astype(wanted)
    else:
        numbers = _shaped(np.array(data, wanted), inner)
    for name, number in (("inf", np.inf), ("-inf", -np.inf)):
        where = body.get("nonfinite", {}).get(name, ())
        if len(where):
            numbers.reshape(-1)[np.array(where, np.int64)] = number
    return numbers.view(dtype).reshape(shape)


def _shaped(array: AnyArray, shape: tuple[int, ...]) -> AnyArray:
    """Return an array in its declared shape, which flat data and empty data do not have yet."""
    if array.size == 0 and math.prod(shape) == 0:
        return np.zeros(shape, array.dtype)
    if array.ndim == 1 and array.size == math.prod(shape):
        return array.reshape(shape)
    if array.shape != shape:
        raise DamagedFileError(f"Got data of shape {array.shape}; expected the declared shape {shape}.")
    return array


def _texts(dtype: np.dtype, shape: tuple[int, ...], data: Any, convert: Convert) -> AnyArray:
    texts = _shaped(np.array(data, object), shape)
    flat = [item if type(item) is str else convert(item) for item in texts.ravel()]
    if not all(type(item) is str for item in flat):
        raise DamagedFileError("Got an array of text with values that are not text.")
    _check_affordable(len(flat) * dtype.itemsize if dtype.kind != "T" else 0, len(flat) + sum(map(len, flat)))
    encoded = [item.encode("latin-1") for item in flat] if dtype.kind == "S" else flat
    made = np.empty(len(flat), dtype)
    made[:] = encoded
    return made.reshape(shape)


def _structured(dtype: np.dtype, shape: tuple[int, ...], fields: Any, convert: Convert) -> AnyArray:
    values = {name: array_of(fields[name], convert) for name in dtype.names or ()}
    if not values or dtype.hasobject:
        raise DamagedFileError(
            "Got a structured dtype without fields, or with objects; expected numbers, bytes and bool."
        )
    for name, field in values.items():
        if field.dtype != dtype[name].base or field.shape != shape + dtype[name].shape:
            raise DamagedFileError(f"The field {name!r} does not match the dtype of the array.")
    _check_affordable(math.prod(shape) * dtype.itemsize, sum(field.nbytes for field in values.values()))
    made = np.zeros(shape, dtype)
    for name, field in values.items():
        made[name] = field
    return made


def _check_affordable(declared: int, held: int) -> None:
    """Raise if a wide dtype would take much memory for little text."""
    if declared > max(_AFFORDABLE, _MOST_PADDING * held):
        raise DamagedFileError(f"Got an array declared as {declared} bytes with {held} bytes of data.")
