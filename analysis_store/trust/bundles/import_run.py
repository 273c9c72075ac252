"""Runs on their way in: copied and verified several at a time, then named and entered in their order."""

from __future__ import annotations

import stat
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.core.atomic_files import AtomicFile, create, link_or_rename, remove_folders
from analysis_store.errors import DamagedFileError, DuplicateRunError
from analysis_store.exchange.files import translated
from analysis_store.folders import sync_folder, sync_names
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.verify import Fault, document_faults, value_faults
from analysis_store.trust.bundles.contents import Cargo, Piece
from analysis_store.trust.bundles.run_faults import differences, places_due
from analysis_store.trust.bundles.run_in_transit import RunInTransit

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.run_store import RunStore

_WORKERS = 4
"""While one waits for the disk, others hash."""
_AHEAD = 8
"""Runs that are copied before their turn: a kill loses no more than these, and they share a commit."""
_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


class Landing:
    """One run that is being copied under a scratch name, and verified; nothing of it stays that `take` does not name.

    Parameters
    ----------
    cargo : Cargo
        The run.
    store : AnalysisStore
        The one it comes to.
    pool : Executor
        Does the work.
    """

    def __init__(self, cargo: Cargo, store: RunStore, pool: Executor) -> None:
        self.cargo = cargo
        self.final: Path = store.root / layout.run_path(cargo.uid, cargo.record.start["time"])
        self.folders: list[Path] = []
        self._store = store
        self._scratch = layout.scratch_path(self.final)
        self._placed: list[Path] = []
        self._lists: dict[Path, Piece] = {}
        self.work: Future[None] = pool.submit(self._copy)

    @property
    def fault(self) -> BaseException | None:
        """Return why the run cannot be imported; wait until that is known."""
        return self.work.exception()

    def name(self) -> None:
        """Link the file to its name; the folder is not durable yet."""
        for path, piece in self._lists.items():
            if not path.exists():
                _put(piece, path)
        with translated(self.final):
            if self._scratch.exists():
                with suppress(FileExistsError):  # another process imports the same run; the catalog decides
                    link_or_rename(self._scratch, self.final)
                self._scratch.unlink(missing_ok=True)
        self._placed.clear()

    def recorded(self) -> RunRecord:
        """Return the catalog record of the file at its final name."""
        found = RunFile(self.final).record(self.final.relative_to(self._store.root).as_posix())
        _compare(self.cargo.record, found)
        return found

    def drop(self) -> None:
        """Remove unnamed files, once no worker uses them."""
        if self.work.cancel():
            return
        self.work.exception()
        for path in (self._scratch, *self._placed):
            path.unlink(missing_ok=True)
        remove_folders([path.parent for path in self._placed])

    def _copy(self) -> None:
        with translated(self.final):
            if self.final.exists():  # of a load that was killed, then: it is looked at as closely
                self._verify(self.final)
                return
            create(self._scratch, self.folders)
            with self.cargo.file.copied_to(self._scratch):
                self._verify(self._scratch)
            self._scratch.chmod(_READ_ONLY)

    def _verify(self, file: Path) -> None:
        """Put the other files of the run into place and compare the run with its digests, or raise."""
        run = RunInTransit(self.cargo.record, self._store.context, file)
        _refuse(run, document_faults(run))
        if astray := {PurePosixPath(name) for name in self.cargo.beside} - places_due(run):
            raise DamagedFileError(
                f"run {run.uid} does not refer to {min(astray)}, which comes with it; nothing of it stays"
            )
        for name, piece in self.cargo.beside.items():
            self._place(name, piece)
        _refuse(run, value_faults(run, elsewhere=False))

    def _place(self, name: str, piece: Piece) -> None:
        final = self._store.root / name
        if _is_list(name):
            if piece.digest() != final.stem:
                raise DamagedFileError(f"the list of packages {name} is not the one of its digest; nothing was taken")
            self._lists[final] = piece
        if final.exists():
            if Piece(final, final.stat().st_size).digest() != piece.digest():
                raise DamagedFileError(f"{final} exists already with other content; nothing was changed")
            sync_names(final)
        elif not _is_list(name) and _put(piece, final):
            self._placed.append(final)


