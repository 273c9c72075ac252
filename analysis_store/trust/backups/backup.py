"""A store copied while it is in use: first the catalog of a moment, then all files, then that catalog put in place."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.filesize import decimal

from analysis_store import layout
from analysis_store.core.atomic_files import replace
from analysis_store.core.text import counted
from analysis_store.core.write_errors import write_errors
from analysis_store.documents import dumps, loads
from analysis_store.errors import SettingsError
from analysis_store.progress import Progress, watched
from analysis_store.runs.notes.removal_records import buried, quarantined, read_removal
from analysis_store.settings import FILE_NAME
from analysis_store.trust.backups.catalog import DUMP, Snapshot
from analysis_store.trust.backups.files import Copier
from analysis_store.trust.findings import Finding
from analysis_store.trust.inventory import Entry, Kind, walk
from analysis_store.trust.removal.quarantine import removing

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

MARKER = "backup.json"
"""Marker file of a backup, with the store it belongs to."""

FILES = "files"
_PASSING = {
    Kind.SCRATCH,
    Kind.LIVE,
    Kind.LIVE_LOCK,
    Kind.REDO,
    Kind.SAFE,
    Kind.CLAIM,
    Kind.LOCK,
    Kind.LINK,
    Kind.SETTINGS,
}
"""Files of running processes, or not ours."""
_LOGS = {Kind.NOTES, Kind.TASK}


@dataclass(frozen=True, slots=True)
class BackupReport:
    """Result of a backup; true if every run of the store is in it."""

    target: str
    """The folder of the backup."""

    runs: int
    """Number of runs in it."""

    copied: int
    """Files that were copied."""

    linked: int
    """Files linked on the disk of the store, without a copy."""

    known: int
    """Files that were there from an earlier backup."""

    size: int
    """Size of the copied files in bytes."""

    recording: int
    """Runs that are being recorded, and not in it."""

    catalog: str
    """``"sqlite"``; ``"pg_dump"``, a file for ``pg_restore``; ``"none"``: reindexing rebuilds it."""

    findings: tuple[Finding, ...] = ()
    """Missing or damaged files."""

    def __bool__(self) -> bool:
        return not any(finding.is_fault for finding in self.findings)

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {**asdict(self), "findings": [finding.to_dict() for finding in self.findings]}

    def __str__(self) -> str:
        head = (
            f"{counted(self.runs, 'run')} in {self.target}: {counted(self.copied, 'file')} copied "
            f"({decimal(self.size)}), {self.linked} linked, {self.known} known"
        )
        lines = [head]
        if self.recording:
            lines.append(f"not in it, being recorded: {counted(self.recording, 'run')}")
        if self.catalog == "pg_dump":
            lines.append(f"the catalog is in {DUMP}: restore it with pg_restore, or open the backup and call reindex()")
        elif self.catalog == "none":
            lines.append("the catalog is rebuilt from the files: open the backup and call reindex()")
        return "\n".join([*lines, *map(str, self.findings)])


_LAST_IS_WHOLE = (
    "The last backup in it is complete. Free space or fix the permission, then repeat it: copied files are kept"
)


def backup(
    store: RunStore,
    target: str | os.PathLike[str],
    *,
    progress: Progress | None = None,
    verify: bool = False,
) -> BackupReport:
    """Copy a store while it is in use; see `AnalysisStore.backup`.

    A run is in the catalog once its file is final, so the files that are copied after the catalog include all
    its runs, as long as no run is deleted.
    """
    folder = Path(target).expanduser().absolute()
    _check_place(store, folder)
    with (
        removing(store.root),
        write_errors(f"the backup {folder}", _LAST_IS_WHOLE, (OSError,)),
        watched(progress, "Copying") as tell,
    ):
        return _made(store, folder, tell, verify)


def _check_place(store: RunStore, folder: Path) -> None:
    """Raise for a folder in which a backup would be useless or harmful."""
    real, homes = folder.resolve(), {store.root.resolve(), _home(store).resolve()}
    if any(real.is_relative_to(home) or home.is_relative_to(real) for home in homes):
        raise SettingsError(f"{folder} is inside the store {store.location}, or contains it. Choose another folder.")
    told = _marker(folder)
    if told is None and folder.exists() and any(folder.iterdir()):
        raise SettingsError(f"{folder} is not empty, and no backup; name a new folder.")
    if told is not None and told["store"] != store.location:
        raise SettingsError(
            f"{folder} is the backup of {told['store']}, not of {store.location}. Choose another folder, or, if the "
            f"store was moved, correct {folder / MARKER}."
        )


def _home(store: RunStore) -> Path:
    """Return the location of a store's settings: next to its root, or in it."""
    return store.root if (store.root / FILE_NAME).exists() else Path(store.location)


