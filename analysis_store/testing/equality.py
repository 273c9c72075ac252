"""When two objects are equal to the last bit: value, type, dtype, order and sharing, at every depth."""

from __future__ import annotations

import struct
from collections import ChainMap, deque
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

import numpy as np


def assert_identical(wanted: object, found: object) -> None:
    """Fail where two objects differ; the message begins with the path of the difference, e.g. ``obj.fits[3]``.

    Parameters
    ----------
    wanted, found : object
        Of any types. NaN equals NaN of the same bits, ``-0.0`` does not equal ``0.0``, and what is one object in the
        one is one object in the other, cycles among it.
    """
    _Comparison().compare(wanted, found, "obj")


class _Comparison:
    def __init__(self) -> None:
        self._partner: dict[int, Any] = {}
        self._held: list[Any] = []

    def compare(self, wanted: Any, found: Any, path: str) -> None:
        assert type(found) is type(wanted), f"{path}: {type(found)} came back of {type(wanted)}"
        if type(wanted) in {float, complex}:
            assert _bits(wanted) == _bits(found), f"{path}: {found!r} came back of {wanted!r}"
        elif isinstance(wanted, type | Enum) or wanted is np.ma.masked:
            assert found is wanted, f"{path}: {found!r} came back of {wanted!r}"
        elif type(wanted).__module__ in _UNITS:
            assert found == wanted, f"{path}: {found!r} came back of {wanted!r}"
        elif self._is_met(wanted, found, path):
            return
        elif isinstance(wanted, np.ndarray):
            self._arrays(wanted, found, path)
        elif isinstance(wanted, list | tuple | deque):
            self._sequences(wanted, found, path)
        elif isinstance(wanted, Mapping):
            self._mappings(wanted, found, path)
        else:
            self._others(wanted, found, path)

    def _is_met(self, wanted: Any, found: Any, path: str) -> bool:
        """Whether the pair was compared before; what is one object here has to be one there."""
        if not isinstance(wanted, list | dict | np.ndarray) and not hasattr(wanted, "__dict__"):
            return False
        if id(wanted) in self._partner:
            assert self._partner[id(wanted)] is found, f"{path}: one object came back as two"
            return True
        self._partner[id(wanted)] = found
        self._held += [wanted, found]
        return False

    def _sequences(self, wanted: Any, found: Any, path: str) -> None:
        assert len(found) == len(wanted), f"{path}: {len(found)} items came back of {len(wanted)}"
        if isinstance(wanted, deque):
            assert found.maxlen == wanted.maxlen, f"{path}: maxlen {found.maxlen} came back of {wanted.maxlen}"
        for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
            self.compare(one, other, f"{path}[{index}]")

    def _mappings(self, wanted: Any, found: Any, path: str) -> None:
        if isinstance(wanted, ChainMap):
            self._sequences(wanted.maps, found.maps, f"{path}.maps")
            return
        factories = getattr(wanted, "default_factory", None), getattr(found, "default_factory", None)
        assert factories[0] is factories[1], f"{path}: default {factories[1]} came back of {factories[0]}"
        self._sequences(list(wanted), list(found), f"{path}.keys()")
        for key in wanted:
            self.compare(wanted[key], found[key], f"{path}[{key!r}]")

    def _fields(self, wanted: Mapping[str, Any], found: Mapping[str, Any], path: str) -> None:
        """Compare attributes, whose order means nothing."""
        assert found.keys() == wanted.keys(), f"{path}: attributes {sorted(found)} came back of {sorted(wanted)}"
        for name in wanted:
            self.compare(wanted[name], found[name], f"{path}.{name}")

    def _arrays(self, wanted: Any, found: Any, path: str) -> None:
        assert found.dtype == wanted.dtype, f"{path}: dtype {found.dtype!r} came back of {wanted.dtype!r}"
        assert found.dtype.str == wanted.dtype.str, f"{path}: byte order {found.dtype.str} of {wanted.dtype.str}"
        assert found.shape == wanted.shape, f"{path}: shape {found.shape} came back of {wanted.shape}"
        orders = [(it.flags.c_contiguous, it.flags.f_contiguous) for it in (wanted, found)]
        assert not any(orders[0]) or orders[0] == orders[1], f"{path}: memory order {orders[1]} of {orders[0]}"
        self._attributes(wanted, found, path)
        wanted, found = (np.ma.getdata(it).view(np.ndarray) for it in (wanted, found))
        if wanted.dtype.kind == "O":
            self._sequences(wanted.ravel().tolist(), found.ravel().tolist(), path)
        elif wanted.dtype.names:  # padding is not a part of the value
            for name in wanted.dtype.names:
                self._arrays(wanted[name], found[name], f"{path}[{name!r}]")
        elif wanted.dtype.kind == "T" or wanted.dtype.char in "gG":
            np.testing.assert_array_equal(found, wanted)
        else:
            assert found.tobytes() == wanted.tobytes(), f"{path}: {found!r} came back of {wanted!r}"

    def _attributes(self, wanted: Any, found: Any, path: str) -> None:
        """Compare what objects have in their ``__dict__``, of arrays of a subclass the mask among it."""
        if isinstance(wanted, np.ma.MaskedArray):
            self.compare(wanted.mask, found.mask, f"{path}.mask")
            self.compare(np.asarray(wanted.fill_value), np.asarray(found.fill_value), f"{path}.fill_value")
            assert found.hardmask == wanted.hardmask, f"{path}: hardmask differs"
        elif type(wanted) is not np.ndarray and hasattr(wanted, "__dict__"):
            self._fields(vars(wanted), vars(found), path)

    def _others(self, wanted: Any, found: Any, path: str) -> None:
        module = type(wanted).__module__.partition(".")[0]
        if isinstance(wanted, set | frozenset):
            assert found == wanted, f"{path}: {found!r} came back of {wanted!r}"
            assert _typed(found) == _typed(wanted), f"{path}: {found!r} came back of {wanted!r}"
        elif module == "pint" and hasattr(wanted, "magnitude"):
            self.compare(dict(wanted.unit_items()), dict(found.unit_items()), f"{path}.units")
            self.compare(wanted.magnitude, found.magnitude, f"{path}.magnitude")
        elif module in _LIBRARIES:
            _LIBRARIES[module](wanted, found)
        elif isinstance(wanted, np.generic):
            self._arrays(np.asarray(wanted), np.asarray(found), path)
        elif is_dataclass(wanted):
            names = [each.name for each in fields(wanted)]
            one, other = ({name: getattr(it, name) for name in names if hasattr(it, name)} for it in (wanted, found))
            self._fields(one, other, path)
        elif not _compares(wanted) and hasattr(wanted, "__dict__"):
            self._fields(vars(wanted), vars(found), path)
        else:
            assert _exactly(found) == _exactly(wanted), f"{path}: {found!r} came back of {wanted!r}"


