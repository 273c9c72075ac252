"""The dialects of queries: mappings in the manner of Mongo, query objects of Tiled and databroker, plain text.

Query objects are recognized by their class name and read by their attributes, so neither package is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from analysis_store.catalogs.query.nodes import (
    COMPARISONS,
    All,
    And,
    Compare,
    Contains,
    Exists,
    In,
    Key,
    Node,
    Not,
    Or,
    Regex,
    Text,
    TimeSpan,
    UidPrefix,
)
from analysis_store.catalogs.query.values import plain, seconds, words
from analysis_store.core.equality import is_number
from analysis_store.errors import QueryError

MAX_DEPTH = 64
"""A query nested deeper than this is refused as an accident or an attack."""


def key_of(name: object) -> Key:
    """Return the document and path of a key: the start document's, unless it begins with ``stop.``."""
    if not isinstance(name, str) or not name:
        raise QueryError(f"Got the key {name!r}; expected a non-empty string such as 'sample.name'.")
    document, _, path = name.partition(".")
    if path and document == "stop":
        return Key("stop", path)
    return Key("start", path if path and document == "start" else name)


def from_any(query: object) -> Node:
    """Return the tree of a query in any dialect."""
    if isinstance(query, str):
        return from_text(query)
    if isinstance(query, Mapping):
        return from_mapping(query)
    read = OBJECTS.get(type(query).__name__)
    if read is not None:
        try:
            return read(query)
        except (AttributeError, TypeError) as error:
            raise QueryError(f"Got an invalid {type(query).__name__} query, {query!r}: {error}") from error
    raise QueryError(
        f"Got the query {query!r} of type {type(query).__name__}; expected a mapping, a string, "
        f"or a query object among {', '.join(sorted(name.lstrip('_') for name in OBJECTS))}"
    )


def from_text(text: object) -> Node:
    """Return the full-text search for every word of a text; raise if it has no words."""
    if not isinstance(text, str):
        raise QueryError(f"Got {text!r} for a full-text search; expected a string.")
    found = tuple(sorted(words(text)))
    if not found and text.strip():
        raise QueryError(
            f"Got {text!r}, which has no word; a full-text search finds whole words of letters and digits."
        )
    return Text(found) if found else All()


def from_mapping(query: Mapping[Any, object], depth: int = 0) -> Node:
    """Return the tree of a mapping of keys to values or operators, which must all hold."""
    parts: list[Node] = []
    for name, value in query.items():
        if isinstance(name, str) and name.startswith("$"):
            parts.append(_combined(name, value, depth, from_mapping, ("$and", "$or", "$not")))
        else:
            parts.append(from_field(name, value, depth))
    return _and(parts)


def from_field(name: object, value: object, depth: int = 0) -> Node:
    """Return the condition on one key: equality with a value, or a mapping of operators."""
    key = key_of(name)
    return _operators(key, value, depth) if _is_operators(value) else In(key, (plain(value),))


def _is_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(isinstance(name, str) and name.startswith("$") for name in value)


def _operators(key: Key, value: Any, depth: int) -> Node:
    if not _is_operators(value):
        raise QueryError(f"Got {value!r} for {key.path!r}; expected a mapping of operators, such as {{'$gt': 3}}.")

    def nested(inner: Any, deeper: int) -> Node:
        return _operators(key, inner, deeper)

    parts: list[Node] = []
    for name, operand in value.items():
        if name == "$options":
            if "$regex" not in value:
                raise QueryError(f"'$options' belongs to '$regex'; got {dict(value)!r}")
        elif name == "$regex":
            parts.append(_regex(key, operand, value.get("$options", "")))
        elif name in FIELD:
            parts.append(FIELD[name](key, operand))
        else:
            parts.append(_combined(name, operand, depth, nested, KNOWN))
    return _and(parts)


def _combined(name: Any, operand: Any, depth: int, read: Callable[[Any, int], Node], known: tuple[str, ...]) -> Node:
    if depth >= MAX_DEPTH:
        raise QueryError(f"the query is nested deeper than {MAX_DEPTH} levels")
    if name == "$not":
        return Not(read(_mapping(name, operand), depth + 1))
    if name in ("$and", "$or"):
        parts = tuple(read(_mapping(name, part), depth + 1) for part in _list(name, operand))
        if not parts:
            raise QueryError(f"{name} takes at least one query; got an empty list")
        return And(parts) if name == "$and" else Or(parts)
    where = "on a key" if known is KNOWN else f"next to keys, and {', '.join(KNOWN)} on a key"
    raise QueryError(f"unknown operator {name!r}; the known ones are {', '.join(known)} {where}")


