"""The lock of a file that one process writes: who holds it is written in it, and it goes when its holder does."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from analysis_store.errors import StoreBusyError

_PATIENCE = 0.1
"""Seconds; a reader that looks whether there is a writer has the lock for a moment."""


class WriterLock:
    """Held from the making to `release`, or to the death of the process.

    Parameters
    ----------
    path : Path
        The file that is going to be written; the lock lies beside it.

    Raises
    ------
    StoreBusyError
        Another process, or this one, holds it; the message tells which and since when.
    """

    def __init__(self, path: Path) -> None:
        self.path = lock_path(path)
        self._file: int | None = self._taken(path)
        try:
            os.pwrite(self._file, _holder(), 0)
        except OSError:
            self.release()
            raise

    def _taken(self, path: Path) -> int:
        until = time.monotonic() + _PATIENCE
        while True:
            file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = _told(os.pread(file, 4096, 0))
                os.close(file)
                if time.monotonic() < until:
                    time.sleep(0.01)
                    continue
                raise StoreBusyError(f"{path} is being written by {holder}. Wait until it has ended.") from error
            if self._is_current(file):
                os.ftruncate(file, 0)
                return file
            os.close(file)  # its holder has removed it between our two calls

    def _is_current(self, file: int) -> bool:
        try:
            return os.path.samestat(os.fstat(file), self.path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Give it up; a second call changes nothing."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._file)
            self._file = None

    def forget(self) -> None:
        """Leave it to the process that this one was forked from."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def lock_path(path: Path) -> Path:
    """Return where the lock of a file lies."""
    return path.with_name(f"{path.name}.lock")


def is_written(path: Path) -> bool:
    """Say whether a process has the lock of a file."""
    try:
        file = os.open(lock_path(path), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def _holder() -> bytes:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as containers have them
        user = str(os.getuid())
    held: dict[str, Any] = {"pid": os.getpid(), "user": user, "host": socket.gethostname(), "since": time.time()}
    return json.dumps(held).encode()


def _told(data: bytes) -> str:
    """Return who holds a lock, in words."""
    try:
        held = json.loads(data)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(held["since"]))
        return f"process {held['pid']} of {held['user']} on {held['host']}, since {since}"
    except (ValueError, KeyError, TypeError):
        return "another process"
