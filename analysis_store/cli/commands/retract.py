"""``analysis-store retract``, ``reinstate`` and ``annotate``: notes on a run after it was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from analysis_store.cli.console import fields, note, print_json, say
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store, pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from analysis_store.catalogs.base import Note


def retract(
    uid: UidArgument,
    reason: Annotated[str, typer.Option(help="Why the run must not be used.", show_default=False)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Mark a run and all runs derived from it as not to be used.

    Nothing is removed. Prints the uids of all affected runs.
    """
    from analysis_store.core.text import counted

    with open_store(store) as opened:
        notes = opened.retract(find_run(opened, uid).uid, reason)
    _tell(notes, as_json=as_json)
    if not as_json:
        note(f"{counted(len(notes), 'run')} retracted; to undo: analysis-store reinstate {notes[0].uid[:8]}")


def reinstate(
    uid: UidArgument,
    reason: Annotated[str, typer.Option(help="Why the run may be used again.", show_default=False)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Allow a retracted run to be used again.

    Also reinstates the runs that were retracted because of it. Prints the uids of all affected runs.
    """
    with open_store(store) as opened:
        _tell(opened.reinstate(find_run(opened, uid).uid, reason), as_json=as_json)


def annotate(
    uid: UidArgument,
    words: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="Metadata to add; VALUE may be JSON.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Add metadata to a saved run.

    Its documents do not change. The newest value of a key takes precedence.
    """
    said = pairs(words, "KEY=VALUE")
    with open_store(store) as opened:
        run = find_run(opened, uid)
        opened.annotate(run.uid, said)
        known = run.annotations
    if as_json:
        print_json({"uid": run.uid, "annotations": known})
    else:
        say(*fields(known))


def _tell(notes: Sequence[Note], *, as_json: bool) -> None:
    if as_json:
        print_json([{"uid": each.uid, "time": each.time, "who": each.who, **each.body} for each in notes])
    else:
        say(*(each.uid for each in notes))
