"""Any Python object to HDF5 and back: groups, numbers and text that plain HDF5 reads, the types named in attributes."""

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
        Anything made of what codecs know; it is not changed.
    group : h5py.Group or h5py.File
        Open for writing; any file, which stays open. What else is in it is not touched.
    name : str
        Of the group or dataset that is made.
    compression : None, "auto", "gzip", "lzf" or a filter of hdf5plugin
        Of arrays from 4 KiB; ``"auto"`` looks at those from 1 MiB, and takes bitshuffle-lz4 where it saves a third.

    Raises
    ------
    InvalidDataError
        Something in the object cannot be stored; the message names its path, and nothing was written.
    StoreWriteError
        The file refused it; the group is as it was.

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
    """Return the object that `dump` wrote; a group or dataset of anybody else is read as dicts and arrays.

    Parameters
    ----------
    item : h5py.Group or h5py.Dataset
        What was written, ``group[name]``, or a part of it.
    missing : {"error", "plain"}
        What is made of a type that has no codec here: an error, or its state as `Plain`.
    lazy : bool
        Arrays of 1 MiB and more are read when they are asked for, as long as the file is open.
    types : iterable of type, optional
        Classes that the file may name, besides those that are registered.

    Raises
    ------
    UnknownTypeError
        The file names a type that has no codec here.
    MissingDependencyError
        It is one of a package that is not installed.
    DamagedFileError
        The file is not what was written.
    UnsafeFileError
        A part of it is a link out of the file.
    TooLargeError
        It takes more memory than there is, or the file declares more than it holds.
    """
    from analysis_store.codecs.decode import decode
    from analysis_store.codecs.read import read

    return decode(read(item, lazy=lazy), missing=missing, types=types, lazy=lazy)
