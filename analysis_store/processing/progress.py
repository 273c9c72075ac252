"""What a person sees of a running task: a bar with its rate and what failed; a pipe sees nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[int, int, int], None]
"""Called with how many inputs are done or failed, how many of them failed, and how many there are."""


@contextmanager
def watched(progress: Progress | bool | None, what: str) -> Iterator[Progress]:
    """Give the caller's function; else a bar, if a person is watching or it is asked for with True; else nothing."""
    if callable(progress):
        yield progress
    elif progress is False or not (progress or sys.stderr.isatty()):
        yield _silent
    else:
        with _bar(what) as tell:
            yield tell


def _silent(done: int, failed: int, total: int) -> None:
    """Tell nobody."""


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
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        shown = bar.add_task(what, total=None, rate="", failures="")

        def tell(done: int, failed: int, total: int) -> None:
            elapsed = bar.tasks[0].elapsed
            rate = f"{done / elapsed:.3g}/s" if elapsed else ""
            bar.update(shown, completed=done, total=total, rate=rate, failures=f"{failed} failed" if failed else "")

        yield tell