@contextmanager
def landing(store: RunStore, cargos: Iterable[Cargo]) -> Iterator[Iterator[list[Landing]]]:
    """Yield runs in their order, as many at once as are ready; those that `take` has not named are removed.

    Parameters
    ----------
    store : AnalysisStore
        The one they come to.
    cargos : iterable of Cargo
        The runs, parents before their children.
    """
    waiting: deque[Landing] = deque()
    folders: list[Path] = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        try:
            yield _in_turn(store, cargos, pool, waiting, folders)
        finally:
            for run in waiting:
                run.drop()
                folders += run.folders
            remove_folders(sorted(folders, key=lambda folder: -len(folder.parts)))


def _in_turn(
    store: RunStore, cargos: Iterable[Cargo], pool: Executor, waiting: deque[Landing], folders: list[Path]
) -> Iterator[list[Landing]]:
    for cargo in cargos:
        while len(waiting) == _AHEAD or any(_share(cargo, run.cargo) for run in waiting):
            yield from _ready(waiting, folders)
        waiting.append(Landing(cargo, store, pool))
    while waiting:
        yield from _ready(waiting, folders)


def _ready(waiting: deque[Landing], folders: list[Path]) -> Iterator[list[Landing]]:
    """Yield the first and those after it that are ready, too; then let go of them."""
    waiting[0].work.exception()
    ready = list(takewhile(lambda run: run.work.done(), waiting))
    yield ready
    for run in ready:
        waiting.popleft().drop()
        folders += run.folders


def take(store: RunStore, runs: Sequence[Landing]) -> list[str]:
    """Name runs and enter them into the catalog, up to the first that cannot come; return their uids.

    Raises
    ------
    DamagedFileError
        A run does not match its description; no part of it is kept.
    StoreWriteError
        The disk refuses; likewise.
    DuplicateRunError
        Another run of its uid was saved meanwhile.
    """
    whole = list(takewhile(lambda run: run.fault is None, runs))
    named: list[Landing] = []
    try:
        for run in whole:
            run.name()
            named.append(run)
    finally:
        _enter(store, named)
    for run in runs[len(whole) :]:
        if run.fault is not None:
            raise run.fault
    return [run.cargo.uid for run in whole]


def _enter(store: RunStore, runs: list[Landing]) -> None:
    """Add named runs to the catalog; one that is there by now must be identical."""
    for folder in {run.final.parent for run in runs}:
        with translated(folder):
            sync_folder(folder)
            sync_names(folder)
    records = [run.recorded() for run in runs]
    known = store.catalog.insert_many(records, lambda record: RunFile(store.root / record.path).documents())
    for record in records:
        if record.uid in known:
            _compare(record, store.catalog.get(record.uid))


def _compare(came: RunRecord, here: RunRecord) -> None:
    if differ := differences(came, here):
        raise DuplicateRunError(f"run {came.uid} was saved here meanwhile, with another {' and '.join(differ)}.")


def _put(piece: Piece, final: Path) -> bool:
    """Write a file of a run; return False if another process was first."""
    with translated(final), AtomicFile(final) as file:
        piece.copy_to(file.scratch)
        with suppress(FileExistsError):
            file.publish()
            return True
        sync_names(final)
    return False


def _share(one: Cargo, other: Cargo) -> bool:
    """Return True if both runs share a file: the second must wait until the first is complete."""
    return any(name in other.beside for name in one.beside if not _is_list(name))


def _is_list(name: str) -> bool:
    """Return True if a file is a list of packages: it is kept, since other runs may already refer to it."""
    return name.startswith(f"{layout.ENVIRONMENTS}/")


def _refuse(run: RunInTransit, faults: list[Fault]) -> None:
    if faults:
        raise DamagedFileError(f"run {run.uid} did not come whole, and was not taken: {faults[0]}")
