"""Content of objects of any class: attributes, pickling state, digests of data."""

from __future__ import annotations

import copyreg
import sys
import types
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from blake3 import blake3

from analysis_store.errors import AnalysisStoreError
from analysis_store.processing.code.module_source import quiet

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_DATA = ("pandas", "xarray")
"""Libraries whose objects are data with digests."""


def stands_for(name: str) -> Any:
    """Return the object in memory with a name, ``module:Class.Inner``."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return found


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes of an object, without running its code."""
    found: dict[str, Any] = {}
    for name, member in _slots(type(value)):  # type: ignore[arg-type]
        with suppress(AttributeError):  # no value yet
            found[name] = member.__get__(value)
    with suppress(AttributeError):  # only slots
        found.update(object.__getattribute__(value, "__dict__"))
    return found


@lru_cache(maxsize=1024)
def _slots(kind: type) -> tuple[tuple[str, types.MemberDescriptorType], ...]:
    found: dict[str, types.MemberDescriptorType] = {}
    for base in reversed(kind.__mro__):
        slots = vars(base).get("__slots__", ())
        private = f"_{base.__name__.lstrip('_')}__"
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            mangled = private + name[2:] if name.startswith("__") and not name.endswith("__") else name
            member = vars(base).get(mangled)
            if isinstance(member, types.MemberDescriptorType):
                found[mangled] = member
    return tuple(found.items())


def content_of(cell: types.CellType) -> Iterator[object]:
    """Yield the content of a closure, unless it is still empty."""
    with suppress(ValueError):
        yield cell.cell_contents


def says_itself(kind: type) -> bool:
    """Return True if a class defines its pickling."""
    if kind in copyreg.dispatch_table or hasattr(kind, "__getnewargs__") or hasattr(kind, "__getnewargs_ex__"):
        return True
    names = ("__reduce__", "__reduce_ex__", "__getstate__")
    return any(getattr(kind, name, None) is not getattr(object, name, None) for name in names)


def said_by(value: object) -> list[Any]:
    """Return the pickling state of an object; nothing if it cannot be pickled: locks, files, devices."""
    reduce = copyreg.dispatch_table.get(type(value))
    quietly = quiet if type(value).__module__ == "itertools" else nullcontext  # their pickling is deprecated
    try:
        with quietly():
            said: Any = reduce(value) if reduce is not None else value.__reduce_ex__(4)
            return [said] if isinstance(said, str) else [list(x) if hasattr(x, "__next__") else x for x in said]
    except Exception:  # noqa: BLE001 - libraries may raise anything
        return []


def name_of(value: object) -> str:
    """Return the name of an object that a library has under it, e.g. a compiled function; "" for other objects."""
    attributes = attributes_of(value)
    found = [attributes.get(name) or _of_type(value, name) for name in ("__module__", "__qualname__")]
    if not all(isinstance(one, str) for one in found):
        return ""
    name = f"{found[0]}:{found[1]}"
    return name if stands_for(name) is value or type(value).__name__ == "cython_function_or_method" else ""


def _of_type(value: Any, name: str) -> Any:
    """Return an attribute that the compiled class of a value computes."""
    for kind in type(value).__mro__:
        if isinstance(vars(kind).get(name), (types.GetSetDescriptorType, types.MemberDescriptorType)):
            return getattr(value, name)
    return None


def data_digest(value: object) -> str | None:
    """Return the digest of library data in their stored form; None for other objects."""
    if type(value).__module__.partition(".")[0] not in _DATA:
        return None
    from analysis_store.codecs.digest import digest_nodes
    from analysis_store.codecs.many import Objects

    try:
        return digest_nodes(Objects([value]).nodes())
    except AnalysisStoreError:
        return None


def array_digest(value: AnyArray) -> str:
    """Return the digest of an array; for one of objects, that of its shape."""
    dtype = repr(value.dtype.descr if value.dtype.names else value.dtype.str)
    hasher = blake3(f"{dtype}{value.shape}".encode())
    if not value.dtype.hasobject and value.size:
        hasher.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    return str(hasher.hexdigest())


def look_at_function(value: types.FunctionType) -> tuple[object, ...]:
    """Return the content of a function."""
    held = (value.__code__, value.__defaults__, *value.__dict__.values())
    if value.__kwdefaults__:
        held = (*held, *look_at_mapping(value.__kwdefaults__))
    if value.__closure__:
        held = (*held, *(content for cell in value.__closure__ for content in content_of(cell)))
    return held


def look_at_mapping(value: Any) -> tuple[object, ...]:
    """Return the content of a mapping."""
    return (*value.keys(), *value.values())


def look_at_attributes(value: object) -> tuple[object, ...]:
    """Return the attributes of an object."""
    return look_at_mapping(attributes_of(value))
