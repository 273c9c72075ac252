"""Datasets out of HDF5 files that other programs wrote, without ever following a way out of the file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import hdf5plugin  # noqa: F401 - loaded so that what detectors compress can be read
import numpy as np

from analysis_store.core.memory import check_fits
from analysis_store.errors import InvalidDataError, UnsafeFileError
from analysis_store.hdf5.reading import is_held
from analysis_store.runs.importers.file_rows import FileRows, Source, SourceFile

PART_OF_IT = "Take a part of it with dataset=."

if TYPE_CHECKING:
    from pathlib import Path

_LARGE = 1 << 20
"""Size in bytes from which a dataset is not read at once."""


def read_datasets(
    path: Path, name: str | None = None, *, lazy: bool = False
) -> tuple[dict[str, np.ndarray | FileRows], dict[str, str]]:
    """Return values and units of the datasets at or below ``name`` (default: all), by their paths in the file.

    With ``lazy``, those of large datasets are read only when they are asked for, some elements at a time.

    Raises
    ------
    InvalidDataError
        The file is not HDF5, does not have this dataset, or has one that cannot be stored.
    UnsafeFileError
        The data are behind an external link, in external storage or in a virtual dataset.
    TooLargeError
        The data to read at once, or data that a dataset declares but the file does not hold, exceed the memory.
    """
    source = SourceFile(path)
    try:
        with h5py.File(path, "r") as file:
            datasets = [file[each] for each in sorted(_below(_find(file, name or "/", path), path))]
            if not datasets:
                raise InvalidDataError(f"{path}: {name or 'the file'} holds no dataset.")
            later = {each.name: _rows(each, source) for each in datasets if lazy and _may_wait(each)}
            bounded = {each.name for each in datasets if each.name in later and is_held(each.id, each.nbytes)}
            check_fits(sum(int(each.nbytes) for each in datasets if each.name not in bounded), path, PART_OF_IT)
            values = {each.name: later[each.name] if each.name in later else _values(each, path) for each in datasets}
            units = {each.name: _text(each.attrs["units"]) for each in datasets if "units" in each.attrs}
    except UnsafeFileError:
        raise
    except (OSError, RuntimeError) as error:
        raise InvalidDataError(f"{path} cannot be read as HDF5: {error}.") from error
    return values, units


def _find(file: h5py.File, name: str, path: Path) -> Any:
    """Return an object of the file, walking hard links only."""
    found: Any = file
    for part in filter(None, name.split("/")):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            there = ", ".join(sorted(_below(file, path))[:20]) or "none"
            raise InvalidDataError(f"{path} has no dataset {name!r}; it has {there}.")
        _refuse_external(link, name, path)
        if isinstance(link, h5py.SoftLink):
            raise InvalidDataError(f"{path}: {name!r} is a soft link; name its target, {link.path!r}, instead.")
        found = found[part]
    return found


def _below(found: Any, path: Path) -> Iterator[str]:
    """Yield the paths of all datasets; soft links are only other names of these."""
    if isinstance(found, h5py.Dataset):
        yield found.name
        return
    seen: set[tuple[int, int]] = set()
    groups = [found]
    while groups:
        group = groups.pop()
        for name in group:
            link = group.get(name, getlink=True)
            _refuse_external(link, f"{group.name.rstrip('/')}/{name}", path)
            if isinstance(link, h5py.SoftLink):
                continue
            item = group[name]
            info = h5py.h5o.get_info(item.id)
            if (info.fileno, info.addr) in seen:  # a second hard link to one object, or a group within itself
                continue
            seen.add((info.fileno, info.addr))
            if isinstance(item, h5py.Group):
                groups.append(item)
            elif isinstance(item, h5py.Dataset):
                yield item.name


def _refuse_external(link: Any, name: str, path: Path) -> None:
    if isinstance(link, h5py.ExternalLink):
        raise UnsafeFileError(
            f"{path}: {name} is a link to {link.filename}; links out of a file are not followed. "
            f"Insert {link.filename} itself, or copy the data into one file."
        )


def _may_wait(dataset: h5py.Dataset) -> bool:
    """Return True if the values of a dataset are read only when needed: many numbers, in this file."""
    return (
        dataset.shape is not None
        and dataset.nbytes >= _LARGE
        and dataset.dtype.kind in "biufc"
        and h5py.check_enum_dtype(dataset.dtype) is None
        and not (dataset.external or dataset.is_virtual)
    )


def _rows(dataset: h5py.Dataset, file: SourceFile) -> FileRows:
    return FileRows(file, Source(dataset), 0, len(dataset))


def _values(dataset: h5py.Dataset, path: Path) -> np.ndarray:
    if dataset.external or dataset.is_virtual:
        raise UnsafeFileError(
            f"{path}: the values of {dataset.name} lie in other files. Copy them into this one (h5repack does)."
        )
    if dataset.shape is not None and h5py.check_string_dtype(dataset.dtype) is not None:
        texts = np.asarray(dataset.asstr()[()], dtype=object)
        check_fits(4 * max(map(len, texts.flat), default=0) * texts.size, path, PART_OF_IT)  # as wide as the longest
        return texts.astype(np.str_)
    if dataset.shape is None or dataset.dtype.kind not in "biufcS" or h5py.check_enum_dtype(dataset.dtype):
        raise InvalidDataError(
            f"{path}: {dataset.name} is of a kind ({dataset.dtype}, shape {dataset.shape}) that cannot be stored; "
            "take the datasets you need with dataset=."
        )
    values = np.empty(dataset.shape, dataset.dtype)  # `dataset[()]` would lose the byte order of a single value
    if values.size:
        dataset.read_direct(values)
    return values


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
