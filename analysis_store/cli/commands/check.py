"""``analysis-store check``, ``verify`` and ``reindex``: check, repair and rebuild a store."""

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
    quick: Annotated[bool, typer.Option("--quick", help="Read only documents, no data.")] = False,
    sample: Annotated[
        str | None,
        typer.Option(metavar="N|F", help="Read the data of N runs (20), or of a fraction F of all runs (0.1)."),
    ] = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Repair what can be repaired safely; nothing that could be data is removed."),
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that all runs are intact; exit code 1 if not.

    Checks files, catalog, digests and lineage, and lists files left by dead processes.
    """
    part = None if sample is None else _part(sample)
    with open_store(store) as opened, warned():
        report = opened.check(quick=quick, sample=part, repair=repair)
    finish(report, as_json=as_json)


def verify(uid: UidArgument, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """Verify the digests of one run; exit code 1 if a value differs."""
    with open_store(store) as opened, working("reading"):
        report = find_run(opened, uid).verify()
    if as_json:
        print_json({"uid": report.run, "whole": bool(report), "checked": report.checked, "faults": report.faults})
    else:
        say(str(report))
    raise typer.Exit(0 if report else 1)


def reindex(
    scratch: Annotated[
        bool, typer.Option("--scratch", help="Start with an empty catalog, even if the present one is intact.")
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Index every run again, including runs that the catalog has.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Rebuild the catalog from the files.

    Adds missing runs to an intact catalog; rebuilds a lost or damaged one.
    """
    from analysis_store.trust import reindex as rebuild

    place = place_of_store(store)
    with warned():
        report = rebuild(place, root=root_of_store(place), scratch=scratch, everything=everything)
    finish(report, as_json=as_json)


def _part(word: str) -> int | float:
    """Return the number or the fraction of runs that a word means.

    Raises
    ------
    typer.BadParameter
        The word is neither a number nor a fraction.
    """
    with suppress(ValueError):
        number = int(word) if word.isdecimal() else float(word)
        if isinstance(number, int) or 0 < number <= 1:
            return number
    raise typer.BadParameter(
        f"{word!r} is neither a number of runs (20) nor a fraction of all runs (0.1)", param_hint="--sample"
    )
