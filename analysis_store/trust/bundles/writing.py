"""Runs into a bundle: chosen, verified while they are read, written under a scratch name, named when it is whole."""

from __future__ import annotations

import os
import stat
import time
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Self

from blake3 import blake3
from rich.filesize import decimal

from analysis_store import __version__, layout
from analysis_store.core.text import counted
from analysis_store.documents import dumps
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.exchange.files import Outgoing
from analysis_store.folders import sync
from analysis_store.progress import Progress, watched
from analysis_store.roots import opened
from analysis_store.runs.notes.notes import month_log
from analysis_store.runs.read.run import Run
from analysis_store.trust.bundles.contents import BLOCK, Cargo, Piece, Selection, cargo_of, notes_of, select
from analysis_store.trust.bundles.manifest import CRATE, DOCUMENTS, FILES, MANIFEST, PROV, Entry, Manifest, Member
from analysis_store.trust.bundles.ro_crate import crate_of
from analysis_store.trust.bundles.run_faults import faults_of
from analysis_store.trust.bundles.run_in_transit import RunInTransit
from analysis_store.trust.lineage.prov_json import prov_document

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Note, RunRecord
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import RunsLike

_READ_ONLY = (stat.S_IFREG | 0o444) << 16


@dataclass(slots=True)
class BundleReport:
    """What went into a bundle."""

    path: str
    """The bundle."""

    runs: list[str] = field(default_factory=list)
    """Uids of the runs in it, parents before their children."""

    parents: int = 0
    """How many of them were not asked for, but are ancestors of those that were."""

    stubs: list[str] = field(default_factory=list)
    """Parents of which only the documents are included."""

    missing: list[str] = field(default_factory=list)
    """Parents that the store does not have."""

    elsewhere: dict[str, list[str]] = field(default_factory=dict)
    """By uid, the files that a run refers to and that are not in the bundle."""

    skipped: dict[str, str] = field(default_factory=dict)
    """By uid, why a damaged run was left out."""

    notes: int = 0
    """How many notes are in it."""

    size: int = 0
    """Bytes."""

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return asdict(self)

    def __str__(self) -> str:
        parents = f", {self.parents} of them only because others came from them" if self.parents else ""
        lines = [f"{self.path}: {counted(len(self.runs), 'run')}{parents}, {decimal(self.size)}"]
        lines += [f"  stub of parent {uid}" for uid in self.stubs]
        lines += [f"  parent {uid} is not in this store" for uid in self.missing]
        lines += [
            f"  run {uid} refers to {path}, which stays" for uid, paths in self.elsewhere.items() for path in paths
        ]
        lines += [f"  left out, damaged: {why}" for why in self.skipped.values()]
        return "\n".join(lines)


def dump(
    store: RunStore,
    runs: RunsLike,
    target: str | os.PathLike[str],
    *,
    parents: Literal["closure", "stubs"] = "closure",
    skip: bool = False,
    progress: Progress | None = None,
) -> BundleReport:
    """Write runs and what they came from into one file; see `AnalysisStore.dump`."""
    if parents not in {"closure", "stubs"}:
        raise InvalidDataError(f"parents: Got {parents!r}; expected 'closure' or 'stubs'.")
    path = Path(target).expanduser().absolute()
    selection = select(store, chosen(store, runs), closure=parents == "closure")
    report = BundleReport(str(path), stubs=selection.stubs, missing=selection.missing)
    with watched(progress, "Packing") as tell, Outgoing(path, overwrite=False) as out:
        with out.writing() as file, _Packing(file, store.location) as packing:
            for done, cargo in enumerate(_verified(store, selection, report, skip=skip), 1):
                packing.add(cargo)
                tell(done, len(selection.uids))
            notes = [note for note in notes_of(store, selection) if note.uid not in report.skipped]
            packing.finish(notes, selection)
        out.publish()
    report.notes, report.size = len(notes), path.stat().st_size
    report.parents = len([uid for uid in report.runs if uid not in selection.chosen])
    return report


def chosen(store: RunStore, runs: RunsLike) -> Iterator[Run]:
    """Yield the runs that a query, a uid, a run, or several of these mean."""
    if isinstance(runs, Run):
        yield runs
    elif isinstance(runs, str):
        yield store[runs]
    elif isinstance(runs, Mapping) or not isinstance(runs, Iterable):
        yield from store.search(runs)
    else:
        for run in runs:
            yield run if isinstance(run, Run) else store[run]


