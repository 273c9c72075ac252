"""What is kept of a run that was deleted: its documents, who deleted it and why, and which files it had."""

from __future__ import annotations

import datetime
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from analysis_store import layout
from analysis_store.catalogs.base import RunRecord
from analysis_store.documents import Document, dumps, loads
from analysis_store.errors import DamagedFileError, InputError, RunNotFoundError, UnsafeFileError
from analysis_store.locks import is_held, wait_for
from analysis_store.roots import read

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK = "removal.lock"
"""The file, under the root, that is locked by who removes runs, or must not be disturbed by that."""

RECORD = "removal.json"
PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class MovedFile:
    """A file of a run that was deleted."""

    path: str
    """Where it was, relative to the root, with forward slashes."""

    size: int
    """In bytes."""

    digest: str
    """Of its bytes, ``blake3:<hex>``."""


@dataclass(frozen=True, slots=True)
class Removal:
    """A run that was deleted, or whose deletion has begun."""

    uid: str
    """The run."""

    reason: str
    """Why."""

    who: str
    """``user@host``."""

    time: float
    """When: seconds since 1970 UTC."""

    path: str
    """The run file, relative to the root."""

    files: tuple[MovedFile, ...]
    """The run file and what other writers wrote for the run."""

    start: Document
    """The start document; it tells the provenance."""

    stop: Document | None
    """The stop document; it tells the digest of every key."""

    descriptors: tuple[Document, ...]
    """The descriptors."""

    parents: tuple[str, ...]
    """Uids of the runs it came from."""

    beside: Document
    """What the store knew beyond the documents."""

    @property
    def record(self) -> RunRecord:
        """What the catalog had of the run."""
        return RunRecord(self.start, self.stop, self.descriptors, self.path, self.parents, self.beside)

    def to_json(self) -> str:
        """Return it as the text of its file."""
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Removal:
        """Return what `to_json` was given."""
        told = loads(text)
        told["files"] = tuple(MovedFile(**file) for file in told["files"])
        return cls(**{**told, "descriptors": tuple(told["descriptors"]), "parents": tuple(told["parents"])})

    def __str__(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.time).astimezone()
        return f"deleted by {self.who} on {moment:%Y-%m-%d %H:%M}: {self.reason}"


def quarantine_folder(root: Path, uid: str) -> Path:
    """Return where the files of a deleted run are until they are purged."""
    return root / layout.QUARANTINE / layout.file_stem(uid)


def tombstone_path(root: Path, uid: str) -> Path:
    """Return where it is kept for ever what a deleted run was."""
    return root / layout.TOMBSTONES / f"{layout.file_stem(uid)}.json"


def quarantined(root: Path, uid: str) -> Removal | None:
    """Return the removal of a run that is in quarantine, or on its way there; None of any other."""
    return read_removal(quarantine_folder(root, uid) / RECORD)


def buried(root: Path, uid: str) -> Removal | None:
    """Return the removal of a run that is wholly deleted, in quarantine or purged; None of any other."""
    return read_removal(tombstone_path(root, uid))


def read_removal(path: Path) -> Removal | None:
    """Return the removal in a file; None where there is no such file.

    Raises
    ------
    DamagedFileError
        It cannot be read.
    """
    try:
        return Removal.from_json(read(path).decode())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnsafeFileError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{path} cannot be read: {error}. Restore it from a copy.") from error


def told_as_removed(root: Path, uid: str) -> RunNotFoundError | None:
    """Return what is said to somebody who asks for a run that was deleted; None where it was not."""
    if (removal := quarantined(root, uid)) is not None:
        return RunNotFoundError(
            f"run {uid} was {removal}. store.restore({uid!r}) (analysis-store restore) brings it back."
        )
    if (removal := buried(root, uid)) is not None and not (root / removal.path).exists():  # as when it was loaded again
        kept = tombstone_path(root, uid)
        return RunNotFoundError(f"run {uid} was {removal}. Its data are gone; what it was is told by {kept}.")
    return None


def refuse_removed(root: Path, home: str, record: RunRecord) -> None:
    """Refuse a run that is about to be committed when one that it came from was deleted while it was made.

    Its file has its final name already. So whoever deletes, who says so first and then looks through all run files,
    sees this run, or is seen by it.

    Parameters
    ----------
    root : Path
        Of the store.
    home : str
        What the store is called where the parents of a run are listed.
    record : RunRecord
        The run.

    Raises
    ------
    InputError
        Names the deleted run, and how to bring it back.
    """
    for uid in _sources(root, home, record):
        wait_for(lambda: not _is_undecided(root, uid), PATIENCE)  # noqa: B023
        if told := told_as_removed(root, uid):
            raise InputError(f"run {record.uid} came from a run that was deleted meanwhile, and was not saved: {told}")


def _sources(root: Path, home: str, record: RunRecord) -> Iterator[str]:
    """Yield the uids of all of this store that a run came from, as far as they were looked up."""
    told = record.provenance
    for parent in told.get("parents", ()):
        if parent.get("resolved") and parent.get("catalog") in (None, home):
            yield parent["uid"]
    for file in told.get("files", ()):
        path = Path(file["path"])
        if path.suffix == ".h5" and path.is_relative_to(root):
            yield unquote(path.stem)


def _is_undecided(root: Path, uid: str) -> bool:
    """Tell whether it is being looked just now whether a run may go."""
    if tombstone_path(root, uid).exists() or not (quarantine_folder(root, uid) / RECORD).exists():
        return False
    return is_held(root / LOCK)
