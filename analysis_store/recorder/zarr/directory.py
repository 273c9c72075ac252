"""The directory of a recording in Zarr: its attributes list the keys and their numbers of valid values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from analysis_store.core.write_errors import write_error
from analysis_store.errors import (
    DamagedFileError,
    InvalidDataError,
    MissingDependencyError,
    StoreVersionError,
    StoreWriteError,
)

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.recorder.zarr.keys import Key

_VERSION = 1
_NAME = "analysis_store_recording"


class Directory:
    """A Zarr group whose attributes are written last: further values were left by a dead writer.

    Parameters
    ----------
    path : Path
        Path of the directory, which may not exist yet.

    Raises
    ------
    MissingDependencyError
        Zarr is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zarr = _zarr()
        self._file = path / ".zattrs"
        self._seen: tuple[int, ...] | None = None

    def begin(self, *, new: bool) -> None:
        """Create the directory, unless it exists.

        Raises
        ------
        InvalidDataError
            The path has other content; or does not exist and must not be created.
        """
        if self._file.exists():
            return
        if not new or (self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))):
            raise InvalidDataError(f"There is no recording at {self.path}; expected a directory of a ZarrDataStore.")
        self.put({})

    def put(self, keys: Mapping[str, Key]) -> None:
        """Write the list of keys, which commits their values.

        Raises
        ------
        StoreWriteError
            The file system refused the write.
        """
        described = {name: key.described() for name, key in keys.items() if key.counts()}
        try:
            group = self._zarr.open_group(self.path, mode="a", zarr_format=2)
            group.attrs.put({_NAME: {"version": _VERSION, "keys": described}})
        except OSError as error:
            raise self.refused(error) from error

    def look(self, take: Callable[[str, Document], None]) -> None:
        """Call ``take`` with the description (`Key.described`) of each key, if the attributes have changed.

        Raises
        ------
        DamagedFileError
            The description is damaged; ``take`` may raise any error for an unexpected value.
        StoreVersionError
            It was written by a newer version.
        """
        try:
            status = self._file.stat()
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen == self._seen:
                return
            told = orjson.loads(self._file.read_bytes())[_NAME]
            if told["version"] > _VERSION:
                raise StoreVersionError(f"{self.path} was recorded by a newer version; install that to read it.")
            for key, described in told["keys"].items():
                take(key, described)
        except (OSError, KeyError, TypeError, AttributeError, InvalidDataError, orjson.JSONDecodeError) as error:
            raise DamagedFileError(
                f"{self._file} does not describe a recording: {error!r}. It was changed, or written by another program."
            ) from error
        self._seen = seen

    def forget(self) -> None:
        """Discard the cached state, so that the next call reports all keys."""
        self._seen = None

    def refused(self, error: Exception) -> StoreWriteError:
        """Return the error for a write that the file system or Zarr refused."""
        return write_error(self.path, error, "Flushed values are kept; free space, or record elsewhere")


def number_told(told: object) -> int:
    """Return a valid number for a path or an allocation; the file may be untrusted.

    Raises
    ------
    TypeError
        It is not a valid number.
    """
    if type(told) is not int or told < 0:
        raise TypeError(f"got {told!r:.60} as a number of values")
    return told


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            "Zarr is not installed; a ZarrDataStore needs it. Install it with: pip install 'analysis_store[zarr]'"
        ) from error
    return zarr
