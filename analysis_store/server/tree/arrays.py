"""Arrays and datasets for Tiled: the structure is known without reading, and a slice reads only the slice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from dask.array.core import normalize_chunks
from tiled.adapters.core import Adapter
from tiled.ndslice import NDBlock, NDSlice
from tiled.structures.array import ArrayStructure, BuiltinDtype, StructDtype
from tiled.structures.core import Spec, StructureFamily
from tiled.utils import OneShotCachedMap

from analysis_store.core.jsonable import rebuilt
from analysis_store.errors import InvalidDataError, TooLargeError
from analysis_store.server.tree.nodes import Node

RESPONSE_LIMIT = 300_000_000
"""The largest answer, in bytes; Tiled's clients ask for larger arrays in blocks."""

SERVED_KINDS = frozenset("biufcmMSU")
"""The kinds of dtype that Tiled can describe."""

DATASET_SPEC = "AnalysisDataset"
"""Specs of a dataset: our client fetches arrays where Arrow loses types; Tiled's own client uses the second spec."""


_SENT_INTEGERS = range(-(2**63), 2**64)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable or coordinate of a dataset, not read yet."""

    array: Any
    """Any object with ``shape``, ``dtype`` and slicing by integers and forward slices: a lazy column, a NumPy array."""

    dims: tuple[str, ...]
    """Name of each dimension; the first is that of the events."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Units and other metadata of the data key; JSON."""

    is_coordinate: bool = False
    """True if xarray shows it as a coordinate."""


class ColumnAdapter(Adapter[ArrayStructure]):
    """A column that reads from the file only the part that a client asks for."""

    structure_family = StructureFamily.array

    def __init__(self, variable: Variable) -> None:
        self._array = variable.array
        spec = Spec("xarray_coord" if variable.is_coordinate else "xarray_data_var")
        super().__init__(
            structure_of(variable.array, variable.dims), metadata={"attrs": dict(variable.attrs)}, specs=[spec]
        )

    @property
    def dims(self) -> tuple[str, ...] | None:
        """Name of each dimension."""
        dims: tuple[str, ...] | None = self._structure.dims
        return dims

    def read(self, slice: NDSlice = NDSlice(...)) -> np.ndarray:  # noqa: B008  Tiled calls it by this name
        """Return a part of the column; only that part of the file is read.

        Raises
        ------
        IndexError
            The requested chunk of Zarr does not exist.
        """
        # Tiled's Zarr routes request plain slices, one chunk each, and pad the result to the size of the chunk.
        if not isinstance(slice, NDSlice) and any(
            part.start >= max(length, 1) for part, length in zip(slice, self._structure.shape, strict=True)
        ):
            raise IndexError("There is no such chunk.")
        return self._part(_narrowed(map(range, self._structure.shape), slice))

    def read_block(self, block: NDBlock, slice: NDSlice = NDSlice(...)) -> np.ndarray:  # noqa: B008
        """Return a block of the column, or a part of the block."""
        whole = _narrowed(map(range, self._structure.shape), block.slice_from_chunks(self._structure.chunks))
        return self._part(_narrowed(whole, slice))

    def _part(self, places: tuple[range | int, ...]) -> np.ndarray:
        check_size(math.prod(len(part) for part in places if isinstance(part, range)) * self._array.dtype.itemsize)
        values = self._as_promised(np.asarray(self._array[tuple(map(_forward, places))]), places)
        turned = tuple(slice(None, None, _direction(part)) for part in places if isinstance(part, range))
        return values[turned] if any(part.step == -1 for part in turned) else values

    def _as_promised(self, values: np.ndarray, places: tuple[range | int, ...]) -> np.ndarray:
        """Return values in their declared dtype; Tiled itself would cast 1.5 to 1 if a document says integer."""
        dtype = self._array.dtype
        shape = tuple(len(part) for part in places if isinstance(part, range))
        if values.shape != shape or not np.can_cast(values.dtype, dtype, "safe"):
            raise InvalidDataError(
                f"Got values of dtype {values.dtype} and shape {values.shape}; expected, from the first event, "
                f"{dtype} and {shape}. Read the key from the store itself."
            )
        return values.astype(dtype, copy=False)


