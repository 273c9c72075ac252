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
    """What deleting a run did, or would do; true where nothing stood against it."""

    uid: str
    """The run."""

    reason: str
    """Why."""

    files: tuple[str, ...]
    """What goes into quarantine, relative to the root."""

    size: int
    """Of these files, in bytes."""

    named_by: tuple[str, ...]
    """Who names the run or its files: uids, or paths of what has none. As long as there is one, the run stays."""

    done: bool
    """Whether it was done; else it was only looked at."""

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

    What is said to be about to go is looked for a second time after that was said, and only then moved: a run that is
    saved meanwhile either is found, or finds that (`analysis_store.runs.notes.removal_records.refuse_removed`).
    """
    if not str(reason or "").strip():
        raise InvalidMetadataError(f"reason: Got {reason!r}; say why run {uid!r} shall be deleted.")
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
    """Return the removal to do: a new one, or one that was begun and cut short, with its own reason."""
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
