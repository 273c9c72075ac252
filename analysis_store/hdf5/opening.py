"""Opening of untrusted HDF5 files: links never lead outside the file, and its content is checked."""

from __future__ import annotations

import ctypes
import os
import threading
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from h5py import h5a, h5d, h5f, h5fd, h5g, h5i, h5l, h5o, h5p, h5s, h5t
from h5py._objects import phil

from analysis_store.dtypes import AnyArray, parse_named
from analysis_store.errors import AnalysisStoreError, DamagedFileError, StoreBusyError, TooLargeError, UnsafeFileError
from analysis_store.layout import DTYPE
from analysis_store.roots import check_opened, check_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_SOFT_LINKS = 16
_LONGEST_ATTRIBUTE = 1 << 16
_SIMPLE = (h5t.INTEGER, h5t.FLOAT, h5t.STRING, h5t.ENUM, h5t.COMPOUND)

_ATTEMPTS = 26
"""Attempts of HDF5 to read a part of a file that is being written, until its checksum is right: about 70 ms."""


def _patient(access: h5p.PropFAID) -> h5p.PropFAID:
    """Limit the attempts of a reader at a part of a file that stays wrong; h5py has no function for it.

    By default HDF5 doubles the waiting time a hundred times: longer than the age of the universe.
    """
    with suppress(OSError, AttributeError), phil:
        library = ctypes.PyDLL(h5p.__file__)  # linked to the HDF5 that h5py uses
        library.H5Pset_metadata_read_attempts.argtypes = [ctypes.c_int64, ctypes.c_uint]
        library.H5Pset_metadata_read_attempts(access.id, _ATTEMPTS)
    return access


# No object that an error leaves behind may keep a file open.
_ACCESS = h5p.create(h5p.FILE_ACCESS)
# Type of text of variable length in memory: Python objects, which h5py converts.
_OBJECTS = h5t.py_create(np.dtype(object))

_ACCESS.set_fclose_degree(h5f.CLOSE_STRONG)
_SWMR = _patient(_ACCESS.copy())

_kept = threading.local()


@contextmanager
def reading(path: str, swmr: bool = False) -> Iterator[h5f.FileID]:
    """Open a file for the length of a ``with``; report errors of HDF5 as damage of this file.

    Raises
    ------
    DamagedFileError
        The file does not exist, is not HDF5, is cut short, or contains unreadable data.
    StoreBusyError
        Another process writes it.
    UnsafeFileError
        The file is under the root of a store, and the path contains a link.
    """
    kept = _kept.files.get(path) if not swmr and hasattr(_kept, "files") else None
    if kept is not None:
        with _translated(path):
            yield kept
        return
    check_path(path)
    try:
        file = _opened(os.fsencode(path), h5f.ACC_RDONLY | (h5f.ACC_SWMR_READ if swmr else 0))
    except FileNotFoundError as error:
        raise DamagedFileError(f"{path} does not exist. Restore it, or give its new location with root_map.") from error
    except BlockingIOError as error:
        raise StoreBusyError(
            f"{path} is being written by another process. Wait until it has ended, or stop it."
        ) from error
    except OSError as error:
        raise DamagedFileError(
            f"{path} cannot be opened as HDF5: {_reason(error)}. Restore it from a backup."
        ) from error
    try:
        if (descriptor := descriptor_of(file)) is not None:
            check_opened(path, descriptor)
        with _translated(path):
            yield file
    finally:
        file.close()


@contextmanager
def kept_open(path: str) -> Iterator[None]:
    """Keep a file open for a while: in this thread, `reading` does not open it again.

    Raises
    ------
    DamagedFileError, StoreBusyError
        As in `reading`.
    """
    with reading(path) as file:
        files = _kept.__dict__.setdefault("files", {})
        before = files.get(path)
        files[path] = file
        try:
            yield
        finally:
            if before is None:
                del files[path]


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Translate errors of HDF5 into damage of this file."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except MemoryError as error:
        raise TooLargeError(f"{path}: Reading this takes more memory than is available. Read a slice.") from error
    except (OSError, RuntimeError, KeyError, ValueError, OverflowError) as error:
        raise DamagedFileError(f"{path} cannot be read: {_reason(error)}. Restore it from a backup.") from error


def _opened(path: bytes, flags: int) -> h5f.FileID:
    try:
        return h5f.open(path, flags, _SWMR if flags & h5f.ACC_SWMR_READ else _ACCESS)
    except OSError as error:
        if "close degree" not in str(error):
            raise
        return h5f.open(path, flags)  # h5py has it open in this process, and HDF5 requires the same close mode for both


def descriptor_of(file: h5f.FileID) -> int | None:
    """Return the descriptor of a file on disk; None for files that HDF5 opens by other drivers."""
    if file.get_access_plist().get_driver() != h5fd.SEC2:
        return None
    return int(file.get_vfd_handle())


