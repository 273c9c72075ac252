"""``analysis-store export`` and ``link-tree``: write runs for other programs, and link results."""

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
            help="A uid, the beginning of a uid, a scan_id, or -1 for the newest run. Leave out with --query.",
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
            "default: the format of the file's suffix, else json.",
        ),
    ] = None,
    stream: Annotated[str | None, typer.Option(help="Export only this stream.")] = None,
    key: Annotated[list[str] | None, typer.Option(help="Export only this data key; may be repeated.")] = None,
    event: Annotated[int | None, typer.Option(min=1, help="Export only the event with this seq_num.")] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(metavar="TERM", help="Export all runs that match this search term; TARGET is a folder."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write one or more runs in a format that other programs read.

    Each file is written atomically. Prints the paths of the files.
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
    """Return the run and the target; with a query, the single argument is the target."""
    if many and target is None and uid not in {None, STDOUT}:
        return "", str(uid)
    if many:
        raise typer.BadParameter("with --query give a folder as the only argument", param_hint="TARGET")
    if uid is None or target is None:
        raise typer.BadParameter("give a run and a target, or --query and a folder", param_hint="TARGET")
    return uid, target


@contextmanager
def _told() -> Iterator[None]:
    """Print warnings, and name the option that replaces an existing file."""
    try:
        with warned():
            yield
    except TargetExistsError as error:
        raise TargetExistsError(
            f"{str(error).partition('; expected')[0]}; give --overwrite to replace a file."
        ) from error


def link_tree(
    target: Annotated[Path, typer.Argument(help="Folder of the tree; created if missing.")],
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help="Link only runs that match these terms, as in search."),
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            help="Metadata key by which results are separated; may be repeated. Default: parameters and code."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; list broken links, with exit code 1 if there are any.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Link results by input and parameters in HDF5 files.

    Running the command again updates the tree.
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
    """Yield further remarks on the tree."""
    yield from tree.dangling
    if tree.left:
        yield f"left as they were: {', '.join(map(str, tree.left))}; no run that was found has these inputs."
