"""The code of a processor: its function, and the user functions, classes and data that it uses.

It is found in the text of the modules and compared with the loaded code. Python and installed
packages count by name only; their versions are in the environment of the run. All rules:
``docs/explanations/decisions/0050-what-runs-is-what-is-written.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from analysis_store.errors import ProcessorError
from analysis_store.processing.code import state
from analysis_store.processing.code.module_homes import within
from analysis_store.processing.code.module_source import keep_text, module_text
from analysis_store.processing.code.walk import Walk
from analysis_store.processing.identity.result_key import digest_of

_OURS = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Source:
    """The code of a processor, as far as it is known."""

    digest: str
    parts: tuple[tuple[str, str], ...]
    """``("module:name", digest)`` of each function, class and value that counts, sorted."""

    walk: Walk | None = field(default=None, compare=False, repr=False)
    """The search that found it."""

    @property
    def holds(self) -> bool:
        """Return True if everything seen in memory is unchanged."""
        return self.walk is None or self.walk.watch.holds()


ONLY_VERSION = Source(digest_of("only the version"), ())
"""Code of a processor whose author identifies the code by the version alone."""


def remember(function: Callable[..., object]) -> bool:
    """Keep the text of a function that is being registered: this text runs, even if its file changes later.

    Returns
    -------
    bool
        True if there is a text.
    """
    keep_text(function.__module__, package_of(function.__module__))
    return module_text(function.__module__) is not None


def source_of(function: Callable[..., object]) -> Source:
    """Return the code of a function.

    Raises
    ------
    ProcessorError
        There is no text of it; the text differs from the running code; or the running code cannot be known.
    """
    walk = _walk(function)
    parts = sorted((f"{module}:{name}", digest) for (module, name), digest in walk.parts.items())
    return Source(digest_of(parts), tuple(parts), walk)


@contextmanager
def unchanged(before: Source, function: Callable[..., object]) -> Iterator[None]:
    """Run code; values that it changes itself, such as a cache, count as unchanged afterwards.

    Raises
    ------
    ProcessorError
        Other code changed something while it ran, so that the code that ran is unknown.
    """
    try:
        yield
    except BaseException:
        with suppress(ProcessorError):
            _settle(before, function)
        raise
    _settle(before, function)


def _settle(before: Source, function: Callable[..., object]) -> None:
    if before.walk is None or before.holds:
        return
    was, now = before.walk, _walk(function)
    changed = state.changes(was.found, now.found, was.rebound | now.rebound)
    if changed:
        names = ", ".join(f"{module}:{name}" for module, name in changed)
        raise ProcessorError(
            f"{names} was changed while {function.__qualname__} ran, so that the code that ran is unknown. Its result "
            "was not "
            "kept. Run it again."
        )
    state.accept(was.found, now.found)


def package_of(module: str) -> str:
    """Return the package whose code counts for a function of this module: the topmost one."""
    if within(module, _OURS):  # our own processors treat the rest of this package as foreign
        return module.rpartition(".")[0] or module
    return module.partition(".")[0]


def _walk(function: Callable[..., object]) -> Walk:
    try:
        return _walked(function, anew=False)
    except ProcessorError:
        return _walked(function, anew=True)  # a reloaded module matches its file as it is now


def _walked(function: Any, *, anew: bool) -> Walk:
    try:
        return Walk(function, package_of(function.__module__), anew=anew)
    except RecursionError as error:
        raise ProcessorError(
            f"Got a value nested too deeply, among those that {function.__qualname__} uses; expected some hundred "
            "levels at most."
        ) from error
