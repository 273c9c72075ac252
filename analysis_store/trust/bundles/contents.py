"""A run on its way to another store: its documents, its file, and every file that must go with it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from blake3 import blake3

from analysis_store.errors import AnalysisStoreError, DamagedFileError, RunNotFoundError
from analysis_store.folders import sync
from analysis_store.roots import opened
from analysis_store.runs.notes.notes import REINSTATED, RETRACTED, passed_on
from analysis_store.runs.read.resource_location import kept_path
from analysis_store.runs.write.packages import packages_path

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note, RunRecord
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run
    from analysis_store.trust.bundles.run_in_transit import RunInTransit

BLOCK = 1 << 20
"""Bytes read at once: few enough to stay in the cache until they are written."""
_PAGE = 4096
EXTERNAL_NOTE = "external"
"""Kind of the note on a run that is not here: its documents, and its location."""
STAYING = frozenset({"deleted", "restored", "purged"})
"""Kinds of notes that are about one store's file, and go nowhere."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, or the stretch of a bundle that holds one."""

    path: Path
    size: int
    """Bytes."""

    offset: int = 0

    def copy_to(self, target: Path) -> None:
        """Write it to a file, durably."""
        with self.copied_to(target):
            pass

    @contextmanager
    def copied_to(self, target: Path) -> Iterator[None]:
        """Write it to a file, which can be read in the ``with``, and is durable when that ends."""
        with opened(self.path, buffering=0) as source, target.open("wb", buffering=0) as file:
            _copy(source.fileno(), file.fileno(), self.offset, self.size)
            if target.stat().st_size != self.size:
                raise DamagedFileError(f"{self.path} was cut short while it was read; {target.name} was not kept.")
            with ThreadPoolExecutor(1) as disk:
                durable = disk.submit(sync, file.fileno())
                yield
                durable.result()

    def digest(self) -> str:
        """Return the blake3 of it, 64 hexadecimal digits."""
        hasher = blake3()  # in one thread: the members of a bundle are hashed side by side
        left, buffer = self.size, memoryview(bytearray(min(BLOCK, self.size)))
        with opened(self.path, buffering=0) as file:
            file.seek(self.offset)
            while left and (count := file.readinto(buffer[: min(left, BLOCK)])):
                hasher.update(buffer[:count])
                left -= count
        return hasher.hexdigest()


def _copy(source: int, target: int, offset: int, left: int) -> None:
    """Copy; the kernel copies only what begins at a block: some file systems share it; others write it twice."""
    if hasattr(os, "copy_file_range") and offset % _PAGE == 0:
        with suppress(OSError):  # e.g. another file system: the rest is copied by reading and writing
            while left and (count := os.copy_file_range(source, target, left, offset)):
                offset, left = offset + count, left - count
    buffer = memoryview(bytearray(min(BLOCK, left)))
    while left and (count := os.preadv(source, [buffer[:left]], offset)):
        written = os.write(target, buffer[:count])
        offset, left = offset + written, left - written


@dataclass(frozen=True, slots=True)
class Cargo:
    """One run, with all its files."""

    record: RunRecord
    """Record in the catalog of origin."""

    file: Piece
    """The run file."""

    beside: dict[str, Piece] = field(default_factory=dict)
    """Files by their place relative to the root."""

    elsewhere: tuple[str, ...] = ()
    """Files that it refers to and that do not travel."""

    @property
    def uid(self) -> str:
        """Uid of the run."""
        return self.record.uid

    @property
    def size(self) -> int:
        """Size of all files in bytes."""
        return self.file.size + sum(piece.size for piece in self.beside.values())


def cargo_of(run: RunInTransit, root: Path) -> Cargo:
    """Return a stored run with all its files.

    Raises
    ------
    DamagedFileError
        Its file is not there, or cannot be read.
    """
    beside: dict[str, Piece] = {}
    elsewhere: list[str] = []
    folder = PurePosixPath(run.record.path).parent
    for resource in _resources(run):
        if resource.get("resource_path") == run.record.path:
            continue
        path = _ordinary_file(run, resource)
        if path is None:
            elsewhere.append(str(resource.get("uri") or path_told(resource)))
        else:
            near = path.parent == run.file.parent and path.name.startswith(f"{run.file.stem}.")
            place = folder / path.name if near else kept_path(resource)
            beside[str(place)] = Piece(path, path.stat().st_size)
    packages = packages_of(run.start)
    if packages is not None and (root / packages).is_file():
        listed = Piece(root / packages, (root / packages).stat().st_size)
        if listed.digest() == packages.stem:  # a damaged list is useless
            beside[str(packages)] = listed
    return Cargo(run.record, Piece(run.file, run.file.stat().st_size), beside, tuple(elsewhere))


