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
        """Refuse to be used when closed."""

    def note(self, uid: str, kind: str, body: Mapping[str, object], durable: bool = True) -> Note:
        """Keep a note on a run: what is known of it only after it was saved.

        Parameters
        ----------
        uid : str
            The run; it need not be in this store.
        kind : str
            What the note is about.
        body : mapping
            What it says; JSON.
        durable : bool
            Return only when it would outlive a power cut.

        Raises
        ------
        InvalidDocumentError
            What it says is not JSON.
        StoreWriteError
            It could not be kept; or it was, and the message says so, but the catalog does not know it yet.
        """
        self._alive()
        return self._notes.add(uid, kind, body, durable=durable)

    def notes(self, uid: str, kind: str | None = None) -> list[Note]:
        """Return the notes on exactly this uid, of one kind or of all, oldest first."""
        self._alive()
        return self.catalog.notes(uid, kind)

    def retract(self, uid: str, reason: str) -> list[Note]:
        """Say that a run, and every run that came from it, shall not be used any more; nothing is removed.

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
            It is retracted already; says by whom and why.
        InvalidMetadataError
            No reason came.
        """
        self._alive()
        return self._notes.retract(uid, reason)

    def reinstate(self, uid: str, reason: str) -> list[Note]:
        """Say that a run, and every run that is retracted because of it, may be used again; all notes stay.

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
            It is not retracted, or because of another run; names that.
        InvalidMetadataError
            No reason came.
        """
        self._alive()
        return self._notes.reinstate(uid, reason)

    def annotate(self, uid: str, known: Mapping[str, object]) -> Note:
        """Keep what became known of a run after it was saved; its documents stay as they are.

        Parameters
        ----------
        uid : str
            The whole uid of a run of this store.
        known : mapping
            What is known, by name; JSON. `Run.annotations` has of each name the newest, `Run.notes` has all.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        InvalidMetadataError, InvalidDocumentError
            It is no mapping, is empty, or is not JSON.

        Examples
        --------
        >>> store.annotate(run.uid, {"sample_name": "Fe foil, oxidised"})  # doctest: +SKIP
        >>> run.annotations  # doctest: +SKIP
        {'sample_name': 'Fe foil, oxidised'}
        """
        self._alive()
        return self._notes.annotate(uid, known)
