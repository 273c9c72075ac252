"""A run on its way to another store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.runs.read.run import Context, Run

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord


class RunInTransit(Run):
    """A run that is moved, not used: without a warning of its retraction, and maybe still with a scratch file name."""

    def __init__(self, record: RunRecord, context: Context, file: Path | None = None) -> None:
        super().__init__(record, context)
        self._file = file

    @property
    def file(self) -> Path:
        """The run file, where it is now."""
        return super().file if self._file is None else self._file

    def _warn(self) -> None:
        """Say nothing."""
