"""Storage of Python objects in HDF5: groups, numbers and text that plain HDF5 reads, with types in attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from analysis_store.codecs.model import Codec, Plain
from analysis_store.codecs.registry import register_codec

if TYPE_CHECKING:
    import h5py

    from analysis_store.hdf5.blocks import Compression

__all__ = ["Codec", "Plain", "dump", "load", "register_codec"]


def dump(obj: object, group: h5py.Group, name: str, *, compression: Compression = None) -> None:
    """Write any object as ``group[name]``.

    Parameters
    ----------
    obj : object
        Object whose parts all have codecs; it is not changed.
    group : h5py.Group or h5py.File
        Any file open for writing; it stays open, and its other content is unchanged.
    name : str
        Name of the new group or dataset.
    compression : None, "auto", "gzip", "lzf" or a filter of hdf5plugin
        Filter for arrays from 4 KiB; ``"auto"`` tries those from 1 MiB, and uses bitshuffle-lz4 if it saves a third.

    Raises
    ------
    InvalidDataError
        A part of the object cannot be stored; the message contains its path, and nothing was written.
    StoreWriteError
        The file could not be written; the group is unchanged.

    Examples
    --------
    >>> import h5py
    >>> with h5py.File("fits.h5", "w") as file:
    ...     dump({"center": 7112.0, "window": (-20, 30)}, file, "fit")
    ...     load(file["fit"])
    {'center': 7112.0, 'window': (-20, 30)}
    """
    from analysis_store.codecs.encode import encode
    from analysis_store.codecs.graph import Graph
    from analysis_store.codecs.write import write

    write(encode(Graph(obj)), group, name, compression)


def load(
    item: h5py.Group | h5py.Dataset,
    *,
    missing: Literal["error", "plain"] = "error",
    lazy: bool = False,
    types: Iterable[type] = (),
) -> Any:
    """Return the object that `dump` wrote; groups and datasets of other programs are read as dicts and arrays.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        The written object, ``group[name]``, or a part of it.
    missing : {"error", "plain"}
        Result for a type that has no codec here: an error, or its state as `Plain`.
    lazy : bool
        Read arrays of 1 MiB and more on access, as long as the file is open.
    types : iterable of type, optional
        Classes that the file may name, in addition to the registered ones.

    Raises
    ------
    UnknownTypeError
        The file names a type that has no codec here.
    MissingDependencyError
        The type belongs to a package that is not installed.
    DamagedFileError
        The file was changed or is damaged.
    UnsafeFileError
        A part of the object is a link out of the file.
    TooLargeError
        The object does not fit into memory, or the file declares more than it holds.
    """
    from analysis_store.codecs.decode import decode
    from analysis_store.codecs.read import read

    return decode(read(item, lazy=lazy), missing=missing, types=types, lazy=lazy)
