"""The directory of a recording in Zarr: its attributes say which keys there are, and how much of each counts."""

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
    """A Zarr group whose attributes are written last: what they do not count is of a writer that died.

    Parameters
    ----------
    path : Path
        Where it is, or will be.

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
        """Make it, unless it is there.

        Raises
        ------
        InvalidDataError
            There is something else at the path; or nothing, and none is to be made.
        """
        if self._file.exists():
            return
        if not new or (self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir()))):
            raise InvalidDataError(f"There is no recording at {self.path}; expected a directory that one made.")
        self.put({})

    def put(self, keys: Mapping[str, Key]) -> None:
        """Say which keys there are; from now on this counts.

        Raises
        ------
        StoreWriteError
            The file system refused.
        """
        described = {name: key.described() for name, key in keys.items() if key.counts()}
        try:
            group = self._zarr.open_group(self.path, mode="a", zarr_format=2)
            group.attrs.put({_NAME: {"version": _VERSION, "keys": described}})
        except OSError as error:
            raise self.refused(error) from error

    def look(self, take: Callable[[str, Document], None]) -> None:
        """Tell of each key what `Key.described` said of it, if anything was changed since the last look.

        Raises
        ------
        DamagedFileError
            It is not as it was written; ``take`` refuses it by any error of a value that is not as expected.
        StoreVersionError
            A newer version wrote it.
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
                f"{self._file} does not describe a recording: {error!r}. It was changed, or is another's."
            ) from error
        self._seen = seen

    def forget(self) -> None:
        """Let the next look tell everything."""
        self._seen = None

    def refused(self, error: Exception) -> StoreWriteError:
        """Return what is raised where the file system, or Zarr, refused to write."""
        return write_error(self.path, error, "What was flushed before is still there; make room, or record elsewhere")


def number_told(told: object) -> int:
    """Return a number that is part of a path, or of memory to be taken; a file may say anything.

    Raises
    ------
    TypeError
        It is none.
    """
    if type(told) is not int or told < 0:
        raise TypeError(f"{told!r:.60} came as a number of values")
    return told


def _zarr() -> Any:
    try:
        import zarr
    except ImportError as error:
        raise MissingDependencyError(
            "Zarr is not installed; a ZarrDataStore needs it. Install it with: pip install 'analysis_store[zarr]'"
        ) from error
    return zarr