def _compares(value: Any) -> bool:
    return any("__eq__" in vars(cls) for cls in type(value).__mro__[:-1])


def _bits(value: complex) -> bytes:
    return struct.pack("<2d", value.real, value.imag)


def _typed(value: Any) -> tuple[str, str]:
    """Return text of a value and its types at every depth, in which the order of sets does not show."""
    if isinstance(value, set | frozenset | tuple):
        parts = [str(_typed(part)) for part in value]
        return type(value).__name__, str(parts if isinstance(value, tuple) else sorted(parts))
    return type(value).__name__, repr(value)


def _exactly(value: Any) -> Any:
    """Return what values have to agree in that compare equal more generously."""
    if isinstance(value, Decimal):
        return value.as_tuple()
    if isinstance(value, datetime | time):
        return value.replace(tzinfo=None), repr(value.tzinfo), value.fold
    return value


def _pandas(wanted: Any, found: Any) -> None:
    import pandas as pd

    if wanted is pd.NaT or wanted is pd.NA:
        assert found is wanted
    elif isinstance(wanted, pd.DataFrame):
        pd.testing.assert_frame_equal(found, wanted, check_exact=True, check_freq=True)
    elif isinstance(wanted, pd.Series):
        pd.testing.assert_series_equal(found, wanted, check_exact=True, check_freq=True)
    elif isinstance(wanted, pd.Index):
        pd.testing.assert_index_equal(found, wanted, exact=True)
    elif isinstance(wanted, pd.api.extensions.ExtensionArray):
        pd.testing.assert_extension_array_equal(found, wanted, check_exact=True)
    else:
        assert (found, repr(found)) == (wanted, repr(wanted))
    if isinstance(wanted, pd.DataFrame | pd.Series):
        assert found.attrs == wanted.attrs, f"the attributes {found.attrs} came back of {wanted.attrs}"
    if isinstance(wanted, pd.DataFrame | pd.Series | pd.Index):  # pandas takes a member of a StrEnum for its text
        assert _types(found) == _types(wanted), f"{found!r} came back of {wanted!r}"


def _types(value: Any) -> list[Any]:
    """Return the types of all values and labels in what pandas has."""
    labels = [label for axis in getattr(value, "axes", ()) for label in axis]
    values = value.to_numpy(object).ravel() if hasattr(value, "to_numpy") else ()
    return [tuple(map(type, each)) if type(each) is tuple else type(each) for each in (*labels, *values)]


def _xarray(wanted: Any, found: Any) -> None:
    import xarray as xr

    xr.testing.assert_identical(found, wanted)


def _scipy(wanted: Any, found: Any) -> None:
    assert (found.format, found.dtype, found.shape) == (wanted.format, wanted.dtype, wanted.shape)
    np.testing.assert_array_equal(found.toarray(), wanted.toarray())


# The order of their factors means nothing.
_UNITS = {"quantities.dimensionality", "quantities.unitquantity"}

_LIBRARIES = {"pandas": _pandas, "xarray": _xarray, "scipy": _scipy}