class DatasetAdapter(Node):
    """Variables and coordinates that share their dimensions, read one by one."""

    def inlined_contents_enabled(self, depth: int) -> bool:
        """Return the structure of all variables in one answer: clients always need all of them."""
        return True

    def read(self, fields: list[str] | None = None) -> DatasetAdapter:
        """Return the dataset with these variables; raise if it would not fit in one answer."""
        chosen: DatasetAdapter = super().read(fields)
        structures = [chosen[name].structure() for name in chosen]
        check_size(sum(math.prod(each.shape) * each.data_type.to_numpy_dtype().itemsize for each in structures))
        return chosen


def dataset(variables: Mapping[str, Callable[[], Variable]], attrs: Mapping[str, object]) -> DatasetAdapter:
    """Return an adapter over variables, each created on first use."""

    def adapter(make: Callable[[], Variable]) -> Callable[[], ColumnAdapter]:
        return lambda: ColumnAdapter(make())

    return DatasetAdapter(
        OneShotCachedMap({name: adapter(make) for name, make in variables.items()}),
        metadata={"attrs": dict(attrs)},
        specs=[Spec(DATASET_SPEC, version="1"), Spec("xarray_dataset")],
    )


def structure_of(array: Any, dims: tuple[str, ...]) -> ArrayStructure:
    """Return the structure of an array without reading it; blocks are whole events if those fit one answer."""
    dtype, shape = array.dtype, tuple(map(int, array.shape))
    event = math.prod(shape[1:]) * dtype.itemsize
    chunks = ("auto",) * len(shape) if event > RESPONSE_LIMIT // 2 else ("auto", *shape[1:])[: len(shape)]
    if 0 in shape:  # dask would divide by it
        cut = tuple((length,) for length in shape)
    else:
        cut = normalize_chunks(chunks, shape=shape, dtype=dtype, limit=RESPONSE_LIMIT // 3)
    return ArrayStructure(
        data_type=(StructDtype if dtype.fields else BuiltinDtype).from_numpy_dtype(dtype),
        chunks=cut,
        shape=shape,
        dims=dims,
    )


def check_size(nbytes: int) -> None:
    """Raise for values that are too large to be sent.

    Raises
    ------
    TooLargeError
        The values exceed the limit of one answer.
    """
    if nbytes > RESPONSE_LIMIT:
        raise TooLargeError(
            f"Got a request for {nbytes} bytes; one answer holds {RESPONSE_LIMIT}. Ask for a part, as in ?slice=0:10"
        )


def transportable(value: object) -> Any:
    """Return metadata with integers beyond 64 bits as text: neither MessagePack nor Tiled's JSON holds them.

    The documents themselves are sent with the exact integer; see `analysis_store.server.tree.documents`.
    """
    return rebuilt(value, lambda leaf: str(leaf) if isinstance(leaf, int) and leaf not in _SENT_INTEGERS else leaf)


def _narrowed(places: Iterable[range | int], part: NDSlice) -> tuple[range | int, ...]:
    """Return the positions that a slice selects from positions: a range composes exactly with a slice of it."""
    ranges = [each for each in places if isinstance(each, range)]
    chosen = NDSlice(*part).expand_for_shape(tuple(map(len, ranges))) if part else ()
    return tuple(each[which] for each, which in zip(ranges, chosen, strict=True)) if chosen else tuple(ranges)


def _forward(places: range | int) -> slice | int:
    """Return an index that reads these positions forwards, since HDF5 cannot read backwards."""
    if isinstance(places, int):
        return places
    ordered = places if places.step > 0 else places[::-1]
    return slice(ordered.start, ordered.stop, ordered.step) if len(ordered) else slice(0, 0)


def _direction(places: range) -> int:
    return 1 if places.step > 0 else -1
