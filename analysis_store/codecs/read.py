"""Conversion of HDF5 to nodes, for untrusted files: no links outside, and nothing is read twice."""

from __future__ import annotations

import math
import re
from typing import Any

import h5py
from h5py import h5, h5d, h5g, h5l, h5o, h5p

from analysis_store.codecs.lazy import LARGE, LazyValues
from analysis_store.codecs.nodes import DATASETS, LABEL, NUMBERED, READ, VERSION, VERSION_ATTRIBUTE, Node, parse_label
from analysis_store.codecs.values import name_of, read_values
from analysis_store.core.memory import SMALL_ENOUGH, check_fits
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    StoreVersionError,
    TooLargeError,
    UnsafeFileError,
)
from analysis_store.hdf5.opening import checked_dataset, dtypes_of, text_attribute
from analysis_store.hdf5.reading import is_held
from analysis_store.layout import ITEM, TRUE_NAME

_ESCAPED = re.compile("%|^_|_$")
"""Attribute with the true name of a member, if its name in the file differs."""

_NOTABLE = 1 << 16
_MAX_DEPTH = 1000
"""Maximum depth of nested groups; each value may need several."""


def read(item: h5py.Group | h5py.Dataset, *, lazy: bool = False) -> Node:
    """Return the node that was written as an item of a group.

    Raises
    ------
    DamagedFileError, UnsafeFileError, StoreVersionError, TooLargeError
        As in `analysis_store.codecs.load`.
    """
    if not isinstance(item, (h5py.Group, h5py.Dataset)):
        raise TypeError(f"Got {type(item).__name__}; expected an h5py.Group or h5py.Dataset, e.g. file['fit'].")
    try:
        version = text_attribute(item.id, VERSION_ATTRIBUTE)
        if version not in READ:
            raise StoreVersionError(
                f"{item.name} has version {version} of the forms of objects, this package knows {VERSION}. Install a "
                "newer version of it."
            )
        return _Reader(lazy).read(item.id, 0)
    except AnalysisStoreError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, OverflowError) as error:
        raise DamagedFileError(f"{item.name} of {item.file.filename} cannot be read: {error}.") from error


class _Reader:
    def __init__(self, lazy: bool) -> None:
        self._lazy = lazy
        self._met: set[tuple[int, Any]] = set()
        self._taken = 0  # bytes since the free memory was last checked
        self._absent = 0

    def read(self, here: h5g.GroupID | h5d.DatasetID, depth: int) -> Node:
        info = h5o.get_info(here)
        if (info.fileno, info.addr) in self._met or depth > _MAX_DEPTH:
            raise UnsafeFileError(
                f"Got {name_of(here)} twice in the object, or nested too deep; expected a tree. Do not trust the file."
            )
        self._met.add((info.fileno, info.addr))
        label = text_attribute(here, LABEL)
        if isinstance(here, h5g.GroupID):
            layers, form = ((), "record") if label is None else parse_label(label)
            self._check(form not in DATASETS, here, label)
            return Node(form, None, self._members(here, form, depth), layers, told=label is not None)
        if not isinstance(here, h5d.DatasetID):
            raise DamagedFileError(f"Got {name_of(here)}; expected a group or a dataset.")
        checked_dataset(here)
        layers, form = ((), "array") if label is None else parse_label(label)
        self._check(form in DATASETS, here, label)
        return Node(form, self._values(here, form, layers), {}, layers, told=label is not None)

    def _check(self, good: bool, here: Any, label: str | None) -> None:
        if not good:
            raise DamagedFileError(
                f"{name_of(here)} has the label {label!r}, which does not match it; the file was changed."
            )

    def _members(self, group: h5g.GroupID, form: str, depth: int) -> dict[str, Node]:
        members: dict[str, Node] = {}
        for encoded, kind in _links(group):
            name = encoded.decode("utf-8", "surrogateescape")
            if kind != h5l.TYPE_HARD:
                raise UnsafeFileError(
                    f"{name!r} in {name_of(group)} is a link; expected values in the file itself. Copy them into it."
                )
            here = h5o.open(group, encoded)
            true_name = text_attribute(here, TRUE_NAME) if _ESCAPED.search(name) else None
            if form in NUMBERED:
                name = name.removeprefix(ITEM)
            members[true_name or name] = self.read(here, depth + 1)
        return members

    def _values(self, dataset: h5d.DatasetID, form: str, layers: tuple[str, ...]) -> Any:
        if dataset.shape is None:  # in a file of another program
            return None
        if form == "array" and not layers and self._lazy:
            stored, dtype = dtypes_of(dataset)
            if dtype.kind not in "OTU" and stored.itemsize * math.prod(dataset.shape) >= LARGE:
                return LazyValues(dataset)
        values = read_values(dataset)
        self._account(dataset, values.nbytes)
        return values

    def _account(self, dataset: h5d.DatasetID, size: int) -> None:
        """Raise for many small values that together were never written, or do not fit into memory."""
        if size > SMALL_ENOUGH:  # `read_values` checks these
            return
        self._taken += size
        if self._taken > SMALL_ENOUGH:
            check_fits(self._taken, name_of(dataset))
            self._taken = 0
        if size <= _NOTABLE:
            return
        stored = dataset.get_type().get_size() * dataset.get_space().get_simple_extent_npoints()
        self._absent += 0 if is_held(dataset, stored) else size
        if self._absent > SMALL_ENOUGH:
            raise TooLargeError(f"Got {name_of(dataset)} and earlier datasets that declare more than the file holds.")


def _links(group: h5g.GroupID) -> list[tuple[bytes, int]]:
    """Return name and type of every link, in the order of creation if the group recorded it."""
    found: list[tuple[bytes, int]] = []
    ordered = group.get_create_plist().get_link_creation_order() & h5p.CRT_ORDER_TRACKED
    by = h5.INDEX_CRT_ORDER if ordered else h5.INDEX_NAME
    group.links.iterate(lambda name, info: found.append((name, info.type)), idx_type=by, info=True)
    return found
