"""Drawing with characters."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.cli.canvas import curve, image, sparkline


def test_sparkline_rises():
    """The lowest value is the lowest bar, the highest the highest."""
    assert sparkline(np.arange(8)) == "▁▂▃▄▅▆▇█"


def test_sparkline_averages_and_leaves_gaps():
    """More numbers than characters are averaged; what is not finite is a blank."""
    values = np.repeat([0.0, np.nan, 1.0], 100)

    assert sparkline(values, width=3) == "▁ █"


@pytest.mark.parametrize("values", [[], [np.nan], [1.0], [2.0, 2.0], [np.inf, 1.0]])
def test_sparkline_of_little(values):
    """Nothing, one number and equal numbers are drawn, too."""
    assert len(sparkline(np.array(values))) == len(values)


def test_curve_goes_from_corner_to_corner():
    """A rising line begins at the bottom left and ends at the top right."""
    lines = curve(np.arange(10.0), np.arange(10.0), 20, 5)

    assert [len(line) for line in lines] == [20] * 5
    assert lines[-1][0] != "\u2800"
    assert lines[0][-1] != "\u2800"
    assert lines[0][0] == lines[-1][-1] == "\u2800"


def test_curve_joins_a_step():
    """A jump is a line: no row between its ends is empty."""
    x = np.arange(100.0)

    assert all(line.strip("\u2800") for line in curve(x, np.where(x < 50, 0.0, 1.0), 20, 6))


def test_curve_of_scattered_points():
    """Without an order in x only the points are drawn."""
    lines = curve(np.array([1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0]), 4, 2)

    assert sum(character != "\u2800" for line in lines for character in line) == 3


def test_curve_of_nothing():
    """A column of gaps gives an empty canvas."""
    assert set("".join(curve(np.array([0.0]), np.array([np.nan]), 4, 2))) == {"\u2800"}


def test_image_shades():
    """Dark is low, full is high, and a small image is not blown up."""
    assert image(np.array([[0.0, 1.0], [np.nan, 0.5]]), 40, 10) == [" █", " ▒"]


def test_image_is_averaged():
    """A large image fits the width and height that there are."""
    lines = image(np.random.default_rng(0).random((500, 700)), 40, 10)

    assert [len(line) for line in lines] == [40] * 10
