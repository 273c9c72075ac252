"""Values of documents in a search: equality, order, paths and words, in plain Python.

Equality is strict and mathematical: ``300 == 300.0``, ``2**60 != 2**60 + 1``, ``True != 1``, a scalar does not
equal a list that holds it, and NaN equals nothing. Null equals an explicit null only, never a missing key.
"""

from __future__ import annotations

import enum
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from functools import lru_cache
from os import PathLike, fspath
from typing import Any

from analysis_store.core.equality import is_number
from analysis_store.errors import QueryError

WORD = re.compile(r"\w+")

DEEPEST = 100
"""Largest depth of a document, and so of a value that it is compared with."""

UNREAD_TEXT = frozenset({"uid", "parent_uids", "provenance"})
"""Keys of the start document without human text: digests and package lists would only blur a full-text search."""


def reach(node: object, path: str | None) -> Iterator[Any]:
    """Yield every value at a dotted path; lists of mappings on the way are entered, keys may hold dots themselves."""
    if path is None:
        yield node
    elif isinstance(node, Mapping):
        for head, rest in _splits(path):
            if head in node:
                yield from reach(node[head], rest)
    elif isinstance(node, (list, tuple)):
        for item in node:
            if isinstance(item, Mapping):
                yield from reach(item, path)


def _splits(path: str) -> Iterator[tuple[str, str | None]]:
    for position, letter in enumerate(path):
        if letter == ".":
            yield path[:position], path[position + 1 :]
    yield path, None


def words(text: str) -> set[str]:
    """Return the words of a text, ignoring case and the composition of accents."""
    if text.isascii():
        return set(WORD.findall(text.lower()))
    return set(WORD.findall(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())))


def texts(start: Mapping[str, object]) -> Iterator[str]:
    """Yield the text values of a start document that a person may have written."""
    for key, value in start.items():
        if key not in UNREAD_TEXT:
            yield from _strings(value)


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, (Mapping, list, tuple)):
        for item in node.values() if isinstance(node, Mapping) else node:
            yield from _strings(item)


def plain(value: object, depth: int = 0) -> Any:
    """Return the operand of a search as the JSON value that a document would hold."""
    if isinstance(value, enum.Enum):
        return plain(value.value, depth)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth > DEEPEST:
        raise QueryError(f"Got a value nested deeper than {DEEPEST} levels in a query; documents are not.")
    if isinstance(value, Mapping):
        return {str(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item, depth + 1) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, PathLike):
        return str(fspath(value))
    if hasattr(value, "tolist"):  # scalars and arrays of NumPy, without importing it
        return plain(value.tolist(), depth + 1)
    raise QueryError(
        f"Got {value!r} of type {type(value).__name__} in a search; expected a JSON value: "
        "a number, string, bool, None, list or mapping."
    )


def seconds(moment: object, name: str) -> float | None:
    """Return a time as seconds since 1970 UTC; a string or datetime without zone is local time."""
    if moment is None:
        return None
    if isinstance(moment, str):
        moment = _from_iso(moment, name)
    elif hasattr(moment, "to_pydatetime"):  # pandas.Timestamp
        moment = moment.to_pydatetime()
    if isinstance(moment, date) and not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)  # noqa: DTZ001 - the clock on the wall
    if isinstance(moment, datetime):
        return moment.timestamp()
    moment = plain(moment)
    if is_number(moment) and not math.isnan(moment):
        return float(moment)
    raise QueryError(f"Got {name}={moment!r}; expected seconds since 1970, a datetime or an ISO 8601 string.")


def _from_iso(text: str, name: str) -> datetime:
    text = text.strip()
    for form in ("%Y", "%Y-%m", "%Y-%m-%d %H"):  # short forms that databroker accepts, too
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the clock on the wall
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(
            f"Got {name}={text!r}; expected an ISO 8601 time, such as '2026-03-01' or '2026-03-01 14:30'."
        ) from error


@lru_cache(maxsize=256)
def pattern(text: str, ignore_case: bool) -> Any:
    """Return a compiled regular expression that runs in linear time, or raise `QueryError` with the reason."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not ignore_case
    try:
        return re2.compile(text, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else str(error)
        raise QueryError(
            f"Got the pattern {text!r}, which cannot be searched for: {reason}. Patterns run in linear time (RE2), "
            "without look-around and back-references."
        ) from error


_ANCHORED = re.compile(r"(?:\(\?s\))?\^((?:[\w \-:/,;=@#%&~'\"<>!]|\\[^\w?])*)([*?{+])?")
"""A pattern that is anchored to the beginning, followed by literal letters. A question mark is not among
them: it also replaces half of a surrogate pair, see `found`."""


def fixed_beginning(text: str, ignore_case: bool) -> str:
    """Return the common beginning of all texts that match a pattern; empty if unknown."""
    anchored = None if ignore_case or "|" in text else _ANCHORED.match(text)
    if anchored is None:
        return ""
    beginning = re.sub(r"\\(.)", r"\1", anchored[1], flags=re.DOTALL)
    return beginning[:-1] if anchored[2] else beginning  # the last letter may be optional


def found(compiled: Any, text: str) -> bool:
    """Return True if a compiled pattern occurs anywhere in a text."""
    # bytes: the wrapper of RE2 translates every offset of a str, and a lone surrogate has no UTF-8
    return compiled.search(text.encode("utf-8", "replace")) is not None
