"""Indices for stores that know only slices: what NumPy selects, and nothing else is read."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from analysis_store.core.selection import select

FIRST = [
    0, -1, slice(None), slice(3, 40, 5), slice(None, None, -1), slice(40, 3, -7), slice(5, 5), [1, 2, 9], [],
    np.array([3, -1, 3]), np.array([[1, 2], [3, 4]]), np.arange(50) % 7 == 3, np.zeros(50, bool), ..., None, 50, -51,
]  # fmt: skip
REST = [
    (), (2,), (slice(1, 5, 2),), (slice(None, None, -2),), ([0, 5, 2],), ([],), (slice(None), -1), ([1, 2], [3, 4]),
    (None,), (slice(4, 1),), (6,), (0, 0, 0),
]  # fmt: skip

NUMBERS = np.random.default_rng(0).random((50, 6, 7))
OBJECTS = np.array([{"number": number} for number in range(50)], object)


def selected(values, key):
    """Return what NumPy selects, or the kind of its error."""
    try:
        return values[key]
    except IndexError:
        return IndexError


@pytest.mark.parametrize("values", [NUMBERS, OBJECTS], ids=["numbers", "objects"])
@pytest.mark.parametrize(("first", "rest"), list(product(FIRST, REST)), ids=str)
def test_selects_what_numpy_does(values, first, rest):
    """For every kind of index along the values, and within each."""
    key = (first, *rest) if rest else first
    wanted = selected(values, key)
    if wanted is IndexError:
        with pytest.raises(IndexError):
            select(key, values.shape, lambda run, inner: values[(run, *inner)])
        return

    found = select(key, values.shape, lambda run, inner: values[(run, *inner)])

    assert np.shape(found) == np.shape(wanted)
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    ("key", "read"),
    [
        (-1, [(49, 50, 1)]),
        (slice(-3, None), [(47, 50, 1)]),
        (slice(None, None, -20), [(9, 50, 20)]),
        ([7, 3, 4], [(3, 5, 1), (7, 8, 1)]),
    ],
    ids=str,
)
def test_reads_nothing_else(key, read):
    """Only the runs in which something is wanted."""
    asked = []

    def rows(run, inner):
        asked.append((run.start, run.stop, run.step))
        return NUMBERS[(run, *inner)]

    select(key, NUMBERS.shape, rows)

    assert asked == read
