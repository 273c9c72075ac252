"""Verification of a run: the location of its file, its documents, its values."""

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
    "beside": "the metadata of the store",
}


@dataclass(frozen=True, slots=True)
class Report:
    """Result of verifying a run; true if all is well."""

    run: str
    """The uid."""

    checked: int
    """Number of keys that were read and match their digests."""

    faults: tuple[str, ...] = ()
    """Faults, each with run, stream and key."""

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
    """Description of the fault, without the uid."""

    key: tuple[str, str] | None = None
    """Stream and key, if the values are wrong."""

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
    """Yield the faults of a run.

    If the file or its documents belong to another run, its values are not read.

    Parameters
    ----------
    run : Run
        The run; its file is opened again, and used by the run from then on.
    values : bool
        Read the values, too.
    """
    try:
        found = [fault] if (fault := place_fault(run.context.root, run.record.path)) else _faults_inside(run, values)
    except AnalysisStoreError as error:
        found = [Fault("damaged", str(error))]
    yield from found


def _faults_inside(run: Run, values: bool) -> list[Fault]:
    """Return the faults of a file at its place, opening it once."""
    with kept_open(str(run.file)):
        if faults := document_faults(run):
            return faults
        return [*_outer_faults(run), *(value_faults(run) if values else [])]


def place_fault(root: Path, path: str) -> Fault | None:
    """Return the fault of the location of a file, which must be an ordinary file without links in its path."""
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
    return None if inside else Fault("unsafe", f"the path of {file} contains a link")


def document_faults(run: Run) -> list[Fault]:
    """Return the differences between the documents of the file and the recorded ones; if equal, the run uses them."""
    try:
        fault = _document_fault(run)
    except AnalysisStoreError as error:
        return [Fault("damaged", str(error))]
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of a file that was never sealed
        return [Fault("damaged", f"the documents of {run.file} are invalid: {error!r}")]
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
        return Fault("documents", f"{run.file} refers to other files, which the catalog does not record")
    run.content = content
    return None


def _same(here: RunRecord, there: RunRecord, name: str) -> bool:
    """Return True if catalog and file agree on a name; anything that the catalog cannot read differs."""
    kept = getattr(there, name)
    try:
        return dumps(getattr(here, name)) == dumps(kept)  # NaN equals itself here
    except DamagedFileError:
        return False


def _outer_faults(run: Run) -> Iterator[Fault]:
    """Yield missing files outside the store for whose values the run has a digest."""
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
    """Return the values of a run that were changed.

    ``elsewhere``: count values of other writers that cannot be read here.
    """
    with kept_open(str(run.file)):
        told = [(_value_fault(run, entry, elsewhere), entry) for entry in run.digests]
    return [Fault("damaged", fault, (entry["stream"], entry["data_key"])) for fault, entry in told if fault]


def _value_fault(run: Run, entry: Document, elsewhere: bool) -> str | None:
    """Return the fault of one key, or None."""
    try:
        column = run.stream(entry["stream"])[entry["data_key"]]
        if (fault := size_fault(run, entry, column)) is not None:
            return fault
        found = column.digest()
    except (DamagedFileError, UnknownSpecError, UnsafeFileError) as error:
        return str(error) if elsewhere or not _is_elsewhere(run, entry) else None
    except AnalysisStoreError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001  a handler may raise anything, other keys are checked
        return f"it cannot be read: {error!r}"
    expected = f"{entry['algorithm']}:{entry['digest']}"
    return None if found == expected else f"the values have the digest {found}, not {expected}: they were changed"


def _is_elsewhere(run: Run, entry: Document) -> bool:
    """Return True if a key's values are in a file of another writer."""
    content = run.content
    return content.is_foreign or entry["data_key"] in content.streams[entry["stream"]].foreign


def size_fault(run: Run, entry: Document, column: LazyArray) -> str | None:
    """Return the reason not to read the values of a key: they are many, and not as many as documented.

    A damaged or replaced file may declare any number of them. A few are read and compared with their digest.
    """
    counts = (run.stop or {}).get("num_events")
    told = run.stream(entry["stream"]).data_keys[entry["data_key"]].get("shape")
    if run.content.is_foreign or column.form != "array" or not isinstance(counts, dict) or not isinstance(told, list):
        return None
    expected, size = (counts.get(entry["stream"]), *told), column.dtype.itemsize * math.prod(column.shape)
    if size <= SMALL_ENOUGH or column.shape == expected:
        return None
    return f"the file declares values of the shape {column.shape}, the documents {expected}: it was changed"
