"""The installed packages of a run, stored once per digest in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.core.atomic_files import remove_folders, write_once
from analysis_store.documents import dumps, loads
from analysis_store.errors import AnalysisStoreError
from analysis_store.folders import sync_names
from analysis_store.roots import read

if TYPE_CHECKING:
    from analysis_store.provenance.resolve import Settled


def packages_path(root: Path, digest: str) -> Path:
    """Return the location of the list of a digest: ``<root>/environments/<hex>.json``."""
    return root / layout.ENVIRONMENTS / f"{layout.file_stem(digest.rpartition(':')[2])}.json"


@contextmanager
def packages_kept(root: Path, settled: Settled, is_used: Callable[[str], bool]) -> Iterator[None]:
    """Keep the list of packages while a run of it is entered; if that fails, remove the list that no other run needs.

    ``is_used`` returns True if the catalog has a run with this digest. A run that relied on a list before its removal
    finds out here, and writes it again.
    """
    if not settled.environment or not settled.environment_digest:
        yield
        return
    path, made = packages_path(root, settled.environment_digest), list[Path]()
    known = path.exists()
    try:
        _keep(path, settled, made)
        yield
        _keep(path, settled, made)
    except BaseException:
        if not known:
            _withdraw(path, settled.environment_digest, is_used, made)
        raise


def _keep(path: Path, settled: Settled, made: list[Path]) -> None:
    if path.exists():
        sync_names(path)
    else:
        write_once(path, dumps(settled.environment), made)


def _withdraw(path: Path, digest: str, is_used: Callable[[str], bool], made: list[Path]) -> None:
    with suppress(OSError, AnalysisStoreError):  # a catalog that does not answer may need the list
        if not is_used(digest):
            path.unlink(missing_ok=True)
            remove_folders(made)


def read_packages(root: Path, digest: str) -> list[dict[str, str]]:
    """Return name and version of every package that was installed for a run.

    Raises
    ------
    OSError
        The list is not there.
    """
    return read_package_file(packages_path(root, digest))


def read_package_file(path: Path) -> list[dict[str, str]]:
    """Return name and version of every package in one of these lists.

    Raises
    ------
    OSError
        The list does not exist.
    """
    packages: list[dict[str, str]] = loads(read(path).decode())
    return packages
