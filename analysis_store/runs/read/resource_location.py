"""Location of the file of a resource, after the store moved, or the file was loaded with the run."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.errors import UnsafeFileError
from analysis_store.pairs.resources import resolve_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from analysis_store.documents import Document


def kept_path(resource: Document) -> PurePosixPath:
    """Return the location of a resource's file that was loaded with the run, relative to the root.

    The location is ``external/<uid of the resource>/<name of the file>``.
    """
    name = PurePosixPath(str(resource["resource_path"])).name
    return PurePosixPath(layout.EXTERNAL) / layout.file_stem(str(resource["uid"])) / name


def placed(resource: Document, path: str, root: Path, root_map: Mapping[str, str]) -> Document:
    """Return a resource with the place at which its file is now.

    Roots in ``root_map`` are replaced. Otherwise a file written next to the run file is still next to it,
    even if the store moved; and a missing file may have been loaded with the run.

    Parameters
    ----------
    resource : dict
        A resource document of the run.
    path : str
        The run file, relative to the root of the store.
    root : pathlib.Path
        Root of the store.
    root_map : mapping of str to str
        New locations of roots.
    """
    told = str(resource["root"]).rstrip("/")
    if told in {old.rstrip("/") for old in root_map}:
        return resource
    folder = PurePosixPath(path).parent
    name = str(resource["resource_path"])
    if PurePosixPath(told).parts[-len(folder.parts) :] == folder.parts and (root / folder / name).exists():
        return {**resource, "root": str(root / folder)}
    kept = kept_path(resource)
    if (root / kept).exists() and not _is_there(resource):
        return {**resource, "root": str(root / kept.parent), "resource_path": kept.name, "path_semantics": "posix"}
    return resource


def _is_there(resource: Document) -> bool:
    try:
        return resolve_path(resource).exists()
    except UnsafeFileError:
        return False
