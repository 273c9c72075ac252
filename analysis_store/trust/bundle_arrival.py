"""Runs that come into a store from a bundle or another store: looked at, then taken, each wholly or not at all."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.errors import DamagedFileError, DuplicateRunError, ProvenanceError, RunNotFoundError
from analysis_store.exchange.files import translated
from analysis_store.provenance import Lookup, Provenance
from analysis_store.provenance.settle import settle
from analysis_store.runs.durable import claim, publish, remove_folders
from analysis_store.runs.removed import told_as_removed
from analysis_store.runs.whereabouts import kept_path
from analysis_store.trust.bundle_cargo import EXTERNAL_NOTE, Cargo, Piece, packages_of
from analysis_store.trust.bundle_values import Traveller, differences, faults_of

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note, RunRecord
    from analysis_store.store import AnalysisStore

Offer = tuple["RunRecord", Callable[[], Cargo]]
"""A run that could come: what a catalog says of it, and what fetches the rest."""

_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


@dataclass(slots=True)
class Prospect:
    """What would become of runs that come; nothing has been written."""

    new: dict[str, Cargo] = field(default_factory=dict)
    """By uid, those that the store does not have; parents before their children."""

    known: list[str] = field(default_factory=list)
    """Uids of those that it has, the same in everything."""

    conflicts: dict[str, str] = field(default_factory=dict)
    """By uid, why a run cannot come: another run has its uid, or it was deleted here."""

    unsettled: dict[str, str] = field(default_factory=dict)
    """By uid, what the policy of the store asks for and the run does not tell."""

    damaged: dict[str, str] = field(default_factory=dict)
    """By uid, why the file of a run cannot be read where it comes from."""

    @property
    def left(self) -> set[str]:
        """Uids of all that cannot come."""
        return {*self.conflicts, *self.unsettled, *self.damaged}

    @property
    def size(self) -> int:
        """Bytes of those that are new."""
        return sum(cargo.size for cargo in self.new.values())


class Arrival:
    """Takes runs into a store.

    Parameters
    ----------
    store : AnalysisStore
        The one they come to.
    notes : iterable of Note
        The notes that come with them.
    """

    def __init__(self, store: AnalysisStore, notes: Iterable[Note]) -> None:
        self.store = store
        self._stubs = {note.uid: note for note in notes if note.kind == EXTERNAL_NOTE}
        self._coming: set[str] = set()
        self._lookup = Lookup(store.location, store.__contains__, store.sources)

    def look(self, offers: Iterable[Offer]) -> Prospect:
        """Return what would become of runs, the parents before their children."""
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
            prospect.conflicts[uid] = f"it came from run {lost[0]}, which cannot come"
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
        """Return what the policy of the store misses in what a run tells of its origin."""
        try:
            known = Provenance.from_document(record.beside.get("provenance") or record.start.get("provenance"))
            settle(known, record.start, policy=self.store.policy, lookup=self._whereabouts, capture=False)
        except ProvenanceError as error:
            return str(error).partition("\n")[2] or str(error)
        return None

    def _whereabouts(self, uid: str) -> str | None:
        """Return where a parent is: here, or coming, or where a stub says."""
        if uid in self._coming:
            return self.store.location
        told = [self._stubs[uid]] if uid in self._stubs else self.store.catalog.notes(uid, EXTERNAL_NOTE)
        return self._lookup(uid) or next((str(note.body.get("catalog")) for note in told), None)

    def take(self, cargo: Cargo) -> None:
        """Take one run: what belongs to it, its file, verified, and last what the catalog knows.

        Raises
        ------
        DamagedFileError
            The run is not what was told of it; nothing of it stays.
        StoreWriteError
            The disk refuses; likewise.
        """
        final = self.store.root / layout.run_path(cargo.uid, cargo.record.start["time"])
        with translated(final):
            if final.exists():  # of a load that was killed, then: it is looked at as closely
                self._verified(cargo, final)
            else:
                with _scratch(final) as scratch:
                    with cargo.file.copied_to(scratch):
                        self._verified(cargo, scratch)
                    scratch.chmod(_READ_ONLY)
                    with suppress(FileExistsError):  # another process brings the same; which it is, is seen below
                        publish(scratch, final)
        adopted = self.store.adopt(final)
        if differ := differences(cargo.record, self.store.catalog.get(adopted.uid)):
            raise DuplicateRunError(f"run {cargo.uid} was saved here meanwhile, with another {' and '.join(differ)}.")

    def _verified(self, cargo: Cargo, file: Path) -> None:
        """Put what goes with a run into its place and compare the run with its digests, or raise."""
        run = Traveller(cargo.record, self.store.context, file)
        _check(run, values=False)
        if astray := {PurePosixPath(name) for name in cargo.beside} - _due(run):
            raise DamagedFileError(
                f"run {cargo.uid} does not refer to {min(astray)}, which comes with it; nothing of it stays"
            )
        placed: list[Path] = []
        try:
            for name, piece in cargo.beside.items():
                self._place(name, piece, placed)
            _check(run, values=True)
        except BaseException:
            for path in placed:
                path.unlink(missing_ok=True)
            remove_folders([path.parent for path in placed])
            raise

    def _place(self, name: str, piece: Piece, placed: list[Path]) -> None:
        final = self.store.root / name
        shared = name.startswith(f"{layout.ENVIRONMENTS}/")
        if shared and piece.digest() != final.stem:
            raise DamagedFileError(f"the list of packages {name} is not the one of its digest; nothing was taken")
        if final.exists():
            if Piece(final, final.stat().st_size).digest() != piece.digest():
                raise DamagedFileError(f"{final} is there already, and is another file; nothing was changed")
            return
        with _scratch(final) as scratch:
            piece.copy_to(scratch)
            with suppress(FileExistsError):  # another process brought it
                publish(scratch, final)
                placed += [] if shared else [final]  # other runs may have come to count on a list of packages


def _check(run: Traveller, *, values: bool) -> None:
    if faults := faults_of(run, values=values):
        raise DamagedFileError(f"run {run.uid} did not come whole, and was not taken: {faults[0]}")


def _due(run: Traveller) -> set[PurePosixPath]:
    """Return the places, relative to the root, at which a run looks for files."""
    folder = PurePosixPath(run.record.path).parent
    due = {kept_path(resource) for resource in run.content.resources}
    names = (str(resource["resource_path"]) for resource in run.content.resources)
    stem = PurePosixPath(run.record.path).stem
    due |= {folder / name for name in names if "/" not in name and name.startswith(f"{stem}.")}
    packages = packages_of(run.start)
    return due | ({packages} if packages else set())


@contextmanager
def _scratch(final: Path) -> Iterator[Path]:
    """Give the scratch name of a file; on an error nothing of it stays."""
    scratch, made = layout.scratch_path(final), list[Path]()
    try:
        claim(scratch, made)
        yield scratch
    except BaseException:
        scratch.unlink(missing_ok=True)
        remove_folders(made)
        raise
    scratch.unlink(missing_ok=True)


def told(problems: dict[str, str]) -> str:
    """Return what is wrong with some runs, a line for each."""
    return "\n".join(f"  run {uid}: {why.strip()}" for uid, why in problems.items())
