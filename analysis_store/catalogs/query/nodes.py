"""The tree of a search: small frozen nodes, each of which can test a pair of documents."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from analysis_store.catalogs.query.values import found, pattern, reach, texts, words
from analysis_store.core.equality import equal, is_number, same_kind

Scalar: TypeAlias = bool | int | float | str | None
"""A value that is neither a list nor a mapping."""

Start = Mapping[str, Any]
Stop = Mapping[str, Any] | None

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "$lt": operator.lt,
    "$lte": operator.le,
    "$gt": operator.gt,
    "$gte": operator.ge,
}


class Key(NamedTuple):
    """A key of one of the two documents."""

    document: Literal["start", "stop"]
    path: str

    def values(self, start: Start, stop: Stop) -> Iterator[Any]:
        """Yield every value at this key."""
        return reach(start if self.document == "start" else stop, self.path)


@dataclass(frozen=True, slots=True)
class All:
    """Every run."""

    def matches(self, start: Start, stop: Stop) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class And:
    """Matches runs that satisfy every part."""

    parts: tuple[Node, ...]

    def matches(self, start: Start, stop: Stop) -> bool:
        return all(part.matches(start, stop) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Matches runs that satisfy any part; no runs if there are no parts."""

    parts: tuple[Node, ...]

    def matches(self, start: Start, stop: Stop) -> bool:
        return any(part.matches(start, stop) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Not:
    """Matches runs that do not satisfy the part; so a missing key satisfies ``$ne``, as in Mongo."""

    part: Node

    def matches(self, start: Start, stop: Stop) -> bool:
        return not self.part.matches(start, stop)


@dataclass(frozen=True, slots=True)
class In:
    """A value at the key equals one of these; equality is this with one value."""

    key: Key
    values: tuple[Any, ...]

    def matches(self, start: Start, stop: Stop) -> bool:
        return any(equal(value, wanted) for value in self.key.values(start, stop) for wanted in self.values)


@dataclass(frozen=True, slots=True)
class Compare:
    """A number or string at the key is less or greater than this one of the same kind."""

    key: Key
    operator: str
    value: float | str

    def matches(self, start: Start, stop: Stop) -> bool:
        compare = COMPARISONS[self.operator]
        return any(same_kind(v, self.value) and compare(v, self.value) for v in self.key.values(start, stop))


@dataclass(frozen=True, slots=True)
class Between:
    """All of several comparisons at the same key, which an index can answer at once."""

    parts: tuple[Compare, ...]

    def matches(self, start: Start, stop: Stop) -> bool:
        return all(part.matches(start, stop) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Exists:
    """The key exists, with any value."""

    key: Key

    def matches(self, start: Start, stop: Stop) -> bool:
        return any(True for _ in self.key.values(start, stop))


@dataclass(frozen=True, slots=True)
class Regex:
    """A string at the key holds a match of the pattern."""

    key: Key
    pattern: str
    ignore_case: bool = False

    def __post_init__(self) -> None:
        pattern(self.pattern, self.ignore_case)  # raises for an invalid pattern

    def matches(self, start: Start, stop: Stop) -> bool:
        return any(self.accepts(value) for value in self.key.values(start, stop) if isinstance(value, str))

    def accepts(self, text: str) -> bool:
        """Return True if a string contains a match."""
        return found(pattern(self.pattern, self.ignore_case), text)


@dataclass(frozen=True, slots=True)
class Contains:
    """A list at the key has this member, or a string there has this part."""

    key: Key
    value: Any

    def matches(self, start: Start, stop: Stop) -> bool:
        return any(self._holds(value) for value in self.key.values(start, stop))

    def accepts(self, text: str) -> bool:
        """Return True if a string contains this part."""
        return isinstance(self.value, str) and self.value in text

    def _holds(self, value: Any) -> bool:
        if isinstance(value, str):
            return self.accepts(value)
        return isinstance(value, (list, tuple)) and any(equal(item, self.value) for item in value)


@dataclass(frozen=True, slots=True)
class Text:
    """Every one of these words occurs in the text values of the start document."""

    words: tuple[str, ...]

    def matches(self, start: Start, stop: Stop) -> bool:
        missing = set(self.words)
        for text in texts(start):
            missing -= words(text)
        return not missing


@dataclass(frozen=True, slots=True)
class UidPrefix:
    """The uid of the run begins with this."""

    prefix: str

    def matches(self, start: Start, stop: Stop) -> bool:
        return str(start["uid"]).startswith(self.prefix)


@dataclass(frozen=True, slots=True)
class Uids:
    """The uid of the run is one of these, possibly very many."""

    uids: frozenset[str]

    def matches(self, start: Start, stop: Stop) -> bool:
        return start["uid"] in self.uids


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """The run started at ``since`` or later and before ``until``: seconds since 1970 UTC."""

    since: float | None = None
    until: float | None = None

    def matches(self, start: Start, stop: Stop) -> bool:
        time = start["time"]
        return is_number(time) and self._covers(float(time))

    def _covers(self, time: float) -> bool:
        return (self.since is None or self.since <= time) and (self.until is None or time < self.until)


Leaf = In | Compare | Between | Exists | Regex | Contains | Text | UidPrefix | Uids | TimeSpan
Node = All | And | Or | Not | Leaf
