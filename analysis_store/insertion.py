"""`insert_analysis`, `analysis_documents`, and the default store."""

from __future__ import annotations

import os
import time as clock
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.documents import compose_stop, validate
from analysis_store.errors import InvalidDataError, NoDefaultStoreError
from analysis_store.provenance import Policy
from analysis_store.provenance.resolve import settle
from analysis_store.run_store import RunStore
from analysis_store.runs.values.gather import WriterEntry, gather
from analysis_store.runs.write.packages import packages_kept
from analysis_store.runs.write.save import RunSaver, checked_metadata, compose_start, new_draft, save_without_file

if TYPE_CHECKING:
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.values.gather import DataLike
    from analysis_store.runs.values.stream_data import StreamData
    from analysis_store.runs.write.document_stream import NamedDocument

VARIABLE = "ANALYSIS_STORE"


class _Default:
    """The default store of this process: its location, and the open store."""

    location: str | None = None
    store: RunStore | None = None
    opened: tuple[int, str] = (0, "")


def set_working_dir(location: str | os.PathLike[str] | None) -> None:
    """Set the default store of this process: a folder or URI; None unsets it."""
    _Default.location = None if location is None else _absolute(os.fspath(location))


def get_working_dir() -> str | None:
    """Return the location of the default store: what `set_working_dir` named, else ``$ANALYSIS_STORE``, else None."""
    named = _Default.location or os.environ.get(VARIABLE)
    return _absolute(named) if named else None


def _absolute(location: str) -> str:
    return location if "://" in location else str(Path(location).expanduser().absolute())


def default_store() -> RunStore:
    """Return the default store, opened once per process.

    Raises
    ------
    NoDefaultStoreError
        No default store is set; the message says how to set one.
    """
    location = get_working_dir()
    if location is None:
        raise NoDefaultStoreError(
            f"no store was given and no default store is set; pass store=AnalysisStore(folder), call "
            f"set_working_dir(folder), or set ${VARIABLE}."
        )
    wanted = (os.getpid(), location)
    if _Default.store is None or _Default.opened != wanted or _Default.store.closed:
        _Default.store, _Default.opened = RunStore(location), wanted
    return _Default.store


def insert_analysis(
    data: DataLike,
    md: Mapping[str, object],
    *,
    store: RunStore | None = None,
    writers_dict: Mapping[str, WriterEntry] | None = None,
    provenance: ProvenanceLike | None = None,
    descriptor_md: Mapping[str, object] | None = None,
) -> Run:
    """Save a result as one run, with its provenance, and return it.

    Parameters
    ----------
    data : list or mapping
        Event by event, ``[{stream: {key: value}}, …]``; or by columns, ``{stream: {key: column}}``, where a stream may
        also be an `xarray.Dataset` or a DataFrame, and the first axis is the event. Values are numbers, strings,
        arrays of any shape and dtype, or DataFrames. Never modified.
    md : mapping
        Metadata of the start document. ``parent_uids`` names the runs the result came from.
    store : AnalysisStore, optional
        Default: the one that `set_working_dir` or ``$ANALYSIS_STORE`` names.
    writers_dict : mapping, optional
        ``{key: {"writer": cls, "resource": {"func": f, "kwargs": {}}, "root": path, "spec": str}}`` for keys that your
        own writers store; ``f(docs, data_key, **kwargs)`` returns the resource kwargs.
    provenance : Provenance or mapping, optional
        Provenance that `md` does not have; the code is captured automatically.
    descriptor_md : mapping, optional
        By stream: ``data_keys`` (units, dims, …), ``hints``, ``configuration``.

    Returns
    -------
    Run
        Durable, immutable, visible to all readers.

    Raises
    ------
    ProvenanceError
        Provenance is missing; the message lists everything that is missing, and how to give it.
    InvalidDataError, InvalidMetadataError
        A value cannot be stored; the message names its place.
    StoreWriteError
        The disk or the database failed; nothing was kept.

    Examples
    --------
    >>> from analysis_store import RunStore, Provenance, insert_analysis
    >>> with AnalysisStore("analysis") as store:
    ...     run = insert_analysis(
    ...         [{"primary": {"e0": 7112.3}}],
    ...         {"sample_name": "Fe foil"},
    ...         provenance=Provenance(origin="synthetic", note="an example"),
    ...         store=store,
    ...     )
    ...     float(run["primary"]["e0"][0])
    7112.3
    """
    target = default_store() if store is None else store
    return target.insert(data, md, writers_dict=writers_dict, provenance=provenance, descriptor_md=descriptor_md)


def analysis_documents(
    data: DataLike,
    md: Mapping[str, object],
    *,
    root: str | os.PathLike[str] | None = None,
    writers_dict: Mapping[str, WriterEntry] | None = None,
    provenance: ProvenanceLike | None = None,
    descriptor_md: Mapping[str, object] | None = None,
) -> Iterator[NamedDocument]:
    """Write a result through writers and yield its documents, for any consumer of ``(name, document)``.

    As `insert_analysis`, but without a store: parents cannot be looked up and are recorded as not resolved; otherwise
    the default policy applies. All arguments are checked by the call, before the first document.

    Parameters
    ----------
    root : path, optional
        Folder for the file of the default pairs; needed only if a value is too large for its event.

    Yields
    ------
    (str, dict)
        start; for each stream descriptor, resources, datums and events; stop. If writing fails, the stop document
        says so (``exit_status="fail"``), no file is left on the disk, and the error is raised.

    Raises
    ------
    InvalidDataError
        Also if ``root`` is needed and was not given.
    """
    streams = gather(data, writers_dict, descriptor_md)
    clean, stated = checked_metadata(md)
    settled = settle(provenance, stated, policy=Policy(), lookup=None)
    start = compose_start(clean, settled)
    draft = new_draft(start, streams, settled)
    folder = None if root is None else Path(root).expanduser().absolute()
    needs_file = _needs_file(streams, folder)

    def documents() -> Iterator[NamedDocument]:
        yield "start", start
        try:
            if folder is None or not needs_file:
                save_without_file(draft, writers_dict or {}, folder)
            else:
                # Without a catalog, other users of the list of packages are unknown, so it is kept.
                with packages_kept(folder, settled, lambda _: True):
                    RunSaver(folder).save(draft, writers_dict)
        except BaseException as error:
            reason = f"{type(error).__name__}: {error}"[:2000]
            now = max(clock.time(), float(start["time"]))  # clocks can go backwards
            stop = compose_stop(
                start["uid"], time=now, num_events=dict.fromkeys(streams, 0), exit_status="fail", reason=reason
            )
            validate("stop", stop)
            yield "stop", stop
            raise
        for number, named in enumerate(draft.all_documents()):
            if number:
                yield named

    return documents()


def _needs_file(streams: Mapping[str, StreamData], folder: Path | None) -> bool:
    """Return True if a value needs a file of the default pairs; raise if there is no folder for it."""
    external = [
        (name, key)
        for name, stream in streams.items()
        for key, column in stream.columns.items()
        if not column.inline and column.form != "foreign"
    ]
    if not external or folder is not None:
        return bool(external)
    stream, key = external[0]
    raise InvalidDataError(f'data["{stream}"]["{key}"] is too large for its event; give root=, the folder of its file.')