def _reason(error: Exception) -> str:
    return str(error).strip("'\"").rstrip(".")[:300] or type(error).__name__


def find(where: h5f.FileID | h5g.GroupID, path: str) -> h5g.GroupID | h5d.DatasetID:
    """Return the object at a path inside the file: from its root, or from the given group.

    Soft links are resolved here, because one may pass through a link to another file.

    Raises
    ------
    UnsafeFileError
        A link in the path leaves the file.
    DamagedFileError
        There is no such object.
    """
    names = [name for name in path.split("/") if name][::-1]
    here, followed = where if isinstance(where, h5g.GroupID) else h5o.open(where, b"/"), 0
    while names:
        name = names.pop().encode()
        if name == b"." and isinstance(here, h5g.GroupID):
            continue
        kind = _kind_of(here, name)
        if kind is None:
            raise DamagedFileError(f"{_file_name(where)} has no {path!r}: {name.decode()!r} is missing.")
        if kind == h5l.TYPE_HARD:
            here = h5o.open(here, name)
            continue
        followed += 1
        if kind != h5l.TYPE_SOFT or followed > _MOST_SOFT_LINKS:
            raise UnsafeFileError(
                f"{_file_name(where)}: {name.decode()!r} in {path!r} is a link that leaves the file, or part "
                "of a circle; "
                "expected values in the file itself. Copy them into it with h5repack or h5py."
            )
        target = here.links.get_val(name)
        if target.startswith(b"/"):
            here = h5o.open(where, b"/")
        names.extend([part for part in target.decode().split("/") if part][::-1])
    return here


def _kind_of(here: h5g.GroupID | h5d.DatasetID, name: bytes) -> int | None:
    """Return the kind of link of a group member; None if there is no such member."""
    if not isinstance(here, h5g.GroupID):
        return None
    try:
        return int(here.links.get_info(name).type)
    except (KeyError, RuntimeError):
        if name in here:
            raise
        return None


def find_group(where: h5f.FileID | h5g.GroupID, path: str) -> h5g.GroupID:
    """Return the group at ``path``, as `find` does."""
    found = find(where, path)
    if not isinstance(found, h5g.GroupID):
        raise DamagedFileError(
            f"{_file_name(where)}: Got {path!r}, which is not a group; expected the group of a ragged column or table."
        )
    return found


def find_dataset(where: h5f.FileID | h5g.GroupID, path: str) -> h5d.DatasetID:
    """Return the dataset at ``path``, which keeps its values in this file, as `find` does.

    Raises
    ------
    UnsafeFileError
        Its values are in other files: it is virtual, or uses external storage.
    """
    found = find(where, path)
    if not isinstance(found, h5d.DatasetID):
        raise DamagedFileError(f"{_file_name(where)}: Got {path!r}; expected a dataset.")
    return checked_dataset(found)


def _file_name(inside: h5f.FileID | h5g.GroupID | h5d.DatasetID) -> str:
    return os.fsdecode(h5i.get_file_id(inside).name)


def checked_dataset(dataset: h5d.DatasetID) -> h5d.DatasetID:
    """Return a dataset after checking that its values are in its file.

    Raises
    ------
    UnsafeFileError
        Its values are in other files: it is virtual, or uses external storage.
    """
    made = dataset.get_create_plist()
    if made.get_layout() == h5d.VIRTUAL or made.get_external_count():
        raise UnsafeFileError(
            f"{_file_name(dataset)}: the values of {_name(dataset)!r} are in other files "
            "(virtual or external storage); expected them in the file itself. Copy them into it with h5py."
        )
    return dataset


def text_attribute(obj: h5g.GroupID | h5d.DatasetID, name: str) -> str | None:
    """Return a scalar text attribute, None if it is missing.

    Raises
    ------
    DamagedFileError
        The attribute has another type, is too long, or not UTF-8.
    """
    if not h5a.exists(obj, name.encode()):
        return None
    attribute = h5a.open(obj, name.encode())
    value = np.empty((), object)
    try:
        attribute.read(value, mtype=_OBJECTS)  # the type that we write; reading the type first would take twice as long
    except (OSError, TypeError):
        value = _other_text(attribute, name)
    raw: Any = value.item()
    try:
        return raw.decode() if isinstance(raw, bytes) else str(raw)
    except UnicodeDecodeError as error:
        raise DamagedFileError(f"The attribute {name!r} is not UTF-8: {error}.") from error


