"""Lineage graph: breadth-first walk of its edges from some runs, level by level."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

Edge = tuple[str, str]
"""Uids of a run and of one of its parents."""


def nearest(
    starts: Iterable[str], near: Mapping[str, Sequence[str]], limit: int | None = None
) -> list[tuple[str, int]]:
    """Return the uids that a walk reaches, each once with the least number of steps, without the starting ones.

    Parameters
    ----------
    starts : iterable of str
        Uids.
    near : mapping
        Neighbours of each uid, in the order of the result.
    limit : int, optional
        Return at most this number, the nearest.
    """
    found = dict.fromkeys(starts, 0)
    waiting = list(found)
    own = len(waiting)
    for uid in waiting:  # grows during the loop
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
    """Return every edge that a walk meets, with one request for the edges of all runs of a level.

    ``end`` is the end of an edge that forms the next level: 0 for children, 1 for parents.
    """
    level = list(dict.fromkeys(starts))
    seen, found = set(level), list[Edge]()
    while level:
        met = list(edges_at(level))
        found += met
        level = [uid for uid in dict.fromkeys(edge[end] for edge in met) if uid not in seen]
        seen.update(level)
    return found
