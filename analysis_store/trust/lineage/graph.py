"""The graph of lineage about a run: its members, and the edges from child to parent."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from analysis_store.catalogs.kinship import Edge, downwards, upwards
from analysis_store.runs.read.show import made_by, when

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document


@dataclass(frozen=True, slots=True)
class Member:
    """One run in a graph."""

    uid: str
    """Uid of its start document."""

    depth: int
    """Number of steps: negative for ancestors of the run in the middle."""

    record: RunRecord | None = field(default=None, repr=False)
    """Record in the catalog; None if the run is not in the store."""

    catalog: str | None = None
    """Location of a run that is not in the store, if known."""

    is_retracted: bool = False
    """True if it is not to be used any more."""

    @property
    def label(self) -> str:
        """The beginning of the uid, the time, the code, and the sample."""
        return "  ".join(self.words)

    @property
    def words(self) -> list[str]:
        """The parts of the label, the beginning of the uid first."""
        if self.record is None:
            return [self.uid[:8] or "?", f"in {self.catalog}" if self.catalog else "not in this store"]
        start = self.record.start
        named = [made_by(start), start.get("sample_name")]
        words = [self.uid[:8], when(start["time"]), *(each for each in named if isinstance(each, str) and each)]
        return [*words, "RETRACTED"] if self.is_retracted else words

    def to_dict(self) -> Document:
        """Return it as JSON has it."""
        told = {"uid": self.uid, "depth": self.depth, "here": self.record is not None, "retracted": self.is_retracted}
        return {**told, "label": self.label} if self.catalog is None else {**told, "catalog": self.catalog}


@dataclass(frozen=True, slots=True)
class Graph:
    """Runs and the edges between them."""

    uid: str
    """The run in the middle."""

    members: dict[str, Member]
    """All runs by uid, the nearest first; the one in the middle is the first."""

    edges: tuple[Edge, ...]
    """(child, parent), both of them members."""

    @property
    def parents(self) -> dict[str, list[str]]:
        """The parents of each."""
        return upwards(self.edges)

    @property
    def children(self) -> dict[str, list[str]]:
        """The children of each."""
        return downwards(self.edges)
