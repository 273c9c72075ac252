"""Progress of slow work: a bar with rate and failures in a terminal; a pipe shows nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[..., None]
"""Called with the number done and the number of all; if items can fail separately, also with the number of failures."""


def silent(done: int, total: int, failed: int = 0) -> None:
    """Ignore progress."""


@contextmanager
def watched(progress: Progress | bool | None, what: str) -> Iterator[Progress]:
    """Yield the caller's function; else a bar, in a terminal or with True; else a function that does nothing."""
    if callable(progress):
        yield progress
    elif progress is False or not (progress or sys.stderr.isatty()):
        yield silent
    else:
        with _bar(what) as tell:
            yield tell


@contextmanager
def _bar(what: str) -> Iterator[Progress]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TextColumn("{task.fields[failures]}", style="red"),
        rich.TimeRemainingColumn(),
    )
    # the result is printed below; the last state stays only where the output cannot be erased
    with rich.Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        shown = bar.add_task(what, total=None, rate="", failures="")

        def tell(done: int, total: int, failed: int = 0) -> None:
            elapsed = bar.tasks[0].elapsed
            rate = f"{done / elapsed:.3g}/s" if elapsed else ""
            bar.update(shown, completed=done, total=total, rate=rate, failures=f"{failed} failed" if failed else "")

        yield tell
