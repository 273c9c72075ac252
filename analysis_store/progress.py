"""What a person sees of work that takes its time: one bar, with its rate and what failed; a pipe sees nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[..., None]
"""Called with how many are done and how many there are; where one may fail alone, also with how many failed."""


def silent(done: int, total: int, failed: int = 0) -> None:
    """Tell nobody."""


@contextmanager
def watched(progress: Progress | bool | None, what: str) -> Iterator[Progress]:
    """Give the caller's function; else a bar, if a person is watching or it is asked for with True; else nothing."""
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
    # what came of the work is said below; only where nothing can be wiped away does the last state stay
    with rich.Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        shown = bar.add_task(what, total=None, rate="", failures="")

        def tell(done: int, total: int, failed: int = 0) -> None:
            elapsed = bar.tasks[0].elapsed
            rate = f"{done / elapsed:.3g}/s" if elapsed else ""
            bar.update(shown, completed=done, total=total, rate=rate, failures=f"{failed} failed" if failed else "")

        yield tell
