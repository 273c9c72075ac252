"""The code of a processor: its function, and the functions, classes and data of one's own that this uses.

It is found in the text of the modules and compared with what is loaded. What belongs to Python or to an installed
package counts by its name only; its version is in the environment of the run. What counts and what does not:
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
    """What is known of the code of a processor."""

    digest: str
    parts: tuple[tuple[str, str], ...]
    """``("module:name", digest)`` of each function, class and value that counts, sorted."""

    walk: Walk | None = field(default=None, compare=False, repr=False)
    """How it was found."""

    @property
    def holds(self) -> bool:
        """Whether all that was seen in memory is as it was."""
        return self.walk is None or self.walk.watch.holds()


ONLY_VERSION = Source(digest_of("only the version"), ())
"""That of a processor whose author says by the version alone whether its code is the same."""


def remember(function: Callable[..., object]) -> bool:
    """Keep the text of a function that is being registered: what runs is this, whatever its file says later.

    Returns
    -------
    bool
        Whether there is a text.
    """
    keep_text(function.__module__, package_of(function.__module__))
    return module_text(function.__module__) is not None


def source_of(function: Callable[..., object]) -> Source:
    """Return the code of a function.

    Raises
    ------
    ProcessorError
        There is no text of it; the text is not that of the code which runs; or nobody can know which code runs.
    """
    walk = _walk(function)
    parts = sorted((f"{module}:{name}", digest) for (module, name), digest in walk.parts.items())
    return Source(digest_of(parts), tuple(parts), walk)


@contextmanager
def unchanged(before: Source, function: Callable[..., object]) -> Iterator[None]:
    """Let code run; what it changes itself, such as a cache, counts afterwards as what it was before.

    Raises
    ------
    ProcessorError
        Something was changed by others while it ran, so that nobody knows what has run.
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
            f"{names} was changed while {function.__qualname__} ran, and nobody knows what has run; its result was not "
            "kept. Run it again."
        )
    state.accept(was.found, now.found)


def package_of(module: str) -> str:
    """Return the package whose code counts for a function of this module: the topmost one."""
    if within(module, _OURS):  # the machinery is as foreign to our own processors as to those of others
        return module.rpartition(".")[0] or module
    return module.partition(".")[0]


def _walk(function: Callable[..., object]) -> Walk:
    try:
        return _walked(function, anew=False)
    except ProcessorError:
        return _walked(function, anew=True)  # a module that was loaded anew is what its file says now


def _walked(function: Any, *, anew: bool) -> Walk:
    try:
        return Walk(function, package_of(function.__module__), anew=anew)
    except RecursionError as error:
        raise ProcessorError(
            f"Got a value nested too deeply, among those that {function.__qualname__} uses; expected some hundred "
            "levels at most."
        ) from error
