"""The slices of the term index that answer a condition, certainly or possibly (then the documents decide).

Every catalog begins the translation of a query here; a database only needs to look slices up in its index.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from analysis_store.catalogs.query.nodes import (
    All,
    And,
    Between,
    Compare,
    Contains,
    Exists,
    In,
    Key,
    Leaf,
    Node,
    Not,
    Or,
    Regex,
    Text,
)
from analysis_store.catalogs.query.terms import (
    AFTER_VALUES,
    LONG,
    MANY,
    MEMBER,
    SEVERAL,
    VALUE,
    WORDS,
    is_vague,
    number_term,
    place,
    text_term,
    value_term,
)
from analysis_store.catalogs.query.values import fixed_beginning
from analysis_store.core.equality import holds_nan

STRINGS = (VALUE + b"s", VALUE + b"t")
NUMBERS = (VALUE + b"n", VALUE + b"o")
SCALARS = ((VALUE + b"b", VALUE + b"c"), NUMBERS, STRINGS, (VALUE + b"z", AFTER_VALUES))
"""The spans of scalar values: bools, numbers, strings and null, in this order."""


@dataclass(frozen=True, slots=True)
class Points:
    """The entries of the index with one of these values."""

    place: int
    values: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """The entries of the index with ``low <= value < high``."""

    place: int
    low: bytes
    high: bytes


Slice = Points | Span


@dataclass(frozen=True, slots=True)
class Answer:
    """The index slices of the runs that satisfy a condition."""

    sure: tuple[Slice, ...] = ()
    """Runs in one of these slices satisfy it."""

    maybe: tuple[Slice, ...] = ()
    """Runs in one of these may satisfy it; runs in neither do not."""


def answers(leaf: Leaf) -> list[Answer]:
    """Return the index slices for a leaf, as answers that must all hold; an empty tuple if the index cannot answer."""
    match leaf:
        case In(key, values):
            return [_with_overflow(key, _in(place(key), values)), *_inner(key, values)]
        case Compare(key, operator, value):
            return [_with_overflow(key, _compare(place(key), operator, value))]
        case Between(parts):
            return _between(parts)
        case Exists(key):
            return [_with_overflow(key, Answer((Span(place(key), VALUE, AFTER_VALUES),)))]
        case Regex(key, pattern, ignore_case):
            span = Span(place(key), *_beginning(fixed_beginning(pattern, ignore_case)))
            return [_with_overflow(key, Answer((), (span,)))]
        case Contains(key, value):
            return [_with_overflow(key, _contains(place(key), value))]
        case Text(words):
            many = (Points(WORDS, (MANY,)),)
            return [Answer((Points(WORDS, (VALUE + text_term(word),)),), many) for word in words]
    return []


def leaves(node: Node) -> Iterator[Leaf]:
    """Yield the leaves of a tree."""
    if isinstance(node, (And, Or)):
        for part in node.parts:
            yield from leaves(part)
    elif isinstance(node, Not):
        yield from leaves(node.part)
    elif not isinstance(node, All):
        yield node


def _with_overflow(key: Key, answer: Answer) -> Answer:
    return Answer(answer.sure, (*answer.maybe, Points(place(key), (MANY,))))


def _in(where: int, values: tuple[Any, ...]) -> Answer:
    possible = [value for value in values if not holds_nan(value)]
    sure = {VALUE + value_term(value) for value in possible if not is_vague(value)}
    maybe = {VALUE + value_term(value) for value in possible if is_vague(value)}
    return Answer(_points(where, sure), _points(where, maybe))


def _points(where: int, terms: set[bytes]) -> tuple[Slice, ...]:
    return (Points(where, tuple(sorted(terms))),) if terms else ()


def _inner(key: Key, values: tuple[Any, ...]) -> Iterator[Answer]:
    """Yield slices for the values inside the one mapping asked for, to narrow the candidates."""
    if len(values) == 1 and isinstance(values[0], Mapping):
        for name, value in values[0].items():
            inner = Key(key.document, f"{key.path}.{name}")
            if not is_vague(value):
                answer = _in(place(inner), (value,))
                yield _with_overflow(inner, Answer((), answer.sure + answer.maybe))
            yield from _inner(inner, (value,))


def _compare(where: int, operator: str, value: float | str) -> Answer:
    if isinstance(value, str):
        first, last = STRINGS
        bound = VALUE + text_term(value)
        if len(value.encode("utf-8", "surrogatepass")) >= LONG:
            # a stored string with the same beginning may be on either side: only its digest is indexed
            common = bound[: len(first) + LONG]
            span = (common, last) if operator in ("$gt", "$gte") else (first, common + b"\xff" * 32)
            return Answer((), (Span(where, *span),))
    elif holds_nan(value):
        return Answer()
    else:
        first, last = NUMBERS
        bound = VALUE + number_term(value)
    just_after = bound + b"\0"
    spans = {
        "$lt": (first, bound),
        "$lte": (first, just_after),
        "$gt": (just_after, last),
        "$gte": (bound, last),
    }
    return Answer((Span(where, *spans[operator]),))


def _beginning(text: str) -> tuple[bytes, bytes]:
    """Return the bounds of all strings that begin with a text."""
    if not text:
        return STRINGS
    low = STRINGS[0] + text.encode()[:LONG]
    return low, low + b"\xff" * 32


def _between(parts: tuple[Compare, ...]) -> list[Answer]:
    each = [_compare(place(part.key), part.operator, part.value) for part in parts]
    spans = [span for answer in each for span in answer.sure if isinstance(span, Span)]
    if len(spans) < len(parts):
        return [_with_overflow(part.key, answer) for part, answer in zip(parts, each, strict=True)]
    low, high = max(span.low for span in spans), min(span.high for span in spans)
    where = spans[0].place
    # of several values at the key, one may satisfy one comparison and another the other
    return [Answer((Span(where, low, high),) if low < high else (), (Points(where, (SEVERAL, MANY)),))]


def _contains(where: int, value: object) -> Answer:
    if holds_nan(value):
        return Answer()
    member = (Points(where, (MEMBER + value_term(value),)),)
    if is_vague(value):
        return Answer((), member)
    return Answer(member, (Span(where, *STRINGS),) if isinstance(value, str) else ())


def gather(node: Node) -> Node:
    """Return the same tree with comparisons at one key that must all hold merged."""
    if isinstance(node, Not):
        return Not(gather(node.part))
    if isinstance(node, Or):
        return Or(tuple(map(gather, node.parts)))
    if not isinstance(node, And):
        return node
    compared: dict[Key, list[Compare]] = {}
    for part in node.parts:
        if isinstance(part, Compare):
            compared.setdefault(part.key, []).append(part)
    others = [gather(part) for part in node.parts if not isinstance(part, Compare)]
    return And((*others, *(parts[0] if len(parts) == 1 else Between(tuple(parts)) for parts in compared.values())))
