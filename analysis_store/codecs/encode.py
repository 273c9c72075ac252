"""Conversion of a graph of values to nodes: one value as a tree, many similar values as columns."""

from __future__ import annotations

import math
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.codecs.model import PRIMITIVES
from analysis_store.codecs.nodes import FORTRAN, LIST, Node, codec_layer, raw
from analysis_store.core.text import is_utf8
from analysis_store.exact import MAX_NDIM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.codecs.graph import Entry, Graph
    from analysis_store.dtypes import AnyArray

MAX_TREE = 1000
"""Number of groups and datasets above which the inner values of an object are packed into columns."""

_MAX_MEMBERS = 64
_MAX_ITEMS = 32
_STACKED = 1 << 16
"""Size in bytes up to which several similar arrays become one dataset."""
_LONGEST_NAME = 255

_PLAIN_KINDS = PRIMITIVES | {list, dict}
_KINDS: dict[type, str] = {type(None): "none", bool: "bool", float: "float", complex: "complex"}
_DTYPES = {"bool": np.dtype(bool), "float": np.dtype("<f8"), "complex": np.dtype("<c16")}


def encode(graph: Graph) -> Node:
    """Return the node of the object of a graph; values with several uses are stored once, separately."""
    encoder = _Encoder(graph)
    node = encoder.one(graph.obj, 0)
    if not graph.shared:
        return node
    shared = {str(entry.number): encoder.body(entry.value, 0) for entry in graph.shared}
    return Node("graph", members={"value": node, "shared": Node("items", members=shared)})


class _Encoder:
    def __init__(self, graph: Graph) -> None:
        self._entries = graph.entries
        self._shared = {id(entry.value) for entry in graph.shared}
        self._packed = graph.parts > MAX_TREE
        self._room = MAX_TREE // 4 if self._packed else math.inf
        """Number of further columns that dicts may use with one column per key."""

    # ------------------------------------------------------------------------------------------ one value

    def one(self, value: Any, level: int) -> Node:
        if type(value) in PRIMITIVES:
            return _scalar(value)
        entry = self._entries.get(id(value))
        if entry is not None and entry.number is not None:
            return Node("ref", np.array(entry.number, np.int64))
        return self.body(value, level)

    def body(self, value: Any, level: int) -> Node:
        """Return the node of a value itself, even if it is shared."""
        if type(value) is list:
            return self._items(value, level).under(LIST)
        if type(value) is dict:
            return self._dict(value, level)
        entry = self._entries[id(value)]
        if entry.type is not None:
            return self.one(entry.state, level).under(codec_layer(*entry.type))
        return _array(entry)

    def _items(self, values: list[Any], level: int) -> Node:
        if not self._packed and len(values) <= _MAX_ITEMS and len(set(map(type, values))) > 1:
            return Node("items", members={str(index): self.one(value, level + 1) for index, value in enumerate(values)})
        return self.many(values)

    def _dict(self, values: dict[Any, Any], level: int) -> Node:
        packed = self._packed and (level > 0 or len(values) > _MAX_MEMBERS)
        if packed or not _are_names(values):
            return Node("map", members={"keys": self.many(list(values)), "values": self.many(list(values.values()))})
        return Node("record", members={key: self.one(value, level + 1) for key, value in values.items()})

    # ---------------------------------------------------------------------------------------- many values

    def many(self, values: Sequence[Any]) -> Node:
        kinds = set(map(type, values))
        if len(kinds) == 1 and (kinds <= _PLAIN_KINDS) and not self._any_shared(values):
            return self._alike(kinds.pop(), values)
        places: dict[Any, list[int]] = {}
        for index, value in enumerate(values):
            places.setdefault(self._kind(value), []).append(index)
        if len(places) <= 1:
            return self._alike(next(iter(places), type(None)), values)
        return self._union(places, values)

    def _any_shared(self, values: Sequence[Any]) -> bool:
        return bool(self._shared) and not self._shared.isdisjoint(map(id, values))

    def _kind(self, value: Any) -> Any:
        """Return the common description of values that fit one column."""
        kind = type(value)
        if kind in PRIMITIVES:
            return kind
        if id(value) in self._shared:
            return "ref"
        return kind if kind in _PLAIN_KINDS else self._entries[id(value)].type or kind

    def _union(self, places: dict[Any, list[int]], values: Sequence[Any]) -> Node:
        kinds = np.zeros(len(values), np.min_scalar_type(len(places) - 1))
        members = {}
        for number, (kind, indices) in enumerate(places.items()):
            kinds[indices] = number
            members[str(number)] = self._alike(kind, [values[index] for index in indices])
        return Node("union", members={"kinds": raw(kinds), **members})

    def _alike(self, kind: Any, values: Sequence[Any]) -> Node:
        if kind in PRIMITIVES:
            return _column(kind, values)
        if kind is list:
            items = list(chain.from_iterable(values))
            return Node("lists", members={"offsets": _offsets(values), "items": self.many(items)})
        if kind is dict:
            return self._dicts(values)
        entries = [self._entries[id(value)] for value in values]
        if kind == "ref":
            return Node("ref", np.array([entry.number for entry in entries], np.int64))
        if kind is np.ndarray:
            return _arrays(entries)
        return self.many([entry.state for entry in entries]).under(codec_layer(*kind))

    def _dicts(self, dicts: Sequence[dict[Any, Any]]) -> Node:
        keys = list(dicts[0])
        if keys and len(keys) <= self._room and _are_names(keys) and _have_keys(dicts, keys):
            self._room -= len(keys)
            return Node("record", members={key: self.many(list(map(itemgetter(key), dicts))) for key in keys})
        return Node(
            "map",
            members={
                "offsets": _offsets(dicts),
                "keys": self.many(list(chain.from_iterable(dicts))),
                "values": self.many(list(chain.from_iterable(values.values() for values in dicts))),
            },
        )


