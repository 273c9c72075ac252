"""Inventory of everything under the root of a store; nothing is opened, and no link is followed."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.processing.engine.compute_lock import FOLDER as CLAIMS
from analysis_store.recorder.run.publish import SUFFIX as LIVE_SUFFIX
from analysis_store.settings import FILE_NAME as SETTINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

_DAY = re.compile(r"\d{4,}/\d\d/\d\d")
_CATALOG = "catalog.sqlite"


class Kind(StrEnum):
    """Kind of a file, as far as its name and location show."""

    RUN = "run"
    """Named as a run file, in the folder of a day; files of other writers may have such names, too."""
    SCRATCH = "scratch"
    """Unfinished file of a writer; only its name shows whether its process died (see `scratch_owner`)."""
    LIVE = "live"
    """A recording that has not ended."""
    LIVE_LOCK = "live-lock"
    REDO = "redo"
    SAFE = "safe"
    """State of a recording after a power cut."""
    NOTES = "notes"
    TASK = "task"
    CLAIM = "claim"
    PACKAGES = "packages"
    QUARANTINE = "quarantine"
    TOMBSTONE = "tombstone"
    SETTINGS = "settings"
    """The settings of the store, or its catalog, if they are among the files."""
    LOCK = "lock"
    """A lock that is not of a live file."""
    LINK = "link"
    """A symbolic link, to anything."""
    FOREIGN = "foreign"
    """Another file: foreign, or of another version."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, or link, under the root."""

    kind: Kind
    """Kind of the file."""

    path: Path
    """Location of the file, which may be gone by now."""

    relative: str
    """The same relative to the root, with forward slashes, as in the catalog."""


def walk(root: Path, below: str = "") -> Iterator[Entry]:
    """Yield every file and link under a root, folder by folder, each in the order of the names.

    Files that vanish or cannot be listed meanwhile are skipped, since the store may be in use.

    Parameters
    ----------
    root : Path
        Of the run files.
    below : str
        Only files in this folder, relative to the root.
    """
    folders = [below]
    while folders:
        folder = folders.pop()
        inner = []
        for name, is_folder, is_link, is_file in _listed(root / folder):
            relative = f"{folder}/{name}" if folder else name
            if is_folder:
                inner.append(relative)
            else:
                kind = Kind.LINK if is_link else kind_of(relative) if is_file else Kind.FOREIGN
                yield Entry(kind, root / relative, relative)
        folders += reversed(inner)


def run_files(root: Path) -> Iterator[Entry]:
    """Yield files named as run files, in the folders of run files."""
    return (entry for entry in walk(root) if entry.kind is Kind.RUN)


def kind_of(relative: str) -> Kind:
    """Return the kind of the file of a path, relative to the root."""
    folder, _, name = relative.rpartition("/")
    if name.startswith(".") and name.endswith(layout.SCRATCH_SUFFIX):
        return Kind.SCRATCH
    if _DAY.fullmatch(folder):
        return _kind_in_day(name)
    return _kind_beside(folder, name)


def _kind_in_day(name: str) -> Kind:
    endings = {
        ".h5": Kind.RUN,
        f".h5{LIVE_SUFFIX}": Kind.LIVE,
        f".h5{LIVE_SUFFIX}.lock": Kind.LIVE_LOCK,
        f".h5{LIVE_SUFFIX}.redo": Kind.REDO,
        f".h5{LIVE_SUFFIX}.safe": Kind.SAFE,
        f".h5{LIVE_SUFFIX}.safe.new": Kind.SAFE,
    }
    return next((kind for ending, kind in endings.items() if name.endswith(ending)), Kind.FOREIGN)


def _kind_beside(folder: str, name: str) -> Kind:
    top, suffix = folder.partition("/")[0], PurePosixPath(name).suffix
    if top == layout.QUARANTINE:
        return Kind.QUARANTINE
    if top == CLAIMS and suffix == ".lock":
        return Kind.CLAIM
    if suffix == ".lock" and folder in ("", "tasks", layout.NOTES):
        return Kind.LOCK
    if not folder and (name == SETTINGS or name.startswith(_CATALOG)):
        return Kind.SETTINGS
    places = {
        (layout.NOTES, ".jsonl"): Kind.NOTES,
        ("tasks", ".jsonl"): Kind.TASK,
        (layout.ENVIRONMENTS, ".json"): Kind.PACKAGES,
        (layout.TOMBSTONES, ".json"): Kind.TOMBSTONE,
    }
    return places.get((folder, suffix), Kind.FOREIGN)


def scratch_owner(path: Path) -> int | None:
    """Return the process that created a scratch file, from its name: on the host that created it."""
    found = re.search(r"\.(\d+)-[0-9a-f]{8}\.part$", path.name)
    return int(found[1]) if found else None


def _listed(folder: Path) -> list[tuple[str, bool, bool, bool]]:
    """Return of all that is in a folder the name, and whether it is a folder, a link, an ordinary file, by name."""
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (each.name, each.is_dir(follow_symlinks=False), each.is_symlink(), each.is_file(follow_symlinks=False))
                for each in entries
            )
    except OSError:
        return []
