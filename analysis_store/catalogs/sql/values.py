"""The distinct strings at a key: a pattern is tried on each of them once, not on the documents of every run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Connection, select

from analysis_store.catalogs.query.nodes import Contains, Leaf, Regex
from analysis_store.catalogs.query.slices import Answer, Points, Span
from analysis_store.catalogs.query.terms import VALUE, is_cut, text_of
from analysis_store.catalogs.sql.schema import term

FEW_VALUES = 400
"""Number of distinct strings at a key that are tried before runs are read; more only if necessary."""

_AT_ONCE = 5000


def settle(connection: Connection, leaf: Leaf, answer: Answer, *, few: bool) -> Answer:
    """Return a more exact answer for a pattern or a part of a string, from the strings at its key.

    Parameters
    ----------
    few : bool
        Leave the answer unchanged if there are more than `FEW_VALUES` strings.
    """
    spans = [slice for slice in answer.maybe if isinstance(slice, Span)]
    if len(spans) != 1 or not isinstance(leaf, (Regex, Contains)):
        return answer
    values: Iterable[bytes] = _first_values(connection, spans[0]) if few else _values(connection, spans[0])
    if isinstance(values, list) and len(values) > FEW_VALUES:
        return answer
    cut, whole = list[bytes](), list[bytes]()
    for value in values:
        if is_cut(value[len(VALUE) :]):
            cut.append(value)
        elif leaf.accepts(text_of(value[len(VALUE) :])):
            whole.append(value)
    rest = tuple(slice for slice in answer.maybe if slice is not spans[0])
    where = spans[0].place
    sure = (Points(where, tuple(whole)),) if whole else ()
    return Answer(answer.sure + sure, rest + ((Points(where, tuple(cut)),) if cut else ()))


def _first_values(connection: Connection, span: Span) -> list[bytes]:
    """Return the distinct values in a span, up to one more than `FEW_VALUES`, skipping from one to the next."""
    following = select(term.c.value).where(term.c.place == span.place, term.c.value < span.high)
    following = following.order_by(term.c.value).limit(1)
    found = select(following.where(term.c.value >= span.low).scalar_subquery().label("value")).cte(recursive=True)
    after = following.where(term.c.value > found.c.value).correlate(found).scalar_subquery()
    found = found.union_all(select(after).where(found.c.value.is_not(None)))
    statement = select(found.c.value).where(found.c.value.is_not(None)).limit(FEW_VALUES + 1)
    return list(connection.scalars(statement))


def _values(connection: Connection, span: Span) -> Iterator[bytes]:
    """Yield all distinct values in a span."""
    inside = select(term.c.value).where(term.c.place == span.place, term.c.value >= span.low, term.c.value < span.high)
    with connection.scalars(inside.distinct().execution_options(yield_per=_AT_ONCE)) as found:
        yield from found
