"""Search a tree of links for broken links."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py

from analysis_store import layout
from analysis_store.errors import DamagedFileError, ExportError

if TYPE_CHECKING:
    from typing import Any

FORM = "analysis_store_link_tree"
"""Attribute of the root of a tree file: the version of the layout."""

FORM_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Dangling:
    """A broken link."""

    file: Path
    """The file of the tree that contains the link."""

    link: str
    """Path of the link in that file."""

    target: Path
    """The run file that the link points to."""

    reason: str
    """Reason why the link is broken."""

    def __str__(self) -> str:
        return f"{self.file}:{self.link} leads to {self.target}: {self.reason}"


def check_tree(target: str | os.PathLike[str]) -> tuple[Dangling, ...]:
    """Return the broken links of a tree; empty if all is well.

    Parameters
    ----------
    target : path
        The folder that `link_tree` made.

    Raises
    ------
    ExportError
        There is no such folder.
    DamagedFileError
        A file of the tree cannot be read.

    Examples
    --------
    >>> for link in check_tree("tree"):  # doctest: +SKIP
    ...     print(link)
    """
    folder = Path(target)
    if not folder.is_dir():
        raise ExportError(f"There is no tree in {folder}. Make one with link_tree(store, {os.fspath(folder)!r}).")
    return tuple(dangling for path in tree_files(folder) for dangling in _dangling(path))


def tree_files(folder: Path) -> list[Path]:
    """Return the files of the tree in a folder."""
    return [path for path in sorted(folder.glob("*.h5")) if is_tree_file(path)]


def is_tree_file(path: Path) -> bool:
    """Return True if a file is part of a tree."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with _opened(path) as file:
        return FORM in file.attrs


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error}. Remove it and make the tree again.") from error


def _dangling(path: Path) -> Iterator[Dangling]:
    """Yield the broken links of a file; links are listed one by one, since h5py's `visit` skips them."""
    base = path.parent.resolve()
    with _opened(path) as file:
        for name in file:
            if (
                not isinstance(file.get(name, getlink=True), h5py.HardLink)
                or file.get(name, getclass=True) != h5py.Group
            ):
                continue
            group = file[name]
            for link in group:
                found = group.get(link, getlink=True)
                if isinstance(found, h5py.ExternalLink):
                    target = Path(os.path.normpath(base / os.fsdecode(found.filename)))
                    reason = _trouble(target)
                    if reason:
                        yield Dangling(path, f"{group.name}/{link}", target, reason)


def _trouble(target: Path) -> str | None:
    """Return the fault of a run file; only regular files are opened."""
    if not target.is_file():
        return "there is no such file" if not target.exists() else "that is not a file"
    try:
        with h5py.File(target, "r") as file:
            return None if layout.ENTRY in file else f"it has no /{layout.ENTRY}"
    except OSError as error:
        return f"it cannot be read: {error}"
