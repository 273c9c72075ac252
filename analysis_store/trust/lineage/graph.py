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
    """The uid of its start document."""

    depth: int
    """How many steps it is away: negative for what the run in the middle came from."""

    record: RunRecord | None = field(default=None, repr=False)
    """What the catalog knows of it; None where it is not in the store."""

    catalog: str | None = None
    """Where a run is that is not in the store, as far as somebody says."""

    is_retracted: bool = False
    """Whether it shall not be used any more."""

    @property
    def label(self) -> str:
        """The beginning of the uid, when it was made, what made it, and of what sample."""
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
