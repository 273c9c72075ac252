"""Locks between processes, as files: each names its holder, and is released at the holder's death."""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from functools import cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from analysis_store.roots import open_inside, read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_FIRST_PAUSE = 0.002
"""Seconds."""


class FileLock:
    """A lock that is held until `release` or the death of the process; it also excludes other threads.

    `acquire` creates it.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file: int | None = file

    @classmethod
    def acquire(cls, path: Path, timeout: float = 0.0) -> Self | None:
        """Return the lock of the file ``path``; None if another process still holds it after ``timeout`` seconds.

        Raises
        ------
        OSError
            The file cannot be created or written.
        """
        return wait_for(lambda: cls._taken(path), timeout)

    @classmethod
    def _taken(cls, path: Path) -> Self | None:
        while True:
            file = open_inside(path, os.O_RDWR | os.O_CREAT)
            if not _locked(file):
                return None
            if _is_current(path, file):
                break
            os.close(file)  # its holder removed it between the two calls
        lock = cls(path, file)
        try:
            # Not truncated first: ext4 syncs a truncated file when it is closed, which takes a millisecond.
            os.ftruncate(file, os.pwrite(file, _holder(), 0))
        except OSError:
            lock.release()
            raise
        return lock

    def release(self) -> None:
        """Release the lock; a second call has no effect."""
        if self._file is not None:
            self.path.unlink(missing_ok=True)  # before the release: no other process can hold it yet
            self.forget()

    def forget(self) -> None:
        """Close the lock in a forked process without releasing it for the parent process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def wait_for(look: Callable[[], T], timeout: float, longest: float = 0.25) -> T:
    """Return the result of ``look`` as soon as it is true, or its last result after ``timeout`` seconds.

    The first interval is 2 ms; intervals grow up to ``longest`` seconds.
    """
    until, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while not (found := look()) and time.monotonic() < until:
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return found


def is_held(path: Path) -> bool:
    """Return True if a process holds the lock of the file ``path``."""
    try:
        file = open_inside(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(file)
    return False


def holder_of(path: Path) -> str:
    """Return the holder of a lock as text, as far as its file names it."""
    try:
        held = json.loads(read(path))
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(held["since"]))
        return f"process {held['pid']} of {held['user']} on {held['host']}, since {since}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def is_running(process: int) -> bool:
    """Return True if a process with this number runs on this host; any number from a file's name is accepted."""
    try:
        os.kill(process, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):  # not a valid process number
        return False
    return process > 0


def _locked(file: int) -> bool:
    """Lock an open file, or close it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return False
    except OSError:
        os.close(file)
        raise
    return True


def _is_current(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _holder() -> bytes:
    user, host = user_and_host()
    held: dict[str, Any] = {"pid": os.getpid(), "user": user, "host": host, "since": time.time()}
    return json.dumps(held).encode()


@cache
def user_and_host() -> tuple[str, str]:
    """Return the user and the host of this process."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a user without a name, as in containers
        user = str(os.getuid())
    return user, socket.gethostname()
