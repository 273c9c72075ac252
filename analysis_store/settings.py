"""Settings of a store: ``analysis_store.toml``, and the places of catalog and files of a location."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from analysis_store.core.atomic_files import write_once
from analysis_store.core.write_errors import write_errors
from analysis_store.errors import SettingsError, StoreVersionError
from analysis_store.folders import sync_names
from analysis_store.layout import LAYOUT_VERSION
from analysis_store.provenance import Policy

if TYPE_CHECKING:
    from analysis_store.hdf5.blocks import Compression

FILE_NAME = "analysis_store.toml"
_SCHEMES = ("sqlite", "postgresql", "postgresql+psycopg", "mongodb", "mongodb+srv")
_KNOWN = {"layout", "policy", "code", "compression", "root_map"}


@dataclass(frozen=True, slots=True)
class Place:
    """The places of a store's parts."""

    uri: str
    """The catalog."""

    root: Path
    """The folder of the run files."""

    folder: Path
    """The folder of ``analysis_store.toml``."""

    label: str
    """The location for messages: the folder, or the URI without its password."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The content of ``analysis_store.toml``."""

    policy: Policy
    code: Mapping[str, str] = field(default_factory=dict)
    """``name`` and ``url`` of code in no package or repository."""

    compression: Compression = "auto"
    root_map: Mapping[str, str] = field(default_factory=dict)


def place_of(location: str | os.PathLike[str], root: str | os.PathLike[str] | None) -> Place:
    """Return the places of catalog, files and settings of a location.

    Raises
    ------
    SettingsError
        The location is a database that needs ``root=``, or of an unknown kind.
    """
    text = os.fspath(location)
    scheme = text.split("://", 1)[0] if "://" in text else ""
    if not scheme:
        folder = Path(text).expanduser().absolute()
        return Place(f"sqlite:///{folder / 'catalog.sqlite'}", _path(root, folder / "files"), folder, str(folder))
    if scheme not in _SCHEMES:
        raise SettingsError(f"location {text!r}: unknown scheme {scheme!r}; known: a folder, {', '.join(_SCHEMES)}.")
    if root is None:
        raise SettingsError(f"location {_public(text)!r} is a database; give root=, the folder of the files.")
    files = _path(root, Path())
    return Place(text, files, files, _public(text))


def _path(root: str | os.PathLike[str] | None, default: Path) -> Path:
    return default if root is None else Path(root).expanduser().absolute()


def _public(uri: str) -> str:
    parts = urlsplit(uri)
    return uri.replace(f":{parts.password}@", ":…@") if parts.password and unquote(parts.password) else uri


def opened(place: Place, policy: Policy | None) -> Settings:
    """Return the settings of a store; a new store gets the given policy."""
    found = load(place.folder)
    if found is None:
        with write_errors(f"the store {place.folder}", "Choose another folder"):
            place.root.mkdir(parents=True, exist_ok=True)
            save(place.folder, Settings(policy or Policy()))
            sync_names(place.root)
        found = load(place.folder) or Settings(policy or Policy())
    return found


def load(folder: Path) -> Settings | None:
    """Return the settings in a folder, or None without a file.

    Raises
    ------
    SettingsError
        The file is invalid; the message says what and where.
    StoreVersionError
        It was written by a newer version.
    """
    path = folder / FILE_NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{path} cannot be read: {error}. Correct it, or restore it from a copy.") from error
    unknown = sorted(set(content) - _KNOWN)
    if unknown:
        raise SettingsError(f"{path}: unknown settings {unknown}; known: {', '.join(sorted(_KNOWN))}.")
    layout = str(content.get("layout", LAYOUT_VERSION))
    if not layout.isdigit() or int(layout) > int(LAYOUT_VERSION):
        raise StoreVersionError(
            f"{path}: the store has layout {layout}, this version of analysis_store knows up to {LAYOUT_VERSION}; "
            "update analysis_store."
        )
    return Settings(
        Policy.from_mapping(_table(content.get("policy", {}), path, "policy")),
        _texts(content.get("code", {}), path, "code", ("name", "url")),
        _compression(content.get("compression", "auto"), path),
        _texts(content.get("root_map", {}), path, "root_map"),
    )


def _texts(table: Any, path: Path, name: str, known: tuple[str, ...] = ()) -> dict[str, str]:
    fits = isinstance(table, Mapping) and all(isinstance(value, str) for value in table.values())
    if not fits or (known and not set(table) <= set(known)):
        expected = f" of {', '.join(known)}" if known else ""
        raise SettingsError(f"{path}: [{name}] is {table!r}; expected a table{expected} with text values.")
    return dict(table)


def _table(value: Any, path: Path, name: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise SettingsError(f"{path}: [{name}] is {value!r}; expected a table.")
    return value


def _compression(value: Any, path: Path) -> Any:
    """Return the compression, or the compression of each data key; None for ``"none"``."""
    if isinstance(value, Mapping):
        return {key: _compression(each, path) for key, each in value.items()}
    if value not in ("auto", "none"):
        raise SettingsError(f"{path}: compression is {value!r}; expected 'auto', 'none', or a table of data keys.")
    return None if value == "none" else value


def save(folder: Path, settings: Settings) -> None:
    """Write the settings of a new store; an existing file is kept."""
    lines = [
        "# Settings of this store. The policy states the provenance that a result must have to be saved.",
        f"layout = {_toml(LAYOUT_VERSION)}",
        "# Large arrays: 'auto' (bitshuffle-lz4 if it saves a third) or 'none'; or a table from data key to these.",
        f"compression = {_toml(settings.compression or 'none')}",
        "",
        "[policy]",
        *(f"{name} = {_toml(value)}" for name, value in settings.policy.to_mapping().items()),
        "",
        "# Name and url for code in no package or repository (a notebook, a loose script).",
        "[code]",
        *(f"{name} = {_toml(value)}" for name, value in settings.code.items()),
        "",
    ]
    write_once(folder / FILE_NAME, "\n".join(lines))


def _toml(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
