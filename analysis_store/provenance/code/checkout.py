"""The checkout of a source file: its commit, its address, and what is not committed in it.

How fresh it is: the file itself and git's records of commits and of the index are looked at on every call; the rest
of the checkout at most every `LOOK_EVERY` seconds. So a change to another file may be missed for that long, which
is a change that the running process, having imported the file before, has not seen either.
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
"""Seconds after which the checkout is looked at again, although nothing told of a change."""

ASK_AGAIN = 60.0
"""Seconds after which git is asked again when it did not tell: each try may take its whole time."""

_STATUS = ("status", "--porcelain=v2", "--branch", "--no-renames", "-uno", "--ignore-submodules=untracked", "-z")
_LIST = ("ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard", "-x", "__pycache__")

Stat = tuple[int, int, int, int] | None


@dataclass(frozen=True, slots=True)
class Checkout:
    """The checkout of a source file, as it was when it was looked at."""

    root: str
    """Its top folder."""

    commit: str
    """In full."""

    url: str
    """Of the remote, without credentials; of the folder where there is none."""

    changed: tuple[str, ...] = ()
    """Tracked files that are not as committed, relative to ``root``."""

    untracked: tuple[str, ...] = ()
    """Files in the package of the source file that git does not know, relative to ``root``."""

    @property
    def name(self) -> str:
        """Of the repository."""
        return self.url.rstrip("/").rpartition("/")[2].rpartition(":")[2].removesuffix(".git") or Path(self.root).name

    @property
    def uncommitted(self) -> tuple[str, ...]:
        """Every file that makes the checkout dirty, relative to ``root``."""
        return (*self.changed, *self.untracked)


@dataclass(frozen=True, slots=True)
class _Look:
    """One look at a checkout: what was found, and the state of the files that would betray a change."""

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
        None where there is none: no repository, one without a commit, or one that ignores the file.

    Raises
    ------
    ProvenanceError
        There is a repository, but git is missing, refuses or does not answer.
    """
    look = _looks.get(file)
    if look is None or time.monotonic() >= look.until or stamp(look.records) != look.stamp:
        _looks[file] = look = _look(file, look)
    if look.trouble is not None:
        raise ProvenanceError(look.trouble)
    return look.found


def stamp(paths: Iterable[str]) -> tuple[Stat, ...]:
    """Return what changes when a file is written: its time, size and inode; None for one that is not there."""
    return tuple(map(_stat, paths))


def _look(file: str, last: _Look | None) -> _Look:
    now = time.monotonic()
    # Asking git costs a process, and most files are in no repository.
    if not any(exists(folder / ".git") for folder in Path(file).parents):
        return _Look(None, until=now + LOOK_EVERY)
    try:
        # Where it is, and at which address, does not change.
        known, records = (last.found, last.records) if last and last.found else _repository(file)
        before = stamp(records)
        found = None if known is None else _state(file, known)
    except ProvenanceError as error:
        return _Look(None, str(error), until=now + ASK_AGAIN)
    return _Look(found, None, records, before, now + LOOK_EVERY)


def _repository(file: str) -> tuple[Checkout | None, tuple[str, ...]]:
    """Return the repository around a file, and the files that change with what is committed or checked out."""
    folder = str(Path(file).parent)
    places = git(folder, "rev-parse", "--show-toplevel", "--absolute-git-dir", missing=b"")
    root, _, git_dir = os.fsdecode(places).rstrip("\n").partition("\n")
    if not root:
        return None, ()
    records = (file, *(f"{git_dir}/{name}" for name in ("HEAD", "index", "logs/HEAD")))
    return Checkout(root, "", _url(root)), records


def _state(file: str, known: Checkout) -> Checkout | None:
    """Return the checkout as it is now, or None if the file is none of its own or nothing was ever committed."""
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
    """Return the commit (empty before the first), and the tracked files that are not as committed."""
    commit, changed = "", []
    for line in names(git(root, *_STATUS)):
        if line.startswith("# branch.oid "):
            commit = line.removeprefix("# branch.oid ").removeprefix("(initial)")
        elif line[0] in "1u":  # "1 XY sub mH mI mW hH hI path"; of a merge with conflicts two fields more
            changed.append(line.split(" ", 8 if line[0] == "1" else 10)[-1])
    return commit, tuple(changed)


def _url(root: str) -> str:
    """Return the address of ``origin``, else of the first remote, else of the folder itself.

    As configured: what ``insteadOf`` makes of it is meant for this machine, and may hold a token.
    """
    remotes: dict[str, str] = {}
    for entry in names(git(root, "config", "-z", "--get-regexp", r"^remote\..*\.url$", missing=b"")):
        key, _, url = entry.partition("\n")
        remotes.setdefault(key, url)
    url = remotes.get("remote.origin.url", next(iter(remotes.values()), "."))
    local = Path(root, url)
    return file_url(local.resolve()) if is_folder(local) else public_url(url)


def _package_of(file: str, root: str) -> str:
    """Return the folder of the outermost package that a module is in; a script is a package by itself."""
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
