"""The connection to a Redis server: the keys of one recording, the scripts, and retries while the server restarts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from analysis_store.errors import InvalidDataError, MissingDependencyError, StoreWriteError
from analysis_store.recorder.redis import scripts

Result = TypeVar("Result")

_PAUSE = 0.05
_AT_FIRST = 5.0


class Link:
    """The server, for one recording.

    Parameters
    ----------
    url : str
        ``redis://[user:password@]host:port/database``, ``rediss://…`` or ``unix://path``.
    name : str
        Name of the recording.
    wait : float
        Time (s) to retry a server that does not answer.

    Raises
    ------
    MissingDependencyError
        The client is not installed.
    InvalidDataError
        The address is invalid, or the name is empty.
    """

    def __init__(self, url: str, name: str, wait: float) -> None:
        if not name:
            raise InvalidDataError(f"Got {name!r} as the name of a recording; expected text, e.g. a uid.")
        self.name: str = name
        self.wait: float = wait
        self.client: Any
        self.error: type[Exception]
        self.client, self.error = _client(url)
        self.shown: str = _without_password(url)
        self.keys: list[str] = [f"{name}:{part}" for part in scripts.PARTS]
        self._scripts: dict[str, Any] = {}

    def key(self, part: str) -> str:
        """Return the name of a part of the recording on the server."""
        return f"{self.name}:{part}"

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script on the server; errors are those of the client."""
        if script not in self._scripts:
            self._scripts[script] = self.client.register_script(script)
        return self._scripts[script](keys=[*self.keys, self.key("times:")], args=arguments)

    def ask(self, command: str, part: str, *arguments: object) -> Any:
        """Return the server's answer to a command on a part of the recording; `StoreWriteError` without an answer."""
        return self.patiently(lambda: self.client.execute_command(command, self.key(part), *arguments))

    def at_first(self, work: Callable[[], Result]) -> Result:
        """Call `patiently` with at most 5 s: enough for a restart of the server, and short for a wrong address."""
        return self.patiently(work, min(self.wait, _AT_FIRST))

    def patiently(self, work: Callable[[], Result], wait: float | None = None) -> Result:
        """Return the result of ``work``, which is repeated until the server answers.

        Raises
        ------
        StoreWriteError
            The server does not answer for ``wait`` seconds; default: those of the link.
        """
        end = time.monotonic() + (self.wait if wait is None else wait)
        while True:
            try:
                return work()
            except self.error as error:
                if time.monotonic() >= end:
                    raise self.refusal(error) from error
                time.sleep(_PAUSE)

    def refusal(self, error: Exception) -> StoreWriteError:
        """Return the error for an error of the client."""
        return StoreWriteError(
            f"Redis at {self.shown} does not accept values of {self.name!r}: {error}. Check that the server "
            "runs and can be reached."
        )

    def close(self) -> None:
        """Close the connections; the next call opens a new one."""
        self.client.close()


def _client(url: str) -> tuple[Any, type[Exception]]:
    try:
        import redis
    except ImportError as error:
        raise MissingDependencyError(
            "recording into Redis needs redis; install it with: pip install 'analysis-store[redis]'"
        ) from error
    try:
        # Retries are made here; the client itself tries once.
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=30.0, socket_connect_timeout=5.0, health_check_interval=0
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidDataError(
            f"Got {url!r} as the address of a server; expected one like redis://localhost:6379/0."
        ) from error
    return client, redis.RedisError


def _without_password(url: str) -> str:
    """Return an address without its password."""
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    return f"{parts.scheme}://{host}{parts.path}"