def _marker(folder: Path) -> dict[str, Any] | None:
    path = folder / MARKER
    try:
        told: dict[str, Any] = loads(path.read_text(encoding="utf-8"))
        return {"store": told["store"], **told}
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}; name another folder.") from error


def _made(store: RunStore, folder: Path, tell: Progress, verify: bool) -> BackupReport:
    folder.mkdir(parents=True, exist_ok=True)  # `replace` makes its name durable
    replace(folder / MARKER, dumps({"store": store.location, "begun": time.time()}).encode())
    snapshot = Snapshot(store, folder)
    copier = Copier(verify)
    try:
        snapshot.refuse_to_forget(partial(_is_removed, store.root))
        recording = _copy(store, folder, copier, tell)
        missing = _missing(folder, snapshot)
        snapshot.put()
    finally:
        snapshot.discard()
    _follow(store.root, folder / FILES)
    replace(folder / MARKER, dumps({"store": store.location, "ended": time.time()}).encode())
    runs = len(snapshot.paths) - len(missing)
    return BackupReport(
        str(folder), runs, copier.copied, copier.linked, copier.known, copier.size, recording, snapshot.kind,
        (*copier.findings, *missing),
    )  # fmt: skip


def _is_removed(root: Path, uid: str) -> bool:
    return (quarantined(root, uid) or buried(root, uid)) is not None


def _copy(store: RunStore, folder: Path, copier: Copier, tell: Progress) -> int:
    """Copy all files; return how many recordings were left out."""
    files, recording = [], 0
    for entry in walk(store.root):
        recording += entry.kind is Kind.LIVE
        if entry.kind not in _PASSING:
            files.append(entry)
    for done, entry in enumerate(files):
        tell(done, len(files))
        _take(copier, entry, folder / FILES / entry.relative)
    tell(len(files), len(files))
    home = _home(store)
    copier.take(home / FILE_NAME, folder / FILE_NAME)
    if home == store.root:  # the catalog is elsewhere: restored there, it is opened with the files as its root
        copier.take(home / FILE_NAME, folder / FILES / FILE_NAME)
    copier.finish()
    return recording


def _take(copier: Copier, entry: Entry, target: Path) -> None:
    if entry.kind in _LOGS:
        copier.take_lines(entry.path, target)
    else:
        copier.take(entry.path, target)


def _missing(folder: Path, snapshot: Snapshot) -> list[Finding]:
    return [
        Finding(
            "missing",
            uid,
            f"its file {path} is not in the store, so it is not in the backup",
            "look for the file in an older backup; check the store",
        )
        for uid, path in snapshot.paths.items()
        if not (folder / FILES / path).is_file()
    ]


def _follow(root: Path, files: Path) -> None:
    """Remove from the backup the files of deleted runs, and the deletion records of restored runs."""
    for kept in (files / layout.QUARANTINE).glob("*"):
        if not (root / layout.QUARANTINE / kept.name).exists():
            shutil.rmtree(kept)
    for kept in (files / layout.TOMBSTONES).glob("*.json"):
        removal = read_removal(kept)
        if not (root / layout.TOMBSTONES / kept.name).exists():
            kept.unlink()
        elif removal is not None and not (root / removal.path).exists():
            for file in removal.files:
                (files / file.path).unlink(missing_ok=True)
