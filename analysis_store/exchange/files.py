"""Files that leave: written under a scratch name, then linked into place; and files that come, wherever they lie."""

from __future__ import annotations

import errno
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, BinaryIO, Self, cast

from analysis_store import layout
from analysis_store.errors import AnalysisStoreError, DamagedFileError, StoreWriteError, TargetExistsError
from analysis_store.folders import sync_folder
from analysis_store.runs.durable import claim, publish, remove_folders


class Outgoing:
    """A file on its way to its final name; leaving the ``with`` by an exception removes every trace of it.

    Parameters
    ----------
    path : pathlib.Path
        The final name; folders on the way are made.
    overwrite : bool
        Whether a file of that name may be replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool) -> None:
        self.path = path
        self._overwrite = overwrite
        self._scratch = layout.scratch_path(path)
        self._made: list[Path] = []
        self._ours: os.stat_result | None = None

    def __enter__(self) -> Self:
        if self.path.is_dir() or (os.path.lexists(self.path) and not self._overwrite):
            raise self._taken()
        try:
            with translated(self.path):
                claim(self._scratch, self._made)
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._clear()

    @contextmanager
    def writing(self) -> Iterator[BinaryIO]:
        """Give the scratch file, open for reading and writing; it is durable afterwards."""
        with translated(self.path), self._scratch.open("w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())

    def publish(self) -> None:
        """Give the file its name."""
        with translated(self.path):
            ours = self._scratch.stat()
            try:
                if self._overwrite:
                    self._scratch.replace(self.path)
                    sync_folder(self.path.parent)
                else:
                    publish(self._scratch, self.path)
            except FileExistsError as error:
                raise self._taken() from error
        self._ours = None if self._overwrite else ours

    def _taken(self) -> TargetExistsError:
        return TargetExistsError(
            f"{self.path} is there already, and is left as it is; expected a new name. Say overwrite=True to replace "
            "a file."
        )

    def _clear(self) -> None:
        with suppress(OSError):
            self._scratch.unlink(missing_ok=True)
        with suppress(OSError):
            if self._ours and os.path.samestat(self.path.stat(), self._ours):
                self.path.unlink()
        remove_folders(self._made)


@contextmanager
def translated(what: object) -> Iterator[None]:
    """Turn the operating system's and HDF5's errors into ours, naming the file."""
    try:
        yield
    except StoreWriteError as error:  # of a part, which says what was tried
        raise _refused(what, error.__cause__ or error) from error
    except AnalysisStoreError:
        raise
    except (OSError, RuntimeError) as error:
        raise _refused(what, error) from error


def _refused(what: object, error: BaseException) -> StoreWriteError:
    number = getattr(error, "errno", None)
    told = os.strerror(number) if number else str(error).split("\n", maxsplit=1)[0]
    return StoreWriteError(
        number or errno.EIO,
        f"could not write {what}: {told}. Nothing of it was kept; free space or fix the permission, then export again",
    )


@contextmanager
def incoming(source: str | os.PathLike[str] | IO[Any]) -> Iterator[BinaryIO]:
    """Give a real, seekable binary file, whatever came; what is no file with a path is copied to one first.

    Raises
    ------
    DamagedFileError
        It cannot be opened.
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
            f"{path} cannot be opened: {error.strerror}. Give the path of an export; the text of one goes into "
            "io.StringIO."
        ) from error


def _copy(source: Any, target: BinaryIO) -> None:
    """Copy a file of text or bytes."""
    if isinstance(source, io.TextIOBase):
        while part := source.read(1 << 20):
            target.write(part.encode())
    else:
        shutil.copyfileobj(source, target)
