"""``analysis-store check``, ``verify`` and ``reindex``: is all of it there, whole, and found?"""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from analysis_store.cli.console import finish, print_json, say, warned, working
from analysis_store.cli.options import (
    JsonOption,
    StoreOption,
    UidArgument,
    find_run,
    open_store,
    place_of_store,
    root_of_store,
)


def check(
    quick: Annotated[bool, typer.Option("--quick", help="Read documents only, no data.")] = False,
    sample: Annotated[
        str | None,
        typer.Option(metavar="N|F", help="Read the data of so many runs (20), or of this part of them (0.1)."),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Mend what can be mended safely; nothing that could be data is removed."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every run is there and whole; exit code 1 if not.

    Files, catalog, digests, lineage, and what dead processes left.
    """
    part = None if sample is None else _part(sample)
    with open_store(store) as opened, warned():
        report = opened.check(quick=quick, sample=part, repair=repair)
    finish(report, as_json=as_json)


def verify(uid: UidArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Compare one run with its digests; exit code 1 if it differs."""
    with open_store(store) as opened, working("reading"):
        report = find_run(opened, uid).verify()
    if as_json:
        print_json({"uid": report.run, "whole": bool(report), "checked": report.checked, "faults": report.faults})
    else:
        say(str(report))
    raise typer.Exit(0 if report else 1)


def reindex(
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Begin with an empty catalog, also where there is a sound one.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Enter every run again, also those that the catalog has.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the catalog anew from the files.

    What is missing in it is added; one that is lost or damaged is rebuilt.
    """
    from analysis_store.trust import reindex as rebuild

    place = place_of_store(store)
    with warned():
        report = rebuild(place, root=root_of_store(place), scratch=scratch, everything=everything)
    finish(report, as_json=as_json)


def _part(word: str) -> int | float:
    """Return how many runs, or which part of them, a word means.

    Raises
    ------
    typer.BadParameter
        It is neither.
    """
    with suppress(ValueError):
        number = int(word) if word.isdecimal() else float(word)
        if isinstance(number, int) or 0 < number <= 1:
            return number
    raise typer.BadParameter(
        f"{word!r} is neither a number of runs, as 20, nor a part of them, as 0.1", param_hint="--sample"
    )
