"""Logs: files of JSON lines that many processes append to, of which no kill makes an entry that was not written."""

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
    """A file of one JSON object per line, which only ever grows; made with its folders at the first entry.

    Parameters
    ----------
    path : Path
        The file. Every process that appends to it locks it (``flock``) for as long as that takes.

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
        """Add entries, all of them or none.

        Parameters
        ----------
        entries : iterable of mapping
            What JSON can hold; NaN and integers of any size come back as they are.
        durable : bool
            Return only when they would outlive a power cut.

        Raises
        ------
        InvalidDocumentError
            An entry holds what JSON does not.
        StoreWriteError
            The disk or a permission refuses; nothing of the entries stays.
        UnsafeFileError
            It lies under the root of a store, and a link leads to it.
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
        """Return every entry, oldest first; none where there is no file.

        A line that is none, because its writer was killed, is left out with a warning that names file and line; at the
        end of the file without a warning, because nothing came after it yet.
        """
        try:
            with opened(self.path) as file:
                fcntl.flock(file, fcntl.LOCK_SH)  # otherwise what is being added, and may be taken back, is seen
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
                warnings.warn(f"{self.path}, line {number} is no entry and left out: {line[:80]!r}", stacklevel=4)
        if (entry := _entry(last)) is not None:  # whole but for its newline: the next append makes it a line, too
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
        raise InvalidDocumentError(f"an entry of a log holds what JSON does not: {error}") from error


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None


def _add(file: int, lines: bytes, durable: bool) -> None:
    """Add lines to a locked file; whatever comes in between, they are all there or none is."""
    size = os.fstat(file).st_size
    torn = size and os.pread(file, 1, size - 1) != b"\n"
    left = memoryview(b"\n" + lines if torn else lines)
    try:
        while left:  # one write; a disk that is almost full takes a part of it
            left = left[os.write(file, left) :]
        if durable:
            sync(file)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(file, size)
        raise
