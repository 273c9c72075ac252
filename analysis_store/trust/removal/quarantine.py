"""The quarantine: how a run gets into it step by step, and out again. Each step is durable, and may be done twice."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.core.atomic_files import link_or_rename, make_folders, write_once
from analysis_store.core.write_errors import write_errors
from analysis_store.digests import digest_file
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InputError,
    RunNotFoundError,
    StoreBusyError,
)
from analysis_store.folders import sync_folder, sync_names
from analysis_store.locks import FileLock, holder_of, is_held, wait_for
from analysis_store.runs.notes.removal_records import (
    LOCK,
    PATIENCE,
    RECORD,
    MovedFile,
    Removal,
    buried,
    quarantine_folder,
    quarantined,
    read_removal,
    told_as_removed,
    tombstone_path,
)
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.resource_location import kept_path
from analysis_store.trust.findings import Finding
from analysis_store.trust.references import named_in

if TYPE_CHECKING:
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

DELETED, RESTORED, PURGED = "deleted", "restored", "purged"
"""The kinds of the notes on a run that was removed."""

_PATIENCE = 1.0
"""Seconds; one who looks whether the lock is held has it for a moment."""


@contextmanager
def removing(root: Path) -> Iterator[None]:
    """Hold the lock for removing runs, restoring them, or needing them to stay.

    Raises
    ------
    StoreBusyError
        Another process holds it; the message names the process.
    """
    path = root / LOCK
    with writing(path):
        lock = FileLock.acquire(path, _PATIENCE)
    if lock is None:
        raise StoreBusyError(
            errno.EAGAIN, f"runs of {root} are being removed or backed up by {holder_of(path)}; try again later"
        )
    try:
        yield
    finally:
        lock.release()


def writing(path: Path) -> AbstractContextManager[None]:
    """Turn the errors of the operating system into ours."""
    return write_errors(path, "What was done so far is safe; free space or fix the permission, then do it again")


def removal_of(run: Run, reason: str, who: str) -> Removal:
    """Return the record to keep of a run; nothing is written yet. If the file was lost, its documents are kept."""
    record, root = run.record, run.context.root
    there = [relative for relative in (record.path, *_companions(run)) if (root / relative).is_file()]
    files = [MovedFile(relative, (root / relative).stat().st_size, digest_file(root / relative)) for relative in there]
    return Removal(
        run.uid, reason, who, time.time(), record.path, tuple(files), record.start, record.stop, record.descriptors,
        record.parents, record.beside,
    )  # fmt: skip


def _companions(run: Run) -> Iterator[str]:
    """Yield files under the root for this run alone: written with its file, or loaded with it."""
    root, own = run.context.root, PurePosixPath(run.record.path)
    try:
        resources = run.content.resources
    except DamagedFileError:  # its references are unknown; the file is kept, and a check lists it
        resources = []
    found = {}
    for resource in resources:
        beside, kept = own.with_name(PurePosixPath(str(resource["resource_path"])).name), kept_path(resource)
        if beside != own and beside.name.startswith(f"{own.stem}.") and not _is_run(root / beside):
            found[str(beside)] = root / beside
        found[str(kept)] = root / kept
    return (relative for relative, path in found.items() if path.is_file())


def _is_run(path: Path) -> bool:
    try:
        return bool(RunFile(path).start)
    except AnalysisStoreError:
        return False


def mark(root: Path, removal: Removal) -> None:
    """Mark a run for deletion: from now on no process saves a child of it."""
    write_once(quarantine_folder(root, removal.uid) / RECORD, removal.to_json())


def unmark(root: Path, uid: str) -> None:
    """Forget that a run was about to go; its files are at their places."""
    folder = quarantine_folder(root, uid)
    (folder / RECORD).unlink(missing_ok=True)
    for path, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if name.endswith(layout.SCRATCH_SUFFIX):  # of a process that was killed during the announcement
                (Path(path) / name).unlink()
        for name in folders:
            (Path(path) / name).rmdir()
    folder.rmdir()
    sync_folder(folder.parent)


def move_in(root: Path, removal: Removal) -> None:
    """Move the files of a run into the quarantine, the run file first."""
    folder = quarantine_folder(root, removal.uid)
    for file in removal.files:
        _move(root / file.path, folder / file.path)


def move_back(root: Path, removal: Removal) -> None:
    """Move the files of a run back, the run file last."""
    folder = quarantine_folder(root, removal.uid)
    for file in reversed(removal.files):
        _move(folder / file.path, root / file.path)


def bury(root: Path, removal: Removal) -> None:
    """Write the tombstone, which ends a deletion; that of an earlier life of the run gives way."""
    path = tombstone_path(root, removal.uid)
    path.unlink(missing_ok=True)
    write_once(path, removal.to_json())


def _move(source: Path, target: Path) -> None:
    """Move a file durably; nothing is overwritten, and one that was moved is left alone."""
    if not source.exists():
        if not target.exists():
            raise DamagedFileError(f"{source} is not there, nor is {target}. Restore it from a copy.")
        return
    make_folders(target.parent, [])
    sync_names(target.parent)
    try:
        link_or_rename(source, target)
    except FileExistsError as error:
        if not os.path.samestat(source.stat(), target.stat()):
            raise DamagedFileError(f"{target} exists, and differs from {source}. Move one of them away.") from error
    sync_folder(target.parent)
    source.unlink(missing_ok=True)
    sync_folder(source.parent)


def restore(store: RunStore, uid: str) -> Run:
    """Bring a deleted run back from quarantine; see `AnalysisStore.restore`."""
    with removing(store.root), writing(store.root):
        removal = quarantined(store.root, uid)
        if removal is None:
            raise told_as_removed(store.root, uid) or RunNotFoundError(
                f"no run {uid!r} of {store.location} was deleted; restoring needs a whole uid."
            )
        inside = quarantine_folder(store.root, uid) / removal.path
        file = inside if inside.exists() else store.root / removal.path
        RunFile(file).record(removal.path)  # one that was deleted when it was damaged or lost gives nothing back
        _refuse_without_sources(store, removal, file)
        return take_back(store, removal)


def take_back(store: RunStore, removal: Removal) -> Run:
    """Undo a deletion, as far as it went; the caller is `removing`."""
    move_back(store.root, removal)
    run = store[removal.uid] if removal.uid in store else store.adopt(store.root / removal.path)
    if _last_note(store, removal) == DELETED:
        store.note(removal.uid, RESTORED, {"deleted": removal.time})
    tombstone_path(store.root, removal.uid).unlink(missing_ok=True)
    unmark(store.root, removal.uid)
    return run


def _refuse_without_sources(store: RunStore, removal: Removal, file: Path) -> None:
    """Raise for restoring a run with a parent that is still deleted."""
    others = [other for other in removals(store.root) if other.uid != removal.uid and other.uid not in store]
    if away := named_in(file, others):
        raise InputError(
            f"run {removal.uid} has the parent {', '.join(sorted(away))}, which is deleted too. Restore that first."
        )


def note_once(store: RunStore, removal: Removal, kind: str) -> None:
    """Add a note on the deletion or restoration of a run; not again when an interrupted one is repeated."""
    if _last_note(store, removal) != kind:
        files = [{"path": file.path, "size": file.size, "digest": file.digest} for file in removal.files]
        store.note(removal.uid, kind, {"deleted": removal.time, "reason": removal.reason, "files": files})


def _last_note(store: RunStore, removal: Removal) -> str | None:
    kinds = (DELETED, RESTORED, PURGED)
    told = [note.kind for note in store.notes(removal.uid) if note.body.get("deleted") == removal.time]
    return next((kind for kind in reversed(told) if kind in kinds), None)


def removals(root: Path) -> list[Removal]:
    """Return every removal in the quarantine, whole or not, the oldest first."""
    found = map(read_removal, (root / layout.QUARANTINE).glob(f"*/{RECORD}"))
    return sorted(filter(None, found), key=lambda removal: removal.time)


def is_cut_short(store: RunStore, removal: Removal) -> bool:
    """Return True if the process that deleted or restored a run died before it had ended."""
    return buried(store.root, removal.uid) is None or removal.uid in store


def _is_at_work(store: RunStore, removal: Removal) -> bool:
    """Return True if another process may be deleting or restoring right now."""
    return is_cut_short(store, removal) and is_held(store.root / LOCK)


def unfinished(store: RunStore) -> Iterator[Finding]:
    """Yield every deletion and restoring that was cut short."""
    for removal in removals(store.root):
        wait_for(lambda: not _is_at_work(store, removal), PATIENCE)  # noqa: B023
        if quarantined(store.root, removal.uid) is not None and is_cut_short(store, removal):
            yield Finding(
                "removal",
                removal.uid,
                f"{removal}; that was cut short",
                "store.delete(uid, reason, dry_run=False) ends it, store.restore(uid) takes it back",
            )
