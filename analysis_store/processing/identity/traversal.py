"""Parts of objects, by their access: tables, arrays with labels or units, dataclasses, plain objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def parts_of(value: Any) -> dict[str, Any] | None:
    """Return the parts of an object, by their access; None if they are unknown."""
    package = type(value).__module__.partition(".")[0]
    if package in ("pandas", "xarray"):
        return _labelled(value)
    if package in ("pint", "quantities") and hasattr(value, "magnitude"):
        return {".units": str(value.units), ".magnitude": value.magnitude}
    if package == "scipy" and hasattr(value, "tocoo"):
        return {".shape": value.shape, ".dtype": str(value.dtype), ".toarray()": value.toarray()}
    if is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in fields(value)]
        return {f".{name}": getattr(value, name) for name in names if hasattr(value, name)}
    if not _compares(value) and hasattr(value, "__dict__"):
        return {f".{name}": part for name, part in vars(value).items()}
    return None


def _labelled(value: Any) -> dict[str, Any] | None:
    """Return the parts of a table or an array with labels."""
    found = next((parts for mark, parts in _LABELLED.items() if hasattr(value, mark)), None)
    return None if found is None else found(value)


def _of_data_array(value: Any) -> dict[str, Any]:
    coords = {f"[{name!r}]": value[name].variable for name in value.coords if name != value.name}
    return {".name": value.name, ".values": value.variable, **coords}


def _of_frame(value: Any) -> dict[str, Any]:
    columns = {f"[{name!r}]": value.iloc[:, n].array for n, name in enumerate(value.columns)}
    return {".columns": list(value.columns), ".index": value.index, **columns}


def _of_index(value: Any) -> dict[str, Any]:
    levels = [value.get_level_values(n).array for n in range(value.nlevels)]
    return {".names": list(value.names), "": levels if len(levels) > 1 else value.array}


def _of_extension_array(value: Any) -> dict[str, Any]:
    if isinstance(value.dtype, np.dtype):
        return {"": value.to_numpy()}
    return {".dtype": str(value.dtype), "": value.to_numpy(object, na_value=None)}


_LABELLED: dict[str, Callable[[Any], dict[str, Any]]] = {
    # by attributes that only such objects have, so that neither library is loaded
    "data_vars": lambda value: {f"[{name!r}]": value[name].variable for name in value.variables},
    "variable": _of_data_array,
    "dims": lambda value: {".dims": value.dims, "": value.values, ".attrs": dict(value.attrs)},
    "columns": _of_frame,
    "iloc": lambda value: {".name": value.name, ".index": value.index, "": value.array},
    "nlevels": _of_index,
    "to_numpy": _of_extension_array,
}


def _compares(value: Any) -> bool:
    return any("__eq__" in vars(cls) for cls in type(value).__mro__[:-1])
