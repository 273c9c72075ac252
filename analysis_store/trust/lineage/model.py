"""The lineage graph around a run, as a value that can be drawn in several forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis_store.trust.lineage.graph import Graph

if TYPE_CHECKING:
    from analysis_store.documents import Document


@dataclass(frozen=True, slots=True)
class Lineage(Graph):
    """Ancestors and descendants of a run.

    Examples
    --------
    >>> print(store.lineage(run.uid))  # doctest: +SKIP
    """

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
        """Return it as JSON."""
        edges = [{"child": child, "parent": parent} for child, parent in self.edges]
        return {"uid": self.uid, "runs": [member.to_dict() for member in self.members.values()], "edges": edges}

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return self.to_svg()
