"""Data of a plot of a stream: the key to draw and its axis, with the numbers read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from analysis_store.errors import InvalidDataError, KeyNotFoundError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream


@dataclass(frozen=True, slots=True)
class Axis:
    """Values along one direction."""

    key: str
    """The data key, or ``seq_num``, or ``index``."""

    values: np.ndarray
    """Real numbers, shape (n,); for an image, (rows, columns)."""

    units: str = ""
    """Unit of the values."""

    @property
    def label(self) -> str:
        """Name with unit."""
        return f"{self.key} ({self.units})" if self.units else self.key


def drawn_stream(run: Run, name: str | None) -> Stream:
    """Return the named stream, or the first that has numbers.

    Raises
    ------
    StreamNotFoundError
        The run has no such stream.
    InvalidDataError
        No stream has numbers.
    """
    if name is not None:
        return run[name]
    for each in run:
        if numeric_keys(run[each]):
            return run[each]
    raise InvalidDataError(f"run {run.uid} has no numbers to draw in its streams {', '.join(run) or '(none)'}.")


def numeric_keys(stream: Stream) -> list[str]:
    """Return the keys that hold real numbers, according to their descriptors."""
    kinds = {key: str(entry.get("dtype_numpy") or entry["dtype"]) for key, entry in stream.data_keys.items()}
    return [
        key
        for key, kind in kinds.items()
        if (kind in ("number", "integer", "array") or kind.lstrip("<>|=")[:1] in "iufb")
        and None not in stream.data_keys[key]["shape"]
    ]


def choose(stream: Stream, x: str | None, y: str | None, event: int) -> tuple[Axis, Axis]:
    """Return the plot: the named keys, else the hinted keys, else suitable keys.

    Raises
    ------
    KeyNotFoundError
        A named key does not exist or holds no numbers.
    InvalidDataError
        There are no numbers, or the two keys have different lengths.
    """
    keys = numeric_keys(stream)
    for key in filter(None, (x, y)):
        if key not in keys:
            raise KeyNotFoundError(f"stream {stream.name!r} has no numbers under {key!r}; it has {', '.join(keys)}.")
    up = y or signal(stream, [key for key in keys if key != x])
    values = _values(stream, up, event)
    if values.ndim > 1:
        return Axis("column", count(values.shape[1])), Axis(up, values, units(stream, up))
    across = x or next((key for key in keys[: keys.index(up)] if _runs_along(stream, key, up, event)), None)
    if across is None:
        name = "index" if stream[up].ndim > 1 else "seq_num"
        return Axis(name, count(values.size)), Axis(up, values, units(stream, up))
    along = _values(stream, across, event)
    if along.shape != values.shape:
        raise InvalidDataError(
            f"{across!r} is of shape {along.shape} and {up!r} of {values.shape}; they must be equal."
        )
    return Axis(across, along, units(stream, across)), Axis(up, values, units(stream, up))


def signal(stream: Stream, keys: list[str]) -> str:
    """Return the key to draw: the first hinted one, else the second of two arrays of one shape, else the first."""
    hinted = [
        field
        for descriptor in stream.descriptors
        for hint in (descriptor.get("hints") or {}).values()
        for field in hint.get("fields", ())
    ]
    for key in hinted:
        if key in keys:
            return str(key)
    arrays = [key for key in keys if stream.data_keys[key]["shape"]]
    candidates = arrays or keys
    if not candidates:
        raise InvalidDataError(f"stream {stream.name!r} has no numbers to draw.")
    shape = stream.data_keys[candidates[0]]["shape"]
    same = [key for key in candidates[1:] if stream.data_keys[key]["shape"] == shape]
    return same[0] if same and len(shape) < 2 else candidates[0]


def _values(stream: Stream, key: str, event: int) -> np.ndarray:
    column = stream[key]
    try:
        if column.ndim == 1 and not (column.dtype.kind == "O" and stream.data_keys[key]["shape"]):
            return np.asarray(column[...], dtype=float)
        if event > column.shape[0]:
            raise InvalidDataError(f"stream {stream.name!r} has {column.shape[0]} events; there is no event {event}.")
        values = np.asarray(column[event - 1], dtype=float)
    except (TypeError, ValueError) as error:  # documents of other programs may hold anything
        if isinstance(error, InvalidDataError):
            raise
        raise InvalidDataError(f"{key!r} of stream {stream.name!r} holds no numbers to draw: {error}.") from error
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


def _runs_along(stream: Stream, across: str, up: str, event: int) -> bool:
    """Return True if a key can be the horizontal axis of another: as long, and strictly increasing or decreasing."""
    if stream[across].shape != stream[up].shape:
        return False
    steps = np.diff(_values(stream, across, event))
    return bool(steps.size) and bool((steps > 0).all() or (steps < 0).all())


def units(stream: Stream, key: str) -> str:
    """Return the unit of a key, or an empty string."""
    return str(stream.data_keys[key].get("units") or "")


def count(length: int) -> np.ndarray:
    """Return 1, 2, 3 …, shape (length,): the axis of a plot without one."""
    return np.arange(1.0, length + 1)


def titled(run: Run) -> str:
    """Return the title of a plot of the run."""
    return f"{run.start.get('sample_name') or run.start.get('plan_name', 'run')}  {run.uid[:8]}"


def draw(title: str, across: Axis, up: Axis) -> Figure:
    """Return a figure of 1200 × 800 pixels: a curve, or an image with a colour scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 16 / 3), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, parse_math=False)  # a dollar in a name does not begin a formula
    if up.values.ndim > 1:
        figure.colorbar(axes.imshow(up.values, aspect="auto")).set_label(up.label, parse_math=False)
    else:
        axes.plot(across.values, up.values)
        axes.set_xlabel(across.label, parse_math=False)
        axes.set_ylabel(up.label, parse_math=False)
    return figure
