"""What an operating system, HDF5 or a library says where it cannot write, as our error that says what to do."""

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
    """Raise `StoreWriteError` for every refusal: what could not be written, why, and what to do.

    Parameters
    ----------
    what : object
        The file, or what else could not be written.
    advice : str or callable
        What was kept, and what to do; of the system's number of the error, None where the library itself refuses.
    refusals : tuple of type
        The errors that are refusals; all others pass, and so do errors of ours.
    """
    try:
        yield
    except AnalysisStoreError:
        raise
    except refusals as error:
        raise write_error(what, error, advice) from error


def write_error(what: object, error: BaseException, advice: str | Callable[[int | None], str]) -> StoreWriteError:
    """Return the error of ours for one that is a refusal."""
    number = error_number(error)
    told = os.strerror(number) if number else str(error).split("\n", maxsplit=1)[0].strip("'\"")
    told_advice = advice if isinstance(advice, str) else advice(number)
    return StoreWriteError(number or errno.EIO, f"could not write {what}: {told}. {told_advice}")


def error_number(error: BaseException | None) -> int | None:
    """Return what the operating system said, which HDF5 tells in its text only; None where it said nothing."""
    found = _ERRNO.search(str(error))
    number: int | None = getattr(error, "errno", None)
    return number or (int(found[1]) if found else None)
