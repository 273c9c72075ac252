"""Record of a deleted run: its documents, who deleted it and why, and the files it had."""

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
    """Path before the deletion, relative to the root, with forward slashes."""

    size: int
    """In bytes."""

    digest: str
    """Digest of its bytes, ``blake3:<hex>``."""


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
    """Time of the deletion: seconds since 1970 UTC."""

    path: str
    """The run file, relative to the root."""

    files: tuple[MovedFile, ...]
    """The run file and files of other writers for the run."""

    start: Document
    """The start document, with the provenance."""

    stop: Document | None
    """The stop document, with the digest of every key."""

    descriptors: tuple[Document, ...]
    """The descriptors."""

    parents: tuple[str, ...]
    """Uids of its parent runs."""

    beside: Document
    """Metadata of the store beyond the documents."""

    @property
    def record(self) -> RunRecord:
        """Return the catalog's record of the run."""
        return RunRecord(self.start, self.stop, self.descriptors, self.path, self.parents, self.beside)

    def to_json(self) -> str:
        """Return it as the text of its file."""
        return dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Removal:
        """Return the record for JSON text of `to_json`."""
        told = loads(text)
        told["files"] = tuple(MovedFile(**file) for file in told["files"])
        return cls(**{**told, "descriptors": tuple(told["descriptors"]), "parents": tuple(told["parents"])})

    def __str__(self) -> str:
        moment = datetime.datetime.fromtimestamp(self.time).astimezone()
        return f"deleted by {self.who} on {moment:%Y-%m-%d %H:%M}: {self.reason}"


def quarantine_folder(root: Path, uid: str) -> Path:
    """Return the location of the files of a deleted run until they are purged."""
    return root / layout.QUARANTINE / layout.file_stem(uid)


def tombstone_path(root: Path, uid: str) -> Path:
    """Return the location of the permanent record of a deleted run."""
    return root / layout.TOMBSTONES / f"{layout.file_stem(uid)}.json"


def quarantined(root: Path, uid: str) -> Removal | None:
    """Return the removal of a run that is in quarantine, or on its way there; None of any other."""
    return read_removal(quarantine_folder(root, uid) / RECORD)


def buried(root: Path, uid: str) -> Removal | None:
    """Return the removal of a run that is wholly deleted, in quarantine or purged; None of any other."""
    return read_removal(tombstone_path(root, uid))


def read_removal(path: Path) -> Removal | None:
    """Return the removal in a file; None if the file does not exist.

    Raises
    ------
    DamagedFileError
        The file cannot be read.
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
    """Return the error for access to a deleted run; None if it was not deleted."""
    if (removal := quarantined(root, uid)) is not None:
        return RunNotFoundError(
            f"run {uid} was {removal}. store.restore({uid!r}) (analysis-store restore) brings it back."
        )
    if (removal := buried(root, uid)) is not None and not (root / removal.path).exists():  # as when it was loaded again
        kept = tombstone_path(root, uid)
        return RunNotFoundError(f"run {uid} was {removal}. Its data are gone; its record is {kept}.")
    return None


def refuse_removed(root: Path, home: str, record: RunRecord) -> None:
    """Raise for a run about to be committed if one of its parents was deleted meanwhile.

    Its file has its final name already. So a deleting process, which announces this and then reads all run files,
    sees this run, or is seen by it.

    Parameters
    ----------
    root : Path
        Of the store.
    home : str
        Name of the store in the parents of a run.
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
            raise InputError(f"run {record.uid} has a parent run that was deleted meanwhile, and was not saved: {told}")


def _sources(root: Path, home: str, record: RunRecord) -> Iterator[str]:
    """Yield the uids of all resolved parents of a run in this store."""
    told = record.provenance
    for parent in told.get("parents", ()):
        if parent.get("resolved") and parent.get("catalog") in (None, home):
            yield parent["uid"]
    for file in told.get("files", ()):
        path = Path(file["path"])
        if path.suffix == ".h5" and path.is_relative_to(root):
            yield unquote(path.stem)


def _is_undecided(root: Path, uid: str) -> bool:
    """Return True while another process is deciding whether this run can be deleted."""
    if tombstone_path(root, uid).exists() or not (quarantine_folder(root, uid) / RECORD).exists():
        return False
    return is_held(root / LOCK)
