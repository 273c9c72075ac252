"""Conversion of nodes to HDF5: the whole object is written without a name first, then linked into the group at once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import h5py
import numpy as np
from h5py import h5d, h5g, h5o, h5p, h5s, h5t

from analysis_store.codecs.nodes import DATASETS, LABEL, NUMBERED, VERSION, VERSION_ATTRIBUTE, Node
from analysis_store.core.write_errors import write_errors
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.blocks import Compression, choose, write_chunks
from analysis_store.hdf5.encoding import describe, plain_type
from analysis_store.hdf5.making import (
    CONTIGUOUS,
    OBJECTS,
    UTF8_LINK,
    VARIABLE_BYTES,
    VARIABLE_TEXT,
    create_dataset,
    number_type,
    set_attrs,
    utf8_type,
)
from analysis_store.layout import ITEM, TRUE_NAME, nexus_names

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

_COMPRESSED = 4 << 10
_COMPACT_LIMIT = 1 << 10
_FIXED_TEXT = 1 << 16
"""Size in bytes up to which text is padded to one width: HDF5 reads that faster than variable lengths."""

_LINK = h5p.create(h5p.LINK_CREATE)
_LINK.set_char_encoding(h5t.CSET_UTF8)
_LINK.set_create_intermediate_group(True)

_ORDERED = h5p.create(h5p.GROUP_CREATE)
_ORDERED.set_obj_track_times(False)
_ORDERED.set_link_creation_order(h5p.CRT_ORDER_TRACKED | h5p.CRT_ORDER_INDEXED)

_CLASS = {"NX_class": "NXcollection"}

# Small values are in the header of their dataset, and are read with it.
_COMPACT = h5p.create(h5p.DATASET_CREATE)
_COMPACT.set_obj_track_times(False)
_COMPACT.set_layout(h5d.COMPACT)


def write(node: Node, group: h5py.Group, name: str, compression: Compression = None) -> None:
    """Write a node as ``group[name]``; after a failure, the group is unchanged.

    Raises
    ------
    InvalidDataError
        The name exists already or is invalid, or ``compression`` is not known.
    StoreWriteError
        The file could not be written.
    """
    if not name.strip("/") or "\0" in name:
        raise InvalidDataError(f"Got {name!r} as the name of an object in a file; expected text.")
    if name in group:
        raise InvalidDataError(f"{group.name} has {name!r} already. Choose another name, or delete that one first.")
    with write_errors(
        f"{name!r} into {group.file.filename}", "The group is unchanged", (OSError, RuntimeError, KeyError)
    ):
        put(node, group.id, name, compression)


def put(node: Node, group: h5g.GroupID, name: str, compression: Compression = None) -> None:
    """Write a node under a free name; after a failure, the group is unchanged."""
    made = _Writer(compression).write(None, node, group)
    set_attrs(made, {VERSION_ATTRIBUTE: VERSION})
    h5o.link(made, group, name.encode(), _LINK)


class _Writer:
    def __init__(self, compression: Compression) -> None:
        self._compression = compression

    def write(self, name: str | None, node: Node, parent: h5g.GroupID) -> h5g.GroupID | h5d.DatasetID:
        """Write a node as a member of a group, or without a name."""
        made = (self._dataset if node.form in DATASETS else self._group)(name, node, parent)
        if node.told:
            set_attrs(made, {LABEL: node.label})
        return made

    def _group(self, name: str | None, node: Node, parent: h5g.GroupID) -> h5g.GroupID:
        made = h5g.create(parent, name if name is None else name.encode(), UTF8_LINK, _ORDERED)
        set_attrs(made, _CLASS)
        for (key, member), stored in zip(node.members.items(), _stored(node), strict=True):
            child = self.write(stored, member, made)
            if stored != key and node.form == "record":
                set_attrs(child, {TRUE_NAME: key})
        return made

    def _dataset(self, name: str | None, node: Node, parent: h5g.GroupID) -> h5d.DatasetID:
        values = node.values
        if isinstance(values, str):
            encoded = np.array(values.encode())
            return self._values(parent, name, encoded, utf8_type(encoded.itemsize))
        if isinstance(values, list):
            return self._texts(parent, name, values)
        if isinstance(values, tuple):
            return self._array(parent, name, *values)
        return self._values(parent, name, values, number_type(values.dtype))

    def _texts(self, parent: h5g.GroupID, name: str | None, texts: list[str]) -> h5d.DatasetID:
        encoded = [text.encode() for text in texts]
        width = max(map(len, encoded), default=1)
        if width * len(encoded) <= max(_FIXED_TEXT, 2 * sum(map(len, encoded))):
            return self._values(parent, name, np.array(encoded, f"S{max(width, 1)}"), utf8_type(width))
        return _write(create_dataset(parent, name, VARIABLE_TEXT, (len(texts),)), np.array(encoded, object), OBJECTS)

    def _array(self, parent: h5g.GroupID, name: str | None, array: AnyArray, encoded: AnyArray | None) -> h5d.DatasetID:
        if encoded is None:
            made = self._values(parent, name, array, plain_type(array.dtype))
        elif encoded.dtype.kind == "S":
            made = self._values(parent, name, encoded, utf8_type(encoded.dtype.itemsize))
        else:
            is_bytes = encoded.size and isinstance(encoded.flat[0], np.ndarray)
            made = create_dataset(parent, name, VARIABLE_BYTES if is_bytes else VARIABLE_TEXT, encoded.shape)
            _write(made, encoded, OBJECTS)
        describe(made, array.dtype, None)
        return made

    def _values(self, parent: h5g.GroupID, name: str | None, values: AnyArray, kind: h5t.TypeID) -> h5d.DatasetID:
        """Write an array that has the same bytes in memory and in the file."""
        width, size = kind.get_size(), kind.get_size() * math.prod(values.shape)
        chosen = choose(values, width, size, self._compression) if values.ndim and size >= _COMPRESSED else None
        if chosen is not None:
            return write_chunks(parent, name, values, kind, chosen=chosen, feed=_nothing)[0]
        made = create_dataset(parent, name, kind, values.shape, _COMPACT if size <= _COMPACT_LIMIT else CONTIGUOUS)
        return _write(made, np.ascontiguousarray(values).reshape(values.shape), kind)


def _stored(node: Node) -> list[str]:
    """Return the name of each member in the file."""
    if node.form == "record":
        return nexus_names(node.members)
    if node.form in NUMBERED:
        return [ITEM + name if name.isdigit() else name for name in node.members]
    return list(node.members)


def _write(made: h5d.DatasetID, values: AnyArray, kind: h5t.TypeID) -> h5d.DatasetID:
    if values.size:
        made.write(h5s.ALL, h5s.ALL, values, mtype=kind)
    return made


def _nothing(block: AnyArray) -> None:
    """Compute no digest: that of an object is computed from its nodes."""
