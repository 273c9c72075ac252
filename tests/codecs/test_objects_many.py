"""Many objects of one column: small ones lie together, large ones apart, and an error tells which of them it is."""

from __future__ import annotations

import re
from typing import Any

import h5py
import numpy as np
import pytest

from analysis_store.codecs.graph import MAX_DEPTH
from analysis_store.codecs.many import Objects
from analysis_store.errors import InvalidDataError
from analysis_store.handlers.objects import ObjectHandler
from analysis_store.testing.equality import assert_identical
from analysis_store.writers.objects import write_objects

SMALL = {"center": 7112.0, "window": (-20, 30), "peaks": [{"at": 1.5}]}


def deep(levels: int) -> Any:
    """Return lists in lists."""
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("values", "rows"),
    [
        ([SMALL] * 31, 1),
        ([{**SMALL, "n": number} for number in range(100)], 100),
        ([{**SMALL, "n": number} for number in range(3000)], 910),
        ([np.full(200, number) for number in range(100)], 100),
        ([{"image": np.full((200, 200), number)} for number in range(40)], 1),
        ([list(range(5000)) for _ in range(40)], 1),
        ([deep(MAX_DEPTH - 1), *[SMALL] * 40], 41),
        ([deep(MAX_DEPTH), *[SMALL] * 40], 1),
    ],
    ids=["few", "small", "several lists", "arrays", "images", "numbers", "deep", "too deep for a list"],
)
def test_come_back(tmp_path, values, rows):
    """As many lie in one list as are well read at once; each comes back."""
    with h5py.File(tmp_path / "a.h5", "w") as file:
        stored = write_objects(file.id, "x", values)
        assert (len(file["x"]), stored.chunk_shape, stored.shape) == (-(-len(values) // rows), [rows], (len(values),))
    found = ObjectHandler(str(tmp_path / "a.h5"), "/x")
    for number in (0, len(values) // 2, len(values) - 1):
        assert_identical(values[number], found(number))


@pytest.mark.parametrize("count", [3, 1000])
def test_the_error_tells_which(count):
    """The first that cannot be stored, by its place and the path in it, among few and among many."""
    values: list[Any] = [dict(SMALL) for _ in range(count)]
    values[-2] = values[-1] = {"fit": [1, object()]}

    place = re.escape(f"data[{count - 2}]['fit'][1]")
    with pytest.raises(InvalidDataError, match=f"^{place}: the object object cannot be stored") as caught:
        Objects(values, lambda index: f"data[{index}]")

    assert caught.value.index == count - 2


def test_each_is_asked_once_for_its_state():
    """What an object says of itself when it is walked is what is written."""
    asked = []

    class Counting:
        def to_state(self):
            asked.append(self)
            return {"n": len(asked)}

        @classmethod
        def from_state(cls, state):
            return cls()

    Objects([Counting() for _ in range(100)]).nodes()

    assert len(asked) == 100
