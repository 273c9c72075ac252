"""Where in a live file the rows lie that were committed: HDF5 neither moves them nor changes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from analysis_store.recorder.mending import REFUSALS

if TYPE_CHECKING:
    import h5py
    from h5py import h5d

Span = tuple[int, int]


class _Facts(NamedTuple):
    """What a dataset is."""

    rows: int
    """Of one chunk."""

    filtered: bool
    """Whether a chunk that gets more rows is written as a whole, at another place if its size changes."""


class Chunks:
    """Remembers the spans of a file that nothing is written over as long as it only grows.

    A chunk that is not compressed stays where it is, and what was in it stays in it. One that is compressed does so
    once it is full; until then each writing may leave an old copy behind, which nothing refers to.
    """

    def __init__(self) -> None:
        self._facts: dict[str, _Facts] = {}
        self._known: dict[str, int] = {}
        """How many chunks along the first axis of each dataset are among the spans."""
        self._moving: dict[str, dict[tuple[int, ...], Span]] = {}
        """Where the chunks of each compressed dataset were last that were not full."""
        self._spans = np.empty((0, 2), np.int64)

    def look(self, file: h5py.File, counts: Mapping[str, int]) -> None:
        """Take note of the chunks that have rows since; those of a dataset that HDF5 cannot read are left out."""
        found: list[Span] = []
        for name, count in counts.items():
            with suppress(*REFUSALS):
                found += self._new(file, name, count)
        if found:
            self._spans = _merged(np.concatenate([self._spans, np.array(found, np.int64)]))

    def follow(self, file: h5py.File, counts: Mapping[str, int]) -> None:
        """Take note, after each commit of these datasets, of the copies that compressed chunks leave behind."""
        left: list[Span] = []
        for name, count in counts.items():
            with suppress(*REFUSALS):
                if self._facts_of(file, name).filtered:
                    left += self._left(file, name, count)
        if left:
            self._spans = _merged(np.concatenate([self._spans, np.array(left, np.int64)]))

    def outside(self) -> Iterator[Span]:
        """Yield what lies between the spans, up to wherever the file ends."""
        starts = [0, *self._spans[:, 1].tolist()]
        stops = [*self._spans[:, 0].tolist(), 1 << 62]
        return ((start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop)

    def _new(self, file: h5py.File, name: str, count: int) -> Iterator[Span]:
        facts, first = self._facts_of(file, name), self._known.get(name, 0)
        last = count // facts.rows if facts.filtered else -(-count // facts.rows)
        if last > first:
            yield from _places(file[name].id, first, last).values()
            self._known[name] = last

    def _left(self, file: h5py.File, name: str, count: int) -> list[Span]:
        dataset, before = file[name].id, self._moving.get(name, {})
        rows = self._facts_of(file, name).rows
        first = min([place[0] // rows for place in before], default=count // rows)
        now = _places(dataset, first, -(-count // rows))
        self._moving[name] = {place: span for place, span in now.items() if place[0] + rows > count}
        return [span for place, span in before.items() if now.get(place) != span]

    def _facts_of(self, file: h5py.File, name: str) -> _Facts:
        if name not in self._facts:
            made = file[name].id.get_create_plist()
            self._facts[name] = _Facts(made.get_chunk()[0], made.get_nfilters() > 0)
        return self._facts[name]


def _places(dataset: h5d.DatasetID, first: int, last: int) -> dict[tuple[int, ...], Span]:
    """Return where the chunks lie of some rows of chunks, by the first element of each."""
    sizes, steps = dataset.shape, dataset.get_create_plist().get_chunk()
    rows = range(first * steps[0], last * steps[0], steps[0])
    others = (range(0, size, step) for size, step in zip(sizes[1:], steps[1:], strict=True))
    found = {}
    for place in product(rows, *others):
        told = dataset.get_chunk_info_by_coord(place)
        if told.byte_offset is not None:
            found[place] = told.byte_offset, told.byte_offset + told.size
    return found


def _merged(spans: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Return spans in their order, those that touch as one."""
    spans = spans[np.argsort(spans[:, 0], kind="stable")]
    ends = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] > ends[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([spans[first, 0], ends[last]], axis=1)
