"""The gateway: a result is checked, written and committed, atomically."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.base import RunRecord
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.records import check_names, start_time
from analysis_store.errors import DuplicateRunError, RunNotFoundError
from analysis_store.provenance.resolve import Settled, settle
from analysis_store.runs.notes.notes import retraction_of, warn_retracted
from analysis_store.runs.notes.removal_records import refuse_removed, told_as_removed
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.run import Context, Run
from analysis_store.runs.write.packages import packages_kept
from analysis_store.runs.write.save import RunSaver, checked_metadata, compose_start

if TYPE_CHECKING:
    from analysis_store.catalogs.base import Catalog, Documents
    from analysis_store.documents import Document
    from analysis_store.hdf5.blocks import Compression
    from analysis_store.provenance import Lookup, Policy
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.runs.values.gather import WriterEntry
    from analysis_store.runs.write.draft import Draft


class Intake:
    """Takes runs into one store; every run passes here, and needs a resolved provenance.

    Parameters
    ----------
    location : str
        The location of the store, for messages.
    context : Context
        Its catalog and its root.
    policy : Policy
        Required provenance of a result.
    lookup : Lookup
        Lookup of parent runs.
    code : mapping
        Defaults for code without name or url.
    compression
        As in `RunSaver`.
    """

    def __init__(
        self,
        location: str,
        context: Context,
        *,
        policy: Policy,
        lookup: Lookup,
        code: Mapping[str, str],
        compression: Compression,
    ) -> None:
        self._location, self._context, self._policy = location, context, policy
        self._lookup, self._code = lookup, code
        self._saver = RunSaver(context.root, compression)

    @property
    def _catalog(self) -> Catalog:
        return self._context.catalog

    @property
    def _root(self) -> Path:
        return self._context.root

    def begin(self, md: Mapping[str, object], provenance: ProvenanceLike | None) -> tuple[Document, Settled]:
        """Return the start document of a run and its settled provenance; nothing is written yet.

        Raises
        ------
        ProvenanceError
            The provenance does not satisfy the policy.
        DuplicateRunError
            The uid in ``md`` is in the store.
        StoreWriteError
            The store is read-only for this user.
        """
        self._context.alive()
        self._catalog.check_writable()
        clean, stated = checked_metadata(md)
        settled = self._settle(stated, provenance)
        start = compose_start(clean, settled)
        _check_index(start, settled)
        if "uid" in clean:
            self._refuse_known(start["uid"])
        return start, settled

    def settle_foreign(self, start: Document) -> Settled:
        """Return the provenance in a foreign start document.

        Raises
        ------
        ProvenanceError, DuplicateRunError, StoreWriteError
            As in `begin`.
        """
        self._catalog.check_writable()
        self._refuse_known(start["uid"])
        settled = self._settle(start, None, capture=False)
        _check_index(start, settled)
        return settled

    def _settle(self, md: Mapping[str, Any], provenance: ProvenanceLike | None, *, capture: bool = True) -> Settled:
        settled = settle(
            provenance, md, policy=self._policy, lookup=self._lookup, code_defaults=self._code, capture=capture
        )
        for parent in settled.parents:
            if (note := retraction_of(self._catalog, parent)) is not None:
                warn_retracted(note, f"the new result comes from run {parent}, which was retracted", stacklevel=4)
        return settled

    def _refuse_known(self, uid: str) -> None:
        if self._entered(uid) is not None:
            raise DuplicateRunError(f"run {uid!r} is in {self._location} already. Save a correction as a new run.")
        if told := told_as_removed(self._root, uid):
            raise DuplicateRunError(f"Got a uid that is in use: {told} Leave uid out of md for a new one.")

    def save(
        self,
        draft: Draft,
        settled: Settled,
        writers_dict: Mapping[str, WriterEntry] | None = None,
        durable: bool = True,
    ) -> Run:
        """Write the file of a run and add it to the catalog; after any error neither is kept.

        Its file is always durable. Its entry may become durable only with the next durable one: a power cut
        may leave a complete file that is not in the catalog, like a kill between the two steps.

        Raises
        ------
        StoreWriteError
            The disk or the database refused a write.
        DuplicateRunError
            Another process saved a run with this uid meanwhile.
        """
        saved: list[RunRecord] = []

        def commit(draft: Draft, path: str) -> None:
            saved.append(_record(draft, path, settled))
            refuse_removed(self._root, self._location, saved[0])
            with self.packages_kept(settled):
                self._enter(saved[0], draft.all_documents() if self._catalog.stores_events else (), durable)

        self._saver.save(draft, writers_dict, commit, self._is_committed)
        return Run(saved[0], self._context)

    def packages_kept(self, settled: Settled) -> AbstractContextManager[None]:
        """Return a context that keeps the list of packages of a run, permanently if the run is committed in it."""

        def is_used(digest: str) -> bool:
            return any(self._catalog.search(Query.parse({"provenance.environment.digest": digest}), limit=1))

        return packages_kept(self._root, settled, is_used)

    def _enter(self, record: RunRecord, documents: Documents, durable: bool) -> None:
        try:
            self._catalog.insert(record, documents, durable)
        except DuplicateRunError:  # a process that rebuilds the catalog may have added our file before us
            if not self._is_entered(record):
                raise

    def adopt(self, file: Path) -> Run:
        """Add a complete run file at its place under the root to the catalog. Idempotent.

        Raises
        ------
        DuplicateRunError
            The catalog has another file for this uid.
        """
        self._context.alive()
        content, path = RunFile(file), file.relative_to(self._root).as_posix()
        record = content.record(path)
        documents = content.documents() if self._catalog.stores_events else ()
        try:
            self._catalog.insert(record, documents)
        except DuplicateRunError:
            if not self._is_committed(record.uid, path):
                raise
        return Run(self._catalog.get(record.uid), self._context)

    def _entered(self, uid: str) -> RunRecord | None:
        try:
            return self._catalog.get(uid)
        except RunNotFoundError:
            return None

    def _is_entered(self, record: RunRecord) -> bool:
        """Return True if the catalog has this run, and not an earlier one of its uid and path."""
        known = self._entered(record.uid)
        return (
            known is not None
            and known.path == record.path
            and (known.stop or {}).get("uid") == (record.stop or {}).get("uid")
        )

    def _is_committed(self, uid: str, path: str) -> bool:
        known = self._entered(uid)
        return known is not None and known.path == path


def _check_index(start: Mapping[str, Any], settled: Settled) -> None:
    """Raise for a start document that no catalog could hold, before the data of its run arrive."""
    record = RunRecord(dict(start), None, (), "", tuple(settled.parents))
    check_names(record)
    start_time(record)


def _record(draft: Draft, path: str, settled: Settled) -> RunRecord:
    return RunRecord(
        start=draft.start,
        stop=draft.stop,
        descriptors=tuple(draft.descriptors()),
        path=path,
        parents=tuple(settled.parents),
        beside=draft.attachments.beside,
        more=draft.journal is not None or any(stream.documents.foreign for stream in draft.streams),
        seal=draft.seal,
    )
