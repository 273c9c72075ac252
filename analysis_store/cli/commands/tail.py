"""``analysis-store tail``: follow a recording; a table in a terminal, lines in a pipe."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from analysis_store.cli.options import JsonOption, StoreOption
from analysis_store.errors import RunClosedError


def tail(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A uid, the beginning of a uid, or an HDF5 file; default: the newest run that is being recorded.",
            show_default=False,
        ),
    ] = None,
    store: StoreOption = None,
    once: Annotated[bool, typer.Option("--once", help="Show the present state and exit.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="In a pipe, begin with the last N values of each key.")
    ] = 10,
    interval: Annotated[float, typer.Option(min=0.05, help="Seconds between two checks for new values.")] = 0.5,
    as_json: JsonOption = False,
) -> None:
    """Follow a recording until it ends.

    Shows the last value, the rate and a curve of each key in a terminal. Prints one line per value, with time and key,
    in a pipe.
    """
    from analysis_store.cli.follow import DEAD, follow
    from analysis_store.cli.follow_terminal import show, stream, watch

    with follow(run, store) as followed:
        if once:
            show(followed, as_json=as_json)
            return
        if sys.stdout.isatty() and not as_json:
            watch(followed, interval)
        else:
            stream(followed, lines, interval, as_json=as_json)
        if followed.status() == DEAD:
            raise RunClosedError(
                f"the process that recorded {followed.name} died; analysis-store recover closes the recording."
            )
