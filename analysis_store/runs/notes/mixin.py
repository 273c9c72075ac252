"""The methods of a store that say something of a run after it was saved."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog, Note
    from analysis_store.runs.notes.notes import Notes


class Noting(ABC):
    """A store whose runs can be noted on."""

    catalog: Catalog
    _notes: Notes

    @abstractmethod
    def _alive(self) -> None:
        """Raise if the store is closed."""

    def note(self, uid: str, kind: str, body: Mapping[str, object], durable: bool = True) -> Note:
        """Add a note to a saved run, about something that became known later.

        Parameters
        ----------
        uid : str
            The run; it need not be in this store.
        kind : str
            Kind of the note.
        body : mapping
            Content of the note; JSON.
        durable : bool
            Return only when it would outlive a power cut.

        Raises
        ------
        InvalidDocumentError
            The content is not JSON.
        StoreWriteError
            The note could not be saved; or it was, as the message says, but the catalog does not have it yet.
        """
        self._alive()
        return self._notes.add(uid, kind, body, durable=durable)

    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""
        self._alive()
        return self.catalog.notes(uid, kind)

    def retract(self, uid: str, reason: str) -> list[Note]:
        """Mark a run, and every run computed from it, as not to be used; nothing is removed.

        Runs that come from it later are retracted as well, without a note of their own.

        Parameters
        ----------
        uid : str
            The whole uid of a run of this store.
        reason : str
            Why.

        Returns
        -------
        list of Note
            The one on the run first; those on its descendants name it as ``body["because"]``.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        InputError
            The run is retracted already; the message names the author and the reason.
        InvalidMetadataError
            The reason is missing.
        """
        self._alive()
        return self._notes.retract(uid, reason)

    def reinstate(self, uid: str, reason: str) -> list[Note]:
        """Mark a run, and every run that was retracted because of it, as usable again; all notes are kept.

        Parameters
        ----------
        uid : str
            The whole uid of the run that was retracted; not of one that was because of it.
        reason : str
            Why.

        Returns
        -------
        list of Note
            The one on the run first. A run that is retracted because of another one, too, stays so.

        Raises
        ------
        InputError
            The run is not retracted, or because of another run; the message names that run.
        InvalidMetadataError
            The reason is missing.
        """
        self._alive()
        return self._notes.reinstate(uid, reason)

    def annotate(self, uid: str, known: Mapping[str, object]) -> Note:
        """Add knowledge about a run after it was saved; its documents do not change.

        Parameters
        ----------
        uid : str
            The whole uid of a run of this store.
        known : mapping
            Values by name; JSON. `Run.annotations` has the newest value of each name, `Run.notes` has all.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        InvalidMetadataError, InvalidDocumentError
            The value is not a mapping, is empty, or is not JSON.

        Examples
        --------
        >>> store.annotate(run.uid, {"sample_name": "Fe foil, oxidised"})  # doctest: +SKIP
        >>> run.annotations  # doctest: +SKIP
        {'sample_name': 'Fe foil, oxidised'}
        """
        self._alive()
        return self._notes.annotate(uid, known)