def integer_attribute(obj: h5g.GroupID | h5d.DatasetID, name: str) -> int | None:
    """Return a scalar integer attribute, None if it is missing.

    Raises
    ------
    DamagedFileError
        The attribute has another type.
    """
    if not h5a.exists(obj, name.encode()):
        return None
    attribute = h5a.open(obj, name.encode())
    value = np.empty((), np.int64)
    try:
        attribute.read(value)
    except (OSError, TypeError) as error:
        raise DamagedFileError(
            f"The attribute {name!r} is not an integer. The file was changed outside analysis_store."
        ) from error
    return int(value)


def _other_text(attribute: h5a.AttrID, name: str) -> AnyArray:
    """Return a text attribute that is not a scalar of variable length."""
    kind = attribute.get_type()
    single = attribute.get_space().get_simple_extent_npoints() == 1
    if not single or not isinstance(kind, h5t.TypeStringID) or kind.get_size() > _LONGEST_ATTRIBUTE:
        raise DamagedFileError(
            f"The attribute {name!r} is not a short text. The file was changed outside analysis_store."
        )
    shape = attribute.get_space().shape
    value: AnyArray = np.empty(shape, object if kind.is_variable_str() else kind.dtype)
    attribute.read(value, mtype=_OBJECTS if kind.is_variable_str() else h5t.py_create(value.dtype))
    return value


def dtypes_of(dataset: h5d.DatasetID) -> tuple[np.dtype, np.dtype]:
    """Return the stored dtype of the elements (object for text of variable length) and the original dtype.

    Raises
    ------
    DamagedFileError
        The HDF5 type is not one of values: references, opaque or unknown types, sequences.
    """
    kind = dataset.get_type()
    stored = _plain_dtype(kind)
    named = text_attribute(dataset, DTYPE)
    if stored is None:
        raise DamagedFileError(
            f"{_name(dataset)} has the HDF5 type {type(kind).__name__}, which stored values do not have; expected "
            "numbers, bool, "
            "text, or structures of them."
        )
    if named is None:
        if isinstance(kind, h5t.TypeVlenID):
            raise DamagedFileError(
                f"{_name(dataset)} holds sequences; expected text, declared by its attribute {DTYPE}."
            )
        return stored, stored
    return stored, parse_named(named, stored)


def _plain_dtype(kind: h5t.TypeID) -> np.dtype | None:
    if isinstance(kind, h5t.TypeVlenID):
        is_bytes = kind.get_super().equal(h5t.STD_U8LE)
        return np.dtype(object) if is_bytes else None
    if isinstance(kind, h5t.TypeStringID) and kind.is_variable_str():
        return np.dtype(object)
    if kind.get_class() not in _SIMPLE:
        return None
    try:
        dtype: np.dtype = kind.dtype
    except TypeError:  # NumPy has no such number
        return None
    return _without_notes(dtype) if _is_plain(dtype) else None


def _without_notes(dtype: np.dtype) -> np.dtype:
    """Return a dtype without h5py's metadata on enums and text."""
    if dtype.subdtype is not None:
        return np.dtype((_without_notes(dtype.base), dtype.shape))
    if dtype.names is None or dtype.fields is None:
        return np.dtype(dtype.str)
    formats = [_without_notes(dtype[name]) for name in dtype.names]
    offsets = [dtype.fields[name][1] for name in dtype.names]
    return np.dtype({"names": dtype.names, "formats": formats, "offsets": offsets, "itemsize": dtype.itemsize})


def _is_plain(dtype: np.dtype) -> bool:
    """Return True if a dtype consists of numbers, bool and fixed bytes only, at any depth."""
    base = dtype.base
    if base.names is not None:
        return all(_is_plain(base[name]) for name in base.names)
    return base.kind in "biufcS"


def _name(dataset: h5d.DatasetID) -> str:
    return (h5i.get_name(dataset) or b"?").decode(errors="replace")


@lru_cache(maxsize=256)
def _type_of(dtype: np.dtype) -> h5t.TypeID:
    return h5t.py_create(dtype, logical=True)


def memory_type(dataset: h5d.DatasetID, stored: np.dtype) -> tuple[h5t.TypeID, bool]:
    """Return the type to read, and True if the bytes in the file are those in memory."""
    kind = dataset.get_type()
    if isinstance(kind, h5t.TypeStringID) and kind.get_strpad() == h5t.STR_NULLPAD:
        return kind, True
    if isinstance(kind, h5t.TypeEnumID) and stored.kind in "iu":  # HDF5 does not convert the names to numbers
        return kind, True
    wanted = _type_of(stored)
    return wanted, bool(wanted.equal(kind))


def shape_of(dataset: h5d.DatasetID) -> tuple[int, ...]:
    """Return the shape of a dataset.

    Raises
    ------
    DamagedFileError
        The dataset has no shape.
    """
    space = dataset.get_space()
    if space.get_simple_extent_type() == h5s.NULL:
        raise DamagedFileError(f"{_name(dataset)} has no shape; expected values.")
    return tuple(int(length) for length in space.shape)