def _verified(store: RunStore, selection: Selection, report: BundleReport, *, skip: bool) -> Iterator[Cargo]:
    """Yield the cargo of each run once its values are what they were, while the run before is being written."""
    with ThreadPoolExecutor(1) as ahead:
        looks = (ahead.submit(_looked_at, store, uid) for uid in selection.uids)
        waiting = next(looks, None)
        while waiting is not None:
            found, waiting = waiting.result(), next(looks, None)
            if not isinstance(found, Cargo):
                uid, why = found
                if not skip:
                    raise DamagedFileError(
                        f"{why}. No bundle was written. Restore the run from a copy, or leave it out with skip=True."
                    )
                report.skipped[uid] = why
                continue
            report.runs.append(found.uid)
            if found.elsewhere:
                report.elsewhere[found.uid] = list(found.elsewhere)
            yield found


def _looked_at(store: RunStore, uid: str) -> Cargo | tuple[str, str]:
    """Return the cargo of a run, or the run and what is wrong with it."""
    run = RunInTransit(store.catalog.get(uid), store.context)
    if faults := faults_of(run):
        return uid, f"run {uid} is damaged: {faults[0]}"
    return cargo_of(run, store.root)


class _Packing:
    """A bundle that is being written; members are stored as they are, because they are compressed or cannot be."""

    def __init__(self, file: BinaryIO, source: str) -> None:
        self._file = file
        self._zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True)
        self._disk = ThreadPoolExecutor(1)
        self._syncs: list[Future[None]] = []
        self._source = source
        self._members: dict[str, Member] = {}
        self._entries: list[Entry] = []
        self._records: list[RunRecord] = []
        self._time = time.time()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._disk:
            if kind is not None:
                self._zip.fp = None  # nothing more is written into a file that will be removed
                return
            self._zip.close()
            for sync in self._syncs:
                sync.result()  # an error is reported once only, to the first caller

    def add(self, cargo: Cargo) -> None:
        """Write a run and what goes with it."""
        record = cargo.record
        place = layout.run_path(cargo.uid, record.start["time"])
        name = f"{DOCUMENTS}/{place.stem}.json"
        told = {"start": record.start, "stop": record.stop, "descriptors": list(record.descriptors)}
        beside = [self._piece(f"{FILES}/{path}", piece) for path, piece in cargo.beside.items()]
        entry = Entry(
            uid=cargo.uid,
            file=self._piece(f"{FILES}/{record.path}", cargo.file),
            documents=self._text(name, dumps({**told, "beside": record.beside})),
            parents=list(record.parents),
            beside=beside,
            elsewhere=list(cargo.elsewhere),
        )
        self._entries.append(entry)
        self._records.append(record)
        self._syncs.append(self._disk.submit(sync, self._file.fileno()))  # while the next run is being read

    def finish(self, notes: list[Note], selection: Selection) -> None:
        """Write the notes, the descriptions for other programs, and last the manifest."""
        logs: dict[str, list[str]] = {}
        for note in notes:
            logs.setdefault(str(month_log(Path(), note.time)), []).append(dumps(asdict(note)))
        for path, lines in logs.items():
            self._text(f"{FILES}/{path}", "\n".join(lines) + "\n")
        self._text(PROV, dumps(prov_document(self._records)))
        manifest = Manifest(
            made=self._time,
            by=f"analysis_store {__version__}",
            source=self._source,
            runs=self._entries,
            stubs=selection.stubs,
            missing=selection.missing,
            members=self._members,
        )
        self._text(CRATE, dumps(crate_of(manifest, self._records)))
        whole = manifest.model_copy(update={"members": self._members})
        self._text(MANIFEST, whole.to_json())

    def _text(self, name: str, text: str) -> str:
        content = text.encode()
        with self._member(name, len(content)) as member:
            member.write(content)
        self._members[name] = Member(size=len(content), blake3=blake3(content).hexdigest())
        return name

    def _piece(self, name: str, piece: Piece) -> str:
        """Copy a file, unless it is there: runs share lists of packages."""
        if name in self._members:
            return name
        hasher, buffer, size = blake3(), memoryview(bytearray(min(BLOCK, max(piece.size, 1)))), 0
        with opened(piece.path, buffering=0) as source, self._member(name, piece.size) as member:
            while count := source.readinto(buffer):
                hasher.update(buffer[:count])
                member.write(buffer[:count])
                size += count
        if size != piece.size:
            raise DamagedFileError(f"{piece.path} changed while it was read; no bundle was written.")
        self._members[name] = Member(size=size, blake3=hasher.hexdigest())
        return name

    @contextmanager
    def _member(self, name: str, size: int) -> Iterator[Any]:
        info = zipfile.ZipInfo(name, time.gmtime(self._time)[:6])
        info.external_attr = _READ_ONLY
        info.file_size = size  # by which zipfile chooses the form of 64 bits
        with self._zip.open(info, "w") as member:
            yield member
