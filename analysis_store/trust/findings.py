"""Findings: faults of a store, and remarks, each with advice."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis_store.documents import Document

FAULTS = {
    "missing": "the file of a run is not there",
    "unsafe": "the file of a run is a link, a folder or a device, or is outside the root",
    "damaged": "a run file cannot be read, or its values are not those that were stored",
    "exchanged": "a run file holds another run than its name says",
    "documents": "the documents in a run file are not those in the catalog",
    "external": "data that a run refers to are gone or were changed",
    "edge": "a parent is neither here nor in the sources of the store, and was not declared to be external",
    "index": "the index of the catalog does not match the documents",
    "catalog": "the catalog itself is damaged: an answer of it may be wrong, or missing",
    "orphan": "a whole run file is not in the catalog",
    "damaged-orphan": "a run file is not in the catalog, and cannot be taken into it",
    "duplicate": "two files hold the same run, or two stores hold different runs of one uid",
    "unindexed": "a note is in the log only",
    "unlogged": "a note is in the catalog only",
    "removal": "the removal of a run was cut short",
    "bundle": "a bundle, or a file in it, does not match its manifest",
}
"""The kinds of faults."""

REMARKS = {
    "input": "an input file of a run is gone or was changed; it is not ours, and the run is complete",
    "scratch": "a writer that died left a file",
    "live": "a recording was never ended, because its writer died",
    "lock": "the lock of something that is not there any more",
    "claim": "a claim that no process holds",
    "note": "a note is on a run that is not here",
    "torn": "a line of a log was torn when its writer died",
    "foreign": "a file that is not ours",
    "link": "a symbolic link, which is not followed",
    "stub": "a run is known by its documents only; its file is elsewhere",
    "repaired": "a fault that was just repaired",
}
"""The kinds of remarks that are not faults."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A fault or a remark.

    The kind is one of `FAULTS` (``missing``, ``unsafe``, ``damaged``, ``exchanged``, ``documents``, ``external``,
    ``edge``, ``index``, ``catalog``, ``orphan``, ``damaged-orphan``, ``duplicate``, ``unindexed``, ``unlogged``,
    ``removal``, ``bundle``) or of `REMARKS` (``input``, ``scratch``, ``live``, ``lock``, ``claim``, ``note``, ``torn``,
    ``foreign``, ``link``, ``stub``, ``repaired``).
    """

    kind: str
    """Kind, for programs."""

    subject: str
    """The uid of the run it is about; else a path, relative to the root."""

    what: str
    """Description, for people."""

    advice: str
    """Advice."""

    repairable: bool = False
    """True if ``check(repair=True)`` repairs it."""

    @property
    def is_fault(self) -> bool:
        """True for a fault; else it is a remark."""
        return self.kind in FAULTS

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {**asdict(self), "fault": self.is_fault}

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.what}; {self.advice}"


def findings_text(findings: Iterable[Finding]) -> str:
    """Return findings grouped by kind, the faults first; each kind with its meaning and advice once."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.advice), []).append(finding)
    lines = []
    for (kind, advice), found in sorted(groups.items(), key=lambda item: (item[0][0] not in FAULTS, item[0])):
        lines.append(f"{kind} ({len(found)}): {(FAULTS | REMARKS).get(kind, '')}")
        lines += [f"  {finding.subject}: {finding.what}" for finding in found]
        lines.append(f"  -> {advice}")
    return "\n".join(lines)
