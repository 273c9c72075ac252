"""The different strings at a key, when they are few: then a pattern is tried on them, not on every run's documents."""

from __future__ import annotations

from sqlalchemy import Connection, select

from analysis_store.catalogs.nodes import Contains, Leaf, Regex
from analysis_store.catalogs.slices import Answer, Points, Span
from analysis_store.catalogs.sql_schema import term
from analysis_store.catalogs.terms import VALUE, is_cut, text_of

FEW_VALUES = 400
"""More different strings than this at one key are not tried one by one."""


def settle(connection: Connection, leaf: Leaf, answer: Answer) -> Answer:
    """Return a surer answer for a pattern or a part of a string, if the strings at its key are few."""
    spans = [slice for slice in answer.maybe if isinstance(slice, Span)]
    if len(spans) != 1 or not isinstance(leaf, (Regex, Contains)):
        return answer
    values = _values(connection, spans[0])
    if len(values) > FEW_VALUES:
        return answer
    cut = tuple(value for value in values if is_cut(value[len(VALUE) :]))
    whole = tuple(value for value in values if value not in cut and leaf.accepts(text_of(value[len(VALUE) :])))
    rest = tuple(slice for slice in answer.maybe if slice is not spans[0])
    where = spans[0].place
    sure = (Points(where, whole),) if whole else ()
    return Answer(answer.sure + sure, rest + ((Points(where, cut),) if cut else ()))


def _values(connection: Connection, span: Span) -> list[bytes]:
    """Return the different values in a span, up to one more than `FEW_VALUES`, leaping from one to the next."""
    following = select(term.c.value).where(term.c.place == span.place, term.c.value < span.high)
    following = following.order_by(term.c.value).limit(1)
    found = select(following.where(term.c.value >= span.low).scalar_subquery().label("value")).cte(recursive=True)
    after = following.where(term.c.value > found.c.value).correlate(found).scalar_subquery()
    found = found.union_all(select(after).where(found.c.value.is_not(None)))
    statement = select(found.c.value).where(found.c.value.is_not(None)).limit(FEW_VALUES + 1)
    return list(connection.scalars(statement))
