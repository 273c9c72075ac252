"""``analysis-store delete``, ``restore`` and ``gc``: runs leave the store, slowly, and may come back meanwhile."""

from __future__ import annotations

import datetime
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer

from analysis_store.cli.console import finish, print_json, say, warned, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, deleted_uid, find_run, open_store
from analysis_store.errors import RunNotFoundError

YesOption = Annotated[bool, typer.Option("--yes", help="Do it; without it, only tell what would be done.")]


def delete(
    uid: UidArgument,
    reason: Annotated[str, typer.Option(help="Why; kept with its documents for ever.", show_default=False)],
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a run out of the store, into quarantine.

    Refused while another run needs it. Its documents and digests are kept for ever; analysis-store restore brings all
    of it back until analysis-store gc has purged it.
    """
    with open_store(store) as opened, warned():
        with suppress(RunNotFoundError):  # one whose deletion was cut short is not found, and can be deleted
            uid = find_run(opened, uid).uid
        report = opened.delete(uid, reason, dry_run=not yes)
    _tell(report, done=yes, as_json=as_json)


def restore(
    uid: Annotated[str, typer.Argument(metavar="UID", help="A deleted run: its uid, or the beginning of one.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring a deleted run back from quarantine.

    Which ones can be brought back is told by analysis-store gc.
    """
    with open_store(store) as opened:
        run = opened.restore(deleted_uid(opened, uid) or uid)
        told = {"uid": run.uid, "file": run.file}
    if as_json:
        print_json(told)
    else:
        say(run.uid)


def gc(
    grace: Annotated[
        float, typer.Option(metavar="DAYS", min=0, help="Purge what has been in quarantine for so long.")
    ] = 30,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Purge deleted runs for good, and what dead processes left.

    Before anything goes it is looked for once more whether a run needs it.
    """
    with open_store(store) as opened, warned(), working("looking for what is needed"):
        report = opened.gc(dry_run=not yes, grace=datetime.timedelta(days=grace))
    _tell(report, done=yes, as_json=as_json)


def _tell(report: Any, *, done: bool, as_json: bool) -> NoReturn:
    """Print what was done, or would be, and leave with what that means."""
    finish(report, as_json=as_json, remark="" if done or not report else "Nothing was done yet; --yes does it.")
