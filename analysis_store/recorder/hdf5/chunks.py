"""Places of committed rows in a live file, which HDF5 neither moves nor changes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis_store.recorder.hdf5.repair import REFUSALS

if TYPE_CHECKING:
    import h5py
    from h5py import h5d

Span = tuple[int, int]
_LONG = 0.002


class _Facts(NamedTuple):
    """Properties of a dataset."""

    rows: int
    """Shape of one chunk."""

    filtered: bool
    """True if a chunk with new rows is rewritten as a whole, at another place if its size changes."""


class Chunks:
    """Records the spans of a file that are not overwritten while it only grows.

    An uncompressed chunk keeps its place, and its rows do not change. A compressed chunk does so
    when it is full; before, each write may leave an old copy, which is not referenced.
    """

    def __init__(self) -> None:
        self._facts: dict[str, _Facts] = {}
        self._known: dict[str, int] = {}
        """Number of chunks along the first axis of each dataset that are in the spans."""
        self._moving: dict[str, dict[tuple[int, ...], Span]] = {}
        """Last places of chunks of each compressed dataset that were not full."""
        self._spans = np.empty((0, 2), np.int64)
        self._rest = 0.0

    def look(self, file: h5py.File, counts: Mapping[str, int]) -> None:
        """Add the chunks with new rows; a dataset that HDF5 cannot read is left out."""
        found: list[Span] = []
        for name, count in counts.items():
            with suppress(*REFUSALS):
                found += self._new(file, name, count)
        if found:
            self._spans = _merged(np.concatenate([self._spans, np.array(found, np.int64)]))

    def follow(self, file: h5py.File, counts: Mapping[str, int]) -> None:
        """Add, after a commit of these datasets, the old copies of compressed chunks.

        HDF5 takes longer to find a chunk the more chunks there are, so this uses at most a tenth of the time. A missed
        copy only wastes space.
        """
        begun = time.monotonic()
        if begun < self._rest:
            return
        left: list[Span] = []
        for name, count in counts.items():
            with suppress(*REFUSALS):
                if self._facts_of(file, name).filtered:
                    left += self._left(file, name, count)
        if left:
            self._spans = _merged(np.concatenate([self._spans, np.array(left, np.int64)]))
        took = time.monotonic() - begun
        self._rest = begun + (10 * took if took > _LONG else 0)

    def outside(self) -> Iterator[Span]:
        """Yield the gaps between the spans, up to the end of the file."""
        starts = [0, *self._spans[:, 1].tolist()]
        stops = [*self._spans[:, 0].tolist(), 1 << 62]
        return ((start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop)

    def _new(self, file: h5py.File, name: str, count: int) -> Iterator[Span]:
        facts, first = self._facts_of(file, name), self._known.get(name, 0)
        last = count // facts.rows if facts.filtered else -(-count // facts.rows)
        if last > first:
            yield from _between(file[name].id, first * facts.rows, last * facts.rows)
            self._known[name] = last

    def _left(self, file: h5py.File, name: str, count: int) -> list[Span]:
        dataset, before = file[name].id, self._moving.get(name, {})
        growing = _growing(dataset, count)
        now = {place: _where(dataset, place) for place in {*before, *growing}}
        self._moving[name] = {place: span for place in growing if (span := now[place]) is not None}
        return [span for place, span in before.items() if now[place] != span]

    def _facts_of(self, file: h5py.File, name: str) -> _Facts:
        if name not in self._facts:
            made = file[name].id.get_create_plist()
            self._facts[name] = _Facts(made.get_chunk()[0], made.get_nfilters() > 0)
        return self._facts[name]


def _between(dataset: h5d.DatasetID, first: int, last: int) -> list[Span]:
    """Return the places of the chunks of some rows; in one call, because HDF5 searches all chunks to find one."""
    found: list[Span] = []

    def take(told: h5d.StoreInfo) -> None:
        if first <= told.chunk_offset[0] < last:
            found.append((told.byte_offset, told.byte_offset + told.size))

    dataset.chunk_iter(take)
    return found


def _growing(dataset: h5d.DatasetID, count: int) -> list[tuple[int, ...]]:
    """Return the chunks that are not full, by the first element of each."""
    sizes, steps = dataset.shape, dataset.get_create_plist().get_chunk()
    if count % steps[0] == 0:
        return []
    others = (range(0, size, step) for size, step in zip(sizes[1:], steps[1:], strict=True))
    return list(product([count - count % steps[0]], *others))


def _where(dataset: h5d.DatasetID, place: tuple[int, ...]) -> Span | None:
    told = dataset.get_chunk_info_by_coord(place)
    return None if told.byte_offset is None else (told.byte_offset, told.byte_offset + told.size)


def _merged(spans: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return spans in order, with adjacent spans merged."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    ends = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] > ends[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([spans[first, 0], ends[last]], axis=1)
