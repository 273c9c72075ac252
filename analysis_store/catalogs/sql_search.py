"""From a query to the runs it finds in a SQL catalog, reading no more of it than is shown.

Each condition becomes slices of the term index, and the index is asked how long each slice is, up to `ENOUGH`. Then
the shortest slice leads and the other conditions are looked up entry by entry; where every slice is long, hits are
frequent, and the runs are walked in the order in which they are wanted. What the index cannot say exactly (a regular
expression, a part of a string) is asked of the documents of the candidates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    false,
    func,
    nulls_last,
    or_,
    select,
    true,
)

from analysis_store.catalogs.nodes import And, Key, Leaf, Node, UidPrefix
from analysis_store.catalogs.records import read_json
from analysis_store.catalogs.scalars import TIME, Order, by_count, scalars, tally, up_to_time
from analysis_store.catalogs.slices import SCALARS, Answer, Points, Slice, Span, answers, gather, leaves
from analysis_store.catalogs.sql_conditions import Conditions, inside, uid_begins
from analysis_store.catalogs.sql_schema import run, term
from analysis_store.catalogs.sql_values import FEW_VALUES, settle
from analysis_store.catalogs.terms import MANY, SEVERAL, place

if TYPE_CHECKING:
    from analysis_store.catalogs.query import Query

ENOUGH = 20_000
"""A slice of this many entries is long: sorting it costs more than walking the runs."""

FEW = 2_000
"""So many candidates are quicker judged by their documents than by looking into a long slice."""

PATIENCE = 3_000
"""So many candidates are judged before long slices are looked into after all."""

AT_ONCE = 64
"""So many candidates have their documents read at once."""

MOST_LEAVES = 100
"""A query of more conditions than this is put to the documents; databases limit the depth of a statement."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is answered: the candidates, what they must satisfy, and whether that says it all."""

    source: FromClause
    """Candidates, with the columns ``run`` and ``time``."""

    condition: ColumnElement[bool]
    exact: bool
    skipped: bool
    """Whether a long slice was left out, that could make the answer exact."""


Judged = tuple[int, dict[str, Any], dict[str, Any] | None]
"""The id of a run with its start and stop documents."""


