"""Plots made of characters: curves in braille dots, images in shades, a column in one line."""

from __future__ import annotations

import numpy as np

_BARS = "▁▂▃▄▅▆▇█"
_SHADES = " ░▒▓█"
# Bits of the eight dots of a braille character, by row and column within it
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])


def sparkline(values: np.ndarray, width: int = 40) -> str:
    """Return a row of numbers as one line of bars; NaN and infinity are blanks.

    Parameters
    ----------
    values
        Real numbers, shape (n,). More than ``width`` are averaged.
    """
    values = np.asarray(values, dtype=float)
    if values.size > width:
        values = np.array([_mean(part) for part in np.array_split(values, width)])
    level = _scaled(values, len(_BARS))
    return "".join(" " if each < 0 else _BARS[each] for each in level)


def curve(x: np.ndarray, y: np.ndarray, width: int, height: int) -> list[str]:
    """Return a curve in braille dots, as ``height`` lines of ``width`` characters.

    Parameters
    ----------
    x, y
        Real numbers, shape (n,). Points are joined if x increases strictly; otherwise they stay points.
    """
    known = np.isfinite(x) & np.isfinite(y)
    x, y = np.asarray(x, dtype=float)[known], np.asarray(y, dtype=float)[known]
    dots = np.zeros((height * 4, width * 2), dtype=bool)
    if x.size:
        if x.size > 1 and (np.diff(x) > 0).all():
            fine = np.linspace(x[0], x[-1], width * 2 * 8)
            y = np.concatenate([y, np.interp(fine, x, y)])
            x = np.concatenate([x, fine])
        columns, rows = _scaled(x, width * 2), height * 4 - 1 - _scaled(y, height * 4)
        dots[rows, columns] = True
        _join(dots)
    cells = (dots.reshape(height, 4, width, 2) * _DOTS[None, :, None, :]).sum(axis=(1, 3))
    return ["".join(chr(0x2800 + cell) for cell in row) for row in cells]


def _join(dots: np.ndarray) -> None:
    """Fill each column between its highest and lowest dot, so that a steep edge is a line and not two points."""
    for column in dots.T:
        (rows,) = np.nonzero(column)
        if rows.size:
            column[rows[0] : rows[-1]] = True


def image(values: np.ndarray, width: int, height: int) -> list[str]:
    """Return an image in five shades, as at most ``height`` lines of ``width`` characters.

    Parameters
    ----------
    values
        Real numbers, shape (rows, columns); blocks are averaged.
    """
    blocks = [
        [_mean(part) for part in np.array_split(rows, min(width, values.shape[1]), axis=1)]
        for rows in np.array_split(np.asarray(values, dtype=float), min(height, values.shape[0]), axis=0)
    ]
    level = _scaled(np.array(blocks), len(_SHADES))
    return ["".join(_SHADES[max(each, 0)] for each in row) for row in level]


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else np.nan


def _scaled(values: np.ndarray, levels: int) -> np.ndarray:
    """Return the level, 0 to ``levels - 1``, of each value between the extremes; -1 for one that is not finite."""
    known = np.isfinite(values)
    level = np.full(values.shape, -1)
    if known.any():
        low, high = values[known].min(), values[known].max()
        part = (values[known] - low) / (high - low) if high > low else np.full(known.sum(), 0.5)
        level[known] = np.minimum((part * levels).astype(int), levels - 1)
    return level
