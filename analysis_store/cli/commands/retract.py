"""``analysis-store retract``, ``reinstate`` and ``annotate``: what is said of a run after it was saved."""

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
    reason: Annotated[str, typer.Option(help="Why it shall not be used any more.", show_default=False)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a run, and all that came from it, shall not be used.

    Nothing is removed. Printed are the uids of the runs that it concerns.
    """
    from analysis_store.core.text import counted

    with open_store(store) as opened:
        notes = opened.retract(find_run(opened, uid).uid, reason)
    _tell(notes, as_json=as_json)
    if not as_json:
        note(f"{counted(len(notes), 'run')} retracted; to lift it: analysis-store reinstate {notes[0].uid[:8]}")


def reinstate(
    uid: UidArgument,
    reason: Annotated[str, typer.Option(help="Why it may be used after all.", show_default=False)],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that a retracted run may be used again.

    And what was retracted because of it. Printed are the uids of the runs that it concerns.
    """
    with open_store(store) as opened:
        _tell(opened.reinstate(find_run(opened, uid).uid, reason), as_json=as_json)


def annotate(
    uid: UidArgument,
    words: Annotated[list[str], typer.Argument(metavar="KEY=VALUE", help="What is known now; a value may be JSON.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say something of a run that was not known when it was saved.

    Its documents stay as they are; of several values of a key the newest counts.
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
