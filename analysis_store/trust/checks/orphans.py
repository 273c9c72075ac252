"""Files named as run files without a run in the catalog: complete ones, damaged ones, and foreign ones."""

from __future__ import annotations

import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store import layout
from analysis_store.catalogs.records import check_names
from analysis_store.documents import validate
from analysis_store.errors import AnalysisStoreError, DamagedFileError, RunNotFoundError
from analysis_store.hdf5.opening import find_group, reading, text_attribute
from analysis_store.provenance import Provenance
from analysis_store.runs.notes.removal_records import quarantined
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.run import Run
from analysis_store.runs.read.verify import faults_of
from analysis_store.trust.checks.run_check import ADVICE, Checked
from analysis_store.trust.findings import Finding

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.run_store import RunStore

_MOMENT = 1.0
"""Seconds in which a saver puts a file that has its name into the catalog."""


@dataclass(slots=True)
class OrphanCheck:
    """Checks files named as run files without a run in the catalog."""

    store: RunStore
    values: bool

    def __call__(self, paths: list[str]) -> Checked:
        """Return the findings for these files."""
        result = Checked()
        for path in paths:
            finding = self._found(path)
            if finding is not None:
                result.findings.append(finding)
                result.counts["orphans"] += finding.kind in ("orphan", "damaged-orphan", "duplicate")
        return result

    def _found(self, path: str) -> Finding | None:
        file = self.store.root / path
        if not _settled(file):
            return None
        try:
            if not is_ordinary(file):
                return Finding("foreign", path, "it is not an ordinary file", "move it out of the store, or leave it")
            if not is_run_file(file):
                return Finding("foreign", path, "it is HDF5, but no run file", "move it out of the store, or leave it")
            record = record_of(file, path)
            if (other := self._known(record.uid)) is not None:
                return None if other.path == path else _twin(path, other)
            if quarantined(self.store.root, record.uid) is not None:
                return None  # it is being deleted or restored; interrupted deletions are reported elsewhere
            return self._orphan(record)
        except AnalysisStoreError as error:
            if not file.exists():
                return None
            return Finding("damaged-orphan", path, str(error), "restore it from a backup, or move it out of the store")

    def _known(self, uid: str) -> RunRecord | None:
        try:
            return self.store.catalog.get(uid)
        except RunNotFoundError:
            return None

    def _orphan(self, record: RunRecord) -> Finding:
        if (astray := misplaced(record)) is not None:
            return astray
        wrong = [str(fault) for fault in faults_of(Run(record, self.store.context), values=self.values)]
        if wrong:
            advice = "restore it from a backup, or move it out of the store"
            return Finding("damaged-orphan", record.path, f"it holds run {record.uid}: {'; '.join(wrong)}", advice)
        what = f"the file of run {record.uid} is whole, and not in the catalog"
        return Finding("orphan", record.path, what, "check with repair, which takes it into the catalog", True)


def misplaced(record: RunRecord) -> Finding | None:
    """Return the finding for a run whose file is not at the location in its resources."""
    place = layout.run_path(record.uid, record.start["time"]).as_posix()
    if place == record.path:
        return None
    what = f"it holds run {record.uid}, whose place is {place}"
    return Finding("damaged-orphan", record.path, what, ADVICE["exchanged"])


def _twin(path: str, other: RunRecord) -> Finding:
    what = f"it holds run {other.uid}, whose file is {other.path}"
    return Finding("duplicate", path, what, "compare the two, and move this one out of the store")


def record_of(file: Path, path: str) -> RunRecord:
    """Return the catalog record of a run file that the catalog does not have.

    Parameters
    ----------
    file : Path
        The file.
    path : str
        The same, relative to the root.

    Raises
    ------
    DamagedFileError
        The file cannot be read, or its documents are invalid: a file of the first release has no seal.
    """
    content = RunFile(file)
    try:
        record = content.record(path)
        _check_documents(record, content)
    except AnalysisStoreError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DamagedFileError(f"{file}: its documents are invalid: {error!r}") from error
    return record


def _check_documents(record: RunRecord, content: RunFile) -> None:
    """Raise for a run that no store accepts, since it would cause errors later."""
    validate("start", record.start)
    if record.stop is not None:
        validate("stop", record.stop)
    for descriptor in record.descriptors:
        validate("descriptor", descriptor)
    for resource in content.resources:
        validate("resource", resource)
    _ = "".join(record.parents)  # they are texts, or this is an error
    check_names(record)
    own = None if content.is_foreign else record.start.get("provenance")  # in foreign ones it may be anything
    Provenance.from_document(record.beside.get("provenance") or own)
    for entry in record.beside.get("digests") or (record.stop or {}).get("digests") or ():
        _ = {entry[name] for name in ("stream", "data_key", "algorithm", "digest")}


def is_ordinary(file: Path) -> bool:
    """Return True if a file can be opened without waiting: opening a pipe waits for a writer."""
    try:
        return stat.S_ISREG(file.lstat().st_mode)
    except OSError:  # opening it gives a better error
        return True


def is_run_file(file: Path) -> bool:
    """Return True if an HDF5 file is marked as a run file.

    Raises
    ------
    DamagedFileError
        The file is not HDF5, or cannot be opened.
    """
    with reading(str(file)) as opened:
        return text_attribute(find_group(opened, "/"), layout.LAYOUT_ATTRIBUTE) is not None


def _settled(file: Path) -> bool:
    """Wait until a process that has just named a file has added it to the catalog; return False if it is gone."""
    try:
        age = time.time() - file.lstat().st_ctime
        if 0 <= age < _MOMENT:
            time.sleep(_MOMENT - age)
        return file.exists()
    except OSError:
        return False
