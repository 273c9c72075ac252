"""The graph of lineage about a run: who came from whom, as a value that can be drawn in several forms."""

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
class Lineage:
    """What a run came from and what came of it.

    Examples
    --------
    >>> print(store.lineage(run.uid))  # doctest: +SKIP
    """

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

    def to_text(self) -> str:
        """Return it as text: a tree up and a tree down, in which nothing is drawn twice with all that hangs on it."""
        from analysis_store.trust.lineage.render_text import text

        return text(self)

    def to_dot(self) -> str:
        """Return it in the language of Graphviz."""
        from analysis_store.trust.lineage.render_text import dot

        return dot(self)

    def to_mermaid(self) -> str:
        """Return it as a flowchart of Mermaid."""
        from analysis_store.trust.lineage.render_text import mermaid

        return mermaid(self)

    def to_svg(self) -> str:
        """Return it as a picture: ancestors on the left, descendants on the right."""
        from analysis_store.trust.lineage.render_svg import svg

        return svg(self)

    def to_prov(self) -> Document:
        """Return it as a document of W3C PROV-JSON."""
        from analysis_store.trust.lineage.prov_json import prov_document

        return prov_document(member.record for member in self.members.values() if member.record is not None)

    def to_dict(self) -> Document:
        """Return it as JSON has it."""
        edges = [{"child": child, "parent": parent} for child, parent in self.edges]
        return {"uid": self.uid, "runs": [member.to_dict() for member in self.members.values()], "edges": edges}

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_svg()
