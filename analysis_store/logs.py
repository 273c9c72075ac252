"""Logs: files of JSON lines to which many processes append; a kill never creates a wrong entry."""

from __future__ import annotations

import fcntl
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from analysis_store.core.write_errors import write_errors
from analysis_store.errors import DamagedFileError, InvalidDocumentError, UnsafeFileError
from analysis_store.folders import sync, sync_names
from analysis_store.roots import open_inside, opened

_NOTHING_ADDED = "Nothing was added; free space or fix the permission, then try again"


class AppendLog:
    """A file with one JSON object per line that only grows; the first entry creates the file and its folders.

    Parameters
    ----------
    path : Path
        The file. A process that appends locks the file (``flock``) meanwhile.

    Examples
    --------
    >>> log = AppendLog(folder / "log.jsonl")  # doctest: +SKIP
    >>> log.append([{"step": 1}, {"step": 2}])  # doctest: +SKIP
    >>> log.read()  # doctest: +SKIP
    [{'step': 1}, {'step': 2}]
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, entries: Iterable[Mapping[str, object]], durable: bool = True) -> None:
        """Add entries atomically.

        Parameters
        ----------
        entries : iterable of mapping
            JSON values; NaN and integers of any size are kept exactly.
        durable : bool
            Return only when the entries would survive a power cut.

        Raises
        ------
        InvalidDocumentError
            An entry has a value that JSON cannot hold.
        StoreWriteError
            The disk or a permission refused the write; no entry was added.
        UnsafeFileError
            The file is under the root of a store, and the path contains a link.
        """
        lines = b"".join(map(_line, entries))
        if not lines:
            return
        with write_errors(self.path, _NOTHING_ADDED), self._opened() as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            _add(file, lines, durable)
            if durable:
                sync_names(self.path)

    def read(self) -> list[dict[str, Any]]:
        """Return every entry, oldest first; an empty list without a file.

        An incomplete line, whose writer was killed, is left out with a warning that names file and line. At the end of
        the file there is no warning, because no entry follows.
        """
        try:
            with opened(self.path) as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # otherwise entries would be visible that may still be taken back
                content = file.read()
        except FileNotFoundError:
            return []
        except UnsafeFileError:
            raise
        except OSError as error:
            raise DamagedFileError(
                error.errno, f"{self.path} cannot be read: {error.strerror}; check the permissions, or restore it"
            ) from error
        return list(self._entries(content))

    def _entries(self, content: bytes) -> Iterator[dict[str, Any]]:
        *whole, last = content.split(b"\n")
        for number, line in enumerate(whole, 1):
            entry = _entry(line)
            if entry is not None:
                yield entry
            else:
                warnings.warn(
                    f"{self.path}, line {number} is not an entry and is left out: {line[:80]!r}", stacklevel=4
                )
        if (entry := _entry(last)) is not None:  # complete except for its newline, which the next append adds
            yield entry

    @contextmanager
    def _opened(self) -> Iterator[int]:
        try:
            file = open_inside(self.path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            file = self._made()
        try:
            yield file
        finally:
            os.close(file)

    def _made(self) -> int:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return open_inside(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)


def _line(entry: Mapping[str, Any]) -> bytes:
    try:
        return json.dumps(dict(entry), separators=(",", ":")).encode() + b"\n"
    except (TypeError, ValueError) as error:
        raise InvalidDocumentError(f"an entry of a log has a value that JSON cannot hold: {error}") from error


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _add(file: int, lines: bytes, durable: bool) -> None:
    """Add lines to a locked file: all of them, or after any error none."""
    size = os.fstat(file).st_size
    torn = size and os.pread(file, 1, size - 1) != b"\n"
    left = memoryview(b"\n" + lines if torn else lines)
    try:
        while left:  # one write; an almost full disk accepts only a part of it
            left = left[os.write(file, left) :]
        if durable:
            sync(file)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise
