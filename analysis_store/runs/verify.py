"""A run compared with its digests, key by key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis_store.errors import AnalysisStoreError

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.runs.run import Run


@dataclass(frozen=True, slots=True)
class Report:
    """What verifying a run has found; true when all is well."""

    run: str
    """The uid."""

    checked: int
    """How many keys were read and agree with their digest."""

    faults: tuple[str, ...] = ()
    """What is wrong, each naming run, stream and key."""

    def __bool__(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        if self:
            return f"run {self.run}: {self.checked} keys agree with their digests"
        return "\n".join(self.faults)


def verify(run: Run) -> Report:
    """Read every key of a run and compare it with the digest that its documents carry."""
    faults: list[str] = []
    checked = 0
    try:
        faults += _documents(run)
    except AnalysisStoreError as error:
        return Report(run.uid, 0, (f"run {run.uid}: {error}",))
    for entry in run.digests:
        fault = _compare(run, entry)
        checked += not fault
        if fault:
            faults.append(f"run {run.uid}, stream {entry['stream']!r}, key {entry['data_key']!r}: {fault}")
    return Report(run.uid, checked, tuple(faults))


def _documents(run: Run) -> list[str]:
    """Return where the file's documents differ from the catalog's."""
    faults = []
    for name, ours in (("start", run.start), ("stop", run.stop)):
        theirs = getattr(run.content, name)
        if not _same(ours, theirs):
            faults.append(f"run {run.uid}: the {name} document of {run.file} is not the one in the catalog")
    return faults


def _same(one: Any, other: Any) -> bool:
    from analysis_store.documents import dumps

    return dumps(one) == dumps(other)  # NaN equals itself here


def _compare(run: Run, entry: Document) -> str | None:
    """Return what is wrong with one key, or None."""
    try:
        found = run[entry["stream"]][entry["data_key"]].digest()
    except AnalysisStoreError as error:
        return str(error)
    expected = f"{entry['algorithm']}:{entry['digest']}"
    return None if found == expected else f"the values have the digest {found}, not {expected}: they were changed"
