"""``analysis-store delete``, ``restore`` and ``gc``: remove runs by way of a quarantine, and restore them."""

from __future__ import annotations

import datetime
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer

from analysis_store.cli.console import finish, print_json, say, warned, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, deleted_uid, find_run, open_store
from analysis_store.errors import RunNotFoundError

YesOption = Annotated[bool, typer.Option("--yes", help="Do it. Without this option, only show what would be done.")]


def delete(
    uid: UidArgument,
    reason: Annotated[
        str, typer.Option(help="Why the run is deleted; kept permanently with its documents.", show_default=False)
    ],
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Move a run from the store to quarantine.

    Refused while another run needs it. Its documents and digests are kept permanently. analysis-store restore brings
    the run back until analysis-store gc has purged it.
    """
    with open_store(store) as opened, warned():
        with suppress(RunNotFoundError):  # a run with an interrupted deletion is not found, and can be deleted
            uid = find_run(opened, uid).uid
        report = opened.delete(uid, reason, dry_run=not yes)
    _tell(report, done=yes, as_json=as_json)


def restore(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Uid of a deleted run, or the beginning of its uid.")],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore a deleted run from quarantine.

    analysis-store gc lists the runs in quarantine.
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
        float, typer.Option(metavar="DAYS", min=0, help="Purge runs that have been in quarantine for DAYS.")
    ] = 30,
    yes: YesOption = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Purge deleted runs and files left by dead processes.

    Checks again that no run needs a file before deleting it.
    """
    with open_store(store) as opened, warned(), working("checking which files are needed"):
        report = opened.gc(dry_run=not yes, grace=datetime.timedelta(days=grace))
    _tell(report, done=yes, as_json=as_json)


def _tell(report: Any, *, done: bool, as_json: bool) -> NoReturn:
    """Print what was done, or would be done, and exit with the matching code."""
    finish(report, as_json=as_json, remark="" if done or not report else "Nothing was changed; add --yes to do it.")
