"""The installed packages of a run, kept once per digest beside the run files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.documents import dumps, loads
from analysis_store.runs.durable import keep_text

if TYPE_CHECKING:
    from analysis_store.provenance.settle import Settled


def packages_path(root: Path, digest: str) -> Path:
    """Return where the list of a digest lies: ``<root>/environments/<hex>.json``."""
    return root / layout.ENVIRONMENTS / f"{layout.file_stem(digest.rpartition(':')[2])}.json"


def keep_packages(root: Path, settled: Settled) -> None:
    """Keep the list of packages, unless it is there already.

    It stays where the run fails: it is of the environment, not of the run, and others may have come to count on it.
    """
    if not settled.environment or not settled.environment_digest:
        return
    path = packages_path(root, settled.environment_digest)
    if path.exists():
        return
    keep_text(path, dumps(settled.environment))


def read_packages(root: Path, digest: str) -> list[dict[str, str]]:
    """Return name and version of every package that was installed where a run was made.

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
        It is not there.
    """
    packages: list[dict[str, str]] = loads(path.read_text(encoding="utf-8"))
    return packages
