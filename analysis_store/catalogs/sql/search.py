"""Search of runs in a SQL catalog, reading no more of it than is shown.

Each condition becomes slices of the term index, and the length of each slice is counted up to `ENOUGH`. Then
the shortest slice leads and the other conditions are looked up entry by entry. If every slice is long, hits may be
frequent, so the runs are walked for a while in the requested order, then those of the shortest slice;
only then is everything looked up. A pattern is tried on the documents of the runs that are walked, then on the
distinct values in the index.
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

from analysis_store.catalogs.query.nodes import And, Key, Leaf, Node, Or, UidPrefix
from analysis_store.catalogs.query.scalars import TIME, Order, by_count, scalars, tally, up_to_time
from analysis_store.catalogs.query.slices import SCALARS, Answer, Points, Slice, Span, answers, gather, leaves
from analysis_store.catalogs.query.terms import MANY, SEVERAL, place
from analysis_store.catalogs.records import read_json
from analysis_store.catalogs.sql.conditions import Conditions, inside, uid_begins
from analysis_store.catalogs.sql.schema import run, term
from analysis_store.catalogs.sql.values import FEW_VALUES, settle

if TYPE_CHECKING:
    from analysis_store.catalogs.query.nodes import Scalar
    from analysis_store.catalogs.query.query import Query

ENOUGH = 20_000
"""A slice with this many entries is long: sorting it costs more than walking the runs."""

FEW = 2_000
"""For up to this many candidates, reading their documents is faster than looking into a long slice."""

PATIENCE = 300
"""Number of candidates tested without a hit before the method changes; each hit allows as many again."""

AT_ONCE = 64
"""Number of candidates whose documents are read at once."""

MOST_LEAVES = 100
"""A query with more conditions than this is tested on the documents; databases limit the depth of a statement."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Plan of a query: the candidates, their conditions, and whether these are exact."""

    source: FromClause
    """Candidates, with the columns ``run`` and ``time``."""

    condition: ColumnElement[bool]
    exact: bool


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
        # by identity: leaves may hold lists, which are not hashable
        self._answers = {} if self._vague else {id(leaf): answers(leaf) for leaf in found}
        self._lengths = self._measure(self._slices())
        self._leaves = found if self._answers else []
        self._settle(few=True)

    def ids(self, order: Order, offset: int, limit: int | None) -> list[int]:
        """Return a page of the ids of the hits, in this order."""
        stop = None if limit is None else offset + limit
        if stop is not None and all(key == TIME for key, _ in order):
            length, lead, _ = self._shortest()
            is_sure = length >= ENOUGH and lead.sure and not any(self._lengths[slice] for slice in lead.maybe)
            for long in (False, True) if is_sure else (False,):  # testing doubtful runs is faster than sorting them
                plan = self._plan(lazy=True, long=long)
                if plan.exact or self._lead_length() < FEW:
                    return self._page(plan, order, offset, stop)
                found, complete = self._first(plan, order, stop)
                if complete:
                    return found[offset:]
        self._settle()
        return self._page(self._plan(lazy=False, long=True), order, offset, stop)

    def _page(self, plan: Plan, order: Order, offset: int, stop: int | None) -> list[int]:
        statement = self._ordered(plan, order)
        if plan.exact:
            limit = None if stop is None else stop - offset
            return list(self._connection.scalars(statement.limit(limit).offset(offset)))
        return [number for number, _, _ in islice(self._judged(statement), offset, stop)]

    def count(self, limit: int | None = None) -> int:
        """Return the number of hits, at most ``limit``."""
        if limit is not None and limit <= PATIENCE:
            return len(self.ids((), 0, limit))  # a list of the first few needs their number, which is usually the limit
        self._settle()
        plan = self._plan(lazy=False, long=True)
        if plan.exact:
            found = select(true()).select_from(plan.source).where(plan.condition).limit(limit).subquery()
            return int(self._connection.scalar(select(func.count()).select_from(found)) or 0)
        return sum(1 for _ in islice(self._judged(_of(plan)), limit))

    def distinct(self, key: Key) -> list[tuple[Scalar, int]]:
        """Return the scalar values at a key among the hits with their counts, the most frequent first."""
        many = Points(place(key), (MANY,))
        self._settle()
        plan = self._plan(lazy=False, long=False)
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
        """Yield a value from its document (a term does not distinguish 300 from 300.0); none if the run is gone."""
        for start, stop in self._connection.execute(select(run.c.start, run.c.stop).where(run.c.id == number)):
            found = scalars(key, read_json(start), stop and read_json(stop))
            yield from (found[term] for term in (value[1:],) if term in found)  # run numbers are reused

    def _slices(self) -> set[Slice]:
        return {s for several in self._answers.values() for answer in several for s in answer.sure + answer.maybe}

    def _settle(self, *, few: bool = False) -> None:
        """Make the answers more exact by the values in the index; with ``few`` only if these are few."""
        if not few and self._lead_length() < FEW:
            return  # testing few candidates is faster
        for leaf in self._leaves:
            self._answers[id(leaf)] = [self._settled(leaf, answer, few) for answer in self._answers[id(leaf)]]
        self._lengths |= self._measure(self._slices() - self._lengths.keys())

    def _settled(self, leaf: Leaf, answer: Answer, few: bool) -> Answer:
        doubtful = sum(self._lengths[slice] for slice in answer.maybe)
        return settle(self._connection, leaf, answer, few=few) if doubtful > FEW_VALUES else answer

    def _measure(self, slices: set[Slice], enough: int | None = ENOUGH) -> dict[Slice, int]:
        """Return the length of each slice, counted up to `ENOUGH`, in one statement."""
        ordered = list(slices)
        entries = [select(term.c.run).where(inside(slice)).limit(enough).subquery() for slice in ordered]
        counts = [select(func.count()).select_from(those).scalar_subquery() for those in entries]
        row = self._connection.execute(select(*counts)).one() if counts else ()
        return dict(zip(ordered, row, strict=True))

    def _plan(self, *, lazy: bool, long: bool) -> Plan:
        """Return the plan of the query.

        Parameters
        ----------
        lazy : bool
            Leave out long slices.
        long : bool
            Let the shortest slice lead, at any length.
        """
        if self._vague:
            return Plan(_everything(), true(), exact=False)
        if long and self._lead_length() >= ENOUGH:
            leading = {s for _, answer, _ in self._leaders() for s in answer.sure + answer.maybe}
            self._lengths |= self._measure(leading, None)
        source, rest = self._lead(long=long)
        conditions = Conditions(source, self._answers, self._lengths, ENOUGH, lazy=lazy or self._lead_length() < FEW)
        condition = conditions.of(rest)
        return Plan(source, condition, conditions.exact)

    def _leaders(self) -> Iterator[tuple[int, Answer, Node]]:
        node = self._node
        for part in node.parts if isinstance(node, And) else (node,):
            for answer in self._ways(part):
                yield self._length(answer), answer, part

    def _ways(self, node: Node) -> list[Answer]:
        """Return the answers that each cover all runs that satisfy a part of the query."""
        if isinstance(node, And):
            return [answer for part in node.parts for answer in self._ways(part)]
        if not isinstance(node, Or):
            return self._answers.get(id(node), [])
        several = [self._ways(part) for part in node.parts]
        if not all(several):
            return []
        best = [min(ways, key=self._length) for ways in several]
        return [Answer(tuple(s for one in best for s in one.sure), tuple(s for one in best for s in one.maybe))]

    def _length(self, answer: Answer) -> int:
        return sum(self._lengths[slice] for slice in answer.sure + answer.maybe)

    def _lead_length(self) -> int:
        return self._shortest()[0]

    def _shortest(self) -> tuple[int, Answer, Node]:
        return min(self._leaders(), key=lambda leader: leader[0], default=(ENOUGH, Answer(), self._node))

    def _lead(self, *, long: bool) -> tuple[FromClause, Node]:
        """Return the candidates to begin with, and the remaining conditions."""
        node = self._node
        parts = node.parts if isinstance(node, And) else (node,)
        for part in parts:
            if isinstance(part, UidPrefix) and part.prefix:
                return _candidates(select(run.c.id.label("run"), run.c.time).where(uid_begins(part.prefix))), node
        length, answer, part = self._shortest()
        slices = [slice for slice in answer.sure + answer.maybe if self._lengths[slice]]
        alone = len(self._answers.get(id(part), ())) == 1 and not any(self._lengths[slice] for slice in answer.maybe)
        rest = And(tuple(other for other in parts if other is not part)) if alone else node
        entries = select(term.c.run, term.c.time).where(or_(false(), *map(inside, slices)))
        if len(slices) == 1 and isinstance(slices[0], Points) and len(slices[0].values) == 1:
            return entries.subquery("d"), rest  # already newest first
        if slices and (long or length < ENOUGH):
            return (entries.subquery("d") if self._one_each(slices) else _candidates(entries.distinct())), rest
        return _everything(), node

    def _one_each(self, slices: list[Slice]) -> bool:
        """Return True if a run can occur only once in these slices."""
        if len(slices) > 1 or isinstance(slices[0], Points):
            return False
        several = Points(slices[0].place, (SEVERAL,))
        return not self._measure({several})[several]

    def _ordered(self, plan: Plan, order: Order) -> Select[Any]:
        """Return the statement for the ids of the hits, in this order."""
        statement = _of(plan)
        keys, direction = up_to_time(order)
        for key, way in keys:
            value = _first_values(key)
            statement = statement.outerjoin(value, value.c.run == plan.source.c.run)
            statement = statement.order_by(nulls_last(value.c.value.asc() if way > 0 else value.c.value.desc()))
        columns = plan.source.c.time, plan.source.c.run
        return statement.order_by(*(column.asc() if direction > 0 else column.desc() for column in columns))

    def _first(self, plan: Plan, order: Order, wanted: int) -> tuple[list[int], bool]:
        """Return the first ids that the documents confirm; and whether these are all, or the number wanted."""
        found: list[int] = []
        most = PATIENCE * (1 + wanted)
        seen = 0
        for number, start, stop in self._judged(self._ordered(plan, order).limit(most), judge=False):
            if len(found) >= wanted or seen >= PATIENCE * (1 + len(found)):
                return found, len(found) >= wanted
            seen += 1
            if self._query.matches(start, stop):
                found.append(number)
        return found, len(found) >= wanted or seen < most

    def _judged(self, statement: Select[Any], judge: bool = True) -> Iterator[Judged]:
        """Yield the runs of a statement with their documents; with ``judge``, only those that satisfy the query."""
        with self._connection.scalars(statement.execution_options(yield_per=AT_ONCE)) as found:
            for numbers in found.partitions():
                # a separate statement: otherwise the database would read the documents of every run that it sorts
                rows = self._connection.execute(select(run.c.id, run.c.start, run.c.stop).where(run.c.id.in_(numbers)))
                texts = {row.id: (row.start, row.stop) for row in rows}
                for number in filter(texts.__contains__, numbers):  # runs removed meanwhile are left out
                    start_text, stop_text = texts[number]
                    start, stop = read_json(start_text), read_json(stop_text) if stop_text else None
                    if not judge or self._query.matches(start, stop):
                        yield number, start, stop


def _of(plan: Plan) -> Select[Any]:
    return select(plan.source.c.run).where(plan.condition)


def _everything() -> FromClause:
    return select(run.c.id.label("run"), run.c.time).subquery("d")


def _candidates(statement: Select[Any]) -> FromClause:
    # materialized: otherwise the database may walk all runs in order and look up each among the candidates
    return statement.cte("d").prefix_with("MATERIALIZED")


def _first_values(key: Key) -> Subquery:
    """Return the least scalar value of each run at a key."""
    scalars = or_(*(inside(Span(place(key), low, high)) for low, high in SCALARS))
    rank = func.row_number().over(partition_by=term.c.run, order_by=term.c.value).label("rank")
    ranked = select(term.c.run, term.c.value, rank).where(scalars).subquery()
    return select(ranked.c.run, ranked.c.value).where(ranked.c.rank == 1).subquery()
