"""Conditions of a query in SQL, on a table of candidates with the columns ``run`` and ``time``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, ColumnElement, FromClause, Select, and_, cast, exists, false, not_, or_, select, true
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from analysis_store.catalogs.query.nodes import All, And, Node, Not, Or, TimeSpan, UidPrefix, Uids
from analysis_store.catalogs.query.slices import Answer, Points, Slice
from analysis_store.catalogs.records import is_text
from analysis_store.catalogs.sql.schema import run, term

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler


MOST_VALUES = 500
"""More values than this are passed as one list; databases limit the parameters of a statement."""

FEW_POINTS = 20
"""For more values than this, all runs that have one of them are looked up at once, not run by run."""


def inside(slice: Slice) -> ColumnElement[bool]:
    """Return the condition that an entry of the term index lies in a slice."""
    here = term.c.place == slice.place
    if not isinstance(slice, Points):
        return and_(here, term.c.value >= slice.low, term.c.value < slice.high)
    if len(slice.values) == 1:
        return and_(here, term.c.value == slice.values[0])
    if len(slice.values) <= MOST_VALUES:
        return and_(here, term.c.value.in_(slice.values))
    between = and_(term.c.value >= min(slice.values), term.c.value <= max(slice.values))
    return and_(here, between, _Hex(term.c.value).in_(listed(value.hex().upper() for value in slice.values)))


class _Hex(GenericFunction[str]):
    """Bytes as hexadecimal digits, upper case, since JSON (used to pass many values) has no bytes."""

    name = "digits"
    inherit_cache = True


@compiles(_Hex, "sqlite")
def _sqlite_hex(element: _Hex, compiler: SQLCompiler, **options: Any) -> str:
    return f"hex({compiler.process(element.clauses, **options)})"


@compiles(_Hex, "postgresql")
def _postgresql_hex(element: _Hex, compiler: SQLCompiler, **options: Any) -> str:
    return f"upper(encode({compiler.process(element.clauses, **options)}, 'hex'))"


def uid_begins(prefix: str) -> ColumnElement[bool]:
    """Return the condition that the uid of a run begins with a text; ``%`` and ``_`` are ordinary letters."""
    return and_(run.c.uid >= prefix, run.c.uid < prefix + "\U0010ffff") if is_text(prefix) else false()


class _Members(GenericFunction[str]):
    """The members of a JSON array as rows, with the column name that the database uses."""

    name = "members"
    inherit_cache = True


@compiles(_Members, "sqlite")
def _sqlite_members(element: _Members, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **options)})"


@compiles(_Members, "postgresql")
def _postgresql_members(element: _Members, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array_elements_text(CAST({compiler.process(element.clauses, **options)} AS json))"


def listed(texts: Iterable[str]) -> Select[tuple[str]]:
    """Return a subquery over these texts, passed as one parameter, since statements limit their number."""
    members = _Members(json.dumps(sorted(texts))).table_valued("value")
    return select(members.c.value)


def listed_numbers(numbers: Iterable[int]) -> Select[tuple[int]]:
    """Return a subquery over these numbers, passed as one parameter."""
    members = _Members(json.dumps(sorted(numbers))).table_valued("value")
    return select(cast(members.c.value, BigInteger))


class Conditions:
    """Translates a tree into SQL that holds for every hit, and records whether it holds for hits only."""

    def __init__(
        self,
        source: FromClause,
        answers: Mapping[int, Sequence[Answer]],
        lengths: Mapping[Slice, int],
        enough: int,
        *,
        lazy: bool,
    ) -> None:
        self._source = source
        self._answers = answers
        self._lengths = lengths
        self._enough = enough
        self._lazy = lazy
        self.exact = True

    def of(self, node: Node, over: bool = True) -> ColumnElement[bool]:
        """Return a condition that holds for at least the hits of a node; with ``over=False``, for hits only."""
        match node:
            case All():
                return true()
            case And(parts):
                return and_(true(), *(self.of(part, over) for part in parts))
            case Or(parts):
                return or_(false(), *(self.of(part, over) for part in parts))
            case Not(part):
                return not_(self.of(part, not over))
            case TimeSpan(since, until):
                return self._within(since, until)
            case UidPrefix(prefix):
                return self._source.c.run.in_(select(run.c.id).where(uid_begins(prefix)))
            case Uids(uids):
                return self._source.c.run.in_(select(run.c.id).where(run.c.uid.in_(listed(filter(is_text, uids)))))
        return and_(true(), *(self._answer(answer, over) for answer in self._answers[id(node)]))

    def _within(self, since: float | None, until: float | None) -> ColumnElement[bool]:
        time = self._source.c.time
        return and_(true(), *([] if since is None else [time >= since]), *([] if until is None else [time < until]))

    def _answer(self, answer: Answer, over: bool) -> ColumnElement[bool]:
        sure = [slice for slice in answer.sure if self._lengths[slice]]
        maybe = [slice for slice in answer.maybe if self._lengths[slice]]
        self.exact &= not maybe
        return or_(false(), *(self._in(slice, over) for slice in (sure + maybe if over else sure)))

    def _in(self, slice: Slice, over: bool) -> ColumnElement[bool]:
        if isinstance(slice, Points) and len(slice.values) <= FEW_POINTS:
            here = and_(inside(slice), term.c.time == self._source.c.time, term.c.run == self._source.c.run)
            return exists().where(here).correlate(self._source)
        if self._lazy and self._lengths[slice] >= self._enough:
            self.exact = False
            return true() if over else false()
        return self._source.c.run.in_(select(term.c.run).where(inside(slice)))
