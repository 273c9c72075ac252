"""Columns out of files that other programs wrote: the one door to HDF5, npz, csv, tsv and xdi files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    import numpy as np

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5", ".nxs")


@dataclass(frozen=True, slots=True)
class FileColumns:
    """Content of a file as columns."""

    columns: dict[str, Any]
    """Column or dataset by data key: an array, or ``FileRows`` that are read when they are needed.

    A ``.`` or ``/`` of a name in the file is ``_`` in its key."""

    units: dict[str, str] = field(default_factory=dict)
    """Unit by data key, if the file has one."""

    metadata: dict[str, Any] = field(default_factory=dict)
    """Other metadata of the file, for a start document."""

    datasets: dict[str, str] | None = None
    """For HDF5: path of the dataset in the file by data key."""


def read_columns(path: str | os.PathLike[str], dataset: str | None = None, *, lazy: bool = False) -> FileColumns:
    """Return the columns of a file; its suffix determines the format.

    Parameters
    ----------
    path
        An HDF5 (``.h5 .hdf5 .hdf .he5 .nxs``), ``.npz``, ``.csv``, ``.tsv`` or ``.xdi`` file. Text has a header row;
        ``energy (eV)`` or ``energy [eV]`` there gives a column its unit.
    dataset
        Take this one only: the path of a dataset or group of an HDF5 file, the name of a column or array of
        another. Default: everything.
    lazy
        Leave large datasets of an HDF5 file in the file until they are needed.

    Returns
    -------
    FileColumns
        Arrays as they are in the file: dtype and shape are kept; text becomes ``str`` of fixed width.

    Raises
    ------
    InvalidDataError
        The file has an unknown format, does not match its suffix, or does not have this dataset.
    UnsafeFileError
        The data are not in the file itself but behind an external link, external storage or a virtual dataset.
    TooLargeError
        The file declares more than fits into memory.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidDataError(f"{path} is not a file. Give the path of an existing one: {known_formats()}.")
    suffix = path.suffix.lower()
    if suffix in HDF5_SUFFIXES:
        return _read_hdf5(path, dataset, lazy)
    read = _READERS.get(suffix)
    if read is None:
        kind = f"of kind {suffix!r}" if suffix else "without a suffix"
        raise InvalidDataError(f"{path}: a file {kind} cannot be read; known formats: {known_formats()}.")
    return _select(read(path), dataset, path)


def known_formats() -> str:
    """Return the suffixes that `read_columns` knows, for a message or a help text."""
    return ", ".join([*HDF5_SUFFIXES, *_READERS])


def _read_hdf5(path: Path, name: str | None, lazy: bool) -> FileColumns:
    from analysis_store.runs.importers.hdf5 import read_datasets

    values, units = read_datasets(path, name, lazy=lazy)
    keys = _short_keys(list(values))
    return FileColumns(
        {keys[each]: array for each, array in values.items()},
        {keys[each]: unit for each, unit in units.items()},
        {},
        {key: each for each, key in keys.items()},
    )


def _read_npz(path: Path) -> FileColumns:
    from analysis_store.runs.importers.npz import read_npz

    return FileColumns(_by_key(read_npz(path), path))


def _read_table(path: Path) -> FileColumns:
    from analysis_store.runs.importers.text import read_table

    columns, units, comments = read_table(path, "\t" if path.suffix.lower() == ".tsv" else ",")
    return FileColumns(_by_key(columns, path), _units(units), {"comments": comments} if comments else {})


def _read_xdi(path: Path) -> FileColumns:
    from analysis_store.runs.importers.xdi import read_xdi

    columns, units, metadata = read_xdi(path)
    return FileColumns(_by_key(columns, path), _units(units), metadata)


_READERS: dict[str, Callable[[Path], FileColumns]] = {
    ".npz": _read_npz,
    ".csv": _read_table,
    ".tsv": _read_table,
    ".xdi": _read_xdi,
}


def _key(name: str) -> str:
    """Return a data key: event-model refuses dots and slashes in one."""
    return name.replace(".", "_").replace("/", "_")


def _by_key(named: Mapping[str, np.ndarray], path: Path) -> dict[str, np.ndarray]:
    columns = {_key(name): values for name, values in named.items()}
    if len(columns) != len(named):
        raise InvalidDataError(f"{path}: columns {', '.join(named)} are one when '.' and '/' become '_'; rename one.")
    return columns


def _units(named: Mapping[str, str]) -> dict[str, str]:
    return {_key(name): unit for name, unit in named.items()}


def _short_keys(paths: list[str]) -> dict[str, str]:
    """Return a data key for each dataset: its last name, prefixed by its groups if ambiguous."""
    last = [each.rsplit("/", 1)[-1] for each in paths]
    keys = {
        each: _key(name if last.count(name) == 1 else each.strip("/")) for each, name in zip(paths, last, strict=True)
    }
    if len(set(keys.values())) != len(keys):
        raise InvalidDataError(f"datasets {', '.join(paths[:20])} have ambiguous names. Choose one with dataset=.")
    return keys


def _select(found: FileColumns, name: str | None, path: Path) -> FileColumns:
    if name is None:
        return found
    key = _key(name)
    if key not in found.columns:
        raise InvalidDataError(f"{path} has no column {name!r}; it has {', '.join(found.columns)}.")
    units = {key: found.units[key]} if key in found.units else {}
    return FileColumns({key: found.columns[key]}, units, found.metadata)
