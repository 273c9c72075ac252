"""Orphaned live files: to be closed, or complete except for the final name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from h5py import h5a, h5g

from analysis_store import layout
from analysis_store.hdf5.opening import reading
from analysis_store.recorder.run.datastore import RunDataStore
from analysis_store.recorder.run.run_header import read_head

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore


class LeftRun(RunDataStore):
    """The recording of a live file whose writer died, to be closed or continued.

    Raises
    ------
    StoreBusyError
        Its writer is alive.
    """

    def __init__(self, store: RunStore, path: Path) -> None:
        self._made = []
        self.start: Document = {"uid": path.name.partition(".h5")[0]}  # all that is known if it had not begun
        self._take(store, path)
        found = self._read(read_head)
        if found is not None:
            self.start, self._attachments = found


def is_complete(path: Path) -> bool:
    """Return True if a live file is a complete run file without its final name."""
    with reading(str(path)) as file:
        return bool(h5a.exists(h5g.open(file, b"/"), layout.LAYOUT_ATTRIBUTE.encode()))
