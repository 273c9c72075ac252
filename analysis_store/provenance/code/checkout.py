"""The checkout of a source file: its commit, its address, and its uncommitted changes.

Freshness: every call checks the file itself and git's records of commits and of the index; the rest
of the checkout is checked at most every `LOOK_EVERY` seconds. So a change to another file may be missed for that
long; the running process, which imported that file before, does not use the change either.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.code.git import git, names
from analysis_store.provenance.reach import exists, is_folder
from analysis_store.provenance.urls import file_url, public_url

LOOK_EVERY = 2.0
"""Seconds after which the checkout is checked again, even without signs of a change."""

ASK_AGAIN = 60.0
"""Seconds after which git is run again after a failure, since each attempt may take its whole timeout."""

_STATUS = ("status", "--porcelain=v2", "--branch", "--no-renames", "-uno", "--ignore-submodules=untracked", "-z")
_LIST = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "-x", "__pycache__")

Stat = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """State of the checkout of a source file when it was checked."""

    root: str
    """Top folder of the checkout."""

    commit: str
    """In full."""

    url: str
    """Url of the remote, without credentials; of the folder if there is no remote."""

    changed: tuple[str, ...] = ()
    """Tracked files that differ from the commit, relative to ``root``."""

    untracked: tuple[str, ...] = ()
    """Untracked files in the package of the source file, relative to ``root``."""

    @property
    def name(self) -> str:
        """Name of the repository."""
        return self.url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git") or Path(self.root).name

    @property
    def uncommitted(self) -> tuple[str, ...]:
        """All files that make the checkout dirty, relative to ``root``."""
        return (*self.changed, *self.untracked)


@dataclass(frozen=True, slots=True)
class _Look:
    """A cached checkout with the state of the files that reveal a change."""

    found: Checkout | None
    trouble: str | None = None
    records: tuple[str, ...] = ()
    stamp: tuple[Stat, ...] = ()
    until: float = 0.0


_looks: dict[str, _Look] = {}


def checkout_of(file: str) -> Checkout | None:
    """Return the checkout that a source file belongs to.

    Parameters
    ----------
    file : str
        Absolute, symbolic links resolved.

    Returns
    -------
    Checkout or None
        None if there is no repository, it has no commit, or it ignores the file.

    Raises
    ------
    ProvenanceError
        There is a repository, but git is missing, fails or does not answer.
    """
    look = _looks.get(file)
    if look is None or time.monotonic() >= look.until or stamp(look.records) != look.stamp:
        _looks[file] = look = _look(file, look)
    if look.trouble is not None:
        raise ProvenanceError(look.trouble)
    return look.found


def stamp(paths: Iterable[str]) -> tuple[Stat, ...]:
    """Return the time, size and inode of a file, which change when it is written; None if it does not exist."""
    return tuple(map(_stat, paths))


def _look(file: str, last: _Look | None) -> _Look:
    now = time.monotonic()
    # Running git costs a process, and most files are in no repository.
    if not any(exists(folder / ".git") for folder in Path(file).parents):
        return _Look(None, until=now + LOOK_EVERY)
    try:
        # Its location and address do not change.
        known, records = (last.found, last.records) if last and last.found else _repository(file)
        before = stamp(records)
        found = None if known is None else _state(file, known)
    except ProvenanceError as error:
        return _Look(None, str(error), until=now + ASK_AGAIN)
    return _Look(found, None, records, before, now + LOOK_EVERY)


def _repository(file: str) -> tuple[Checkout | None, tuple[str, ...]]:
    """Return the repository around a file, and the files that change with commits and checkouts."""
    folder = str(Path(file).parent)
    places = git(folder, "rev-parse", "--show-toplevel", "--absolute-git-dir", missing=b"")
    root, _, git_dir = os.fsdecode(places).rstrip("\n").partition("\n")
    if not root:
        return None, ()
    records = (file, *(f"{git_dir}/{name}" for name in ("HEAD", "index", "logs/HEAD")))
    return Checkout(root, "", _url(root)), records


def _state(file: str, known: Checkout) -> Checkout | None:
    """Return the current checkout, or None if the file is not part of it or nothing was ever committed."""
    root = known.root
    own, package = (os.path.relpath(path, root) for path in (file, _package_of(file, root)))
    listed = [
        (line[0], line[2:]) for line in names(git(root, *_LIST, "--", f":(literal){own}", f":(literal){package}"))
    ]
    commit, changed = _status(root)
    if not commit or own not in (name for _, name in listed):
        return None
    untracked = {name for tag, name in listed if tag == "?" and not name.endswith("/")}
    return Checkout(root, commit, known.url, changed, tuple(sorted(untracked)))


def _status(root: str) -> tuple[str, tuple[str, ...]]:
    """Return the commit (empty before the first), and the tracked files that differ from it."""
    commit, changed = "", []
    for line in names(git(root, *_STATUS)):
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").removeprefix("(initial)")
        elif line[0] in "1u":  # "1 XY sub mH mI mW hH hI path"; merge conflicts have two more fields
            changed.append(line.split(" ", 8 if line[0] == "1" else 10)[-1])
    return commit, tuple(changed)


def _url(root: str) -> str:
    """Return the url of ``origin``, else of the first remote, else of the folder itself.

    The configured url is used: the result of ``insteadOf`` is for this machine, and may contain a token.
    """
    remotes: dict[str, str] = {}
    for entry in names(git(root, "config", "-z", "--get-regexp", r"^remote\..*\.url$", missing=b"")):
        key, _, url = entry.partition("\n")
        remotes.setdefault(key, url)
    url = remotes.get("remote.origin.url", next(iter(remotes.values()), "."))
    local = Path(root, url)
    return file_url(local.resolve()) if is_folder(local) else public_url(url)


def _package_of(file: str, root: str) -> str:
    """Return the folder of the outermost package of a module; a script is its own package."""
    package = Path(file)
    while package != Path(root) and exists(package.parent / "__init__.py"):
        package = package.parent
    return str(package)


def _stat(path: str) -> Stat:
    try:
        stat = os.stat(path)  # noqa: PTH116 - a Path for each of many files costs more than the look itself
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns
