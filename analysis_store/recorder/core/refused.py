"""Keys of a recording that cannot be written or read; other keys are not affected."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from analysis_store.errors import DamagedFileError, StoreWriteError

if TYPE_CHECKING:
    from pathlib import Path

    from analysis_store.errors import AnalysisStoreError


class Refused:
    """Keys with their reasons.

    Parameters
    ----------
    path : Path
        The file of the recording.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reasons: dict[str, AnalysisStoreError] = {}
        self._untold: list[str] = []

    def add(self, key: str, reason: AnalysisStoreError, *, lost: bool) -> None:
        """Add a key; if values of it are ``lost``, `tell` raises an error for it."""
        self._reasons[key] = reason
        if lost:
            self._untold.append(key)

    def __bool__(self) -> bool:
        return bool(self._reasons)

    def __contains__(self, key: object) -> bool:
        return key in self._reasons

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield each key with its reason, as text."""
        yield from ((key, str(reason)) for key, reason in self._reasons.items())

    def check_written(self, key: str) -> None:
        """Raise `StoreWriteError` for a key that cannot be written."""
        if key in self._reasons:
            raise self._loss([key])

    def check_read(self, key: str) -> None:
        """Raise `DamagedFileError` for a key that cannot be read."""
        if key in self._reasons:
            raise DamagedFileError(f"{self._path}: {key!r} cannot be read: {self._reasons[key]}. Other keys can.")

    def tell(self) -> None:
        """Raise `StoreWriteError` once for the keys with lost values."""
        lost, self._untold = self._untold, []
        if lost:
            raise self._loss(lost)

    def _loss(self, keys: Sequence[str]) -> StoreWriteError:
        why = "; ".join(f"{key!r}: {self._reasons[key]}" for key in keys)
        return StoreWriteError(
            errno.EIO,
            f"{self._path}: the values of {', '.join(map(repr, keys))} since the last flush cannot be written; values "
            f"of all other keys are written. Record them under another key ({why})",
        )
