"""``analysis-store export`` and ``link-tree``: runs for other programs, and a way to them by input and parameters."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, warned
from analysis_store.cli.options import JsonOption, StoreOption, find_run, open_store, parse_terms
from analysis_store.errors import TargetExistsError

if TYPE_CHECKING:
    from analysis_store.exchange import Dangling, Tree

STDOUT = "-"


def export(
    uid: Annotated[
        str | None,
        typer.Argument(
            metavar="UID",
            help="A uid, the beginning of one, a scan_id, or -1 for the newest run; none with --query.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str | None,
        typer.Argument(metavar="TARGET", help="A file, a folder, or - for standard output.", show_default=False),
    ] = None,
    store: StoreOption = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            "-f",
            help="json, yaml, xml, npz, hdf5, nexus, csv, parquet, jsonl, msgpack, png, flac or wav; "
            "by default what the suffix of the file tells, else json.",
        ),
    ] = None,
    stream: Annotated[str | None, typer.Option(help="This stream only.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="This data key only; any number of times.")] = None,
    event: Annotated[int | None, typer.Option(min=1, help="This event only (its seq_num).")] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="TERM", help="All runs that a term finds, as in search; TARGET is a folder."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a run, or many, in a format that other programs read.

    A file appears whole or not at all. What is printed is where it is.
    """
    from analysis_store import exchange

    options: dict[str, Any] = {
        "stream": stream, "key": key, "event": None if event is None else event - 1, "overwrite": overwrite
    }  # fmt: skip
    uid, target = _words(uid, target, many=bool(query))
    with open_store(store) as opened, _told():
        runs: Any = opened.search(parse_terms(query)) if query else find_run(opened, uid)
        if target == STDOUT:
            exchange.export(runs, sys.stdout.buffer, format_, **options)
            return
        made = exchange.export(runs, f"{target}/" if query else target, format_, **options)
    files = made if isinstance(made, list) else [made]
    if as_json:
        print_json({**({} if query else {"uid": runs.uid}), "files": files})
    else:
        say(*map(str, files))


def _words(uid: str | None, target: str | None, *, many: bool) -> tuple[str, str]:
    """Return which run, and where to; with a query the only word is where to."""
    if many and target is None and uid not in {None, STDOUT}:
        return "", str(uid)
    if many:
        raise typer.BadParameter("with --query give a folder as the only argument", param_hint="TARGET")
    if uid is None or target is None:
        raise typer.BadParameter("give a run and a target, or --query and a folder", param_hint="TARGET")
    return uid, target


@contextmanager
def _told() -> Iterator[None]:
    """Say what is warned of; and of a file that is there, which option replaces it."""
    try:
        with warned():
            yield
    except TargetExistsError as error:
        raise TargetExistsError(
            f"{str(error).partition('; expected')[0]}; give --overwrite to replace a file."
        ) from error


def link_tree(
    target: Annotated[Path, typer.Argument(help="Folder of the tree; made if it is not there.")],
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help="Of the runs, link those that the terms find, as in search."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(help="Key that tells results apart, any number of times; by default parameters and code."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Make nothing; list links that lead nowhere, with exit code 1 if any.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link results by input and parameters in HDF5 files.

    Made again, the tree is brought up to date.
    """
    from analysis_store import exchange

    if check:
        found = exchange.check_tree(target)
        if as_json:
            print_json([asdict(link) for link in found])
        else:
            say(*map(str, found))
        raise typer.Exit(int(bool(found)))
    with open_store(store) as opened:
        tree = exchange.link_tree(opened, target, by or None, query=parse_terms(terms or []))
    if as_json:
        print_json(asdict(tree))
        return
    say(_summary(tree))
    for line in _remarks(tree):
        typer.echo(f"warning: {line}", err=True)


def _summary(tree: Tree) -> str:
    return f"{len(tree.files)} inputs, {tree.groups} sets of parameters, {tree.links} links in {tree.folder}."


def _remarks(tree: Tree) -> Iterator[str | Dangling]:
    """Yield what a person should know beside."""
    yield from tree.dangling
    if tree.left:
        yield f"left as they were: {', '.join(map(str, tree.left))}; no run found now has these inputs."
