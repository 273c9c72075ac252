"""Mapping of the data keys of a stream to Tiled: each becomes a variable, a node of its own, or a note."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import awkward
import numpy as np
import pyarrow
from tiled.adapters.awkward import AwkwardAdapter
from tiled.adapters.table import TableAdapter
from tiled.structures.table import TableStructure
from tiled.utils import OneShotCachedMap

from analysis_store.core.lazy import InMemory, Known
from analysis_store.errors import AnalysisStoreError, InvalidDataError
from analysis_store.exchange.formats.json import dumps, loads
from analysis_store.exchange.tree import to_tree
from analysis_store.runs.read.dataset import EVENT_TIME, coordinate_dims, free_dims, label_of
from analysis_store.runs.read.lazy import LazyArray
from analysis_store.runs.values.times import always_fits, integers, told
from analysis_store.server.tree.arrays import SERVED_KINDS, DatasetAdapter, Variable, check_size, dataset, transportable
from analysis_store.server.tree.nodes import Node

if TYPE_CHECKING:
    import pandas

    from analysis_store.core.lazy import Index
    from analysis_store.documents import Document
    from analysis_store.runs.read.stream import Stream

Makers = dict[str, Callable[[], Variable]]

TIME = "time"
_LARGEST_OBJECT = 1 << 20
_RAGGED_KINDS = frozenset("biufcmM")


class Columns:
    """The data keys of one stream, handled one by one, so that a key that cannot be served affects no other."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._arrays: dict[str, Any] = {}
        self._ragged: dict[str, Any] = {}
        self._tables: dict[str, Any] = {}
        self._objects: dict[str, Any] = {}
        self.left_out: dict[str, Document] = {}
        """Reason why a key is not in ``data``, and where it is instead."""
        with stream.opened():
            for key in stream:
                try:
                    self._look_at(key)
                except AnalysisStoreError as error:
                    self.left_out[key] = {"reason": f"{type(error).__name__}: {error}"}

    def variables(self) -> Makers:
        """Return the variables and coordinates of ``data``: those of `Stream.read`, not read yet."""
        stream = self._stream
        columns = {key: Unread(key, each, stream.data_keys[key]) for key, each in self._arrays.items()}
        dims = free_dims(columns)
        found: Makers = {TIME: partial(Variable, np.asarray(stream.times), (TIME,), EVENT_TIME, is_coordinate=True)}
        for key, column in columns.items():
            found[label_of(key, columns)] = partial(self._variable, column, dims[key])
        return found

    def _variable(self, column: Unread, dims: tuple[str, ...]) -> Variable:
        is_coordinate = self._stream.data_keys[column.key].get("role") == "coordinate"
        own = coordinate_dims(column.key, dims, column) if is_coordinate else None
        array = column if own in (None, dims) else np.asarray(column[0])
        return Variable(array, own or dims, transportable(column.attrs), is_coordinate=own is not None)

    def timestamps(self) -> Makers:
        """Return the times at which each key was read: float64, s."""
        stream, units = self._stream, {"units": "s"}

        def made(key: str) -> Variable:
            return Variable(np.asarray(stream.timestamps(key)), (TIME,), units)

        time = partial(Variable, np.asarray(stream.times), (TIME,), units, is_coordinate=True)
        return {**{label_of(key, stream): partial(made, key) for key in stream}, TIME: time}

    def elsewhere(self) -> dict[str, Callable[[], Node]]:
        """Return the nodes next to ``data``, for keys that are not variables."""
        nodes: dict[str, Callable[[], Node]] = {}
        if self._ragged:
            contents = OneShotCachedMap({key: partial(as_awkward, each) for key, each in self._ragged.items()})
            nodes["ragged"] = partial(Node, contents)
        if self._tables:
            by_key = {key: partial(Node, _Tables(each)) for key, each in self._tables.items()}
            nodes["tables"] = partial(Node, OneShotCachedMap(by_key))
        if self._objects:
            by_key = {key: partial(Node, _Objects(each)) for key, each in self._objects.items()}
            nodes["objects"] = partial(Node, OneShotCachedMap(by_key))
        return nodes

    def _look_at(self, key: str) -> None:
        """Choose the node type of a key: if Tiled has no array type for its dtype, by its first value."""
        column = self._stream[key]
        if column.form == "object":
            self._objects[key] = column
            self.left_out[key] = {"reason": "its values are objects", "found_at": f"objects/{key}"}
            return
        first = column[0] if column.dtype.kind not in SERVED_KINDS and column.shape[0] else ""
        if hasattr(first, "columns"):
            self._tables[key] = column
            self.left_out[key] = {"reason": "its values are tables", "found_at": f"tables/{key}"}
        elif isinstance(first, np.ndarray) and first.dtype.kind in _RAGGED_KINDS:
            self._ragged[key] = column
            self.left_out[key] = {"reason": "its arrays differ in shape", "found_at": f"ragged/{key}"}
        else:
            self._arrays[key] = column if column.dtype.kind in SERVED_KINDS else InMemory(as_text(column))


class Unread(LazyArray):
    """A column with dtype and shape but no values yet, to build a dataset without reading it.

    Times in units that xarray does not have are integers here; attributes declare the unit.
    """

    def __init__(self, key: str, column: Any, data_key: Document) -> None:
        self._times = None if always_fits(column.dtype) else column.dtype
        super().__init__(key, column if self._times is None else _Integers(column), data_key)

    @property
    def attrs(self) -> dict[str, Any]:
        """Metadata of the key from the descriptor, and for times the unit of their integers."""
        attrs = super().attrs
        return attrs if self._times is None else told(self._times, attrs)


