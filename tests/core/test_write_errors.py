"""Refusals of a disk are one error of ours, which says what, why, and what to do."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from analysis_store.core.write_errors import write_errors
from analysis_store.errors import DamagedFileError, StoreWriteError


@pytest.mark.parametrize(
    ("error", "number", "message"),
    [
        (OSError(errno.ENOSPC, "full"), errno.ENOSPC, "could not write a.h5: No space left on device. Free space"),
        (
            OSError("Unable to flush (file write failed: errno = 28, error message = 'x')\nmore"),
            errno.ENOSPC,
            "could not write a.h5: No space left on device. Free space",
        ),
        (RuntimeError("HDF5 refuses\nstack"), errno.EIO, "could not write a.h5: HDF5 refuses. Free space"),
    ],
    ids=["system", "HDF5 that tells of the system", "HDF5"],
)
def test_a_refusal_is_one_error(error: Exception, number: int, message: str) -> None:
    """The number of the system is found in the text of HDF5, too; what it says is its first line."""
    with pytest.raises(StoreWriteError) as caught, write_errors("a.h5", "Free space"):
        raise error
    assert caught.value.errno == number
    assert caught.value.strerror == message
    assert caught.value.__cause__ is error


def test_advice_depends_on_who_refuses() -> None:
    """Where the system says nothing, the advice gets no number."""
    advice: Callable[[int | None], str] = lambda number: f"number {number}"  # noqa: E731
    with pytest.raises(StoreWriteError, match="number None"), write_errors("a", advice):
        raise RuntimeError("no")
    with pytest.raises(StoreWriteError, match="number 13"), write_errors("a", advice):
        raise OSError(errno.EACCES, "no")


@pytest.mark.parametrize("error", [DamagedFileError("ours"), KeyError("not a refusal"), KeyboardInterrupt()])
def test_other_errors_pass(error: BaseException) -> None:
    """What is ours says more already, and what is no refusal is not called one."""
    with pytest.raises(type(error)) as caught, write_errors("a", "b"):
        raise error
    assert caught.value is error
