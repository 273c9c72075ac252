"""Findings: what is wrong with a store, or worth knowing of it, each with what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from analysis_store.documents import Document

FAULTS = {
    "missing": "the file of a run is not there",
    "unsafe": "the file of a run is a link, a folder or a device, or lies outside the root",
    "damaged": "a run file cannot be read, or its values are not those that were stored",
    "exchanged": "a run file holds another run than its name says",
    "documents": "the documents in a run file are not those in the catalog",
    "external": "data that a run refers to are gone, or are not what they were",
    "edge": "a parent is neither here nor in the sources of the store, and was not declared to be external",
    "index": "the index of the catalog, by which runs are found, is not what the documents give",
    "catalog": "the catalog itself is damaged: an answer of it may be wrong, or missing",
    "orphan": "a whole run file is not in the catalog",
    "damaged-orphan": "a run file is not in the catalog, and cannot be taken into it",
    "duplicate": "two files hold the same run, or two stores hold different runs of one uid",
    "unindexed": "a note is in the log only",
    "unlogged": "a note is in the catalog only",
    "removal": "the removal of a run was cut short",
    "bundle": "a bundle, or a file in it, is not what it says",
}
"""The kinds of what is wrong."""

REMARKS = {
    "input": "a file that a run was made from is gone or was changed; it is not ours, and the run is whole",
    "scratch": "a writer that died left a file",
    "live": "a recording was never ended, because its writer died",
    "lock": "the lock of something that is not there any more",
    "claim": "a claim that nobody holds",
    "note": "a note is on a run that is not here",
    "torn": "a line of a log was torn when its writer died",
    "foreign": "a file that is not ours",
    "link": "a symbolic link, which is not followed",
    "stub": "a run is known by its documents only; its file is elsewhere",
    "repaired": "something was wrong, and was mended just now",
}
"""The kinds of what is not wrong, but worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that somebody should know of.

    The kind is one of `FAULTS` (``missing``, ``unsafe``, ``damaged``, ``exchanged``, ``documents``, ``external``,
    ``edge``, ``index``, ``catalog``, ``orphan``, ``damaged-orphan``, ``duplicate``, ``unindexed``, ``unlogged``,
    ``removal``, ``bundle``) or of `REMARKS` (``input``, ``scratch``, ``live``, ``lock``, ``claim``, ``note``, ``torn``,
    ``foreign``, ``link``, ``stub``, ``repaired``).
    """

    kind: str
    """What it is, for a program."""

    subject: str
    """The uid of the run it is about; else a path, relative to the root."""

    what: str
    """What was found, for a person."""

    advice: str
    """What to do about it."""

    repairable: bool = False
    """Whether ``check(repair=True)`` mends it."""

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong; else it is only worth knowing."""
        return self.kind in FAULTS

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {**asdict(self), "fault": self.is_fault}

    def __str__(self) -> str:
        return f"{self.kind}: {self.subject}: {self.what}; {self.advice}"


def findings_text(findings: Iterable[Finding]) -> str:
    """Return findings grouped by kind, the faults first; each kind says what it means, and once what to do."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.advice), []).append(finding)
    lines = []
    for (kind, advice), found in sorted(groups.items(), key=lambda item: (item[0][0] not in FAULTS, item[0])):
        lines.append(f"{kind} ({len(found)}): {(FAULTS | REMARKS).get(kind, '')}")
        lines += [f"  {finding.subject}: {finding.what}" for finding in found]
        lines.append(f"  -> {advice}")
    return "\n".join(lines)
