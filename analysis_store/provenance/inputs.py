"""The inputs of a result, verified: parents are looked up, files are hashed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from analysis_store.documents import PARENT_KEYS
from analysis_store.errors import ProvenanceError
from analysis_store.provenance.parts import InputFile, Parent
from analysis_store.provenance.reach import exists
from analysis_store.provenance.unchanged import remembered, stamp

Lookup = Callable[[str], str | None]


def parents_in(md: Mapping[str, object], problems: list[str]) -> Iterator[Parent]:
    """Yield the parents that metadata name under any of the keys in use, ignoring empty texts."""
    for key in PARENT_KEYS:
        named = md.get(key)
        for value in named if isinstance(named, (list, tuple)) else [named]:
            if value is None or value == "":
                continue
            try:
                yield Parent.of(value)
            except ProvenanceError as error:
                problems.append(f"md[{key!r}]: {str(error).removeprefix('parents: ')}")


def resolve(parents: Iterable[Parent], lookup: Lookup | None, problems: list[str]) -> tuple[Parent, ...]:
    """Return the parents, each once, with the catalog in which each was found."""
    known: dict[str, Parent] = {}
    for parent in parents:
        known[parent.uid] = max(parent, known.get(parent.uid, parent), key=_weight)
    return tuple(_resolved(parent, lookup, problems) for parent in known.values())


def _weight(parent: Parent) -> tuple[bool, bool]:
    """Return the rank of a statement about a parent: a run itself first, then a named catalog."""
    return parent.seen, parent.catalog is not None


def _resolved(parent: Parent, lookup: Lookup | None, problems: list[str]) -> Parent:
    if parent.seen:
        return replace(parent, catalog=parent.catalog or _whereabouts(parent.uid, lookup))
    if lookup is None or (parent.catalog is not None and not parent.resolved):
        return replace(parent, resolved=False)
    try:
        catalog = lookup(parent.uid)
    except ProvenanceError as error:
        problems.append(f"parents: {error}. Fix this, or {_declare(parent.uid)}.")
        return replace(parent, resolved=False)
    if catalog is not None:
        return replace(parent, catalog=catalog, resolved=True)
    if parent.catalog is None:
        places = ", ".join(getattr(lookup, "places", ())) or "this store and its sources"
        problems.append(
            f"parents: the run {parent.uid!r} was not found in {places}. Check the uid, name its catalog as a source "
            f"of the store (sources=[...]), or {_declare(parent.uid)}."
        )
    return replace(parent, resolved=False)


def _whereabouts(uid: str, lookup: Lookup | None) -> str | None:
    """Return the location of a run that the caller holds, as far as it is known."""
    try:
        return None if lookup is None else lookup(uid)
    except ProvenanceError:
        return None


def _declare(uid: str) -> str:
    return f'declare the run external: Parent({uid!r}, catalog="...")'


def inspect_files(files: Iterable[InputFile], problems: list[str], *, trusted: bool) -> tuple[InputFile, ...]:
    """Return the files, each once, hashed.

    Files with a digest are recorded as given if they are not on this machine, or if they are ``trusted``: part of a
    document that describes another time and maybe another machine.
    """
    seen: dict[str, InputFile] = {}
    for file in files:
        if not (trusted and file.digest is not None):
            file = replace(file, path=os.path.abspath(file.path))  # noqa: PTH100  links stay as they were named
        if file.path not in seen or seen[file.path].digest is None:
            seen[file.path] = file
    return tuple(_inspected(file, problems, trusted=trusted) for file in seen.values())


def _inspected(file: InputFile, problems: list[str], *, trusted: bool) -> InputFile:
    if file.digest is not None and (trusted or not exists(file.path)):
        return replace(file, hashed=False)
    try:
        now = _look(file.path)
    except OSError as error:
        problems.append(
            f"files: {file.path} cannot be read: {error.strerror or error}. Give the path of a readable file."
        )
        return file
    except ProvenanceError as error:
        problems.append(str(error))
        return file
    if file.digest not in (None, now.digest):
        problems.append(f"files: {file.path} has changed: its digest is {now.digest}, not {file.digest}.")
    return now


def _look(path: str) -> InputFile:
    before = Path(path).stat()
    if stat.S_ISDIR(before.st_mode):
        raise ProvenanceError(f"files: {path} is a folder. Name the files in it, e.g. sorted(Path(folder).glob('*')).")
    if not stat.S_ISREG(before.st_mode):  # opening a pipe would wait for a writer
        raise ProvenanceError(f"files: {path} is not an ordinary file. Save its content to one, and name that file.")
    digest = digest_now(path, before)
    if stamp(Path(path).stat()) != stamp(before):
        raise ProvenanceError(f"files: {path} changed while it was read. Wait until it is complete.")
    return InputFile(path, before.st_size, before.st_mtime, digest, hashed=True)


@remembered
def digest_now(path: str) -> str:
    """Return the present digest of a file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    from analysis_store.digests import digest_file

    return digest_file(path)
