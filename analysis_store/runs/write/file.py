"""Writing of the run file: values, metadata for NeXus viewers, and documents, at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5d, h5f, h5g, h5s

from analysis_store import layout
from analysis_store.core.text import utc_or_1970
from analysis_store.documents import Document, compose_resource, dumps, validate
from analysis_store.dtypes import TEXT_KINDS
from analysis_store.errors import InvalidDataError
from analysis_store.hdf5.making import (
    create_dataset,
    create_group,
    number_type,
    set_attrs,
    write_string,
    write_strings,
)
from analysis_store.hdf5.writing import written
from analysis_store.runs.write.draft import Draft, StreamDraft, digest_entry
from analysis_store.runs.write.plot import Plot, default_plot
from analysis_store.runs.write.recorded_columns import InPlace
from analysis_store.runs.write.seal import seal_of
from analysis_store.writers.arrays import ArrayWriter, write_array

if TYPE_CHECKING:
    from analysis_store.hdf5.blocks import Compression
    from analysis_store.hdf5.columns import Stored
    from analysis_store.runs.values.column import Column, Form

_EPOCH = "1970-01-01T00:00:00Z"
_SMALL = 1 << 20
"""Size in bytes of values up to which a file is built in memory and written at once."""
_FEW = 10_000
"""Texts whose lengths are looked at."""


class RunFileWriter:
    """Writes the file of one run.

    Parameters
    ----------
    draft : Draft
        The run; its resources, digests and stop document are added while its values are written.
    root : Path
        The root that the documents name.
    final : PurePosixPath
        Future location of the file relative to ``root``, which the documents contain.
    compression : "auto", None, a filter, or a mapping from data key to one of these
        Compression of large arrays.
    """

    def __init__(self, draft: Draft, root: Path, final: PurePosixPath, compression: Compression) -> None:
        self._draft = draft
        self._root = root
        self._final = final
        self._compression = compression

    def write(self, path: Path, time: Callable[[], float]) -> None:
        """Write the whole file at ``path``, an empty file of ours, and make it durable.

        ``time`` is called when the values are written and returns the time of the stop document, s.
        """
        with written(path, small=_is_small(self._draft)) as file:
            self.write_into(file, time)

    def write_into(self, file: h5f.FileID, time: Callable[[], float]) -> None:
        """Write everything of the run into a file that is open, and has no entry; as `write`."""
        set_attrs(
            h5g.open(file, b"/"),
            {"NX_class": "NXroot", "default": layout.ENTRY, layout.LAYOUT_ATTRIBUTE: layout.LAYOUT_VERSION},
        )
        entry = create_group(file, layout.ENTRY, {"NX_class": "NXentry"})
        names = layout.stream_names(stream.data.name for stream in self._draft.streams)
        shown: tuple[int, str] | None = None
        for stream in self._draft.streams:
            name = names[stream.data.name]
            rank = self._write_stream(entry, name, stream)
            if rank and (shown is None or rank > shown[0]):
                shown = rank, name
        if shown:
            set_attrs(entry, {"default": shown[1]})
        start = self._draft.start
        stop = self._draft.finish(time=time())
        write_string(entry, "title", _title(start))
        write_string(entry, "entry_identifier", self._draft.uid)
        write_string(entry, "start_time", utc_or_1970(start["time"]))
        write_string(entry, "end_time", utc_or_1970(stop["time"]))
        _write_process(entry, self._draft)
        _write_documents(entry, self._draft)

    def _write_stream(self, entry: h5g.GroupID, name: str, stream: StreamDraft) -> int:
        """Write one stream; return how much its plot has to show: 0 nothing, else more for more dimensions."""
        plot = default_plot(stream.data, self._draft.start)
        group = create_group(entry, name, {"NX_class": "NXdata" if plot else "NXcollection"})
        if name != stream.data.name:
            set_attrs(group, {layout.TRUE_NAME: stream.data.name})
        columns = stream.own_columns()
        stored = layout.key_names(columns)
        for key, column in columns.items():
            attrs = _attrs(key, stored[key], column, plot)
            dataset = layout.dataset_path(name, stored[key])
            self._write_key(group, stream, key, dataset, attrs)
        times = stream.documents.times
        set_attrs(_write_numbers(group, layout.TIME, times), {"units": "s", "start": _EPOCH})
        _write_numbers(group, layout.SEQ_NUM, np.arange(1, len(times) + 1))
        return _write_plot(group, plot, stored, stream) if plot else 0

    def _write_key(
        self, group: h5g.GroupID, stream: StreamDraft, key: str, dataset: str, attrs: dict[str, Any]
    ) -> None:
        column = stream.data.columns[key]
        spec, write = _way(column.form)
        if isinstance(column.values, InPlace):
            write = column.values.link
        name = dataset.rpartition("/")[2]
        try:
            stored: Stored = write(group, name, column.values, compression=self._compression_of(key), attrs=attrs)
        except InvalidDataError as error:
            where = column.where.at(":" if error.index is None else error.index)
            raise InvalidDataError(f"{where}: {error}", error.index) from error
        self._draft.digests.append(digest_entry(stream.data.name, key, stored.digest))
        if not column.inline:
            kwargs = {"dataset": dataset, "chunk_shape": list(stored.chunk_shape), "swmr": False}
            resource = compose_resource(self._draft.uid, spec, str(self._root), str(self._final), kwargs)
            validate("resource", resource)
            stream.documents.resources[key] = resource

    def _compression_of(self, key: str) -> Any:
        if isinstance(self._compression, dict):
            return self._compression.get(key, "auto")
        return self._compression


def _is_small(draft: Draft) -> bool:
    """Return True if the file of a run is certainly small enough for memory."""
    columns = [column for stream in draft.streams for column in stream.own_columns().values()]
    if any(column.form not in ("array", "ragged") for column in columns):
        return False
    left = _SMALL
    for values in (column.values for column in columns):
        left -= sum(map(_size, [values] if isinstance(values, np.ndarray) else values))
        if left < 0:
            return False
    return True


def _size(value: Any) -> int:
    """Return the approximate size of a value in a file; a large number if computing it would take long."""
    if getattr(value, "dtype", None) is None:
        return _SMALL + 1
    if value.dtype.kind in TEXT_KINDS:
        return int(4 * sum(map(len, value.ravel()))) if value.size <= _FEW else _SMALL + 1
    return int(value.nbytes)


# ----------------------------------------------------------------------------------------------- streams


def _write_numbers(group: h5g.GroupID, name: str, numbers: np.ndarray) -> h5d.DatasetID:
    """Write numbers that have no digest of their own, faster than a column."""
    kind = number_type(numbers.dtype)
    made = create_dataset(group, name, kind, numbers.shape)
    if numbers.size:
        made.write(h5s.ALL, h5s.ALL, np.ascontiguousarray(numbers), mtype=kind)
    return made


def _attrs(key: str, name: str, column: Column, plot: Plot | None) -> dict[str, Any]:
    """Return the attributes of a column."""
    attrs = {}
    if column.data_key.get("units"):
        attrs["units"] = str(column.data_key["units"])
    if name != key:
        attrs[layout.TRUE_NAME] = key
    if plot and plot.signal == key and plot.interpretation:
        attrs["interpretation"] = plot.interpretation
    return attrs


def _way(form: Form) -> tuple[str, Callable[..., Stored]]:
    """Return the spec and the writing function of a default pair; heavy libraries are loaded when needed."""
    if form == "array":
        return ArrayWriter.spec, write_array
    if form == "ragged":
        from analysis_store.writers.ragged import RaggedWriter, write_ragged

        return RaggedWriter.spec, write_ragged
    if form == "object":
        from analysis_store.writers.objects import ObjectWriter, write_objects

        return ObjectWriter.spec, write_objects
    from analysis_store.writers.tables import TableWriter, write_tables

    return TableWriter.spec, write_tables


def _write_plot(group: h5g.GroupID, plot: Plot, stored: dict[str, str], stream: StreamDraft) -> int:
    """Write signal and axes for NeXus; return the number of keys to plot."""
    ndim = len(stream.data.columns[plot.signal].row_shape)
    axes = ["."] * (ndim + 1)
    times = stream.documents.times
    if len(times) > 1 and bool((np.diff(times) > 0).all()):
        axes[0] = layout.TIME
    if plot.axis and plot.axis_values is not None:
        units = stream.data.columns[plot.axis].data_key.get("units")
        taken = {*stored.values(), *layout.RESERVED_KEYS}
        (axes[-1],) = layout.nexus_names([f"{stored[plot.axis]}_axis"], taken)
        write_array(group, axes[-1], plot.axis_values, compression=None, attrs={"units": units} if units else None)
        set_attrs(group, {f"{axes[-1]}_indices": ndim})
    elif plot.axis and ndim:  # NeXus takes an axis that differs from event to event, though not as one of `axes`
        set_attrs(group, {f"{stored[plot.axis]}_indices": [0, ndim]})
    elif plot.axis:
        axes[-1] = stored[plot.axis]
        set_attrs(group, {f"{axes[-1]}_indices": 0})
    set_attrs(group, {"signal": stored[plot.signal], "axes": axes})
    return 2 + ndim if ndim else 1


# ------------------------------------------------------------------------------------- process, documents


def _write_process(entry: h5g.GroupID, draft: Draft) -> None:
    origin = _mapping(draft.start.get("provenance"))
    code = _mapping(origin.get("code"))
    process = create_group(entry, layout.PROCESS, {"NX_class": "NXprocess"})
    write_string(process, "program", str(code.get("name") or "unknown"))
    write_string(process, "version", str(code.get("version") or code.get("commit") or code.get("digest") or "unknown"))
    write_string(process, "date", utc_or_1970(draft.start["time"]))
    _write_origin(process, origin, code)
    _write_parameters(process, _mapping(origin.get("parameters")))
    _write_note(process, "patch", draft.attachments.patch, "text/x-diff")
    _write_note(process, "source", draft.attachments.source, "text/x-python")


def _write_origin(process: h5g.GroupID, origin: dict[str, Any], code: dict[str, Any]) -> None:
    """Write metadata that NXprocess has no field for."""
    texts = {name: str(code[name]) for name in ("url", "commit", "entry_point") if code.get(name)}
    lists = {"parents": _told(origin.get("parents"), "uid"), "files": _told(origin.get("files"), "path")}
    if not texts and not any(lists.values()):
        return
    group = create_group(process, "origin", {"NX_class": "NXcollection"})
    for name, text in texts.items():
        write_string(group, name, text)
    for name, listed in lists.items():
        if listed:
            write_strings(group, name, listed)


def _write_note(process: h5g.GroupID, name: str, text: str | None, kind: str) -> None:
    if text:
        note = create_group(process, name, {"NX_class": "NXnote"})
        write_string(note, "type", kind)
        write_string(note, "data", text)


def _mapping(value: Any) -> dict[str, Any]:
    """Return a mapping unchanged; foreign documents may have any other value, which is ignored."""
    return value if isinstance(value, dict) else {}


def _told(entries: Any, name: str) -> list[str]:
    """Return the values of several entries under a name."""
    listed = entries if isinstance(entries, list) else []
    return [str(each[name]) for each in listed if isinstance(each, dict) and name in each]


def _write_parameters(process: h5g.GroupID, parameters: dict[str, Any]) -> None:
    if not parameters:
        return
    group = create_group(process, "parameters", {"NX_class": "NXparameters"})
    for key, name in zip(parameters, layout.nexus_names(parameters), strict=True):
        value = parameters[key]
        if isinstance(value, (bool, float)) or (isinstance(value, int) and -(2**63) <= value < 2**63):
            made = _write_numbers(group, name, np.asarray(value))
        else:
            made = write_string(group, name, value if isinstance(value, str) else dumps(value))
        if name != key:
            set_attrs(made, {layout.TRUE_NAME: key})


def _write_documents(entry: h5g.GroupID, draft: Draft) -> None:
    group = create_group(entry, layout.DOCUMENTS, {"NX_class": "NXcollection"})
    texts = _document_texts(draft)
    for name, text in texts.items():
        write_string(group, name, text)
    sealed = {name: [text] for name, text in texts.items()}
    times = [stream.documents.times for stream in draft.streams]
    if draft.journal is not None:  # it contains the times, as received
        sealed[layout.JOURNAL], times = [dumps(named) for named in draft.journal], []
        write_strings(group, layout.JOURNAL, sealed[layout.JOURNAL])
    draft.seal = seal_of(sealed, times)
    write_string(group, layout.SEAL, draft.seal)


def _document_texts(draft: Draft) -> dict[str, str]:
    """Return the members of the group of documents that are one text each."""
    streams = [stream.documents for stream in draft.streams]
    found: dict[str, Any] = {layout.START: draft.start, layout.STOP: draft.stop}
    if draft.journal is None:
        found[layout.DESCRIPTORS] = [stream.descriptor for stream in streams]
        found[layout.RESOURCES] = [stream.resources for stream in streams]
        foreign = [stream.foreign for stream in streams]
        if any(foreign):
            found[layout.DATUMS] = foreign
    else:
        found[layout.LIFTED] = draft.lifted
    if draft.attachments.beside:
        found[layout.BESIDE] = draft.attachments.beside
    return {name: dumps(value) for name, value in found.items()}


def _title(start: Document) -> str:
    for key in ("title", "purpose", "sample_name", "plan_name"):
        if isinstance(start.get(key), str) and start[key]:
            return str(start[key])
    return "analysis"
