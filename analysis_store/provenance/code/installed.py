"""The installed distribution that a source file belongs to."""

from __future__ import annotations

import json
import os
import re
import sys
import sysconfig
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from analysis_store.provenance.reach import exists, is_folder
from analysis_store.provenance.urls import file_url, public_url

_SUFFIXES = (".dist-info", ".egg-info")
_LABELS = ("source", "sourcecode", "repository", "code", "github", "gitlab", "homepage", "home")


@dataclass(frozen=True, slots=True)
class Installed:
    """Metadata of a distribution."""

    name: str
    version: str
    url: str | None
    """Url of its source according to the metadata, without credentials."""

    commit: str | None
    """Commit from which it was built, if the installer recorded it."""

    in_place: bool
    """True if the file is not a copy: it is in a checkout that was installed editable, and may change."""


def installed(file: str) -> Installed | None:
    """Return the distribution that installed a source file, or whose editable folder contains it.

    Parameters
    ----------
    file : str
        Absolute, symbolic links resolved.
    """
    for folder in _folders_about(file):
        distribution, listed = _owner(folder, os.path.relpath(file, folder).replace(os.sep, "/"))
        if distribution is not None:
            return _describe(distribution, in_place=not (listed or _is_site(folder)))
    if _is_site(file):  # copied by hand; it does not belong to a project that contains the virtual environment
        return None
    for distribution, home in _editable():
        if Path(file).is_relative_to(home):
            return _describe(distribution, in_place=True)
    return None


@lru_cache(maxsize=4096)
def is_standard(file: str) -> bool:
    """Return True if a file is part of Python itself."""
    library = sysconfig.get_paths()["stdlib"]
    inside = file.startswith((library + os.sep, os.path.realpath(library) + os.sep, "<frozen "))
    return inside and not _is_site(file)


def _is_site(file: str) -> bool:
    return not {"site-packages", "dist-packages"}.isdisjoint(Path(file).parts)


def _folders() -> list[str]:
    """Return the folders of the path in which packages may be installed."""
    folders = dict.fromkeys(Path(entry).resolve() for entry in sys.path)
    return [str(folder) for folder in folders if is_folder(folder)]


def _folders_about(file: str) -> list[str]:
    """Return the folders that contain a file, the innermost first; packages may be installed in any of them."""
    if Path(file).parent == Path(sysconfig.get_path("scripts")).resolve():
        return [folder for folder in _folders() if _is_site(folder)]
    return sorted((folder for folder in _folders() if Path(file).is_relative_to(folder)), key=len, reverse=True)


def _metadata(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir() if path.suffix in _SUFFIXES]


def _owner(folder: str, file: str) -> tuple[Distribution | None, bool]:
    """Return the distribution of a file (given relative to a folder), and True if the distribution lists the file.

    A distribution of the same name is checked first. Without a file list, the top-level modules decide.
    """
    top = _plain(file.partition("/")[0].removesuffix(".py"))
    second = None
    for name in sorted(_metadata(folder), key=lambda name: not _plain(name).startswith(top)):
        distribution = PathDistribution(Path(folder, name))
        record = distribution.read_text("RECORD") or distribution.read_text("installed-files.txt")
        if record is not None:
            if f"\n{file}," in f"\n{record}" or f'\n"{file}",' in f"\n{record}":
                return distribution, True
        elif top in map(_plain, (distribution.read_text("top_level.txt") or "").split()):
            second = second or distribution
    return second, False


def _editable() -> list[tuple[Distribution, str]]:
    """Return the distributions that are installed editable with their folders, the innermost first."""
    found = []
    for folder in _folders():
        for name in _metadata(folder):
            direct = Path(folder, name, "direct_url.json")
            if exists(direct):
                home = _editable_home(direct.read_text("utf-8"))
                found += [(PathDistribution(Path(folder, name)), home)] if home else []
    return sorted(found, key=lambda pair: -len(pair[1]))


def _editable_home(direct_url: str) -> str | None:
    direct = _json(direct_url)
    if not direct.get("dir_info", {}).get("editable"):
        return None
    return os.path.realpath(url2pathname(urlsplit(direct["url"]).path))


def _describe(distribution: Distribution, *, in_place: bool) -> Installed:
    direct = _json(distribution.read_text("direct_url.json") or "{}")
    address = direct.get("url")
    if "vcs_info" in direct:  # certainly contains the commit
        url, commit = address, direct["vcs_info"].get("commit_id")
    else:
        url, commit = _project_url(distribution) or address, None
    if url and url.startswith("file:"):
        url = file_url(url2pathname(urlsplit(url).path))
    name = next(iter(distribution.metadata.get_all("Name") or ()), "unknown")
    return Installed(name, distribution.version, url and public_url(url), commit, in_place)


def _project_url(distribution: Distribution) -> str | None:
    """Return the url that the metadata call the source, else the home page, else the first url."""
    urls: dict[str, str] = {}
    for entry in distribution.metadata.get_all("Project-URL") or []:
        label, _, url = entry.partition(",")
        urls.setdefault(_plain(label).replace("_", ""), url.strip())
    home = next(iter(distribution.metadata.get_all("Home-page") or ()), None)  # a key may be missing
    if home and home != "UNKNOWN":
        urls.setdefault("homepage", home)
    return next((urls[label] for label in _LABELS if label in urls), next(iter(urls.values()), None))


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:  # a broken installation is not our error
        return {}
    return value if isinstance(value, dict) else {}


def _plain(name: str) -> str:
    return re.sub(r"[-_.\s]+", "_", name).lower()