class _Integers(Known):
    """A column of times as integers, as they are in memory."""

    def __init__(self, column: Any) -> None:
        super().__init__(column.shape, np.dtype(np.int64).newbyteorder(column.dtype.byteorder))
        self._column = column

    def __getitem__(self, key: Index) -> np.ndarray:
        return integers(np.asarray(self._column[key]))


class _Numbered(Mapping[str, Any]):
    """The values of a key by event number, from 0; each is read on access."""

    def __init__(self, column: Any) -> None:
        self._column = column

    def __getitem__(self, number: str) -> Any:
        if not (number.isdecimal() and str(int(number)) == number and int(number) < len(self)):
            raise KeyError(number)
        return self._served(self._column[int(number)])

    @abstractmethod
    def _served(self, value: Any) -> Any:
        """Return a value in the form that Tiled serves."""

    def __iter__(self) -> Iterator[str]:
        return map(str, range(len(self)))

    def __len__(self) -> int:
        return int(self._column.shape[0])


class _Tables(_Numbered):
    def _served(self, value: Any) -> TableAdapter:
        return as_table(value)


class _Objects(_Numbered):
    """Objects as the metadata of empty nodes, in the form of the JSON export."""

    def _served(self, value: Any) -> Node:
        tree = to_tree(value)
        size = len(dumps(tree))
        if size > _LARGEST_OBJECT:
            return Node({}, metadata={"left_out": f"{size} bytes of JSON; read it from the store itself"})
        return Node({}, metadata={"object": loads(dumps(tree), "object")})


def as_table(frame: pandas.DataFrame) -> TableAdapter:
    """Return a pandas table for Tiled; a default index is left out, any other becomes columns.

    Raises
    ------
    InvalidDataError
        Arrow, which Tiled uses to send tables, cannot hold it.
    """
    import pandas

    plain = frame if isinstance(frame.index, pandas.RangeIndex) else frame.reset_index()
    plain = plain.set_axis([str(name) for name in plain.columns], axis="columns")
    try:
        return TableAdapter([plain], TableStructure.from_pandas(plain))
    except (ValueError, TypeError, NotImplementedError, pyarrow.ArrowException) as error:
        raise InvalidDataError(f"This table cannot be sent: {error}. Read it from the store itself.") from error


def as_awkward(column: Any) -> AwkwardAdapter:
    """Return a column of arrays of different shapes as one Awkward array, with the same dtypes except byte order."""
    arrays: Sequence[np.ndarray] = [_native(column[number]) for number in range(column.shape[0])]
    check_size(sum(array.nbytes for array in arrays))
    if arrays[0].ndim == 1:
        whole = awkward.unflatten(np.concatenate(arrays), [len(array) for array in arrays])
    else:
        whole = awkward.concatenate([awkward.from_numpy(array[None], regulararray=False) for array in arrays])
    return AwkwardAdapter.from_array(whole)


def as_text(column: Any) -> np.ndarray:
    """Return a column of strings of any length as the fixed-width array that Tiled needs.

    Raises
    ------
    InvalidDataError
        A value is not a string, or a string ends in NUL, which a fixed width would cut off.
    """
    values = np.asarray(column[:])
    if not all(isinstance(value, str) for value in values.ravel()):
        raise InvalidDataError("Tiled cannot hold its values. Read them from the store itself.")
    text = values.astype(np.str_) if values.size else values.astype("<U1")
    if any(value.endswith("\0") for value in values.ravel()):
        raise InvalidDataError("A string ends in NUL, which Tiled would cut off. Read it from the store itself.")
    return text if text.dtype.itemsize else text.astype("<U1")


def configuration(descriptors: Sequence[Document], which: str) -> Node:
    """Return the configuration of each device (or its timestamps): one row for each descriptor.

    Values that are not numbers or strings, or that change shape in a later descriptor, are only in the
    descriptors themselves.
    """
    times = np.array([doc["time"] for doc in descriptors], dtype=float)
    devices = dict.fromkeys(device for doc in descriptors for device in doc.get("configuration", {}))

    def device_dataset(device: str) -> DatasetAdapter:
        rows = [doc.get("configuration", {}).get(device, {}).get(which, {}) for doc in descriptors]
        makers: Makers = {TIME: partial(_itself, Variable(times, (TIME,), {"units": "s"}, is_coordinate=True))}
        for key in dict.fromkeys(key for row in rows for key in row):
            values = _regular([row.get(key) for row in rows])
            if values is not None and key != TIME:
                dims = (TIME, *(f"{key}_dim{number}" for number in range(values.ndim - 1)))
                makers[key] = partial(_itself, Variable(values, dims))
        return dataset(makers, {})

    return Node(OneShotCachedMap({device: partial(device_dataset, device) for device in devices}))


def _regular(values: Sequence[Any]) -> np.ndarray | None:
    try:
        array = np.array(values)
    except (ValueError, OverflowError):
        return None
    return array if array.dtype.kind in SERVED_KINDS and array.dtype.itemsize else None


def _itself(variable: Variable) -> Variable:
    return variable


def _native(array: np.ndarray) -> np.ndarray:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))
