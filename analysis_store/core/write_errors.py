"""Conversion of write errors of the system, HDF5 or a library to `StoreWriteError`, which says what to do."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from analysis_store.errors import AnalysisStoreError, StoreWriteError

_ERRNO = re.compile(r"errno = (\d+)")


@contextmanager
def write_errors(
    what: object,
    advice: str | Callable[[int | None], str],
    refusals: tuple[type[Exception], ...] = (OSError, RuntimeError),
) -> Iterator[None]:
    """Raise `StoreWriteError` for every refused write: what could not be written, why, and what to do.

    Parameters
    ----------
    what : object
        The file or object that could not be written.
    advice : str or callable
        What was kept, and what to do; a callable gets the system's error number, or None if the library itself refused.
    refusals : tuple of type
        The errors to convert; all others, and errors of the package, pass.
    """
    try:
        yield
    except AnalysisStoreError:
        raise
    except refusals as error:
        raise write_error(what, error, advice) from error


def write_error(what: object, error: BaseException, advice: str | Callable[[int | None], str]) -> StoreWriteError:
    """Return the `StoreWriteError` for a refused write."""
    number = error_number(error)
    told = os.strerror(number) if number else str(error).split("\n", maxsplit=1)[0].strip("'\"")
    told_advice = advice if isinstance(advice, str) else advice(number)
    return StoreWriteError(number or errno.EIO, f"could not write {what}: {told}. {told_advice}")


def error_number(error: BaseException | None) -> int | None:
    """Return the operating system's error number, which HDF5 has only in its text; None without a number."""
    found = _ERRNO.search(str(error))
    number: int | None = getattr(error, "errno", None)
    return number or (int(found[1]) if found else None)
