"""Values that are read when they are asked for: by whoever goes through all of them in blocks, else one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis_store.arrays import as_objects, rows_at_once
from analysis_store.recorder import Series
from analysis_store.runs.read.lazy import LazyArray

KINDS = {"run": lambda source: LazyArray("a", source, {}), "recording": lambda source: Series("a", source)}


class Counted:
    """An array that counts how often it is read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype, self.readings = values, values.shape, values.dtype, 0

    def __getitem__(self, key: Any) -> Any:
        self.readings += 1
        return self.values[key if isinstance(key, tuple) else (key, ...)]

    def read(self) -> np.ndarray:
        """Return all of it."""
        return self[:]


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_gone_through_in_blocks(kind: str) -> None:
    """Many small values are one reading; each comes as NumPy's own scalar."""
    source = Counted(np.arange(10_000.0))
    values = list(KINDS[kind](source))

    assert source.readings == 1
    assert values == list(range(10_000))
    assert {type(value) for value in values} == {np.float64}


@pytest.mark.parametrize("kind", KINDS)
def test_large_values_are_gone_through_one_by_one(kind: str) -> None:
    """No more than some 16 MiB are in memory at once; the first is there before the others are read."""
    source = Counted(np.broadcast_to(np.float64(1.5), (3, 1 << 21)))
    lazy = KINDS[kind](source)
    first = next(iter(lazy))

    assert (first.shape, source.readings) == ((1 << 21,), 1)
    assert len(list(lazy)) == 3
    assert source.readings == 1 + 3


@pytest.mark.parametrize("kind", KINDS)
def test_objects_are_themselves(kind: str) -> None:
    """Arrays of many shapes, lists and None come as they are, a block of them at a time."""
    objects = [np.arange(3), [1, 2], None, np.zeros((2, 2))] * 50
    source = Counted(as_objects(objects))
    found = list(KINDS[kind](source))

    assert all(one is other for one, other in zip(objects, found, strict=True))
    assert 1 < source.readings < 10


@pytest.mark.parametrize("kind", KINDS)
def test_a_foreign_byte_order_stays(kind: str) -> None:
    """A value of the other byte order is an array without axes: as a scalar it would lose it."""
    foreign = np.dtype(float).newbyteorder()
    lazy = KINDS[kind](Counted(np.arange(3.0).astype(foreign)))

    assert [value.dtype for value in lazy] == [foreign] * 3
    assert (lazy[1].dtype, lazy[1].shape, lazy[-1]) == (foreign, (), 2.0)


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_from_the_shape(kind: str) -> None:
    """Size, bytes and dimensions are known without reading anything."""
    source = Counted(np.zeros((4, 3, 2), "f4"))
    lazy = KINDS[kind](source)

    assert (lazy.ndim, lazy.size, lazy.nbytes, len(lazy), source.readings) == (3, 24, 96, 4, 0)
    assert np.asarray(lazy, "f8").dtype == "f8"


@pytest.mark.parametrize("kind", KINDS)
def test_dask_reads_what_is_computed(kind: str) -> None:
    """A dask array has chunks of whole values, of which only those that are needed are read."""
    source = Counted(np.broadcast_to(np.arange(4.0)[:, None], (4, 1 << 20)))
    lazy = KINDS[kind](source).to_dask()

    arranged = source.readings  # dask asks for nothing of it, to see what it is

    assert lazy.chunks[0] == (2, 2)
    assert lazy[3, 5].compute() == 3.0
    assert source.readings == arranged + 1


def test_at_least_one_row_at_once() -> None:
    """However large a value is, one is read; of values without elements any number."""
    assert rows_at_once((10, 1 << 40), np.dtype(float)) == 1
    assert rows_at_once((10, 0), np.dtype(float)) == 16 << 20
