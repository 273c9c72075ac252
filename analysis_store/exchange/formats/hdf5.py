"""Runs as plain HDF5, ``/<stream>/<key>``; as NeXus, which is the run file itself; reading of both and of run files."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import h5py
import numpy as np
from h5py import h5g

from analysis_store import layout
from analysis_store.codecs import dump, load
from analysis_store.errors import AnalysisStoreError, DamagedFileError, ExportError
from analysis_store.exchange.content import Export, metadata_of, streams_of, units_of
from analysis_store.exchange.formats.json import dumps, loads
from analysis_store.exchange.skeleton import MARK, VERSION, check_version, checked, data_keys_of, stored_names
from analysis_store.exchange.tree import from_tree, to_tree
from analysis_store.hdf5.heaps import check_heaps
from analysis_store.hdf5.opening import find, reading
from analysis_store.hdf5.writing import written
from analysis_store.roots import opened as open_file

if TYPE_CHECKING:
    from analysis_store.exchange.content import ExportedStream
    from analysis_store.exchange.registry import Options
    from analysis_store.exchange.tree import Missing
    from analysis_store.runs.read.journal import JournalStream
    from analysis_store.runs.read.reader import FileStream
    from analysis_store.runs.read.run import Run

METADATA = "metadata"
DIMS = "dims"


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a run as plain HDF5; no more than one column is in memory."""
    with written(file.name) as out:
        _write(run, h5py.File(out), options)


def _write(run: Run, out: h5py.File, options: Options) -> None:
    out.attrs[MARK] = VERSION
    dump(dumps(to_tree(metadata_of(run), METADATA)).decode(), out, METADATA)
    names = stored_names(run, {METADATA})
    for stream, columns in streams_of(run, options):
        group = out.create_group(names[stream.name])
        _name(group, stream.name)
        dump(stream.times, group, layout.TIME)
        _tell(group[layout.TIME], {layout.UNITS: "s"})
        dump(np.asarray(stream.seq_nums), group, layout.SEQ_NUM)
        keys = stored_names(stream, layout.RESERVED_KEYS)
        for key, column in columns:
            dump(column.read(), group, keys[key])
            _tell(group[keys[key]], {layout.UNITS: units_of(column), DIMS: list(column.dims)})
            _name(group[keys[key]], key)


def _name(made: h5py.Group | h5py.Dataset, name: str) -> None:
    """Store the true name of a stream or key that the file could not use as it is."""
    if made.name.rpartition("/")[2] != name:
        _tell(made, {layout.TRUE_NAME: name})


def _tell(made: h5py.Group | h5py.Dataset, attrs: dict[str, Any]) -> None:
    """Write attributes for people; the documents are authoritative, since HDF5 ends text at NUL."""
    for name, value in attrs.items():
        if value is not None and "\0" not in "".join(value):
            made.attrs[name] = value


def write_nexus(run: Run, file: BinaryIO, options: Options) -> None:  # noqa: ARG001 - it takes the whole run
    """Write a run as NeXus: a byte-for-byte copy of the run file; a new file if some values are outside it.

    Raises
    ------
    ExportError
        External values cannot be put into documents.
    """
    if _holds_all(run):
        with open_file(run.file) as own:
            shutil.copyfileobj(own, file)
    else:
        _write_anew(run, Path(file.name))


def _holds_all(run: Run) -> bool:
    content = run.content
    if not content.is_foreign:
        return not any(stream.foreign for stream in content.streams.values())
    keys = [(stream, key) for stream in content.journal.streams.values() for key in _external(stream.descriptors)]
    return all(stream.is_filled(key) for stream, key in keys)


def _external(descriptors: list[dict[str, Any]]) -> set[str]:
    return {key for each in descriptors for key, entry in each["data_keys"].items() if entry.get("external")}


