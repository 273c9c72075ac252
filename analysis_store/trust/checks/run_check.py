"""Runs of the catalog checked, some at a time, by any thread or process."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import AnalysisStoreError, ProvenanceError
from analysis_store.provenance.inputs import digest_now
from analysis_store.provenance.sources import find, name_of
from analysis_store.runs.read.run import Run
from analysis_store.runs.read.verify import faults_of
from analysis_store.trust.findings import Finding

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.verify import Fault

ADVICE = {
    "missing": "put the file back from a backup; if it is lost for good, delete the run with a reason",
    "unsafe": "put the file itself in the place of the link, or restore it from a backup",
    "damaged": "restore the file from a backup; keys that are not named can be read; lost for good, delete the run",
    "exchanged": "put each file back to its place: <year>/<month>/<day>/<uid>.h5 of its start document",
    "documents": "restore the file from a backup; or reindex --all, if the catalog was changed",
    "external": "put the data back, or give their location with root_map",
    "edge": "find the run and load it, name its catalog as a source of the store, or retract its descendants",
    "input": "no action needed for this run; its result would change if computed again",
}


@dataclass(slots=True)
class Checked:
    """Findings of a worker."""

    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    referred: set[str] = field(default_factory=set)
    """Files under the root, relative to it, in which runs have data."""


@dataclass(slots=True)
class RunCheck:
    """Checks runs of the catalog; is sent to other processes."""

    store: RunStore
    drawn: Collection[str] | None
    """The uids of the runs whose values are read; None for all."""

    def __call__(self, records: list[RunRecord]) -> Checked:
        """Return the faults of some runs."""
        result = Checked()
        for run in (Run(record, self.store.context) for record in records):
            read = self.drawn is None or run.uid in self.drawn
            faults = list(faults_of(run, values=read))
            if faults and run.uid not in self.store:
                continue  # it was deleted meanwhile
            result.findings += (Finding(fault.kind, run.uid, said(fault), ADVICE[fault.kind]) for fault in faults)
            result.counts["runs"] += 1
            if all(fault.key is not None or fault.kind == "external" for fault in faults):  # its documents are whole
                result.counts["values"] += len(run.digests) if read else 0
                self._look_outside(run, result, hashed=read)
        result.findings += _edges(self.store, records)
        return result

    def _look_outside(self, run: Run, result: Checked, *, hashed: bool) -> None:
        """Check the files that the run refers to, and its inputs."""
        root = self.store.root.resolve()
        for resource in run.content.resources:
            if resource["resource_path"] != run.record.path:
                _look_at(resource, run, root, result)
        for file in run.record.provenance.get("files", ()):
            if what := changed_input(file, hashed=hashed):
                result.findings.append(Finding("input", run.uid, what, ADVICE["input"]))


def said(fault: Fault) -> str:
    """Return the text of a fault for a reader who knows the run and gets advice separately."""
    return str(fault).removesuffix(". Restore it from a copy.")


def _look_at(resource: Any, run: Run, root: Path, result: Checked) -> None:
    """Record the location of a referred file; a missing one is a fault only if its values are known."""
    try:
        file = run.locate(resource)
    except AnalysisStoreError:
        return
    if file.is_relative_to(root):
        result.referred.add(file.relative_to(root).as_posix())
    if run.content.is_foreign and not file.exists():
        what = f"{file}, to which its documents refer, does not exist"
        result.findings.append(Finding("input", run.uid, what, "give the location of the file with root_map"))


def changed_input(file: Any, *, hashed: bool) -> str | None:
    """Return the difference of an input file, None if it is unchanged.

    Parameters
    ----------
    file : mapping
        ``path``, ``size``, ``mtime`` and ``digest``, as the provenance of a run has them.
    hashed : bool
        Read the file if its time shows a possible change; else only its size is checked.
    """
    path = str(file.get("path", ""))
    try:
        found = Path(path).stat()
        if file.get("size") not in (None, found.st_size):
            return f"the input {path} has {found.st_size} bytes now, not {file['size']}"
        if file.get("digest") is None or not hashed:
            return None
        now = digest_now(path, found)
    except FileNotFoundError:
        return f"the input {path} is gone"
    except (OSError, ValueError) as error:
        return f"the input {path} cannot be read: {error}"
    return None if now == file["digest"] else f"the input {path} has the digest {now} now, not {file['digest']}"


def _edges(store: RunStore, records: list[RunRecord]) -> Iterator[Finding]:
    """Yield the parents that were there when the run was saved, and are not any more."""
    wanted = {parent for record in records for parent in record.parents}
    missing = wanted - store.catalog.known(wanted) if wanted else set()
    for record in records:
        for parent in missing.intersection(record.parents):
            if what := _lost(store, record, parent):
                yield Finding("edge", record.uid, what, ADVICE["edge"])


def _lost(store: RunStore, record: RunRecord, parent: str) -> str | None:
    """Return why a parent that the catalog lacks should exist, None if it need not."""
    entry: dict[str, Any] = next(
        (entry for entry in record.provenance.get("parents", ()) if entry.get("uid") == parent), {}
    )
    catalog = entry.get("catalog")
    if not entry.get("resolved"):
        return None  # declared external, or never found
    try:
        if find(store.sources, parent) is not None:
            return None
    except ProvenanceError as error:
        return str(error)
    if catalog is not None and catalog not in {store.location, *map(name_of, store.sources)} and not _is_gone(catalog):
        return None  # in a catalog that is not open here
    return f"its parent {parent} was in {catalog or 'a catalog that is not named'}, and is not any more"


def _is_gone(catalog: str) -> bool:
    """Return True if a catalog is named by a folder that does not exist: this store may have moved."""
    return os.path.isabs(catalog) and not Path(catalog).exists()  # noqa: PTH117
