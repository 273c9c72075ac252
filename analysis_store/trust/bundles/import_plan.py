"""Runs that could come into a store from a bundle or another store: looked at, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis_store.errors import DamagedFileError, ProvenanceError, RunNotFoundError
from analysis_store.provenance import Lookup, Provenance
from analysis_store.provenance.resolve import settle
from analysis_store.runs.notes.removal_records import told_as_removed
from analysis_store.trust.bundles.contents import EXTERNAL_NOTE, Cargo
from analysis_store.trust.bundles.run_faults import differences

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note, RunRecord
    from analysis_store.run_store import RunStore

Offer = tuple["RunRecord", Callable[[], Cargo]]
"""A candidate run: its catalog record, and a function that fetches the rest."""


@dataclass(slots=True)
class Prospect:
    """Plan of an import; nothing has been written."""

    new: dict[str, Cargo] = field(default_factory=dict)
    """By uid, new runs; parents before their children."""

    known: list[str] = field(default_factory=list)
    """Uids of those that it has, the same in everything."""

    conflicts: dict[str, str] = field(default_factory=dict)
    """By uid, why a run cannot be imported: another run has its uid, or it was deleted here."""

    unsettled: dict[str, str] = field(default_factory=dict)
    """By uid, required provenance that the run lacks."""

    damaged: dict[str, str] = field(default_factory=dict)
    """By uid, why the file of a run cannot be read at its origin."""

    @property
    def left(self) -> set[str]:
        """Uids of all that cannot come."""
        return {*self.conflicts, *self.unsettled, *self.damaged}

    @property
    def size(self) -> int:
        """Size of the new runs in bytes."""
        return sum(cargo.size for cargo in self.new.values())


class Arrival:
    """Plans the import of runs into a store.

    Parameters
    ----------
    store : AnalysisStore
        The one they come to.
    notes : iterable of Note
        The notes that come with them.
    """

    def __init__(self, store: RunStore, notes: Iterable[Note]) -> None:
        self.store = store
        self._stubs = {note.uid: note for note in notes if note.kind == EXTERNAL_NOTE}
        self._coming: set[str] = set()
        self._lookup = Lookup(store.location, store.__contains__, store.sources)

    def look(self, offers: Iterable[Offer]) -> Prospect:
        """Return the plan for runs, given with parents before their children."""
        prospect = Prospect()
        for record, fetch in offers:
            self._look(record, fetch, prospect)
            self._coming.add(record.uid)
        return prospect

    def _look(self, record: RunRecord, fetch: Callable[[], Cargo], prospect: Prospect) -> None:
        uid, here = record.uid, self._here(record.uid)
        if here is not None:
            if differ := differences(here, record):
                prospect.conflicts[uid] = f"another run of this uid is here: {' and '.join(differ)} differ"
            else:
                prospect.known.append(uid)
        elif (removed := told_as_removed(self.store.root, uid)) is not None:
            prospect.conflicts[uid] = str(removed)
        elif lost := [parent for parent in record.parents if parent in prospect.left]:
            prospect.conflicts[uid] = f"its parent run {lost[0]} cannot be imported"
        elif trouble := self._unsettled(record):
            prospect.unsettled[uid] = trouble
        else:
            try:
                prospect.new[uid] = fetch()
            except DamagedFileError as error:
                prospect.damaged[uid] = str(error)

    def _here(self, uid: str) -> RunRecord | None:
        try:
            return self.store.catalog.get(uid)
        except RunNotFoundError:
            return None

    def _unsettled(self, record: RunRecord) -> str | None:
        """Return the parts of the provenance of a run that the policy of the store misses."""
        try:
            known = Provenance.from_document(record.provenance)
            settle(known, record.start, policy=self.store.policy, lookup=self._whereabouts, capture=False)
        except ProvenanceError as error:
            return str(error).partition("\n")[2] or str(error)
        return None

    def _whereabouts(self, uid: str) -> str | None:
        """Return the location of a parent: here, in the import, or as in a stub."""
        if uid in self._coming:
            return self.store.location
        told = [self._stubs[uid]] if uid in self._stubs else self.store.catalog.notes(uid, EXTERNAL_NOTE)
        return self._lookup(uid) or next((str(note.body.get("catalog")) for note in told), None)


def told(problems: dict[str, str]) -> str:
    """Return the faults of some runs, one per line."""
    return "\n".join(f"  run {uid}: {why.strip()}" for uid, why in problems.items())
