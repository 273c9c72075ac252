"""A tree of links looked through: which of its links lead nowhere."""

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
"""Attribute of the root of a tree file: the version of the form."""

FORM_VERSION = "1"


@dataclass(frozen=True, slots=True)
class Dangling:
    """A link that leads nowhere."""

    file: Path
    """The file of the tree that has it."""

    link: str
    """Its path in that file."""

    target: Path
    """The run file that it leads to."""

    reason: str
    """What is wrong there."""

    def __str__(self) -> str:
        return f"{self.file}:{self.link} leads to {self.target}: {self.reason}"


def check_tree(target: str | os.PathLike[str]) -> tuple[Dangling, ...]:
    """Return the links of a tree that lead nowhere; empty when all is well.

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
        raise ExportError(f"there is no tree in {folder}; make one with link_tree(store, {os.fspath(folder)!r}).")
    return tuple(dangling for path in tree_files(folder) for dangling in _dangling(path))


def tree_files(folder: Path) -> list[Path]:
    """Return the files of the tree in a folder."""
    return [path for path in sorted(folder.glob("*.h5")) if is_tree_file(path)]


def is_tree_file(path: Path) -> bool:
    """Tell whether a file is part of a tree."""
    if not path.is_file() or not h5py.is_hdf5(path):
        return False
    with _opened(path) as file:
        return FORM in file.attrs


def _opened(path: Path) -> Any:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read: {error}; remove it and make the tree again.") from error


def _dangling(path: Path) -> Iterator[Dangling]:
    """Yield the links of a file that lead nowhere; h5py lists them like any others, and `visit` passes over all."""
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
    """Return what is wrong with a run file; only a regular file is opened, whatever the link says."""
    if not target.is_file():
        return "there is no such file" if not target.exists() else "that is no file"
    try:
        with h5py.File(target, "r") as file:
            return None if layout.ENTRY in file else f"it has no /{layout.ENTRY}"
    except OSError as error:
        return f"it cannot be read: {error}"
