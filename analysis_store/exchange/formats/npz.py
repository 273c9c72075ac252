"""Runs as npz: one array per column, named ``<stream>/<key>``, the documents as JSON, without pickle."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from analysis_store import layout
from analysis_store.arrays import as_objects
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.exchange.content import Export, metadata_of, streams_of, units_of
from analysis_store.exchange.formats.json import dumps, loads
from analysis_store.exchange.skeleton import MARK, VERSION, check_version, checked, data_keys_of, stored_names
from analysis_store.exchange.tree import from_tree, to_tree
from analysis_store.runs.importers.npz import read_npz

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.exchange.content import ExportedStream
    from analysis_store.exchange.registry import Options
    from analysis_store.exchange.tree import Missing
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run

METADATA = "metadata"


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a run; at most one column is in memory."""
    told: dict[str, dict[str, Any]] = {}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        folders = stored_names(run, {METADATA})
        for stream, columns in streams_of(run, options):
            folder, names = folders[stream.name], stored_names(stream, layout.RESERVED_KEYS)
            _add(archive, f"{folder}/{layout.TIME}", stream.times)
            _add(archive, f"{folder}/{layout.SEQ_NUM}", np.asarray(stream.seq_nums))
            told[stream.name] = {key: _add_column(archive, f"{folder}/{names[key]}", column) for key, column in columns}
        whole = {MARK: VERSION, "metadata": to_tree(metadata_of(run), METADATA), "streams": told}
        _add(archive, METADATA, _text(whole))


def _add_column(archive: zipfile.ZipFile, name: str, column: LazyArray) -> dict[str, Any]:
    """Write a column; return its metadata: units, dims, and how it is stored in the archive."""
    values = np.asarray(column.read())
    about = {"units": units_of(column), "dims": list(column.dims), "member": name}
    if _fits(values):
        _add(archive, name, values)
        return about | {"form": "array"}
    if values.ndim == 1 and all(type(item) is np.ndarray and _fits(item) for item in values):
        for index, item in enumerate(values):
            _add(archive, f"{name}/{index}", item)
        return about | {"form": "arrays"}
    _add(archive, name, _text(to_tree(values, name)))
    return about | {"form": "json"}


def _fits(values: AnyArray) -> bool:
    """Return True if an npy file stores an array without loss."""
    dtype = values.dtype
    if dtype.hasobject or dtype.kind == "T" or dtype.itemsize == 0:
        return False
    return bool(np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype)) == dtype)


def _text(tree: Any) -> AnyArray:
    return np.array(dumps(tree))


def _add(archive: zipfile.ZipFile, name: str, values: AnyArray) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        np.lib.format.write_array(member, values, allow_pickle=False)


# ------------------------------------------------------------------------------------------------- reading


def read(file: BinaryIO, missing: Missing = "error") -> Export:
    """Return the contents of a file.

    Raises
    ------
    DamagedFileError
        The file is not npz, not an export, or holds pickled objects.
    TooLargeError
        The file does not fit into memory.
    """
    try:
        arrays = read_npz(Path(file.name))
    except InvalidDataError as error:
        raise DamagedFileError(str(error)) from error
    whole = _tree(arrays, METADATA, file.name)
    if not isinstance(whole, dict) or type(whole.get(MARK)) is not int:
        raise DamagedFileError(f"{file.name} is not an export; expected the mark {MARK!r}. Export the run again.")
    check_version(whole[MARK], file.name)
    try:
        metadata = from_tree(whole["metadata"], missing)
        streams = dict(_streams(whole["streams"], arrays, metadata, missing))
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(
            f"{file.name} lacks a part of an export: {error}. It was changed; restore it."
        ) from error
    return Export(metadata, streams)


def _streams(
    told: Any, arrays: dict[str, AnyArray], metadata: Any, missing: Missing
) -> Iterator[tuple[str, ExportedStream]]:
    names = [each.get("name", "primary") for each in metadata["descriptors"]]
    folders = stored_names(dict.fromkeys(names), {METADATA})
    for name, columns in told.items():
        values = {key: _column(about, arrays, missing) for key, about in columns.items()}
        time, seq_num = (arrays[f"{folders[name]}/{each}"] for each in (layout.TIME, layout.SEQ_NUM))
        yield name, checked(name, time, seq_num, values, data_keys_of(metadata["descriptors"], name))


def _column(about: Any, arrays: dict[str, AnyArray], missing: Missing) -> Any:
    member, form = str(about["member"]), about["form"]
    if form == "array":
        return arrays[member]
    if form == "json":
        return from_tree(_tree(arrays, member, member), missing)
    found: list[AnyArray] = []
    while (name := f"{member}/{len(found)}") in arrays:
        found.append(arrays[name])
    return as_objects(found)


def _tree(arrays: dict[str, AnyArray], name: str, where: str) -> Any:
    held = arrays.get(name)
    if held is None or held.dtype.kind != "S" or held.ndim:
        raise DamagedFileError(f"{where} is not an export: it has no text {name!r}. Export the run again.")
    return loads(held.item(), where)
