"""Snapshots of modules and values in memory, and a cheap check whether they are unchanged."""

from __future__ import annotations

import sys
from collections.abc import Callable
from operator import is_
from pathlib import Path
from typing import Any

Look = Callable[[Any], tuple[object, ...]]
"""Returns the direct content of a value: a tuple of objects that are compared by identity."""

_ABSENT = object()


class Watch:
    """Valid while everything that was recorded is unchanged."""

    def __init__(self) -> None:
        self._names: dict[tuple[int, str], tuple[dict[str, Any], str, Any]] = {}
        self._values: list[tuple[Look, Any, tuple[Any, ...]]] = []
        self._contents: list[tuple[Callable[[], object], Any]] = []
        self._files: dict[str, tuple[Path, Any]] = {}

    def name(self, namespace: dict[str, object], name: str) -> None:
        """Record the value of a name, or that it is missing."""
        self._names[id(namespace), name] = namespace, name, namespace.get(name, _ABSENT)

    def value(self, look: Look, value: object) -> None:
        """Record the content of a value."""
        self._values.append((look, value, look(value)))

    def content(self, compute: Callable[[], object]) -> None:
        """Record a value that can only be compared by computing it again."""
        self._contents.append((compute, compute()))

    def file(self, module: str, path: Path) -> None:
        """Record a file whose module is not loaded."""
        self._files[module] = path, _state(path)

    def holds(self) -> bool:
        """Return True if everything is unchanged."""
        try:
            return (
                all(space.get(name, _ABSENT) is value for space, name, value in self._names.values())
                and all(_same(look(value), seen) for look, value, seen in self._values)
                and all(
                    module not in sys.modules and _state(path) == was for module, (path, was) in self._files.items()
                )
                and all(compute() == was for compute, was in self._contents)
            )
        except Exception:  # noqa: BLE001 - what cannot be looked at in the same way has changed
            return False


class Blind(Watch):
    """Records nothing."""

    def value(self, look: Look, value: object) -> None:
        """Do nothing."""

    def content(self, compute: Callable[[], object]) -> None:
        """Do nothing."""


def _same(now: tuple[Any, ...], seen: tuple[Any, ...]) -> bool:
    return len(now) == len(seen) and all(map(is_, now, seen))


def _state(path: Path) -> Any:
    found = path.stat()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
