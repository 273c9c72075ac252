"""A relative of a run, an ancestor or a descendant, in this store or elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Context, Run


@dataclass(frozen=True, slots=True)
class Relative:
    """An ancestor or a descendant of a run."""

    uid: str
    """Uid of its start document."""

    depth: int
    """Number of steps; a parent or child has one."""

    here: bool
    """True if it is in this store."""

    _context: Context = field(repr=False, compare=False)

    @property
    def run(self) -> Run | None:
        """The run, read on access; None if it is not in this store."""
        from analysis_store.runs.read.run import Run

        self._context.alive()
        return Run(self._context.catalog.get(self.uid), self._context) if self.here else None

    @property
    def catalog(self) -> str | None:
        """The catalog of the run according to its first descendant; None if it is here, or unknown."""
        from analysis_store.runs.read.run import Run

        self._context.alive()
        for child in [] if self.here else self._context.catalog.children(self.uid):
            for parent in Run(self._context.catalog.get(child), self._context).provenance.parents:
                if parent.uid == self.uid and parent.catalog is not None:
                    return parent.catalog
        return None


def relatives(context: Context, found: Iterable[tuple[str, int]]) -> list[Relative]:
    """Return relatives, given their uids and how far away they are."""
    pairs = list(found)
    here = context.catalog.known(uid for uid, _ in pairs)
    return [Relative(uid, depth, uid in here, context) for uid, depth in pairs]
