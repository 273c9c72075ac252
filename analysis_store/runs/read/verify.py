"""A run compared with what it was: the place of its file, its documents, its values."""

from __future__ import annotations

import math
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.core.memory import SMALL_ENOUGH
from analysis_store.documents import dumps
from analysis_store.errors import AnalysisStoreError, DamagedFileError, UnknownSpecError, UnsafeFileError
from analysis_store.hdf5.opening import kept_open
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.write.save import relative_path

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run

_FIELDS = {
    "start": "the start document",
    "stop": "the stop document",
    "descriptors": "the descriptor documents",
    "parents": "the parents",
    "beside": "what is kept beside the documents",
}


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


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a run."""

    kind: str
    """``missing``, ``unsafe``, ``damaged``, ``exchanged``, ``documents`` or ``external``."""

    what: str
    """What it is; without the uid."""

    key: tuple[str, str] | None = None
    """Stream and key, where it is the values that are wrong."""

    def __str__(self) -> str:
        return self.what if self.key is None else f"stream {self.key[0]!r}, key {self.key[1]!r}: {self.what}"

    def of(self, uid: str) -> str:
        """Return it as a sentence that names the run."""
        return f"run {uid}{': ' if self.key is None else ', '}{self}"


def verify(run: Run) -> Report:
    """Read every key of a run and compare it with the digest that its documents carry; see `Run.verify`."""
    faults = list(faults_of(run))
    damaged = sum(fault.key is not None for fault in faults)
    read = len(run.digests) - damaged if damaged == len(faults) else 0
    return Report(run.uid, read, tuple(fault.of(run.uid) for fault in faults))


def faults_of(run: Run, *, values: bool = True) -> Iterator[Fault]:
    """Yield what is wrong with a run.

    Where the file is not the run's, or its documents are not, its values are not read: they would be taken for others.

    Parameters
    ----------
    run : Run
        The run; its file is read anew, and is what the run reads of from then on.
    values : bool
        Read the values, too.
    """
    try:
        found = [fault] if (fault := place_fault(run.context.root, run.record.path)) else _faults_inside(run, values)
    except AnalysisStoreError as error:
        found = [Fault("damaged", str(error))]
    yield from found


def _faults_inside(run: Run, values: bool) -> list[Fault]:
    """Return what is wrong with a file that is at its place; it is opened once for all of it."""
    with kept_open(str(run.file)):
        if faults := document_faults(run):
            return faults
        return [*_outer_faults(run), *(value_faults(run) if values else [])]


def place_fault(root: Path, path: str) -> Fault | None:
    """Return what is wrong with the place of a file: it is an ordinary one, and no link leads to it."""
    try:
        relative = relative_path(path)
        file = root / relative
        found = file.lstat()
        inside = file.parent.resolve(strict=True) == root.resolve() / relative.parent
    except UnsafeFileError as error:
        return Fault("unsafe", str(error))
    except FileNotFoundError:
        return Fault("missing", f"{root / path} is not there")
    except (OSError, ValueError) as error:
        return Fault("damaged", f"{root / path} cannot be looked at: {error}")
    if not stat.S_ISREG(found.st_mode):
        return Fault("unsafe", f"{file} is {'a link' if stat.S_ISLNK(found.st_mode) else 'no ordinary file'}")
    return None if inside else Fault("unsafe", f"{file} is not where it seems: a folder on the way to it is a link")


def document_faults(run: Run) -> list[Fault]:
    """Return where the documents of the file differ from those recorded; where they do not, the run has them."""
    try:
        fault = _document_fault(run)
    except AnalysisStoreError as error:
        return [Fault("damaged", str(error))]
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of a file that was never sealed
        return [Fault("damaged", f"the documents of {run.file} are none: {error!r}")]
    return [] if fault is None else [fault]


def _document_fault(run: Run) -> Fault | None:
    content = RunFile(run.file)
    found = content.record(run.record.path)
    if found.uid != run.uid:
        return Fault("exchanged", f"{run.file} holds run {found.uid!r}, not {run.uid!r}; it was exchanged")
    differ = [said for name, said in _FIELDS.items() if not _same(run.record, found, name)]
    if differ:
        return Fault(
            "documents",
            f"{' and '.join(differ)} of {run.file} are not those recorded for it",
        )
    if run.record.seal not in (None, found.seal):
        state = "is gone" if found.seal is None else "is another one: the times of its events were changed"
        return Fault("damaged", f"the seal that {run.file} had when it was saved {state}")
    has_its_name = run.record.path.endswith(f"/{run.file.name}")  # or the file seems to refer to another
    if has_its_name and found.more and run.record.more is False:
        return Fault("documents", f"{run.file} refers to other files, of which the catalog says that there are none")
    run.content = content
    return None


def _same(here: RunRecord, there: RunRecord, name: str) -> bool:
    """Tell whether catalog and file have the same under a name; what the catalog cannot read is not the same."""
    kept = getattr(there, name)
    try:
        return dumps(getattr(here, name)) == dumps(kept)  # NaN equals itself here
    except DamagedFileError:
        return False


def _outer_faults(run: Run) -> Iterator[Fault]:
    """Yield which of the files that lie elsewhere, and of whose values the run has a digest, are gone."""
    for resource in [] if run.content.is_foreign else run.content.resources:
        if resource["resource_path"] != run.record.path:
            try:
                file = run.locate(resource)
            except UnsafeFileError as error:
                yield Fault("external", str(error))
                continue
            if not file.exists():
                yield Fault("external", f"{file}, in which it has values, is not there")


def value_faults(run: Run, *, elsewhere: bool = True) -> list[Fault]:
    """Return which values of a run are not what they were.

    ``elsewhere`` tells whether values that other writers stored count where they cannot be read here.
    """
    with kept_open(str(run.file)):
        told = [(_value_fault(run, entry, elsewhere), entry) for entry in run.digests]
    return [Fault("damaged", fault, (entry["stream"], entry["data_key"])) for fault, entry in told if fault]


def _value_fault(run: Run, entry: Document, elsewhere: bool) -> str | None:
    """Return what is wrong with one key, or None."""
    try:
        column = run.stream(entry["stream"])[entry["data_key"]]
        if (fault := size_fault(run, entry, column)) is not None:
            return fault
        found = column.digest()
    except (DamagedFileError, UnknownSpecError, UnsafeFileError) as error:
        return str(error) if elsewhere or not _is_elsewhere(run, entry) else None
    except AnalysisStoreError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  whatever a handler of others raises, the other keys are looked at
        return f"it cannot be read: {error!r}"
    expected = f"{entry['algorithm']}:{entry['digest']}"
    return None if found == expected else f"the values have the digest {found}, not {expected}: they were changed"


def _is_elsewhere(run: Run, entry: Document) -> bool:
    """Return True if a key's values are in a file of another writer."""
    content = run.content
    return content.is_foreign or entry["data_key"] in content.streams[entry["stream"]].foreign


def size_fault(run: Run, entry: Document, column: LazyArray) -> str | None:
    """Return why the values of a key are not gone through: they are many, and not as many as the documents tell.

    A damaged or exchanged file may declare any number of them. A few are read, and their digest tells.
    """
    counts = (run.stop or {}).get("num_events")
    told = run.stream(entry["stream"]).data_keys[entry["data_key"]].get("shape")
    if run.content.is_foreign or column.form != "array" or not isinstance(counts, dict) or not isinstance(told, list):
        return None
    expected, size = (counts.get(entry["stream"]), *told), column.dtype.itemsize * math.prod(column.shape)
    if size <= SMALL_ENOUGH or column.shape == expected:
        return None
    return f"the file declares values of the shape {column.shape}, the documents tell of {expected}: it was changed"