def _write_anew(run: Run, path: Path) -> None:
    """Write a run file that contains the external values; its documents are the same, filled."""
    from analysis_store.runs.read.filled import filled
    from analysis_store.runs.read.journal import draft_journal, plain_document
    from analysis_store.runs.write.file import RunFileWriter

    try:
        journal = [(name, plain_document(name, doc)) for name, doc in filled(run, run.documents(), strict=True)]
    except AnalysisStoreError as error:
        raise ExportError(f"run {run.uid} cannot be written as one NeXus file: {error} Export it as hdf5.") from error
    draft = draft_journal(journal, run.stop)
    draft.attachments.beside["provenance"] = run.provenance.to_document()
    RunFileWriter(draft, path.parent, PurePosixPath(path.name), "auto").write(path, lambda: 0.0)


# ------------------------------------------------------------------------------------------------- reading


def read(file: BinaryIO, missing: Missing = "error") -> Export:
    """Return the contents of a file of `write`, of `write_nexus`, or of a run file of a store.

    Raises
    ------
    DamagedFileError, UnsafeFileError
        The file is of another kind, or refers to other files.
    """
    path = str(file.name)
    check_heaps(Path(path))  # HDF5 loops forever on a damaged heap
    with reading(path) as opened:
        root = h5py.Group(h5g.open(opened, b"/"))
        if layout.LAYOUT_ATTRIBUTE in root.attrs:
            return _run_file(Path(path))
        version = root.attrs.get(MARK)
        if not isinstance(version, np.integer):
            raise DamagedFileError(
                f"{path} is neither an export nor a run file; expected the attribute {MARK!r} of its root."
            )
        check_version(int(version), path)
        metadata = from_tree(loads(str(_item(opened, METADATA, missing)).encode(), path), missing)
        return Export(metadata, dict(_streams(opened, metadata["descriptors"], missing)))


def _streams(opened: Any, descriptors: Any, missing: Missing) -> Iterator[tuple[str, ExportedStream]]:
    stored = stored_names(dict.fromkeys(each.get("name", "primary") for each in descriptors), {METADATA})
    for name, inside in stored.items():
        if inside.encode() not in opened:
            continue  # not selected
        data_keys = data_keys_of(descriptors, name)
        group = h5py.Group(find(opened, inside))
        keys = stored_names(data_keys, layout.RESERVED_KEYS)
        values = {key: _item(opened, f"{inside}/{at}", missing) for key, at in keys.items() if at in group}
        time, seq_num = (_item(opened, f"{inside}/{at}", missing) for at in (layout.TIME, layout.SEQ_NUM))
        yield name, checked(name, time, seq_num, values, data_keys)


def _item(opened: Any, path: str, missing: Missing) -> Any:
    found = find(opened, path)
    item = h5py.Group(found) if isinstance(found, h5g.GroupID) else h5py.Dataset(found)
    return load(item, missing=missing)


def _run_file(path: Path) -> Export:
    """Return the contents of a run file, without external values."""
    from analysis_store.runs.read.reader import RunFile

    content = RunFile(path)
    metadata = {"start": content.start, "stop": content.stop}
    if content.is_foreign:
        descriptors = [doc for name, doc in content.journal.documents if name == "descriptor"]
        streams = {name: _journal_stream(name, stream) for name, stream in content.journal.streams.items()}
    else:
        descriptors = [stream.descriptor for stream in content.streams.values()]
        streams = {name: _own_stream(name, stream) for name, stream in content.streams.items()}
    return Export(metadata | {"descriptors": descriptors}, streams)


def _journal_stream(name: str, stream: JournalStream) -> ExportedStream:
    data_keys = data_keys_of(stream.descriptors, name)
    here = [key for key in data_keys if not data_keys[key].get("external") or stream.is_filled(key)]
    return checked(name, stream.times, stream.seq_nums, {key: stream.source(key).read() for key in here}, data_keys)


def _own_stream(name: str, stream: FileStream) -> ExportedStream:
    from analysis_store.pairs import HandlerRegistry

    handlers, values = HandlerRegistry(), {}
    for key in stream.datasets:
        resource = stream.resources.get(key)
        if resource is None:
            values[key] = stream.column(key).read()
        else:
            values[key] = handlers[resource["spec"]](str(stream.path), **resource["resource_kwargs"]).column().read()
    seq_num = np.arange(1, len(stream.times) + 1)
    return checked(name, stream.times, seq_num, values, stream.descriptor["data_keys"])
