"""``analysis-store dump``, ``load``, ``sync`` and ``backup``: copy runs, with their ancestors, to other places."""

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
        typer.Argument(metavar="TERM", help="Runs that match these terms, as in search.", show_default=False),
    ] = None,
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The file to write, such as foils.zip.")],
    uid: Annotated[
        list[str] | None,
        typer.Option(metavar="UID", help="A run: a uid, the beginning of a uid, or -1; may be repeated."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every run of the store.")] = False,
    stubs: Annotated[
        bool, typer.Option("--stubs", help="Include only the documents of ancestors, not their data.")
    ] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out damaged runs instead of refusing to write.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write runs and all their ancestors to one file.

    The file is a zip file and an RO-Crate; analysis-store load adds its runs to another store.
    """
    if not (terms or uid or everything):
        raise typer.BadParameter("no runs were named; give TERM, --uid or --all", param_hint="TERM")
    with open_store(store) as opened, warned():
        runs = _wanted(opened, terms or [], uid or [])
        if not len(runs):
            raise RunNotFoundError(f"no run of {opened.location} matches; {bundle} was not written.")
        report = opened.dump(runs, bundle, parents="stubs" if stubs else "closure", skip=skip_damaged)
    finish(report, as_json=as_json)


def load(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file written by analysis-store dump.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be loaded.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add the runs of a bundle to the store.

    Checks the whole bundle before adding any run. Runs that the store has are not changed.
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
    both: Annotated[bool, typer.Option("--both", help="Also copy missing runs to the other store.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy runs from another store that are missing in this one.

    Copies notes, such as retractions, too. Runs that differ between the stores are reported and not changed.
    """
    with open_store(store) as opened, open_store(other) as theirs, warned():
        report = opened.sync(theirs, query=parse_terms(terms or []), both=both)
    finish(report, as_json=as_json)


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Folder of the backup; created if missing.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Also verify the digests of files from earlier backups.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Back up the store while it is in use.

    Later backups copy only new files. The backup is a store: open it, or copy it back.
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
