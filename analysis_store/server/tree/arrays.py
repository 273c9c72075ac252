"""Arrays and datasets as Tiled knows them: structure without reading, and a slice reads only the slice."""

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
"""Tells our own client from Tiled's: ours fetches what Arrow cannot hold as arrays. Tiled's knows the second spec."""


_SENT_INTEGERS = range(-(2**63), 2**64)


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable or coordinate of a dataset, not read yet."""

    array: Any
    """Anything with ``shape``, ``dtype`` and slicing by integers and forward slices: a lazy column, a NumPy array."""

    dims: tuple[str, ...]
    """A name for each dimension; the first is that of the events."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """Units and whatever else the data key says; JSON."""

    is_coordinate: bool = False
    """Whether xarray shows it as a coordinate."""


class ColumnAdapter(Adapter[ArrayStructure]):
    """A column, of which what is asked for is read when it is asked for."""

    structure_family = StructureFamily.array

    def __init__(self, variable: Variable) -> None:
        self._array = variable.array
        spec = Spec("xarray_coord" if variable.is_coordinate else "xarray_data_var")
        super().__init__(
            structure_of(variable.array, variable.dims), metadata={"attrs": dict(variable.attrs)}, specs=[spec]
        )

    @property
    def dims(self) -> tuple[str, ...] | None:
        """The name of each dimension."""
        dims: tuple[str, ...] | None = self._structure.dims
        return dims

    def read(self, slice: NDSlice = NDSlice(...)) -> np.ndarray:  # noqa: B008  Tiled calls it by this name
        """Return a part of the column; the file is read for that part alone.

        Raises
        ------
        IndexError
            A chunk of Zarr was asked for that is not there.
        """
        # Tiled's routes for Zarr ask by plain slices, one chunk each, and fill up what comes to the end of the chunk.
        if not isinstance(slice, NDSlice) and any(
            part.start >= max(length, 1) for part, length in zip(slice, self._structure.shape, strict=True)
        ):
            raise IndexError("there is no such chunk")
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
        """Return values as the structure says; Tiled itself would cast 1.5 to 1 where a document says integer."""
        dtype = self._array.dtype
        shape = tuple(len(part) for part in places if isinstance(part, range))
        if values.shape != shape or not np.can_cast(values.dtype, dtype, "safe"):
            raise InvalidDataError(
                f"values of dtype {values.dtype} and shape {values.shape} came where the first event promises "
                f"{dtype} and {shape}; read the key from the store itself"
            )
        return values.astype(dtype, copy=False)


class DatasetAdapter(Node):
    """Variables and coordinates that share their dimensions, read one by one."""

    def inlined_contents_enabled(self, depth: int) -> bool:
        """Describe all variables in one answer: a client always wants all of them."""
        return True

    def read(self, fields: list[str] | None = None) -> DatasetAdapter:
        """Return the dataset with these variables; it is refused here if it would not fit in one answer."""
        chosen: DatasetAdapter = super().read(fields)
        structures = [chosen[name].structure() for name in chosen]
        check_size(sum(math.prod(each.shape) * each.data_type.to_numpy_dtype().itemsize for each in structures))
        return chosen


def dataset(variables: Mapping[str, Callable[[], Variable]], attrs: Mapping[str, object]) -> DatasetAdapter:
    """Return an adapter over variables, each made when it is first asked for."""

    def adapter(make: Callable[[], Variable]) -> Callable[[], ColumnAdapter]:
        return lambda: ColumnAdapter(make())

    return DatasetAdapter(
        OneShotCachedMap({name: adapter(make) for name, make in variables.items()}),
        metadata={"attrs": dict(attrs)},
        specs=[Spec(DATASET_SPEC, version="1"), Spec("xarray_dataset")],
    )


def structure_of(array: Any, dims: tuple[str, ...]) -> ArrayStructure:
    """Describe an array to Tiled without reading it; its blocks are whole events where those fit one answer."""
    dtype, shape = array.dtype, tuple(map(int, array.shape))
    event = math.prod(shape[1:]) * dtype.itemsize
    chunks = ("auto",) * len(shape) if event > RESPONSE_LIMIT // 2 else ("auto", *shape[1:])[: len(shape)]
    if 0 in shape:  # which dask would divide by
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
    """Refuse to read what is too large to be sent.

    Raises
    ------
    TooLargeError
        The values take more than one answer may.
    """
    if nbytes > RESPONSE_LIMIT:
        raise TooLargeError(
            f"the values take {nbytes} bytes, one answer holds {RESPONSE_LIMIT}: ask for a part, as in ?slice=0:10"
        )


def transportable(value: object) -> Any:
    """Return metadata with integers beyond 64 bits told as text: neither MessagePack nor Tiled's JSON holds them.

    The documents themselves are sent with the integer; see `analysis_store.server.tree.documents`.
    """
    return rebuilt(value, lambda leaf: str(leaf) if isinstance(leaf, int) and leaf not in _SENT_INTEGERS else leaf)


def _narrowed(places: Iterable[range | int], part: NDSlice) -> tuple[range | int, ...]:
    """Return the places that a slice chooses among places: a range composes with a slice of it, exactly."""
    ranges = [each for each in places if isinstance(each, range)]
    chosen = NDSlice(*part).expand_for_shape(tuple(map(len, ranges))) if part else ()
    return tuple(each[which] for each, which in zip(ranges, chosen, strict=True)) if chosen else tuple(ranges)


def _forward(places: range | int) -> slice | int:
    """Return an index that reads these places forwards: HDF5 does not read backwards."""
    if isinstance(places, int):
        return places
    ordered = places if places.step > 0 else places[::-1]
    return slice(ordered.start, ordered.stop, ordered.step) if len(ordered) else slice(0, 0)


def _direction(places: range) -> int:
    return 1 if places.step > 0 else -1
