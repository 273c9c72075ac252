"""PNG: an image pixel by pixel, or a plot of a stream, with a description in the text of the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from analysis_store.errors import ExportError, InvalidDataError, KeyNotFoundError
from analysis_store.exchange.choose import chosen_events, chosen_keys
from analysis_store.exchange.content import one_stream
from analysis_store.exchange.plots import Axis, choose, count, draw, drawn_stream, numeric_keys, signal, titled, units

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream

NAN_COLOUR = (255, 0, 255)
"""Colour of NaN pixels: grey images do not contain it."""

_MODES = {2: "L", 3: "RGB", 4: "RGBA"}


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write an image with one pixel per value, or a plot of 1200 × 800 pixels for curves.

    Bytes (uint8, also RGB and RGBA) are written as they are; other numbers are mapped to 256 greys from the least to
    the greatest. Without ``event``, the first is drawn.

    Raises
    ------
    ExportError
        The stream has no numbers or no events.
    KeyNotFoundError
        The key does not exist or holds no numbers.
    """
    try:
        _write(run, file, options)
    except InvalidDataError as error:
        raise ExportError(f"Cannot draw a picture: {error}") from error


def _write(run: Run, file: BinaryIO, options: Options) -> None:
    stream = drawn_stream(run, options.stream) if not options.keys else one_stream(run, options)
    keys = chosen_keys(stream, options)
    if len(options.keys) > 1:
        raise ExportError(f"Got {', '.join(keys)}; a picture shows one key. Choose one with key=.")
    key = keys[0] if options.keys else signal(stream, numeric_keys(stream))
    events = chosen_events(stream, options)
    if not events:
        raise ExportError(f"Cannot draw a picture: stream {stream.name!r} has no events.")
    column = stream[key]
    value = np.asarray(column[events[0]]) if column.ndim > 1 or column.dtype.kind == "O" else None
    about = {"Title": f"{key} of stream {stream.name}", "Source": f"run {run.uid}"}
    if value is not None:
        about["Source"] += f", event {events[0]}"
    if value is not None and _is_image(value):
        _write_image(value, file, about, units(stream, key))
        return
    across, up = _curve(stream, key, value, events[0])
    draw(titled(run), across, up).savefig(file, format="png", metadata=about)


def _curve(stream: Stream, key: str, value: AnyArray | None, event: int) -> tuple[Axis, Axis]:
    """Return the values to draw; for arrays whose length differs from event to event, the list of events."""
    if value is not None and (value.ndim != 1 or value.dtype.kind not in "biuf"):
        if value.dtype.kind not in "biuf":
            raise KeyNotFoundError(
                f"{key!r} of stream {stream.name!r} holds {value.dtype}, which cannot be drawn; numbers are under "
                f"{', '.join(numeric_keys(stream)) or 'no key'}."
            )
        raise ExportError(
            f"a picture has two dimensions, or a third of 3 or 4 colours in uint8; {key!r} of stream {stream.name!r} "
            f"is of shape {value.shape} and {value.dtype} in each event. Export to hdf5 or npz."
        )
    if value is not None and stream[key].dtype.kind == "O":
        return Axis("index", count(value.size)), Axis(key, value.astype(float), units(stream, key))
    return choose(stream, None, key, event + 1)


def _is_image(value: AnyArray) -> bool:
    colours = value.ndim == 3 and value.shape[2] in _MODES and value.shape[2] > 2 and value.dtype == np.uint8
    return colours or (value.ndim == 2 and value.dtype.kind in "biuf")


def _write_image(value: AnyArray, file: BinaryIO, about: dict[str, str], unit: str) -> None:
    from PIL import Image, PngImagePlugin

    if not value.size:
        raise ExportError(f"Cannot draw a picture: the image has the shape {value.shape}.")
    pixels, contrast = _pixels(value, unit)
    told = PngImagePlugin.PngInfo()
    for name, text in {**about, "Description": contrast}.items():
        told.add_text(name, text)
    mode = _MODES[pixels.shape[2] if pixels.ndim == 3 else 2]
    image = Image.frombytes(mode, pixels.shape[1::-1], pixels.tobytes())
    image.save(file, format="PNG", pnginfo=told)


def _pixels(value: AnyArray, unit: str) -> tuple[AnyArray, str]:
    """Return uint8 of shape (rows, columns) or (rows, columns, colours), and a description of the conversion."""
    if value.dtype == np.uint8:
        return value, "Pixels are the values."
    if value.dtype.kind == "b":
        return value.astype(np.uint8) * np.uint8(255), "0 is False, 255 is True."
    known = np.isfinite(value)
    if not known.any():
        grey, contrast = np.zeros(value.shape, np.uint8), "No value is finite."
    else:
        low, high = value[known].min().item(), value[known].max().item()
        grey = _greys(value.astype(float), float(low), float(high))
        contrast = f"Contrast: 0 is {low}, 255 is {high}{f' {unit}' if unit else ''}, linear in between."
    missing = np.isnan(value)
    if not missing.any():
        return grey, contrast
    coloured = np.repeat(grey[..., np.newaxis], 3, axis=2)
    coloured[missing] = NAN_COLOUR
    return coloured, f"{contrast} NaN is the colour {NAN_COLOUR}."


def _greys(value: AnyArray, low: float, high: float) -> AnyArray:
    """Return values as greys; infinite ones are black and white, and all are black where all are equal."""
    span = high / 2 - low / 2  # halves, since the full span may overflow
    parts = np.clip(np.nan_to_num(value, nan=low), low, high) / 2 - low / 2
    greys: AnyArray = np.round(255 * (parts / span if span else parts * 0)).astype(np.uint8)
    return greys