def _resources(run: Run) -> Iterator[Document]:
    """Yield every resource of a run."""
    yield from run.content.resources
    if run.content.is_foreign:
        yield from (doc for name, doc in run.content.journal.documents if name == "stream_resource")


def _ordinary_file(run: Run, resource: Document) -> Path | None:
    """Return the one file of a resource; None if it is missing, a folder, a link or many files."""
    if "resource_path" not in resource:
        return None
    try:
        path = run.locate(resource)
        return path if stat.S_ISREG(path.lstat().st_mode) else None
    except (AnalysisStoreError, OSError):
        return None


def path_told(resource: Document) -> PurePosixPath:
    """Return the path of a resource's file according to its document."""
    return PurePosixPath(str(resource.get("root", ""))) / str(resource["resource_path"])


def packages_of(start: Document) -> PurePosixPath | None:
    """Return the location of the list of packages of a run, relative to the root; None if it has none."""
    provenance = start.get("provenance")
    around = provenance.get("environment") if isinstance(provenance, dict) else None
    digest = around.get("digest") if isinstance(around, dict) else None
    return PurePosixPath(packages_path(Path(), digest).as_posix()) if isinstance(digest, str) else None


# ------------------------------------------------------------------------------------------------- selection


@dataclass(slots=True)
class Selection:
    """Which runs go, in which order, and which of their parents do not."""

    uids: list[str]
    """Parents before their children."""

    chosen: frozenset[str]
    """Those that were asked for; the others are their ancestors."""

    stubs: list[str] = field(default_factory=list)
    """Parents of this store whose documents alone go."""

    missing: list[str] = field(default_factory=list)
    """Parents that this store does not have."""


def select(store: RunStore, runs: Iterable[Run], *, closure: bool) -> Selection:
    """Return the selection of some runs, with the closure of their parents or with stubs of them."""
    chosen = {run.uid: list(run.parents) for run in runs}
    known = dict(chosen)
    selection = Selection([], frozenset(chosen))
    waiting = [parent for parents in chosen.values() for parent in parents]
    told: set[str] = set()
    for uid in waiting:  # grows during the loop
        if uid in known or uid in told:
            continue
        told.add(uid)
        try:
            parents = list(store.catalog.get(uid).parents)
        except RunNotFoundError:
            selection.missing.append(uid)
            continue
        if closure:
            known[uid] = parents
            waiting += parents
        else:
            selection.stubs.append(uid)
    selection.uids = _parents_first(known)
    return selection


def _parents_first(parents: dict[str, list[str]]) -> list[str]:
    """Return the uids with every parent before its children; a circle is cut somewhere."""
    order: dict[str, None] = {}
    entered: set[str] = set()
    for first in parents:
        stack = [(first, False)]
        while stack:
            uid, left = stack.pop()
            if left:
                order[uid] = None
            elif uid not in entered:
                entered.add(uid)
                stack.append((uid, True))
                stack += [(parent, False) for parent in parents[uid] if parent in parents]
    return list(order)


def _inherited(store: RunStore, selection: Selection) -> Iterator[Note]:
    """Yield the retractions, and their liftings, that reach the runs through others which do not go with them."""
    travelling = set(selection.uids)
    for uid in selection.uids:
        for note in store.catalog.lineage_notes(uid, (RETRACTED, REINSTATED)):
            if note.uid not in travelling:
                yield passed_on(note, uid)


def notes_of(store: RunStore, selection: Selection) -> list[Note]:
    """Return the notes on the runs, documents of parents that are elsewhere, and stubs of those not included."""
    from analysis_store.catalogs.base import Note

    notes = [note for uid in selection.uids for note in store.catalog.notes(uid) if note.kind not in STAYING]
    notes += _inherited(store, selection)
    notes += [note for uid in selection.missing for note in store.catalog.notes(uid, EXTERNAL_NOTE)]
    for uid in selection.stubs:
        record = store.catalog.get(uid)
        stop = record.stop or {}
        body = {"catalog": store.location, "resolved": False, "start": record.start, "stop": record.stop}
        body["digests"] = record.beside.get("digests") or stop.get("digests") or []
        # Said at a time that does not change, so that a stub that comes twice is one note.
        notes.append(Note(uid, EXTERNAL_NOTE, float(stop.get("time") or record.start["time"]), "bundle", body))
    return notes
