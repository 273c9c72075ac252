"""Descriptions of data, by their content."""

from __future__ import annotations

import logging
import types
import weakref
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.memory.described_objects import SIMPLE, attributes
from analysis_store.processing.memory.object_contents import array_digest, look_at_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis_store.dtypes import AnyArray
    from analysis_store.processing.memory.description import Description

_LONG = 100
"""Of longer tables of a library, only texts and numbers are described."""
_MAPPINGS = {dict, types.MappingProxyType, defaultdict, OrderedDict, Counter}


def sequence(value: list[object] | tuple[object, ...] | deque[object], to: Description) -> object:
    """Describe a list, tuple or deque by its members."""
    if type(value) not in {list, tuple, deque}:
        return None
    if type(value) is not tuple:
        to.watch.value(tuple, value)
    return [type(value).__name__, *map(_by_length(len(value), to), tuple(value))]


def set_(value: set[object] | frozenset[object], to: Description) -> object:
    """Describe a set by its members, without order."""
    if type(value) not in {set, frozenset}:
        return None
    to.watch.value(tuple, value)
    say = _by_length(len(value), to)
    return [type(value).__name__, *sorted(digest_of(say(one)) for one in tuple(value))]


def mapping(value: Mapping[object, object], to: Description) -> object:
    """Describe a dict by its items, in their order; a dict of a library without order."""
    if type(value) not in _MAPPINGS:
        return None
    to.watch.value(look_at_mapping, value)
    say = _by_length(len(value), to)
    items = [[say(key), say(one)] for key, one in list(value.items())]
    made = [to.of(value.default_factory)] if isinstance(value, defaultdict) else []
    # Libraries create dicts from sets, whose order differs between processes.
    return [type(value).__name__, *made, *(sorted(map(digest_of, items)) if to.in_library else items)]


def array(value: AnyArray, to: Description) -> object:
    """Describe an array by the digest of its elements."""
    plain = value.view(np.ndarray)
    if plain.dtype.hasobject:
        to.watch.content(lambda: [id(one) for one in plain.ravel().tolist()])
    elif value.flags.writeable or value.base is not None:
        to.watch.content(lambda: array_digest(plain))
    else:
        to.watch.value(lambda one: (one.flags.writeable,), value)
    held = [to.of(plain.tolist())] if plain.dtype.hasobject else []
    more = [] if type(value) is np.ndarray else attributes(value, to)
    return [type(value).__name__, array_digest(plain), *held, *more]


def scalar(value: np.generic, _to: Description) -> object:
    """Describe a number of NumPy by its bytes."""
    return ["scalar", array_digest(np.asarray(value))]


def dtype(value: np.dtype, _to: Description) -> object:
    """Describe a dtype as NumPy writes it."""
    return ["dtype", repr(value)]


def member(value: Enum, to: Description) -> object:
    """Describe a member of an Enum by its class and name."""
    return [to.of(type(value)), value.name or repr(value)]


def reference(value: weakref.ref[object], to: Description) -> object:
    """Describe a weak reference by its target."""
    return ["reference", to.of(value())]


def logger(value: logging.Logger, _to: Description) -> object:
    """Describe a logger by its name; the handling of messages changes no result."""
    return ["logger", value.name]


def _by_length(length: int, to: Description) -> Callable[[Any], Any]:
    if not to.in_library or length <= _LONG:
        return to.of
    return lambda one: to.of(one if isinstance(one, (str, float, np.generic, *SIMPLE)) else type(one))
