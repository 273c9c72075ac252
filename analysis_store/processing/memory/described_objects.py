"""Descriptions of other objects: by their class and their attributes, or by their pickling state."""

from __future__ import annotations

import datetime
import decimal
import fractions
import re
import types
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from analysis_store.processing.memory.object_contents import (
    attributes_of,
    data_digest,
    look_at_attributes,
    name_of,
    said_by,
    says_itself,
)
from analysis_store.processing.memory.watch import Blind

if TYPE_CHECKING:
    from analysis_store.processing.memory.description import Description

DEEP = 2
"""Depth to which the objects in an object of a library are described."""
SIMPLE = (type(None), bool, int, bytes)

_INSIDE = ("py_func", "__wrapped__")
"""Attribute in which a library's decorator keeps the function that it compiled; its other state is often random."""
_ALSO = (str, bytes, int, float, list, tuple, dict, set, frozenset)


class _Named(NamedTuple):
    any: Any


_CONSTANT = (
    types.GenericAlias,
    types.UnionType,
    re.Pattern,
    datetime.date,
    datetime.time,
    datetime.timedelta,
    datetime.tzinfo,
    decimal.Decimal,
    fractions.Fraction,
    uuid.UUID,
    type(vars(_Named)["any"]),
)
"""Immutable types, which are not checked again."""


def object_(value: object, to: Description) -> object:
    """Describe an object by its class and its content.

    An object of a user's class is described to any depth. One of a library has secrets, caches and addresses: it is
    described to the depth `DEEP`.
    """
    kind = to.of(type(value))
    if to.own.has(type(value).__module__):
        with to.inside(DEEP, library=False):
            return [kind, *attributes(value, to), *_also(value, to)]
    for name in _INSIDE:
        inside = attributes_of(value).get(name)
        if isinstance(inside, types.FunctionType):
            return [kind, to.of(inside)]
    known = name_of(value) or data_digest(value)
    if known:
        to.watch.content(lambda: name_of(value) or data_digest(value))
        return [kind, known]
    return [kind, *_of_library(value, to)] if to.level else [kind]


def attributes(value: object, to: Description) -> list[object]:
    """Describe the attributes of an object."""
    to.watch.value(look_at_attributes, value)
    found = sorted(attributes_of(value).items())
    return [[name, to.of(one)] for name, one in found if not (to.in_library and "cache" in name)]


def _of_library(value: Any, to: Description) -> list[object]:
    if says_itself(type(value)):
        return _said(value, to, to.level - 1)
    with to.inside(to.level - 1, library=True):
        return [*attributes(value, to), *_also(value, to)]


def _also(value: Any, to: Description) -> list[object]:
    """Describe the content of an object that is also a list, dict, set, text or number."""
    kind: Any = next((one for one in _ALSO if isinstance(value, one)), None)
    if kind is None:
        return []
    to.watch.content(lambda: to.again().of(kind(value)))
    return [to.of(kind(value))]


def _said(value: Any, to: Description, level: int) -> list[Any]:
    """Describe an object by its pickling state; return nothing if it cannot be pickled."""
    with to.inside(level, library=True, watch=Blind()):
        described = [to.of(part) for part in said_by(value)]
    if not issubclass(type(value), _CONSTANT) and type(value).__module__ != "typing":
        to.watch.content(lambda: _said(value, to.again(), level))
    return described
