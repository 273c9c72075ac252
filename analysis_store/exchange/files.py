"""Exported files, written under a scratch name and then linked into place; and files to read, wherever they are."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Self, cast

from analysis_store.core.atomic_files import AtomicFile
from analysis_store.core.write_errors import write_error, write_errors
from analysis_store.errors import DamagedFileError, StoreWriteError, TargetExistsError

_NOTHING_KEPT = "No part of the file was kept; free space or fix the permission, then export again"


class Outgoing(AtomicFile):
    """Writes one export atomically and raises our errors."""

    def __enter__(self) -> Self:
        if self.path.is_dir() or (os.path.lexists(self.path) and not self.overwrite):
            raise self._taken()
        with translated(self.path):
            return super().__enter__()

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Yield the scratch file, open for reading and writing; it is durable afterwards."""
        with translated(self.path), super().writing() as file:
            yield file

    def publish(self) -> None:
        """Link the scratch file to its final name."""
        with translated(self.path):
            try:
                super().publish()
            except FileExistsError as error:
                raise self._taken() from error

    def _taken(self) -> TargetExistsError:
        return TargetExistsError(
            f"{self.path} exists already and was not changed; expected a new name. Use overwrite=True to replace "
            "a file."
        )


@contextmanager
def translated(what: object) -> Iterator[None]:
    """Translate errors of the operating system and of HDF5 into ours, naming the file."""
    with write_errors(what, _NOTHING_KEPT):
        try:
            yield
        except StoreWriteError as error:  # the message already names the step that failed
            raise write_error(what, error.__cause__ or error, _NOTHING_KEPT) from error


@contextmanager
def incoming(source: str | os.PathLike[str] | IO[bytes] | IO[str]) -> Iterator[BinaryIO]:
    """Yield a real, seekable binary file; copy anything without a path to a file first.

    Raises
    ------
    DamagedFileError
        The file cannot be opened.
    """
    if isinstance(source, (str, os.PathLike)):
        with _opened(Path(source)) as file:
            yield file
        return
    with tempfile.NamedTemporaryFile() as scratch:
        _copy(source, cast("BinaryIO", scratch))
        scratch.flush()
        scratch.seek(0)
        yield cast("BinaryIO", scratch)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise DamagedFileError(
            f"{path} cannot be opened: {error.strerror}. Give the path of an export; wrap the text of an export in "
            "io.StringIO."
        ) from error


def _copy(source: Any, target: BinaryIO) -> None:
    """Copy a text or binary file."""
    if isinstance(source, io.TextIOBase):
        while part := source.read(1 << 20):
            target.write(part.encode())
    else:
        shutil.copyfileobj(source, target)
