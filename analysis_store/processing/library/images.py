"""Statistics of detector images, also for stacks larger than memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import InputError
from analysis_store.processing.library.curves import expected, numeric, returned
from analysis_store.processing.model.processor import processor

if TYPE_CHECKING:
    from analysis_store.processing.inputs.inputs import Input, Inputs
    from analysis_store.processing.library.curves import Returned

_BLOCK = 1 << 23
"""Pixels processed at once; as float64 they take 64 MiB."""


@processor(id="image_statistics", version="1", descriptor_md={"primary": {"data_keys": {
    "centroid_x": {"units": "pixel"}, "centroid_y": {"units": "pixel"}}}})  # fmt: skip
def image_statistics(
    inputs: Inputs, *, image: str | None = None, stream: str = "primary", saturation: float | None = None
) -> Returned:
    """Sum, mean, spread, extremes, centroid and saturated pixels of each image.

    A stack is read block by block, and may be larger than memory.

    Parameters
    ----------
    inputs : Inputs
        One run.
    image : str, optional
        Key of the images, shape (height, width) or (frames, height, width) per event; the only such.
    stream : str
        Stream of the run.
    saturation : float, optional
        Value from which a pixel counts as saturated; the largest of an integer dtype, and none for floats.

    Returns
    -------
    dict
        Stream "primary", one event per event of the input, each key a number, or, of events with several frames, an
        array of shape (frames,):

        * ``sum``, ``mean``, ``std`` (of the population), ``min``, ``max``: float64, in the units of the image, over the
          pixels that are finite; NaN if no pixel is
        * ``centroid_x``, ``centroid_y``: mean column and row, from 0 at the first pixel, weighted with the values;
          pixels; NaN where they do not add up to more than 0
        * ``saturated``, ``invalid``: numbers of saturated and of non-finite pixels; int64

    Raises
    ------
    InputError
        There are no images, or several keys of images and no choice.
    """
    (one,) = expected(inputs, "one run")
    key = image_key(one, stream, image)
    images = one[stream][key]
    frames = images.shape[1:-2]
    limit = np.iinfo(images.dtype).max if saturation is None and images.dtype.kind in "iu" else saturation
    step = max(1, _BLOCK // max(1, int(np.prod(images.shape[1:]))))
    parts = [_statistics(np.asarray(images[at : at + step]), limit) for at in range(0, len(images), step)]
    rows = [
        {name: values[index] for name, values in part.items()} for part in parts for index in range(len(part["sum"]))
    ]
    units = dict.fromkeys(("sum", "mean", "std", "min", "max"), images.attrs.get("units", ""))
    return returned(rows, units, {name: ["frame"] * len(frames) for name in rows[0]})


def image_key(one: Input, stream: str, image: str | None) -> str:
    """Return the key of the images of a stream.

    Raises
    ------
    InputError
        There are no images, or several keys and no choice, or the chosen key has no images.
    """
    shapes = {key: it.shape for key, it in numeric(one, stream).items() if it.form == "array"}
    found = [key for key, shape in shapes.items() if len(shape) in {3, 4} and all(shape)]
    if image is None and len(found) == 1:
        return found[0]
    if image in found:
        return str(image)
    asked = f"{image!r} has none" if image in shapes else f"no key {image!r}" if image else "name one, image=key"
    raise InputError(f"{one.label}: the keys with images, (height, width) per event, are {found}; {asked}.")


def _statistics(images: np.ndarray[Any, Any], saturation: float | None) -> dict[str, np.ndarray[Any, Any]]:
    """Return the statistics of a block; its last two axes are rows and columns."""
    axes = (-2, -1)
    good = np.isfinite(images)
    values = np.where(good, images, 0).astype(np.float64)
    count, total = good.sum(axes), values.sum(axes)
    mean = _divided(total, count)
    spread = np.where(good, values - mean[..., None, None], 0.0)
    rows, columns = (np.arange(size, dtype=np.float64) for size in images.shape[-2:])
    weight = np.where(total > 0, total, 0.0)
    return {
        "sum": np.where(count, total, np.nan),
        "mean": mean,
        "std": np.sqrt(_divided((spread**2).sum(axes), count)),
        "min": np.where(count, np.where(good, values, np.inf).min(axes), np.nan),
        "max": np.where(count, np.where(good, values, -np.inf).max(axes), np.nan),
        "centroid_x": _divided(values.sum(-2) @ columns, weight),
        "centroid_y": _divided(values.sum(-1) @ rows, weight),
        "saturated": (images >= saturation).sum(axes) if saturation is not None else np.zeros_like(count),
        "invalid": (~good).sum(axes),
    }


def _divided(one: Any, other: Any) -> np.ndarray[Any, Any]:
    """Return the quotient, NaN if it is undefined."""
    out = np.full(np.shape(one), np.nan)
    return np.asarray(np.divide(one, other, out=out, where=np.asarray(other) != 0))
