"""Functions that stand on higher floors, and may not be imported from here: found by entry points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from analysis_store.errors import MissingDependencyError

_GROUP = "analysis_store.services"
_EXTRAS = {"broker": "server", "client": "server", "server_app": "server"}


@cache  # looking through the entry points of an environment takes milliseconds
def service(name: str) -> Callable[..., Any]:
    """Return the function behind ``store.<name>()``.

    Raises
    ------
    MissingDependencyError
        The package is importable, but not installed; or what the function needs is not. Says what to install.
    """
    found = list(entry_points(group=_GROUP, name=name))
    extra = _EXTRAS.get(name)
    wanted = f"pip install 'analysis_store[{extra}]'" if extra else "pip install analysis_store"
    if not found:
        raise MissingDependencyError(
            f"store.{name}() is not installed; analysis_store must be installed, not only be importable: {wanted}."
        )
    try:
        function: Callable[..., Any] = found[0].load()
    except ImportError as error:
        raise MissingDependencyError(f"store.{name}() needs {error.name or error}: {wanted}.") from error
    return function


class Found(ABC):
    """A store, whose methods are found when they are first called."""

    @abstractmethod
    def _alive(self) -> None:
        """Refuse to be used when closed."""

    def _service(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call what stands above the store and may not be imported from here."""
        self._alive()
        return service(name)(self, *arguments, **options)
