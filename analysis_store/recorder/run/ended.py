"""The end of a recording: all keys that a run can hold are written to it, and the others are named."""

from __future__ import annotations

import errno
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from analysis_store.errors import AnalysisStoreError, StoreWriteError
from analysis_store.recorder.hdf5.repair import is_of_one_key, tried, writing
from analysis_store.recorder.run.finalize import KEY, arrange, draft_of

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    import h5py

    from analysis_store.documents import Document
    from analysis_store.recorder.hdf5.live import LiveFile
    from analysis_store.recorder.run.finalize import Recorded
    from analysis_store.runs.write.draft import Attachments

_TRIAL = ("abort", "")
_OTHERS = {"others": "each is tried by itself"}


class Ended:
    """Converts a live file to a run file.

    Parameters
    ----------
    live : LiveFile
        The live file.
    start, attachments
        Start document and attachments of the run.
    root, relative : path
        Path of the run file.
    """

    def __init__(
        self, live: LiveFile, start: Document, attachments: Attachments, root: Path, relative: PurePosixPath
    ) -> None:
        self._live, self._start, self._attachments = live, start, attachments
        self._root, self._relative = root, relative
        self.lost: dict[str, str] = {}
        """Keys with lost values, and the reasons."""

    def arrange(self, keys: Iterable[str], read: Callable[[str], Recorded], outcome: tuple[str, str]) -> None:
        """Make the run file, atomically; a key that a run cannot hold does not affect the others."""
        kept = self._readable(keys, read)
        try:
            self._live.change(self._work(kept, outcome, self.lost), last=True)
        except AnalysisStoreError as error:
            if not is_of_one_key(error):
                raise
            known = len(self.lost)
            good = [item for item in kept if self._is_possible(item)]
            if len(self.lost) == known:
                raise
            self._live.change(self._work(good, outcome, self.lost), last=True)

    def _readable(self, keys: Iterable[str], read: Callable[[str], Recorded]) -> list[Recorded]:
        found = []
        for key in keys:
            try:
                with writing(self._live.path):
                    found.append(read(key))
            except AnalysisStoreError as error:
                self._lose(key, error)
        return found

    def _is_possible(self, item: Recorded) -> bool:
        """Test a run with one key alone, on a copy of the pages that would change."""
        try:
            with writing(self._live.path):
                tried(self._live.path, self._work([item], _TRIAL, _OTHERS))
        except AnalysisStoreError as error:
            self._lose(item.key, error)
            return False
        return True

    def _lose(self, key: str, error: AnalysisStoreError) -> None:
        if not is_of_one_key(error):
            raise error
        self.lost.setdefault(key, str(error))

    def _work(
        self, kept: list[Recorded], outcome: tuple[str, str], lost: Mapping[str, str]
    ) -> Callable[[h5py.File], None]:
        """Return the function that makes a run of some keys, and names the lost keys."""
        status, reason = outcome
        if lost:
            reason = f"{reason}; " * bool(reason) + f"lost: {', '.join(lost)}"
        draft = draft_of(self._start, self._attachments, kept, (status, reason))
        draft.lost = [{KEY: key, "reason": why} for key, why in lost.items()]
        return partial(arrange, draft=draft, root=self._root, relative=self._relative)


def tell_of_lost(uid: str, lost: Mapping[str, str], *, is_success: bool) -> None:
    """Raise after a success, else warn: another error is being raised, or other recordings wait."""
    why = "; ".join(f"{key!r}: {reason}" for key, reason in lost.items())
    told = f"run {uid} is in the store, without all values of {', '.join(map(repr, lost))} ({why})"
    if is_success:
        raise StoreWriteError(errno.EIO, told)
    warnings.warn(told, stacklevel=5)
