"""Arrays that need not be in memory have one base, from which everything follows that follows from a shape."""

from __future__ import annotations

import numpy as np
import pytest

from analysis_store.core.lazy import InMemory, Known, Lazy, Through, Unreadable
from analysis_store.errors import DamagedFileError

VALUES = np.arange(24.0).reshape(4, 3, 2)


@pytest.mark.parametrize("source", [InMemory(VALUES), Through(InMemory(VALUES)), Through(VALUES)])
def test_what_follows_from_a_shape(source: Lazy) -> None:
    """Each says of itself what NumPy says of the array, and gives what NumPy gives."""
    assert (source.shape, source.dtype, source.ndim) == (VALUES.shape, VALUES.dtype, 3)
    assert (source.size, source.nbytes, len(source)) == (VALUES.size, VALUES.nbytes, 4)
    assert (source[1:, 0] == VALUES[1:, 0]).all()
    assert (source.read() == VALUES).all()
    assert np.asarray(source, dtype="f4").dtype == "f4"


def test_a_source_reads_through_its_index() -> None:
    """A subclass that gives what an index selects can be read whole."""

    class Squares(Known):
        def __getitem__(self, key: object) -> object:
            return (np.arange(5) ** 2)[key]  # type: ignore[index]

    assert Squares((5,), np.dtype(int)).read().tolist() == [0, 1, 4, 9, 16]


def test_what_is_not_within_reach_says_why() -> None:
    """Whatever is asked of it is answered with the reason."""
    source = Unreadable(DamagedFileError("it is gone"))
    for ask in (lambda: source.shape, lambda: source.dtype, lambda: source[0], source.read):
        with pytest.raises(DamagedFileError, match="it is gone"):
            ask()
