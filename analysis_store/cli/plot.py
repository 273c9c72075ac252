"""``analysis-store plot``: a first look at the data, in the terminal or as a PNG file."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store
from analysis_store.errors import InvalidDataError, KeyNotFoundError

if TYPE_CHECKING:
    import numpy as np

    from analysis_store.runs.run import Run
    from analysis_store.runs.stream import Stream

_HEIGHT = 16


@dataclass(frozen=True, slots=True)
class Axis:
    """What is drawn along one direction."""

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


def plot(
    uid: UidArgument,
    store: StoreOption = None,
    stream: Annotated[str | None, typer.Option(help="The stream; by default the first that can be drawn.")] = None,
    x: Annotated[str | None, typer.Option(help="Data key of the horizontal axis.")] = None,
    y: Annotated[str | None, typer.Option(help="Data key to draw.")] = None,
    event: Annotated[int, typer.Option(min=1, help="Of arrays, draw that of this event (its seq_num).")] = 1,
    png: Annotated[Path | None, typer.Option(help="Draw into this PNG file instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one key of a run.

    A curve over another key, or an image, as it suits the shape.
    """
    with open_store(store) as opened, working("reading"):
        run = find_run(opened, uid)
        across, up = choose(_stream(run, stream), x, y, event)
    title = f"{run.start.get('sample_name') or run.start.get('plan_name', 'run')}  {run.uid[:8]}"
    if png:
        draw_png(title, across, up, png)
    if as_json:
        print_json({"uid": run.uid, "png": png, **{name: _told(axis) for name, axis in (("x", across), ("y", up))}})
    elif png:
        say(str(png))
    else:
        say(title, *draw_text(across, up, shutil.get_terminal_size((80, 24)).columns))


def _told(axis: Axis) -> dict[str, Any]:
    return {"key": axis.key, "units": axis.units, "values": axis.values}


def _stream(run: Run, name: str | None) -> Stream:
    if name is not None:
        return run[name]
    for each in run:
        if _numeric(run[each]):
            return run[each]
    raise InvalidDataError(f"run {run.uid} has no numbers to draw in its streams {', '.join(run) or '(none)'}.")


def _numeric(stream: Stream) -> list[str]:
    """Return the keys that hold real numbers, as their descriptors tell."""
    kinds = {key: str(entry.get("dtype_numpy") or entry["dtype"]) for key, entry in stream.data_keys.items()}
    return [
        key
        for key, kind in kinds.items()
        if (kind in ("number", "integer", "array") or kind.lstrip("<>|=")[:1] in "iufb")
        and None not in stream.data_keys[key]["shape"]
    ]


def choose(stream: Stream, x: str | None, y: str | None, event: int) -> tuple[Axis, Axis]:
    """Return what is drawn: the keys that were named, else the hinted ones, else what fits.

    Raises
    ------
    KeyNotFoundError
        A key was named that is not there, or holds no numbers.
    InvalidDataError
        There is nothing to draw, or the two keys are of different length.
    """
    keys = _numeric(stream)
    for key in filter(None, (x, y)):
        if key not in keys:
            raise KeyNotFoundError(f"stream {stream.name!r} has no numbers under {key!r}; it has {', '.join(keys)}.")
    up = y or _signal(stream, [key for key in keys if key != x])
    values = _values(stream, up, event)
    if values.ndim > 1:
        return Axis("column", _count(values.shape[1])), Axis(up, values, _units(stream, up))
    across = x or next((key for key in keys[: keys.index(up)] if _runs_along(stream, key, up, event)), None)
    if across is None:
        name = "index" if stream[up].ndim > 1 else "seq_num"
        return Axis(name, _count(values.size)), Axis(up, values, _units(stream, up))
    along = _values(stream, across, event)
    if along.shape != values.shape:
        raise InvalidDataError(
            f"{across!r} is of shape {along.shape} and {up!r} of {values.shape}; they must be equal."
        )
    return Axis(across, along, _units(stream, across)), Axis(up, values, _units(stream, up))


def _signal(stream: Stream, keys: list[str]) -> str:
    """Return the key to draw: the first hinted, else the second of two arrays of one shape, else the first array."""
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
    import numpy as np

    column = stream[key]
    if column.ndim == 1:
        return np.asarray(column[...], dtype=float)
    if event > column.shape[0]:
        raise InvalidDataError(f"stream {stream.name!r} has {column.shape[0]} events; there is no event {event}.")
    values = np.asarray(column[event - 1], dtype=float)
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else values


def _runs_along(stream: Stream, across: str, up: str, event: int) -> bool:
    """Tell whether a key can be the horizontal axis of another: as long, and ever growing or ever falling."""
    import numpy as np

    if stream[across].shape != stream[up].shape:
        return False
    steps = np.diff(_values(stream, across, event))
    return bool(steps.size) and bool((steps > 0).all() or (steps < 0).all())


def _units(stream: Stream, key: str) -> str:
    return str(stream.data_keys[key].get("units") or "")


def _count(length: int) -> np.ndarray:
    import numpy as np

    return np.arange(1.0, length + 1)


def draw_text(across: Axis, up: Axis, width: int) -> list[str]:
    """Return a plot of at most ``width`` characters a line, with the range of both axes."""
    from analysis_store.cli.canvas import curve, image

    width = max(min(width, 100), 20)
    if up.values.ndim > 1:
        return [_range(up), *image(up.values, width, _HEIGHT)]
    order = across.values.argsort(kind="stable") if (across.values[1:] < across.values[:-1]).all() else slice(None)
    return [_range(up), *curve(across.values[order], up.values[order], width, _HEIGHT), _range(across)]


def _range(axis: Axis) -> str:
    import numpy as np

    known = axis.values[np.isfinite(axis.values)]
    return f"{axis.label}  {known.min():.6g} … {known.max():.6g}" if known.size else f"{axis.label}  no finite value"


def draw_png(title: str, across: Axis, up: Axis, path: Path) -> None:
    """Write a PNG file of 1200 × 800 pixels.

    Raises
    ------
    InvalidDataError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 16 / 3), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title)
    if up.values.ndim > 1:
        figure.colorbar(axes.imshow(up.values, aspect="auto"), label=up.label)
    else:
        axes.plot(across.values, up.values)
        axes.set_xlabel(across.label)
        axes.set_ylabel(up.label)
    try:
        figure.savefig(path, format="png")
    except OSError as error:
        raise InvalidDataError(
            f"the plot cannot be written to {path}: {error.strerror}; give another --png."
        ) from error
