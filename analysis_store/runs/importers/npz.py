"""Arrays from npz files, without pickle and without trusting declared sizes."""

from __future__ import annotations

import math
import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from analysis_store.core.memory import check_fits
from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file by name.

    Raises
    ------
    InvalidDataError
        The file is not npz, an array has Python objects, or declares more than the file holds.
    TooLargeError
        The arrays do not fit into memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            check_fits(
                sum(_size(archive, member, path) for member in archive.infolist()),
                path,
                "Make a smaller file, or an HDF5 file.",
            )
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except InvalidDataError:
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, OSError, RuntimeError, LookupError) as error:
        raise InvalidDataError(f"{path} cannot be read as npz: {error}. Save plain arrays with numpy.savez.") from error


def _size(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> int:
    """Return the bytes of one array after checking that the archive holds the declared size."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise InvalidDataError(f"{path}: {member.filename} holds Python objects, which only unpickling could read.")
    size = math.prod(shape) * dtype.itemsize
    if size > member.file_size:
        raise InvalidDataError(f"{path}: {member.filename} declares {size} bytes and holds {member.file_size}.")
    return size
