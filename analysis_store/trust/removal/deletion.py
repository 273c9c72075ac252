"""A run deleted: refused while anything names it, else put into quarantine, from which it can come back."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from rich.filesize import decimal

from analysis_store.errors import InputError, InvalidMetadataError, RunNotFoundError
from analysis_store.runs.notes.notes import who
from analysis_store.runs.notes.removal_records import Removal, quarantined, told_as_removed
from analysis_store.trust.references import Naming
from analysis_store.trust.removal.quarantine import (
    DELETED,
    bury,
    is_cut_short,
    mark,
    move_in,
    note_once,
    removal_of,
    removing,
    take_back,
    writing,
)

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

_SHOWN = 5
_INSTEAD = "Delete those first, or retract it."


@dataclass(frozen=True, slots=True)
class RemovalReport:
    """Result of deleting a run, or of a dry run; true if nothing stood against it."""

    uid: str
    """The run."""

    reason: str
    """Why."""

    files: tuple[str, ...]
    """Files for the quarantine, relative to the root."""

    size: int
    """Size of these files in bytes."""

    named_by: tuple[str, ...]
    """References to the run or its files: uids, or paths of files without uid. The run is kept while there are any."""

    done: bool
    """True if it was done; else it was a dry run."""

    def __bool__(self) -> bool:
        return not self.named_by

    def to_dict(self) -> Document:
        """Return the report as JSON."""
        return {**asdict(self), "files": list(self.files), "named_by": list(self.named_by)}

    def __str__(self) -> str:
        if self.named_by:
            return f"run {self.uid} cannot be deleted: {named_text(self.named_by)}. {_INSTEAD}"
        did = "was deleted" if self.done else "would be deleted"
        listed = "".join(f"\n  {path}" for path in self.files)
        return f"run {self.uid} {did}; into quarantine, {decimal(self.size)}:{listed}"


def named_text(names: tuple[str, ...] | list[str]) -> str:
    """Return who names a run, in words."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it is named by {', '.join(names[:_SHOWN])}{more}"


def delete(store: RunStore, uid: str, reason: str, *, dry_run: bool = True) -> RemovalReport:
    """Put a run into quarantine; see `AnalysisStore.delete`.

    After the deletion is announced, references are searched a second time, and only then files are moved: a run that is
    saved meanwhile either is found, or finds that (`analysis_store.runs.notes.removal_records.refuse_removed`).
    """
    if not str(reason or "").strip():
        raise InvalidMetadataError(f"reason: Got {reason!r}; expected the reason for deleting run {uid!r}.")
    if dry_run:
        removal = _removal(store, uid, reason)
        return _report(removal, Naming(store, [removal], quarantine=False).look()[uid], done=False)
    with removing(store.root), writing(store.root):
        removal = _removal(store, uid, reason)
        naming = Naming(store, [removal], quarantine=False)
        _refuse_named(removal, naming)
        mark(store.root, removal)
        try:
            _refuse_named(removal, naming)
        except InputError:
            take_back(store, removal)
            raise
        note_once(store, removal, DELETED)
        _forget(store, uid)  # before the files go: who finds the run in the catalog finds its file
        move_in(store.root, removal)
        bury(store.root, removal)
        return _report(removal, [], done=True)


def _removal(store: RunStore, uid: str, reason: str) -> Removal:
    """Return the removal to do: a new one, or an interrupted one, with its own reason."""
    begun = quarantined(store.root, uid)
    if begun is not None and is_cut_short(store, begun):
        return begun
    if uid not in store:
        raise told_as_removed(store.root, uid) or RunNotFoundError(
            f"no run {uid!r} in {store.location}; deleting needs a whole uid: store.search() lists them."
        )
    return removal_of(store[uid], reason, who())


def _refuse_named(removal: Removal, naming: Naming) -> None:
    if names := naming.look()[removal.uid]:
        raise InputError(f"run {removal.uid} cannot be deleted: {named_text(names)}. {_INSTEAD}")


def _forget(store: RunStore, uid: str) -> None:
    try:
        store.catalog.remove(uid)
    except RunNotFoundError:  # it was, before this was cut short
        return


def _report(removal: Removal, names: list[str], *, done: bool) -> RemovalReport:
    files = tuple(file.path for file in removal.files)
    return RemovalReport(
        removal.uid, removal.reason, files, sum(file.size for file in removal.files), tuple(names), done
    )
