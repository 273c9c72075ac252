"""One run saved: values, documents, file and catalog, wholly or not at all."""

from __future__ import annotations

import os
import stat
import time as clock
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from analysis_store import layout
from analysis_store.core.atomic_files import create, publish, remove_folders
from analysis_store.core.write_errors import write_errors
from analysis_store.digests import digest_foreign
from analysis_store.documents import Document, clean_metadata, is_time, new_uid, validate
from analysis_store.errors import (
    AnalysisStoreError,
    DuplicateRunError,
    InvalidDataError,
    InvalidMetadataError,
    UnsafeFileError,
)
from analysis_store.runs.write.draft import Attachments, Draft, digest_entry, draft_stream
from analysis_store.runs.write.file import RunFileWriter
from analysis_store.runs.write.foreign import ForeignWriters

if TYPE_CHECKING:
    from analysis_store.hdf5.blocks import Compression
    from analysis_store.provenance.resolve import Settled
    from analysis_store.runs.values.gather import WriterEntry
    from analysis_store.runs.values.stream_data import StreamData

_NOTHING_KEPT = "Nothing of the run was kept; free space or fix the permission, then save it again"
_READ_ONLY = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH


def checked_metadata(md: object) -> tuple[Document, Document]:
    """Return metadata for a start document, and separately the provenance in them."""
    if not isinstance(md, Mapping):
        raise InvalidMetadataError(f"md: Got {type(md).__name__}; expected a mapping. Use {{}} for no metadata.")
    clean = clean_metadata({key: value for key, value in md.items() if key != "provenance"})
    return clean, {**clean, "provenance": md["provenance"]} if md.get("provenance") is not None else clean


def compose_start(md: Mapping[str, object], settled: Settled) -> Document:
    """Return the start document: the caller's metadata, and additions of the store."""
    start = {key: value for key, value in md.items() if key != "provenance"}
    uid, when = start.setdefault("uid", None) or new_uid(), start.get("time")
    if not isinstance(uid, str):
        raise InvalidMetadataError(f'md["uid"]: Got {uid!r}; expected text. Leave it out, or give a unique text.')
    if when is not None and not is_time(when):
        raise InvalidMetadataError(f'md["time"]: Got {when!r}; expected seconds since 1970, as from time.time().')
    start["uid"] = uid
    start["time"] = clock.time() if when is None else when
    start.setdefault("plan_name", "analysis")
    start["parent_uids"] = list(settled.parents)
    start["provenance"] = settled.document
    validate("start", start)
    return start


def new_draft(
    start: Document,
    streams: Mapping[str, StreamData],
    settled: Settled,
    times: Mapping[str, np.ndarray] | None = None,
) -> Draft:
    """Return the draft of a run whose documents we compose, all of them validated.

    ``times`` are those of the events, s; without them every event is of now, but never before its run.
    """
    now = max(clock.time(), float(start["time"]))
    drafts = [
        draft_stream(start, data, times[name] if times else np.full(data.length, now)) for name, data in streams.items()
    ]
    return Draft(start, drafts, Attachments(settled.patch, settled.source))


class RunSaver:
    """Writes runs under one root.

    Parameters
    ----------
    root : Path
        The folder of all run files.
    compression : "auto", None, a filter, or a mapping from data key to one of these
        Compression of large arrays.
    """

    def __init__(self, root: Path, compression: Compression = "auto") -> None:
        self.root = root
        self.compression = compression

    def save(
        self,
        draft: Draft,
        writers_dict: Mapping[str, WriterEntry] | None = None,
        commit: Callable[[Draft, str], None] | None = None,
        committed: Callable[[str, str], bool] | None = None,
    ) -> Path:
        """Write the file of a run and commit it; on any error nothing of it stays.

        ``commit(draft, path)`` makes the run visible. ``committed(uid, path)`` returns whether it did,
        for an interrupted ``commit``: a file that the catalog knows must not be removed.
        """
        relative = layout.run_path(draft.uid, draft.start["time"])
        final = self.root / relative
        foreign = ForeignWriters(draft.start, writers_dict or {}, lambda: final.parent)
        with write_errors(final, _NOTHING_KEPT):
            plan_foreign(draft, foreign)
            scratch, made = layout.scratch_path(final), list[Path]()
            ours: os.stat_result | None = None
            published = visible = False
            try:
                create(scratch, made)
                write_foreign(draft, foreign)
                RunFileWriter(draft, self.root, relative, self.compression).write(scratch, lambda: stop_time(draft))
                foreign.close()
                scratch.chmod(_READ_ONLY)
                ours = scratch.stat()
                _publish(scratch, final, draft.uid)
                published = True
                if commit is not None:
                    commit(draft, str(relative))
                visible = True
            finally:
                if not (visible or (published and _is_committed(committed, draft.uid, str(relative)))):
                    _clear(scratch, final, ours, foreign, made)
        return final


