"""``analysis-store plot``: draw data in the terminal or as a PNG file."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, warned, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.exchange.plots import Axis

_HEIGHT = 16


def plot(
    uid: UidArgument,
    store: StoreOption = None,
    stream: Annotated[str | None, typer.Option(help="The stream; default: the first that can be drawn.")] = None,
    x: Annotated[str | None, typer.Option(help="Data key of the horizontal axis.")] = None,
    y: Annotated[str | None, typer.Option(help="Data key to draw.")] = None,
    event: Annotated[int, typer.Option(min=1, help="seq_num of the event to draw, for arrays.")] = 1,
    png: Annotated[Path | None, typer.Option(help="Write a PNG file instead.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw one key of a run.

    Draws a curve over another key, or an image, depending on the shape.
    """
    from analysis_store.exchange.plots import choose, drawn_stream, titled

    with open_store(store) as opened, warned(), working("reading"):
        run = find_run(opened, uid)
        across, up = choose(drawn_stream(run, stream), x, y, event)
    title = titled(run)
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


def draw_text(across: Axis, up: Axis, width: int) -> list[str]:
    """Return a plot with lines of at most ``width`` characters, and the range of both axes."""
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
    from analysis_store.exchange.plots import draw

    try:
        draw(title, across, up).savefig(path, format="png")
    except OSError as error:
        raise InvalidDataError(f"could not write the plot to {path}: {error.strerror}; give another --png.") from error
