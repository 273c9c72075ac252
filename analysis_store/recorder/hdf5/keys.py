"""The keys of a recording in an HDF5 file: a table of their forms, and the places of their values."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a

from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import OpenDataset
from analysis_store.hdf5.opening import find_dataset
from analysis_store.layout import TIME
from analysis_store.recorder.core.value_kinds import Form, form_said
from analysis_store.recorder.hdf5.columns import attributes

if TYPE_CHECKING:
    import h5py
    from h5py import h5f

KEYS = ".keys"
"""A dataset of bytes, which are UTF-8: a line of JSON for each key, in the order of their first values."""
Line = tuple[str, Form, bool]
_TIMES = ".times"
_SET = ".set"


def place(key: str) -> str:
    """Return the place of an appended key's values: its own name."""
    if key[0] in ".%":  # names with a dot are reserved
        key = f"%{ord(key[0]):02X}{key[1:]}"
    return f"/{key}"


def times_place(key: str) -> str:
    """Return the dataset of the times of a key's values, float64, s since 1970."""
    return f"/{_TIMES}/{key}"


def set_place(key: str) -> str:
    """Return the dataset of the value of a key that is set: the bytes of an HDF5 file, `forms.unpacked` reads them."""
    return f"/{_SET}/{key}"


def prepare(file: h5py.File) -> None:
    """Create the table in a new file."""
    file.create_dataset(KEYS, (0,), np.uint8, maxshape=(None,), chunks=(4096,))


def write_table(file: h5py.File, lines: list[str], start: int | None = None) -> None:
    """Write lines at the end of the table, or in place of the lines from ``start`` on."""
    table = file[KEYS]
    known = len(table) if start is None else start
    data = np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8)
    table.resize((known + len(data),))
    table[known:] = data


def write_set(file: h5py.File, key: str, value: bytes, time: float) -> None:
    """Replace the value of a key that is set."""
    where = set_place(key)
    if where in file:
        del file[where]
    made = file.create_dataset(where, data=np.frombuffer(value, np.uint8))
    made.attrs[TIME] = time


def set_time(key: str, file: h5f.FileID) -> float:
    """Return the time of a set value, s since 1970."""
    attribute = h5a.open(find_dataset(file, set_place(key)), TIME.encode())
    value = np.empty((), float)
    attribute.read(value)
    return float(value)


def prune(file: h5py.File, path: str) -> None:
    """Remove the empty groups above a place."""
    for parent in [path, *map(str, PurePosixPath(path).parents)][:-1]:
        if parent in file and not len(file[parent]):
            del file[parent]


def line_of(key: str, form: Form, *, is_set: bool) -> str:
    """Return the line of a key."""
    told: dict[str, Any] = {"key": key, "kind": form.kind, "attrs": json.loads(_json(form.attrs)), "set": is_set}
    if form.kind in {"array", "ragged"}:
        told |= {"dtype": form.dtype.str, "shape": form.shape}
    return json.dumps(told)


def _json(attrs: Any) -> str:
    told = {
        name: value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value
        for name, value in attributes(attrs).items()
    }
    return json.dumps(told)


def read_table(file: h5f.FileID) -> bytes:
    """Return the bytes of the table."""
    return OpenDataset(file, f"/{KEYS}").whole().tobytes()


def parsed(table: bytes) -> list[Line]:
    """Return key, form and whether it is set, of each line.

    Raises
    ------
    DamagedFileError
        The table is invalid.
    """
    try:
        return [_parsed(json.loads(line)) for line in table.decode().splitlines()]
    except (ValueError, KeyError, TypeError, AttributeError, DamagedFileError) as error:
        raise DamagedFileError(f"The table of keys cannot be read: {error!r}. The file was changed.") from error


def _parsed(told: dict[str, Any]) -> Line:
    return told["key"], form_said(told), bool(told["set"])
