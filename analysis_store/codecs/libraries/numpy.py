"""Codecs of NumPy: scalars, dtypes, masked arrays, records, matrices, and arrays that HDF5 has no type for.

Arrays of numbers, text and times need none. A memory-mapped array is refused: its type contains the location of the
values, which is not kept. Metadata of a dtype, which NumPy ignores in comparisons, are dropped.

States::

    bool, int8, ... datetime64, void, record    the value as an array without axes; of str_ and bytes_, text and bytes
    ndarray                 see `numpy_arrays`
    ma.MaskedArray          data (under the mask too), mask (or None), fill_value (None: NumPy's own), hard_mask
    ma.masked               nothing
    recarray, matrix                            the array
    dtypes.*                see `numpy_dtypes`
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.codecs.libraries.arrays import array, some
from analysis_store.codecs.libraries.numpy_arrays import put_together, take_apart
from analysis_store.codecs.libraries.numpy_dtypes import restore, tell
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

State = dict[str, Any]


# ------------------------------------------------------------------------------------------------ scalars


def _scalar(cls: type[Any], state: Any) -> Any:
    """Return the scalar of a 0-d array; ``longlong`` is ``int64`` in the file, and is restored as ``longlong``."""
    if array(state).shape != ():
        raise ValueError(f"got an array {state.shape} for a scalar; expected one without axes")
    made = state.astype(cls, casting="equiv")[()] if cls not in (np.datetime64, np.timedelta64, np.void) else state[()]
    if type(made) is not cls:
        raise ValueError(f"got {state.dtype} for a {cls.__name__}")
    return made


def _record(state: Any) -> Any:
    return array(state, "V").view(np.dtype((np.record, state.dtype)))[()]


def _structure(value: Any) -> AnyArray:
    return _bare(np.asarray(value))


def _bare(value: AnyArray) -> AnyArray:
    """Return a plain array of plain structures; HDF5 does not distinguish their types."""
    plain = value.view(np.ndarray)
    return plain.view(np.dtype((np.void, plain.dtype))) if plain.dtype.type is np.record else plain


_NUMBERS = (
    *(np.bool_, np.byte, np.short, np.intc, np.long, np.longlong),
    *(np.ubyte, np.ushort, np.uintc, np.ulong, np.ulonglong),
    *(np.half, np.single, np.double, np.longdouble, np.csingle, np.cdouble, np.clongdouble),
)


def _number(cls: type[Any], name: str) -> Codec:
    return Codec(f"numpy.{name}", cls, np.asarray, partial(_scalar, cls), shared=False)


_SCALARS = (
    # On other platforms, where `int` of C has a name of its own, files contain it.
    *(_number(np.intc, "intc"), _number(np.uintc, "uintc")),
    *(_number(cls, cls.__name__) for cls in (*_NUMBERS, np.datetime64, np.timedelta64)),
    # Arrays would lose the zeros at the end of either, and so would str(...).
    Codec("numpy.str_", np.str_, "".join, lambda state: np.str_(expect(str, state)), shared=False),
    Codec("numpy.bytes_", np.bytes_, bytes, lambda state: np.bytes_(expect(bytes, state)), shared=False),
    Codec("numpy.void", np.void, _structure, partial(_scalar, np.void)),
    Codec("numpy.record", np.record, _structure, _record),
)


# ------------------------------------------------------------------------------------------------ arrays


def _masked_state(value: Any) -> State:
    return {
        "data": value.data,
        "mask": None if value.mask is np.ma.nomask else value.mask,
        "fill_value": _fill(value),
        "hard_mask": bool(value.hardmask),
    }


def _fill(value: Any) -> AnyArray | None:
    """Return the fill value that was set; NumPy's default may not even fit the dtype, and is found again without it."""
    fill, usual = np.asarray(value.fill_value), np.asarray(np.ma.default_fill_value(value.dtype))
    if fill.dtype == usual.dtype and fill.tobytes() == usual.tobytes():
        return None
    return fill.astype(value.dtype)


def _masked(state: State) -> Any:
    data, mask, fill = some(np.ndarray, state["data"]), state["mask"], state["fill_value"]
    if mask is not None and array(mask).shape != data.shape:
        raise ValueError(f"a mask {mask.shape} does not fit data {data.shape}")
    made = np.ma.MaskedArray(data, np.ma.nomask if mask is None else mask, hard_mask=bool(state["hard_mask"]))
    if fill is not None:
        made.fill_value = fill[()]
    return made


def _view(cls: type[AnyArray], state: AnyArray) -> AnyArray:
    return array(state).view(cls)


def _refuse_map(value: Any) -> None:
    raise InvalidDataError(
        f"Got a memory-mapped array {value.shape}; expected the values themselves. Use numpy.asarray(...), which "
        "copies nothing."
    )


def _array(name: str, cls: Any, make: Callable[[Any], Any]) -> Codec:
    return Codec(f"numpy.{name}", cls, _bare, make)


_ARRAYS = (
    Codec("numpy.ndarray", np.ndarray, take_apart, put_together),
    Codec("numpy.ma.MaskedArray", np.ma.MaskedArray, _masked_state, _masked),
    Codec("numpy.ma.masked", type(np.ma.masked), lambda _: None, lambda _: np.ma.masked, shared=False),
    _array("recarray", np.recarray, partial(_view, np.recarray)),
    _array("matrix", np.matrix, partial(_view, np.matrix)),
    Codec("numpy.memmap", np.memmap, _refuse_map, _refuse_map),
)

_DTYPES = tuple(
    Codec(f"numpy.dtypes.{cls.__name__}", cls, tell, restore, shared=False)
    for cls in {getattr(np.dtypes, name) for name in np.dtypes.__all__}
)

CODECS: tuple[Codec, ...] = (*_SCALARS, *_ARRAYS, *_DTYPES)
