"""A bundle: a zip of runs, with a manifest of every member and its digest, and rules for safe names."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analysis_store.documents import dumps, loads
from analysis_store.errors import DamagedFileError, StoreVersionError, UnsafeFileError

VERSION = 1
MANIFEST = "manifest.json"
CRATE = "ro-crate-metadata.json"
PROV = "prov.json"
FILES = "files"
"""Folder of the root of a store: run files, files of theirs, notes, lists of packages."""
DOCUMENTS = "documents"

_DEVICES = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"|?*\\]')
_RESERVED = frozenset({"claims", "quarantine", "tasks", "tombstones"})

Size = Annotated[int, Field(ge=0)]


class Member(BaseModel):
    """Entry of the manifest for one member."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True)

    size: Size
    """Bytes."""

    blake3: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Digest of its content."""


class Entry(BaseModel):
    """Entry of the manifest for one run; all members by name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True)

    uid: str
    file: str
    """The run file."""

    documents: str
    """Its documents as JSON."""

    parents: list[str]
    beside: list[str]
    """Other files of the run: those of other writers, the list of installed packages."""

    elsewhere: list[str]
    """Files that the run refers to and the bundle does not hold, by path or URI."""


class Manifest(BaseModel):
    """The member ``manifest.json``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, strict=True)

    format: Literal["analysis_store bundle"] = "analysis_store bundle"
    version: int = VERSION
    made: float
    """Time of creation: seconds since 1970 UTC."""

    by: str
    """Name and version of the program."""

    source: str
    """The store that the runs are from."""

    runs: list[Entry]
    """Parents before their children."""

    stubs: list[str]
    """Parents of which only the documents are included, in a note."""

    missing: list[str]
    """Parents of which nothing is here but the uid."""

    members: dict[str, Member]
    """Every member but the manifest itself."""

    def to_json(self) -> str:
        """Return the text of the member."""
        return dumps(self.model_dump())


def parse_manifest(text: bytes, where: str) -> Manifest:
    """Return the manifest for its JSON text.

    Raises
    ------
    DamagedFileError
        The text is not a manifest.
    StoreVersionError
        A newer version of the package created it.
    """
    try:
        found = loads(text)
        version = found["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError(f"{where}: {MANIFEST} is not a manifest ({error!r}). Get the bundle again.") from error
    if isinstance(version, int) and version > VERSION:
        raise StoreVersionError(
            f"{where} is a bundle of version {version}, and this analysis_store reads {VERSION}; use a newer one."
        )
    try:
        return Manifest.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DamagedFileError(f"{where}: {MANIFEST}: {place}: {first['msg']}; get the bundle again.") from error


def check_names(names: Iterable[str], where: str) -> None:
    """Raise for names of members that leave the bundle, or that are equal on some file systems.

    Raises
    ------
    UnsafeFileError
        Names the member.
    """
    seen: dict[str, str] = {}
    for name in names:
        if reason := _danger(name):
            raise UnsafeFileError(f"{where}: the member {name!r} {reason}; nothing was taken from this bundle.")
        plain = unicodedata.normalize("NFC", name).casefold()
        if plain in seen:
            raise UnsafeFileError(
                f"{where}: the members {seen[plain]!r} and {name!r} are one file on some file systems; nothing was "
                "taken from this bundle."
            )
        seen[plain] = name


def _danger(name: str) -> str | None:
    parts = name.split("/")
    if name.startswith("/"):
        return "has an absolute path"
    if ".." in parts:
        return "climbs out of its folder"
    if _FORBIDDEN.search(name):
        return "holds a character that no path of a bundle may hold"
    if any(part in {"", "."} or part.endswith((".", " ")) for part in parts):
        return "is not a plain path of a file"
    if any(_DEVICES.fullmatch(part) for part in parts):
        return "bears the name of a device"
    if parts[0] == FILES and (len(parts) < 3 or parts[1] in _RESERVED or any(part.startswith(".") for part in parts)):
        return "is in a folder that only a store writes"
    return None
