"""Who is near of kin: the edges of lineage walked from some runs outwards, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

Edge = tuple[str, str]
"""A run, and one of those it came from."""


def nearest(
    starts: Iterable[str], near: Mapping[str, Sequence[str]], limit: int | None = None
) -> list[tuple[str, int]]:
    """Return whom a walk reaches, each once with the least number of steps to it, and nobody whom it starts from.

    Parameters
    ----------
    starts : iterable of str
        Uids.
    near : mapping
        Whom each leads to, in the order in which they are to come.
    limit : int, optional
        Only so many, the nearest.
    """
    found = dict.fromkeys(starts, 0)
    waiting = list(found)
    own = len(waiting)
    for uid in waiting:  # which grows as we go
        for other in near.get(uid, ()):
            if other not in found:
                found[other] = found[uid] + 1
                waiting.append(other)
        if limit is not None and len(waiting) - own >= limit:
            break
    return [(uid, found[uid]) for uid in waiting[own:]][:limit]


def upwards(edges: Iterable[Edge]) -> dict[str, list[str]]:
    """Return the parents of each run."""
    near: dict[str, list[str]] = {}
    for child, parent in edges:
        near.setdefault(child, []).append(parent)
    return near


def downwards(edges: Iterable[Edge]) -> dict[str, list[str]]:
    """Return the children of each run."""
    return upwards((parent, child) for child, parent in edges)


def by_levels(starts: Iterable[str], edges_at: Callable[[list[str]], Iterable[Edge]], end: int) -> list[Edge]:
    """Return every edge that a walk meets, asking once for the edges at all runs of a level.

    ``end`` is the end of an edge that the next level is made of: 0 for children, 1 for parents.
    """
    level = list(dict.fromkeys(starts))
    seen, found = set(level), list[Edge]()
    while level:
        met = list(edges_at(level))
        found += met
        level = [uid for uid in dict.fromkeys(edge[end] for edge in met) if uid not in seen]
        seen.update(level)
    return found