def _mapping(name: str, operand: Any) -> Mapping[Any, Any]:
    if isinstance(operand, Mapping):
        return operand
    raise QueryError(f"{name} takes a mapping of keys or operators; got {operand!r}")


def _list(name: str, operand: Any) -> list[Any]:
    if isinstance(operand, (list, tuple, set, frozenset)) or hasattr(operand, "tolist"):
        return list(operand)
    raise QueryError(f"{name} takes a list; got {operand!r}")


def _and(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else And(tuple(parts)) if parts else All()


def _any(parts: list[Node]) -> Node:
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def _in(key: Key, operand: Any) -> Node:
    return In(key, tuple(plain(value) for value in _list("$in", operand)))


def _not_in(key: Key, operand: Any) -> Node:
    return Not(In(key, tuple(plain(value) for value in _list("$nin", operand))))


def _exists(key: Key, operand: Any) -> Node:
    wanted = plain(operand)
    if not isinstance(wanted, bool) and wanted not in (0, 1):
        raise QueryError(f"$exists takes True or False; got {operand!r}")
    return Exists(key) if wanted else Not(Exists(key))


def _compare(name: str) -> Callable[[Key, Any], Node]:
    def read(key: Key, operand: Any) -> Node:
        value = plain(operand)
        if not is_number(value) and not isinstance(value, str):
            raise QueryError(f"{name} on {key.path!r} takes a number or a string; got {operand!r}")
        return Compare(key, name, value)

    return read


def _regex(key: Key, operand: Any, options: Any = "") -> Node:
    if isinstance(operand, re.Pattern):
        options = "i" if operand.flags & re.IGNORECASE else options
        operand = operand.pattern
    if not isinstance(operand, str):
        raise QueryError(f"$regex on {key.path!r} takes a pattern as a string; got {operand!r}")
    if options not in ("", "i"):
        raise QueryError(f"$options of $regex takes 'i', to ignore case; got {options!r}")
    return Regex(key, operand, ignore_case=options == "i")


FIELD: dict[str, Callable[[Key, Any], Node]] = {
    "$eq": lambda key, operand: In(key, (plain(operand),)),
    "$ne": lambda key, operand: Not(In(key, (plain(operand),))),
    **{name: _compare(name) for name in COMPARISONS},
    "$in": _in,
    "$nin": _not_in,
    "$exists": _exists,
    "$contains": lambda key, operand: Contains(key, plain(operand)),
}
KNOWN = (*FIELD, "$regex", "$options", "$and", "$or", "$not")


def _like(query: Any) -> Node:
    parts = (".*" if letter == "%" else "." if letter == "_" else re.escape(letter) for letter in query.pattern)
    return Regex(key_of(query.key), f"(?s)^{''.join(parts)}$")


def _time_range(query: Any) -> Node:
    return TimeSpan(seconds(query.since, "since"), seconds(query.until, "until"))


def _scan_id_range(query: Any) -> Node:
    key = Key("start", "scan_id")
    return And((Compare(key, "$gte", query.start_id), Compare(key, "$lt", query.end_id)))


def _comparison(query: Any) -> Node:
    name = str(getattr(query.operator, "value", query.operator))
    known = {"lt": "$lt", "le": "$lte", "gt": "$gt", "ge": "$gte"}
    if name not in known:
        raise QueryError(f"unknown operator {name!r} of Comparison; the known ones are {', '.join(known)}")
    return FIELD[known[name]](key_of(query.key), query.value)


# ``duplicates`` of ScanID selects one run of several to show; a search shows all of them, the newest first.
OBJECTS: dict[str, Callable[[Any], Node]] = {
    "Query": lambda query: query.node,
    "Eq": lambda query: In(key_of(query.key), (plain(query.value),)),
    "NotEq": lambda query: Not(In(key_of(query.key), (plain(query.value),))),
    "Comparison": _comparison,
    "In": lambda query: _in(key_of(query.key), query.value),
    "NotIn": lambda query: _not_in(key_of(query.key), query.value),
    "Contains": lambda query: Contains(key_of(query.key), plain(query.value)),
    "Regex": lambda query: _regex(key_of(query.key), query.pattern, "" if query.case_sensitive else "i"),
    "Like": _like,
    "FullText": lambda query: from_text(query.text),
    "KeyPresent": lambda query: _exists(key_of(query.key), query.exists),
    "KeysFilter": lambda query: In(Key("start", "uid"), tuple(map(str, query.keys))),
    "KeyLookup": lambda query: In(Key("start", "uid"), (str(query.key),)),
    "TimeRange": _time_range,
    "_ScanID": lambda query: _in(Key("start", "scan_id"), query.scan_ids),
    "ScanIDRange": _scan_id_range,
    "_PartialUID": lambda query: _any([UidPrefix(str(prefix)) for prefix in query.partial_uids]),
}
