"""Arrays of the dtypes that HDF5 has no type for: objects, fields of text or times, raw bytes, text with gaps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.dtypes import StringDType

from analysis_store.codecs.libraries.arrays import array as exact_array
from analysis_store.codecs.libraries.arrays import shape as exact_shape
from analysis_store.codecs.libraries.numpy_dtypes import restore, tell
from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_ROOM = 4096  # limit of record size / size of its fields, so that a small file cannot fill the memory


def take_apart(array: AnyArray) -> dict[str, Any]:
    """Return an array as plainer arrays and lists.

    Returns
    -------
    dict
        ``dtype`` as in `numpy_dtypes.tell`, ``shape`` (list of int), ``order`` ("C" or "F"), and one of
        ``objects`` (list, C order), ``fields`` (name -> array of this shape), ``bytes`` (uint8, one more axis), or
        ``text`` (StringDType) with ``missing`` (bool).

    Raises
    ------
    InvalidDataError
        The dtype is not supported, or its records are almost all padding.
    """
    flags = array.flags
    order = "F" if flags.f_contiguous and not flags.c_contiguous else "C"
    state = {"dtype": tell(array.dtype), "shape": list(array.shape), "order": order}
    if array.dtype.names is not None:
        return {**state, "fields": _fields(array)}
    if array.dtype.kind == "V":
        width = array.dtype.itemsize
        flat = np.frombuffer(array.tobytes(), np.uint8) if width else np.empty(0, np.uint8)
        return {**state, "bytes": flat.reshape(*array.shape, width)}
    objects = array.astype(object)
    if array.dtype.kind == "O":
        return {**state, "objects": objects.ravel().tolist()}
    missing = _missing(array, objects)
    objects[missing] = ""
    return {**state, "text": objects.astype(StringDType()), "missing": missing}


def _fields(array: AnyArray) -> dict[str, Any]:
    dtype = array.dtype
    if not _fits(dtype, array.size):
        raise InvalidDataError(
            f"Got records of {dtype.itemsize} bytes with much smaller fields; expected little padding. Use "
            "numpy.lib.recfunctions.repack_fields."
        )
    # A view would keep the fields interleaved; a copy has the layout of the file.
    return {name: np.array(array[name], order="C") for name in dtype.names or ()}


def _fits(dtype: np.dtype, size: int) -> bool:
    used = sum(dtype[name].itemsize for name in dtype.names or ())
    return dtype.itemsize * size <= max(_ROOM * used * size, 2**20)


def _missing(array: AnyArray, objects: AnyArray) -> AnyArray:
    mark: Any = getattr(array.dtype, "na_object", None)
    if isinstance(mark, str):  # NumPy itself cannot distinguish the mark from the same text
        return np.zeros(array.shape, bool)
    found = np.fromiter((not isinstance(item, str) for item in objects.flat), bool, objects.size)
    return found.reshape(array.shape)


def put_together(state: dict[str, Any]) -> AnyArray:
    """Return the array for the parts from `take_apart`.

    Raises
    ------
    ValueError
        The parts do not fit the dtype or the shape.
    """
    dtype, shape, order = restore(state["dtype"]), exact_shape(state["shape"]), state["order"]
    if expect(str, order) not in ("C", "F"):
        raise ValueError(f"got the order {order!r}, expected 'C' or 'F'")
    if dtype.names is not None:
        return _from_fields(expect(dict, state["fields"]), dtype, shape, order)
    if "bytes" in state:
        return _from_bytes(exact_array(state["bytes"]), dtype, shape, order)
    if "objects" in state and dtype.kind == "O":
        # Assigning a slice would take lists and arrays among the objects apart.
        flat = np.fromiter(expect(list, state["objects"]), object, len(state["objects"]))
        return flat.reshape(_agree(shape, flat.size)).copy(order)
    return _from_text(exact_array(state["text"], "T"), exact_array(state["missing"], "b"), dtype, shape, order)


def _agree(shape: tuple[int, ...], count: int) -> tuple[int, ...]:
    if math.prod(shape) != count or min(shape, default=0) < 0:
        raise ValueError(f"{count} elements do not have the shape {shape}")
    return shape


def _from_fields(fields: dict[str, AnyArray], dtype: Any, shape: tuple[int, ...], order: Any) -> AnyArray:
    for name in dtype.names:
        base, inner = dtype[name].subdtype or (dtype[name], ())
        if exact_array(fields[name]).dtype != base or fields[name].shape != (*shape, *inner):
            raise ValueError(f"the field {name!r} is {fields[name].dtype} {fields[name].shape}")
    # Without fields only the dtype confirms the shape.
    if not _fits(dtype, math.prod(shape)):
        raise ValueError(f"records of {dtype.itemsize} bytes and the shape {shape} hold almost nothing")
    made: AnyArray = np.zeros(shape, dtype, order)
    for name in dtype.names:
        made[name] = fields[name]
    return made


def _from_bytes(raw: AnyArray, dtype: Any, shape: tuple[int, ...], order: Any) -> AnyArray:
    if dtype.kind != "V" or raw.dtype != np.uint8 or raw.shape != (*shape, dtype.itemsize):
        raise ValueError(f"bytes of {raw.dtype} {raw.shape} do not make {dtype} {shape}")
    if not dtype.itemsize:
        return np.empty(_agree(shape, math.prod(shape)), dtype, order)
    return np.frombuffer(raw.tobytes(), dtype).reshape(shape).copy(order)


def _from_text(text: AnyArray, missing: AnyArray, dtype: Any, shape: tuple[int, ...], order: Any) -> AnyArray:
    if not isinstance(dtype, StringDType) or text.shape != shape or missing.shape != shape:
        raise ValueError(f"text {text.shape} with gaps {missing.shape} does not make {dtype} {shape}")
    made: AnyArray = text.astype(dtype, order=order)
    if missing.any():
        made[missing] = dtype.na_object
    return made