def _have_keys(dicts: Sequence[dict[Any, Any]], keys: list[str]) -> bool:
    """Return True if all dicts have exactly these keys; equal members of a StrEnum are different keys."""
    return all(map(keys.__eq__, map(list, dicts))) and set(map(type, chain.from_iterable(dicts))) == {str}


def _are_names(keys: Any) -> bool:
    """Return True if HDF5 can use all keys as names; it treats ``/`` and dots specially."""
    return all(type(key) is str and _is_name(key) for key in keys)


def _is_name(key: str) -> bool:
    return _is_plain_text(key) and 0 < len(key.encode()) <= _LONGEST_NAME


def _offsets(parts: Sequence[Any]) -> Node:
    return raw(np.concatenate([[0], np.cumsum([len(part) for part in parts], dtype=np.int64)]).astype(np.int64))


# ------------------------------------------------------------------------------------------------ primitives


def _scalar(value: Any) -> Node:
    kind = type(value)
    if kind is str:
        return Node("text", value if _is_plain_text(value) else _bytes(_utf8(value)))
    if kind is bytes:
        return Node("bytes", _bytes(value))
    if kind is int:
        return Node("int", _integer(value))
    form = _KINDS[kind]
    return Node(form, np.zeros(0, np.uint8) if value is None else np.array(value, _DTYPES[form]))


def _integer(value: int) -> Any:
    for dtype in (np.int64, np.uint64):
        try:
            return np.array(value, dtype)
        except OverflowError:
            continue
    return _digits(value)


def _digits(value: int) -> str:
    return hex(value)  # Python limits the length of decimal text only


def _column(kind: type, values: Sequence[Any]) -> Node:
    if kind is str:
        if _is_plain_text("".join(values)):
            return Node("text", list(values))
        return _runs([_utf8(value) for value in values]).under("text")
    if kind is bytes:
        return _runs(values)
    if kind is int:
        return _integers(values)
    if kind is type(None):
        return Node("none", np.zeros(len(values), np.uint8))
    form = _KINDS[kind]
    return Node(form, np.array(values, _DTYPES[form]))


def _integers(values: Sequence[int]) -> Node:
    for dtype in (np.int64, np.uint64):
        try:
            return Node("int", np.array(values, dtype))
        except OverflowError:
            continue
    return Node("int", [_digits(value) for value in values])


def _runs(values: Sequence[bytes]) -> Node:
    return Node("runs", members={"offsets": _offsets(values), "values": raw(_bytes(b"".join(values)))})


def _bytes(value: bytes) -> AnyArray:
    return np.frombuffer(value, np.uint8)


def _utf8(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")


def _is_plain_text(value: str) -> bool:
    """Return True if HDF5 text can hold a string: no NUL, no lone surrogate."""
    return "\0" not in value and is_utf8(value)


# -------------------------------------------------------------------------------------------------- arrays


def _array(entry: Entry) -> Node:
    array = entry.value
    node = Node("array", (array, entry.state))
    return node.under(FORTRAN) if _is_fortran(array) else node


def _is_fortran(array: AnyArray) -> bool:
    return array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous


def _arrays(entries: list[Entry]) -> Node:
    """Return several arrays: small similar ones in one dataset, others each in their own."""
    first = entries[0].value
    alike = all(
        entry.value.dtype == first.dtype and entry.value.shape == first.shape and not _is_fortran(entry.value)
        for entry in entries
    )
    if alike and first.nbytes <= _STACKED and first.ndim < MAX_NDIM and entries[0].state is None:
        return Node("array", (np.stack([entry.value for entry in entries], dtype=first.dtype), None))
    return Node("items", members={str(index): _array(entry) for index, entry in enumerate(entries)})
