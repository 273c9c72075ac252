"""Objects as the bytes of an HDF5 file in memory, written by the codecs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from analysis_store.errors import AnalysisStoreError, DamagedFileError, InvalidDataError


def packed(value: object, key: str = "value") -> bytes:
    """Return an object as the bytes of an HDF5 file, stored as ``value`` in the forms of `analysis_store.codecs`.

    Raises
    ------
    InvalidDataError
        A part of the object cannot be stored; the message has its path.
    """
    import h5py

    from analysis_store.codecs.encode import encode
    from analysis_store.codecs.graph import Graph
    from analysis_store.codecs.write import write

    node = encode(Graph(value, key))
    with io.BytesIO() as memory:
        with refused_by_hdf5(key), h5py.File(memory, "w", libver="v110") as file:
            write(node, file, "value")
        return memory.getvalue()


@contextmanager
def refused_by_hdf5(key: str) -> Iterator[None]:
    """Convert the various errors of h5py for values that HDF5 cannot store to `InvalidDataError`."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except (OSError, RuntimeError, ValueError, TypeError, KeyError) as error:
        told = str(error).split("\n", maxsplit=1)[0].strip("'\"")
        raise InvalidDataError(
            f"{key!r}: HDF5 cannot store it: {told}. Expected fewer axes, fields or longer names than this value has. "
            "Split it into several keys."
        ) from error


def unpacked(data: bytes) -> Any:
    """Return the object from the bytes of `packed`.

    Raises
    ------
    DamagedFileError, UnknownTypeError
        As in `analysis_store.codecs.load`.
    """
    import h5py

    from analysis_store.codecs import load

    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            return load(file["value"])
    except (OSError, KeyError) as error:
        raise DamagedFileError(f"A recorded object cannot be read: {error}. The file was changed.") from error
