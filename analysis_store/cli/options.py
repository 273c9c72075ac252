"""Options that several commands share, and the parsing of their values."""

from __future__ import annotations

import glob
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from analysis_store.errors import NoDefaultStoreError, QueryError, SettingsError

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.documents import Document
    from analysis_store.runs.read.run import Run

StoreOption = Annotated[
    str | None,
    typer.Option("--store", "-s", envvar="ANALYSIS_STORE", help="Folder or URI of the store.", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_OR_A_QUERY = """, nor a query in JSON such as '{"scan_id": {"$gt": 3}}'"""
_REINDEX = "analysis-store reindex"
UidArgument = Annotated[
    str, typer.Argument(metavar="UID", help="A uid, the beginning of a uid, a scan_id, or -1 for the newest run.")
]


def open_store(location: str | None) -> AnalysisStore:
    """Open an existing store. Other folders are refused: a typing error must not create a store.

    Raises
    ------
    NoDefaultStoreError
        No store was named.
    SettingsError
        The folder holds no store, or a store without its catalog.
    """
    place = place_of_store(location)
    if "://" not in place and not (Path(place) / "catalog.sqlite").exists():
        raise SettingsError(f"no catalog in {place}. Rebuild it from the run files: {_REINDEX}")
    from analysis_store import AnalysisStore

    return AnalysisStore(place, root=root_of_store(place))


def place_of_store(location: str | None) -> str:
    """Return the location of a store; its catalog may be missing.

    Raises
    ------
    NoDefaultStoreError
        No store was named.
    SettingsError
        There is no store in that folder.
    """
    if location is None:
        raise NoDefaultStoreError(
            "no store was named; give --store FOLDER, or set $ANALYSIS_STORE. Create one: analysis-store init FOLDER"
        )
    if "://" in location:
        return location
    folder = Path(location).expanduser()
    if not any((folder / name).exists() for name in ("catalog.sqlite", "analysis_store.toml")):
        raise SettingsError(f"there is no store in {location}; create one with: analysis-store init {location}")
    return str(folder)


def root_of_store(place: str) -> str | None:
    """Return the folder of the run files of a store with a database URI; None for a store in a folder."""
    return os.environ.get("ANALYSIS_STORE_ROOT") if "://" in place else None


def find_run(store: AnalysisStore, name: str) -> Run:
    """Return the run that a word on the command line means; digits are a scan_id, or the beginning of a uid."""
    from analysis_store.errors import AmbiguousUidError, RunNotFoundError

    if name.lstrip("-").isdecimal():
        try:
            return store[int(name)]
        except RunNotFoundError:
            if name.startswith("-"):
                raise
    try:
        return store[name]
    except RunNotFoundError as error:
        if isinstance(error, AmbiguousUidError) or (removed := deleted_uid(store, name)) is None:
            raise
        return store[removed]  # the error says who deleted the run, and why


def deleted_uid(store: AnalysisStore, name: str) -> str | None:
    """Return the uid of the one deleted run whose uid begins with a word; None if no or several runs match."""
    from analysis_store import layout

    found = {
        unquote(path.name.removesuffix(".json"))
        for folder in (layout.TOMBSTONES, layout.QUARANTINE)
        for path in (store.root / folder).glob(f"{glob.escape(layout.file_stem(name))}*")
    }
    return found.pop() if name and len(found) == 1 else None


def pairs(words: Sequence[str], option: str, or_else: str = "") -> Document:
    """Return ``key=value`` words as a mapping. Values that are valid JSON are parsed; others are text.

    Raises
    ------
    typer.BadParameter
        A word without ``=``.
    """
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or key[-1] in "<>!":
            raise typer.BadParameter(f"{word!r} is not key=value{or_else}", param_hint=option)
        found[key] = value_of(value)
    return found


def value_of(text: str) -> Any:
    """Return the value of a word: a number, true, a list … if it is JSON, else the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def parse_terms(terms: Sequence[str]) -> Document | None:
    """Return one query from key=value words and JSON objects; None without any.

    Raises
    ------
    QueryError
        A word begins with { and is not JSON.
    typer.BadParameter
        A word is neither key=value nor JSON.
    """
    parts = [_parsed(term) for term in terms if term.lstrip().startswith("{")]
    equal = pairs([term for term in terms if not term.lstrip().startswith("{")], "TERM", _OR_A_QUERY)
    if equal:
        parts.append(equal)
    if len(parts) > 1:
        return {"$and": parts}
    return parts[0] if parts else None


def _parsed(term: str) -> Document:
    try:
        found: dict[str, Any] = json.loads(term)
    except ValueError as error:
        raise QueryError(
            f'the query {term!r} is not JSON: {error}. Expected e.g. \'{{"e0": {{"$gt": 7000}}}}\'.'
        ) from error
    return found
