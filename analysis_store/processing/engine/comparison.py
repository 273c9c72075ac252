"""Comparison of two runs, stream by stream and key by key: by digest if possible, else by value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis_store.errors import AnalysisStoreError, InvalidDataError
from analysis_store.processing.identity.differences import Differences, kind_of
from analysis_store.runs.read.run import Run

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.lazy import LazyArray

Verdict = Literal["identical", "close", "different", "shape", "dtype", "only in a", "only in b", "unreadable"]

_BLOCK = 16 << 20
"""Size in bytes of the parts of two arrays that are compared at once."""

_WHOLE = ("ragged", "table", "object")
"""Forms without blocks, which are compared event by event."""

_TEXT = re.compile(r"[<>]U\d|object$|StringDType")

_HEAD = ("stream", "key", "verdict", "differ", "largest", "relative", "first")


@dataclass(frozen=True, slots=True)
class Row:
    """Comparison of one data key of two runs."""

    stream: str
    key: str
    verdict: Verdict
    """``identical``, ``close`` (within the tolerances), ``different``; ``shape`` or ``dtype``, whose values were
    not compared; ``only in a`` or ``b``; ``unreadable``."""

    told: str = ""
    """Position of the first difference, and the values there; or the two shapes or dtypes; or the error."""

    differ: int = 0
    """Number of values that differ; for ``close`` ones, the number that are not equal."""

    of: int = 0
    """Number of values compared; 0 if the digests are equal and nothing was read."""

    largest: float | None = None
    """The largest absolute difference, in the units of the key."""

    relative: float | None = None
    """The largest difference relative to b."""

    def __bool__(self) -> bool:
        return self.verdict in ("identical", "close")


@dataclass(frozen=True)
class Comparison:
    """Comparison of two runs; true if every value of each is in the other, identical or close."""

    a: str
    """Uid of the first run."""

    b: str
    """Uid of the second run."""

    rtol: float
    atol: float
    events: Mapping[str, tuple[int | None, int | None]]
    """Number of events of each stream in a and in b; None if the stream is missing."""

    rows: Sequence[Row]

    def __bool__(self) -> bool:
        return all(self.rows) and all(ours == theirs for ours, theirs in self.events.values())

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def to_dict(self) -> Document:
        """Return the comparison as JSON."""
        events = {stream: list(counts) for stream, counts in self.events.items()}
        told = {"a": self.a, "b": self.b, "rtol": self.rtol, "atol": self.atol, "same": bool(self), "events": events}
        return {**told, "rows": [asdict(row) for row in self.rows]}

    def __repr__(self) -> str:
        same = "the same" if self else "different"
        lines = [f"<Comparison of {self.a[:8]} and {self.b[:8]}: {same}, rtol {self.rtol:g}, atol {self.atol:g}>"]
        for stream, (ours, theirs) in self.events.items():
            if ours != theirs:
                lines.append(f"  {stream}: {ours} events in a, {theirs} in b")
        cells = [_HEAD, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines += ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]
        return "\n".join(lines)


def compare(store: RunStore, a: str | Run, b: str | Run, *, rtol: float = 1e-5, atol: float = 0.0) -> Comparison:
    """Return the differences between the values of two runs; see `AnalysisStore.compare`."""
    tolerances: dict[str, Any] = {"rtol": rtol, "atol": atol}
    for name, value in tolerances.items():
        if not isinstance(value, (int, float, np.number)) or not 0 <= value < math.inf:
            raise InvalidDataError(f"{name}: Got {value!r}; expected a number of at least 0.")
    ours, theirs = (run if isinstance(run, Run) else store[run] for run in (a, b))
    keys = _keys(ours), _keys(theirs)
    digests = _digests(ours), _digests(theirs)
    rows = []
    for place in dict.fromkeys([*keys[0], *keys[1]]):
        if place not in keys[1]:
            rows.append(Row(*place, "only in a"))
        elif place not in keys[0]:
            rows.append(Row(*place, "only in b"))
        else:
            rows.append(_row(ours, theirs, place, (digests[0].get(place), digests[1].get(place)), (rtol, atol)))
    return Comparison(ours.uid, theirs.uid, rtol, atol, _events(ours, theirs), tuple(rows))


def _keys(run: Run) -> dict[tuple[str, str], None]:
    documents = [(each.get("name", "primary"), each["data_keys"]) for each in run.descriptors]
    return dict.fromkeys((stream, key) for stream, data_keys in documents for key in data_keys)


def _digests(run: Run) -> dict[tuple[str, str], str]:
    return {(each["stream"], each["data_key"]): f"{each['algorithm']}:{each['digest']}" for each in run.digests}


def _events(a: Run, b: Run) -> dict[str, tuple[int | None, int | None]]:
    return {stream: (_count(a, stream), _count(b, stream)) for stream in dict.fromkeys([*a, *b])}


def _count(run: Run, stream: str) -> int | None:
    if stream not in run:
        return None
    counts: Mapping[str, int] = (run.stop or {}).get("num_events") or {}
    return counts[stream] if stream in counts else run[stream].num_events


def _row(
    a: Run, b: Run, place: tuple[str, str], digests: tuple[str | None, str | None], tolerance: tuple[float, float]
) -> Row:
    if digests[0] is not None and digests[0] == digests[1]:
        return Row(*place, "identical")
    stream, key = place
    try:
        ours, theirs = a[stream], b[stream]
        kinds = [_kind(it[key], it.data_keys[key]) for it in (ours, theirs)]
        if kinds[0] != kinds[1]:
            return Row(*place, "dtype", f"{kinds[0]} and {kinds[1]}")
        row = _compared(ours[key], theirs[key], place, tolerance, in_blocks=kinds[0] not in _WHOLE)
    except AnalysisStoreError as error:  # other keys can still be compared
        return Row(*place, "unreadable", str(error))
    return row


def _kind(values: LazyArray, data_key: Document) -> str:
    """Return a property that comparable columns share: a dtype, or the form of a column that is not an array."""
    if values.form != "array":
        return values.form
    named = str(data_key.get("dtype_numpy"))  # text of variable length has dtype object in memory
    return "text" if values.dtype.kind == "O" and _TEXT.match(named) else kind_of(values.dtype)


def _compared(
    a: LazyArray, b: LazyArray, place: tuple[str, str], tolerance: tuple[float, float], *, in_blocks: bool
) -> Row:
    if a.shape != b.shape:
        return Row(*place, "shape", f"{a.shape} and {b.shape}")
    found = Differences(*tolerance)
    if in_blocks:
        for block in blocks(a.shape, _BLOCK // max(a.dtype.itemsize, 1)):
            ours, theirs = np.asarray(a[block]), np.asarray(b[block])
            found.arrays(ours, theirs, start=tuple(part.start for part in block))
    else:
        for index, (one, other) in enumerate(zip(a, b, strict=True)):
            found.compare(one, other, f"[{index}]")
    verdict: Verdict = "different" if found.beyond else "close" if found.unequal else "identical"
    differ = found.beyond or found.unequal
    return Row(*place, verdict, found.first, differ, found.compared, found.largest, found.largest_relative)


def blocks(shape: Sequence[int], most: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cover an array of this shape, each of at most about ``most`` elements."""
    inner = math.prod(shape[1:])
    if inner <= most or len(shape) == 1:
        step = max(1, most // max(inner, 1))
        for start in range(0, shape[0], step):
            yield (slice(start, min(start + step, shape[0])), *(slice(0, size) for size in shape[1:]))
        return
    for index in range(shape[0]):
        for rest in blocks(shape[1:], most):
            yield (slice(index, index + 1), *rest)


def _cells(row: Row) -> tuple[str, ...]:
    differ = f"{row.differ} of {row.of}" if row.differ else ""
    sizes = ("" if size is None else f"{size:.3g}" for size in (row.largest, row.relative))
    return (row.stream, row.key, row.verdict, differ, *sizes, row.told)