def save_without_file(draft: Draft, writers_dict: Mapping[str, WriterEntry], root: Path | None) -> None:
    """Finish a run whose values need no file of ours: the caller's writers write theirs, if any."""

    def folder() -> Path:
        if root is not None:
            return (root / layout.run_path(draft.uid, draft.start["time"])).parent
        raise InvalidDataError(
            "Got a writer in writers_dict without a location. Give the entry a root or a resource function, "
            "or say with root= which folder files go to."
        )

    foreign = ForeignWriters(draft.start, writers_dict, folder)
    plan_foreign(draft, foreign)
    try:
        write_foreign(draft, foreign)
        foreign.close()
        draft.digest_columns()
        draft.finish(time=stop_time(draft))
    except BaseException:
        foreign.discard()
        raise


def plan_foreign(draft: Draft, foreign: ForeignWriters) -> None:
    """Choose the locations of the caller's writers; nothing is written yet."""
    for stream in draft.streams:
        for key, column in stream.data.columns.items():
            if column.form == "foreign" and key not in stream.documents.foreign:
                foreign.plan(key, column, stream.descriptor, stream.documents.times.tolist())


def write_foreign(draft: Draft, foreign: ForeignWriters) -> None:
    """Call the caller's writers."""
    for stream in draft.streams:
        for key, column in stream.data.columns.items():
            if column.form == "foreign":
                if key not in stream.documents.foreign:  # data that stay in their file have documents already
                    stream.documents.foreign[key] = foreign.write(key, column, stream.descriptor)
                digest = digest_foreign(column.values)
                if digest:
                    draft.digests.append(digest_entry(stream.data.name, key, digest))


def stop_time(draft: Draft) -> float:
    """Return the time of the stop document, s: now, but never before the last event: clocks go backwards."""
    latest = [float(stream.documents.times[-1]) for stream in draft.streams if len(stream.documents.times)]
    return max([clock.time(), float(draft.start["time"]), *latest])


def _is_committed(committed: Callable[[str, str], bool] | None, uid: str, path: str) -> bool:
    """Return True if the catalog has the run; if it cannot answer, the file is kept, to be adopted."""
    try:
        return committed is not None and committed(uid, path)
    except AnalysisStoreError:
        return True


def _publish(scratch: Path, final: Path, uid: str) -> None:
    try:
        publish(scratch, final)
    except FileExistsError as error:
        raise DuplicateRunError(
            f"run {uid!r}: its file {final} exists already. Leave uid out of md for a new one."
        ) from error


def _clear(scratch: Path, final: Path, ours: os.stat_result | None, foreign: ForeignWriters, made: list[Path]) -> None:
    """Remove everything that a failed save created, and nothing else; the first error is the one to report."""
    foreign.discard()
    with suppress(OSError):
        scratch.unlink(missing_ok=True)
    with suppress(OSError):
        if ours and os.path.samestat(final.stat(), ours):  # another's run may have taken the name
            final.unlink()
    remove_folders(made)


def relative_path(path: str) -> PurePosixPath:
    """Return a catalog's path of a run file, refusing one that leaves the root."""
    relative = PurePosixPath(path)
    if relative.is_absolute() or ".." in relative.parts:
        raise UnsafeFileError(f"the catalog names the file {path!r}, which is outside the root")
    return relative