class Search:
    """One query put to the tables over one connection."""

    def __init__(self, connection: Connection, query: Query) -> None:
        self._connection = connection
        self._query = query
        self._node = gather(query.node)
        found = list(islice(leaves(self._node), MOST_LEAVES + 1))
        self._vague = len(found) > MOST_LEAVES
        # by identity: a leaf may hold lists, which have no hash
        self._answers = {} if self._vague else {id(leaf): answers(leaf) for leaf in found}
        self._lengths = self._measure(self._slices())
        for leaf in found if self._answers else ():
            self._answers[id(leaf)] = [self._settled(leaf, answer) for answer in self._answers[id(leaf)]]
        self._lengths |= self._measure(self._slices() - self._lengths.keys())

    def ids(self, order: Order, offset: int, limit: int | None) -> list[int]:
        """Return a page of the ids of the runs found, in this order."""
        stop = None if limit is None else offset + limit
        in_time = all(key == TIME for key, _ in order)
        plan = self._plan(lazy=stop is not None and in_time)
        if plan.skipped and stop is not None:
            found, complete = self._first(self._ordered(plan, order), stop)
            if complete:
                return found[offset:]
            plan = self._plan(lazy=False)
        statement = self._ordered(plan, order)
        if plan.exact:
            return list(self._connection.scalars(statement.limit(limit).offset(offset)))
        return [number for number, _, _ in islice(self._judged(statement), offset, stop)]

    def count(self, limit: int | None = None) -> int:
        """Return how many runs are found, and no more than ``limit``."""
        plan = self._plan(lazy=False)
        if plan.exact:
            found = select(true()).select_from(plan.source).where(plan.condition).limit(limit).subquery()
            return int(self._connection.scalar(select(func.count()).select_from(found)) or 0)
        return sum(1 for _ in islice(self._judged(_of(plan)), limit))

    def distinct(self, key: Key) -> list[tuple[Any, int]]:
        """Return the scalar values at a key among the runs found with their counts, the most frequent first."""
        many = Points(place(key), (MANY,))
        plan = self._plan(lazy=False)
        if not plan.exact or self._lead_length() < FEW or self._measure({many})[many]:
            found = self._judged(_of(plan), judge=not plan.exact)
            return tally(((start, stop) for _, start, stop in found), key)
        slices = [Span(place(key), low, high) for low, high in SCALARS]
        source = select(term).where(or_(*map(inside, slices))).subquery("d")
        condition = Conditions(source, self._answers, self._lengths, ENOUGH, lazy=False).of(self._node)
        statement = select(source.c.value, func.count(), func.min(source.c.run)).where(condition)
        rows = sorted(self._connection.execute(statement.group_by(source.c.value)), key=by_count)
        return [(read, count) for value, count, number in rows for read in self._value(key, value, number)]

    def _value(self, key: Key, value: bytes, number: int) -> Iterator[Any]:
        """Read a value where it stands: a term does not tell 300 from 300.0; none, where the run was removed since."""
        for start, stop in self._connection.execute(select(run.c.start, run.c.stop).where(run.c.id == number)):
            found = scalars(key, read_json(start), stop and read_json(stop))
            yield from (found[term] for term in (value[1:],) if term in found)  # a number is given out again

    def _slices(self) -> set[Slice]:
        return {s for several in self._answers.values() for answer in several for s in answer.sure + answer.maybe}

    def _settled(self, leaf: Leaf, answer: Answer) -> Answer:
        doubtful = sum(self._lengths[slice] for slice in answer.maybe)
        return settle(self._connection, leaf, answer) if doubtful > FEW_VALUES else answer

    def _measure(self, slices: set[Slice]) -> dict[Slice, int]:
        """Return the length of each slice, up to `ENOUGH`, in one statement."""
        ordered = list(slices)
        entries = [select(term.c.run).where(inside(slice)).limit(ENOUGH).subquery() for slice in ordered]
        counts = [select(func.count()).select_from(those).scalar_subquery() for those in entries]
        row = self._connection.execute(select(*counts)).one() if counts else ()
        return dict(zip(ordered, row, strict=True))

    def _plan(self, *, lazy: bool) -> Plan:
        if self._vague:
            return Plan(_everything(), true(), exact=False, skipped=False)
        source, rest = self._lead()
        conditions = Conditions(source, self._answers, self._lengths, ENOUGH, lazy=lazy or self._lead_length() < FEW)
        condition = conditions.of(rest)
        return Plan(source, condition, conditions.exact, conditions.skipped and self._lead_length() >= FEW)

    def _leaders(self) -> Iterator[tuple[int, Answer, Node]]:
        node = self._node
        for part in node.parts if isinstance(node, And) else (node,):
            for answer in self._answers.get(id(part), ()):
                yield sum(self._lengths[slice] for slice in answer.sure + answer.maybe), answer, part

    def _lead_length(self) -> int:
        return min((length for length, _, _ in self._leaders()), default=ENOUGH)

    def _lead(self) -> tuple[FromClause, Node]:
        """Return the candidates to begin with, and what is left to ask of them."""
        node = self._node
        parts = node.parts if isinstance(node, And) else (node,)
        for part in parts:
            if isinstance(part, UidPrefix) and part.prefix:
                return _candidates(select(run.c.id.label("run"), run.c.time).where(uid_begins(part.prefix))), node
        length, answer, part = min(self._leaders(), key=lambda leader: leader[0], default=(ENOUGH, Answer(), node))
        slices = [slice for slice in answer.sure + answer.maybe if self._lengths[slice]]
        alone = len(self._answers.get(id(part), ())) == 1 and not any(self._lengths[slice] for slice in answer.maybe)
        rest = And(tuple(other for other in parts if other is not part)) if alone else node
        entries = select(term.c.run, term.c.time).where(or_(false(), *map(inside, slices)))
        if len(slices) == 1 and isinstance(slices[0], Points) and len(slices[0].values) == 1:
            return entries.subquery("d"), rest  # newest first as it stands
        if slices and length < ENOUGH:
            return (entries.subquery("d") if self._one_each(slices) else _candidates(entries.distinct())), rest
        return _everything(), node

    def _one_each(self, slices: list[Slice]) -> bool:
        """Tell whether a run can be in these slices only once."""
        if len(slices) > 1 or isinstance(slices[0], Points):
            return False
        several = Points(slices[0].place, (SEVERAL,))
        return not self._measure({several})[several]

    def _ordered(self, plan: Plan, order: Order) -> Select[Any]:
        """Return the statement for the ids of the runs found, in this order."""
        statement = _of(plan)
        keys, direction = up_to_time(order)
        for key, way in keys:
            value = _first_values(key)
            statement = statement.outerjoin(value, value.c.run == plan.source.c.run)
            statement = statement.order_by(nulls_last(value.c.value.asc() if way > 0 else value.c.value.desc()))
        columns = plan.source.c.time, plan.source.c.run
        return statement.order_by(*(column.asc() if direction > 0 else column.desc() for column in columns))

    def _first(self, statement: Select[Any], wanted: int) -> tuple[list[int], bool]:
        """Return the first ids that the documents confirm; and whether these are all, or as many as wanted."""
        found: list[int] = []
        seen = 0
        for number, start, stop in self._judged(statement.limit(PATIENCE), judge=False):
            seen += 1
            if self._query.matches(start, stop):
                found.append(number)
            if len(found) >= wanted:
                return found, True
        return found, seen < PATIENCE

    def _judged(self, statement: Select[Any], judge: bool = True) -> Iterator[Judged]:
        """Yield the runs of a statement with their documents, only those that satisfy the query if told to judge."""
        with self._connection.scalars(statement.execution_options(yield_per=AT_ONCE)) as found:
            for numbers in found.partitions():
                # looked up apart: beside the ids, the database would read the documents of every run that it sorts
                rows = self._connection.execute(select(run.c.id, run.c.start, run.c.stop).where(run.c.id.in_(numbers)))
                texts = {row.id: (row.start, row.stop) for row in rows}
                for number in filter(texts.__contains__, numbers):  # what was removed meanwhile is left out
                    start_text, stop_text = texts[number]
                    start, stop = read_json(start_text), read_json(stop_text) if stop_text else None
                    if not judge or self._query.matches(start, stop):
                        yield number, start, stop


def _of(plan: Plan) -> Select[Any]:
    return select(plan.source.c.run).where(plan.condition)


def _everything() -> FromClause:
    return select(run.c.id.label("run"), run.c.time).subquery("d")


def _candidates(statement: Select[Any]) -> FromClause:
    # materialized: otherwise the database may walk all runs in order and look each up among the candidates
    return statement.cte("d").prefix_with("MATERIALIZED")


def _first_values(key: Key) -> Subquery:
    """Return the least scalar value that each run has at a key."""
    scalars = or_(*(inside(Span(place(key), low, high)) for low, high in SCALARS))
    rank = func.row_number().over(partition_by=term.c.run, order_by=term.c.value).label("rank")
    ranked = select(term.c.run, term.c.value, rank).where(scalars).subquery()
    return select(ranked.c.run, ranked.c.value).where(ranked.c.rank == 1).subquery()
