"""The connection to a Redis server: the keys of one recording, the scripts, and patience while it restarts."""

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
    """The server, as one recording uses it.

    Parameters
    ----------
    url : str
        ``redis://[user:password@]host:port/database``, ``rediss://…`` or ``unix://path``.
    name : str
        Of the recording.
    wait : float
        For how long (s) a server that does not answer is asked again.

    Raises
    ------
    MissingDependencyError
        The client is not installed.
    InvalidDataError
        The address is none, or the name is empty.
    """

    def __init__(self, url: str, name: str, wait: float) -> None:
        if not name:
            raise InvalidDataError(f"{name!r} came as the name of a recording; expected some text, e.g. a uid.")
        self.name: str = name
        self.wait: float = wait
        self.client: Any
        self.error: type[Exception]
        self.client, self.error = _client(url)
        self.shown: str = _without_password(url)
        self.keys: list[str] = [f"{name}:{part}" for part in scripts.PARTS]
        self._scripts: dict[str, Any] = {}

    def key(self, part: str) -> str:
        """Return what a part of the recording is called on the server."""
        return f"{self.name}:{part}"

    def run(self, script: str, *arguments: object) -> Any:
        """Let the server run a script; errors are those of the client."""
        if script not in self._scripts:
            self._scripts[script] = self.client.register_script(script)
        return self._scripts[script](keys=[*self.keys, self.key("times:")], args=arguments)

    def ask(self, command: str, part: str, *arguments: object) -> Any:
        """Return what the server answers to a command on a part of the recording; `StoreWriteError` if nothing."""
        return self.patiently(lambda: self.client.execute_command(command, self.key(part), *arguments))

    def at_first(self, work: Callable[[], Result]) -> Result:
        """As `patiently`, for 5 s at most: a server that restarts is back by then, a wrong address is noticed."""
        return self.patiently(work, min(self.wait, _AT_FIRST))

    def patiently(self, work: Callable[[], Result], wait: float | None = None) -> Result:
        """Return what ``work`` returns, which is done again until the server answers.

        Raises
        ------
        StoreWriteError
            It does not for ``wait`` seconds, those of the link unless others are given.
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
        """Return the error for one of the client."""
        return StoreWriteError(
            f"Redis at {self.shown} does not take what is recorded as {self.name!r}: {error}. See that the server "
            "runs and can be reached."
        )

    def close(self) -> None:
        """End the connections; the next call makes a new one."""
        self.client.close()


def _client(url: str) -> tuple[Any, type[Exception]]:
    try:
        import redis
    except ImportError as error:
        raise MissingDependencyError(
            "recording into Redis needs redis; install it with: pip install 'analysis-store[redis]'"
        ) from error
    try:
        # Who waits, and for how long, is ours to say: the client itself tries once.
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        client = redis.Redis.from_url(
            url, retry=Retry(NoBackoff(), 0), socket_timeout=30.0, socket_connect_timeout=5.0, health_check_interval=0
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidDataError(
            f"{url!r} came as the address of a server; expected one like redis://localhost:6379/0."
        ) from error
    return client, redis.RedisError


def _without_password(url: str) -> str:
    """Return an address that may be shown."""
    parts = urlsplit(url)
    host = f"{parts.hostname or ''}{f':{parts.port}' if parts.port else ''}"
    return f"{parts.scheme}://{host}{parts.path}"
