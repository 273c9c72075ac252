"""``analysis-store dump``, ``load``, ``sync`` and ``backup``: runs go elsewhere, whole, with all they came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis_store.cli.console import finish, warned
from analysis_store.cli.options import JsonOption, StoreOption, find_run, open_store, parse_terms
from analysis_store.errors import RunNotFoundError

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.runs.read.run import Run


def dump(
    *,
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help="Runs that the terms find, as in search.", show_default=False),
    ] = None,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The file to write, such as foils.zip.")],
    uid: Annotated[
        list[str] | None,
        typer.Option(metavar="UID", help="This run, any number of times: a uid, the beginning of one, or -1."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every run of the store.")] = False,
    stubs: Annotated[
        bool, typer.Option("--stubs", help="Of what they came from, take the documents only, not the data.")
    ] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out what is damaged, instead of writing nothing.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write runs, and all they came from, into one file.

    A zip file that is an RO-Crate as well; analysis-store load takes it into another store.
    """
    if not (terms or uid or everything):
        raise typer.BadParameter("which runs? Give TERM, --uid or --all", param_hint="TERM")
    with open_store(store) as opened, warned():
        runs = _wanted(opened, terms or [], uid or [])
        if not len(runs):
            raise RunNotFoundError(f"no run of {opened.location} is like that, and {bundle} was not written.")
        report = opened.dump(runs, bundle, parents="stubs" if stubs else "closure", skip=skip_damaged)
    finish(report, as_json=as_json)


def load(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file that analysis-store dump has written.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be loaded.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take the runs of a bundle into the store.

    All of it is checked before any of it is kept; what is there already is left as it is.
    """
    with open_store(store) as opened, warned():
        report = opened.load(bundle, dry_run=dry_run)
    finish(report, as_json=as_json)


def sync(
    other: Annotated[str, typer.Argument(metavar="OTHER", help="Folder or URI of the other store.")],
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help="Only runs that the terms find, as in search.", show_default=False),
    ] = None,
    both: Annotated[bool, typer.Option("--both", help="Give it what it lacks, too.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take runs from another store that are not in this one.

    With the notes on them, such as retractions. A run that both have, and have differently, is named and left alone.
    """
    with open_store(store) as opened, open_store(other) as theirs, warned():
        report = opened.sync(theirs, query=parse_terms(terms or []), both=both)
    finish(report, as_json=as_json)


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder of the copy; made if it is not there.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare what is there from earlier backups with its digests, too.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the store, while it is in use.

    Done again, only what is new is copied. The copy is a store: open it, or copy it back.
    """
    with open_store(store) as opened, warned():
        report = opened.backup(target, verify=verify)
    finish(report, as_json=as_json)


def _wanted(store: AnalysisStore, terms: list[str], uids: list[str]) -> Sequence[Run]:
    """Return the runs that were asked for."""
    if not uids:
        return store.search(parse_terms(terms))
    found = {run.uid: run for run in store.search(parse_terms(terms))} if terms else {}
    return list((found | {run.uid: run for run in (find_run(store, word) for word in uids)}).values())
