"""The software around the code: the installed distributions, the Python, the platform, and a digest over them.

Names and versions are taken from the folder names of the metadata (``numpy-2.1.0.dist-info``), as the packaging
specifications guarantee; this is twenty times faster than opening each.
"""

from __future__ import annotations

import json
import platform
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PathDistribution
from pathlib import Path

from analysis_store.provenance.texts import text_digest

_FOLDER = re.compile(r"(?P<name>.+?)(?:-(?P<version>[^-]+))?(?:-py[\d.]+[^-]*)?\.(?:dist|egg)-info")


@dataclass(frozen=True, slots=True)
class Environment:
    """The installed distributions, Python and the platform."""

    packages: tuple[dict[str, str], ...]
    """``{"name", "version"}`` of each, normalised and sorted by name; a list, since names may be unusual as keys."""

    digest: str
    """``blake3:<hex>`` of the JSON list of ``{"name", "version"}``, UTF-8, sorted, without spaces."""

    def to_document(self) -> dict[str, str]:
        """Return the part for the start document."""
        return {"digest": self.digest, "python": platform.python_version(), "platform": _platform()}


def environment() -> Environment:
    """Return the environment of this process; it is listed again only if a folder of packages has changed."""
    global _last  # noqa: PLW0603  one process has one environment
    if _last is None or _last[0] != _stamp(_last[0]):
        listed = _list()
        _last = _stamp_of(tuple(sys.path), tuple(folder for folder, _ in listed)), _environment(listed)
    return _last[1]


Stamp = tuple[tuple[str, ...], tuple[tuple[str, int], ...]]
_last: tuple[Stamp, Environment] | None = None


def _stamp(last: Stamp) -> Stamp:
    return _stamp_of(tuple(sys.path), tuple(folder for folder, _ in last[1]))


def _stamp_of(path: tuple[str, ...], folders: tuple[str, ...]) -> Stamp:
    """Return the modification times of the folders that contain packages.

    Folders of the path without packages are excluded: results are often written to the folder of the script.
    """
    return path, tuple((folder, _mtime(folder)) for folder in folders)


def _mtime(folder: str) -> int:
    try:
        return Path(folder).stat().st_mtime_ns
    except OSError:
        return 0


def _list() -> list[tuple[str, list[str]]]:
    """Return the folders of the path that contain packages, each with the names of its metadata folders."""
    found = []
    for entry in dict.fromkeys(Path(entry).absolute() for entry in sys.path):
        try:
            names = [path.name for path in entry.iterdir() if path.suffix in (".dist-info", ".egg-info")]
        except OSError:  # a zip file, or a missing folder
            continue
        if names or entry.name in ("site-packages", "dist-packages"):
            found.append((str(entry), names))
    return found


def _environment(listed: list[tuple[str, list[str]]]) -> Environment:
    versions: dict[str, str] = {}
    for folder, names in listed:
        for name in names:
            package, version = _package(folder, name)
            versions.setdefault(package, version)  # Python imports the first one on the path
    packages = tuple({"name": name, "version": version} for name, version in sorted(versions.items()))
    return Environment(packages, text_digest(json.dumps(packages, ensure_ascii=False, separators=(",", ":"))))


def _package(folder: str, name: str) -> tuple[str, str]:
    match = _FOLDER.fullmatch(name)
    package, version = (match["name"], match["version"]) if match else (name.rpartition(".")[0], None)
    if version is None:  # installed in place by an old setuptools
        found = PathDistribution(Path(folder, name)).metadata.get_all("Version")
        version = found[0] if found else "unknown"
    return re.sub(r"[-_.]+", "-", package).lower(), version


@cache
def _platform() -> str:
    return platform.platform()
