"""A store as a Bluesky callback: documents come in one by one, of any number of runs at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from analysis_store.errors import DamagedFileError, InvalidDocumentError, StoreWriteError
from analysis_store.runs.callback.incoming_run import Recording, Recordings
from analysis_store.runs.read.journal import draft_journal

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.provenance.resolve import Settled
    from analysis_store.runs.write.draft import Draft


class Callback:
    """Takes the documents of foreign runs, and saves each run when its stop document comes.

    Parameters
    ----------
    settle : callable
        Refuses the start document of a run that the store may not have, or returns its settled provenance.
    save : callable
        Saves the draft of a run.
    """

    def __init__(self, settle: Callable[[Document], Settled], save: Callable[[Draft, Settled], object]) -> None:
        self._settle, self._save = settle, save
        self._recordings = Recordings()
        self._lock = threading.RLock()

    def take(self, name: str, doc: Mapping[str, object]) -> None:
        """Take one document; see `AnalysisStore.__call__`."""
        with self._lock:
            try:
                self._take(name, doc)
            except RecursionError as error:
                raise InvalidDocumentError(f"{name}: got values nested too deep to be kept. Flatten them.") from error

    def _take(self, name: str, doc: Mapping[str, Any]) -> None:
        if name == "start":
            recording = self._recordings.begin(doc)
            recording.settled = self._settle(recording.start)
            self._recordings.enter(recording)
            return
        recording, copy = self._recordings.add(name, doc)
        if name == "stop":
            self._end(recording, copy)

    def _end(self, recording: Recording, stop: Document) -> None:
        self._recordings.leave(recording)
        settled: Settled = recording.settled
        draft = draft_journal([*recording.journal, ("stop", stop)], stop)
        draft.attachments.beside["provenance"] = settled.document
        try:
            self._save(draft, settled)
        except (StoreWriteError, DamagedFileError):
            recording.stop = stop
            self._recordings.enter(recording)  # the only copy of its documents; the stop may be sent again
            raise

    def close(self, last: ExitStack) -> None:
        """End every open run as aborted when ``last`` is left."""
        for recording in self._recordings.open.values():
            stop = recording.stop or recording.aborted("the store was closed before a stop document arrived")
            last.callback(self._end, recording, stop)
