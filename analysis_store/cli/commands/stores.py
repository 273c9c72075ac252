"""``analysis-store init``: create a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis_store.cli.console import print_json, say
from analysis_store.cli.options import JsonOption


def init(
    location: Annotated[str, typer.Argument(help="Folder to create, or a database URI (needs --root).")],
    root: Annotated[Path | None, typer.Option(help="Folder for the files; required with a database URI.")] = None,
    dirty: Annotated[
        str | None,
        typer.Option(
            help="Policy for uncommitted code: refuse it, diff (keep its patch) or allow it.", show_default="diff"
        ),
    ] = None,
    allow_waiver: Annotated[
        bool, typer.Option("--allow-waiver", help="Accept a written reason in place of unknown provenance.")
    ] = False,
    open_: Annotated[
        bool, typer.Option("--open", help="Require no provenance, for documents of other programs.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Create a store, or open an existing one."""
    from analysis_store import AnalysisStore, Policy

    rules = {"require_inputs": False, "require_code": False} if open_ else {}
    policy = None
    if rules or dirty or allow_waiver:
        policy = Policy.from_mapping({**rules, **({"dirty": dirty} if dirty else {}), "allow_waiver": allow_waiver})
    place = location if "://" in location else str(Path(location).expanduser())
    with AnalysisStore(place, root=root, policy=policy) as store:
        if as_json:
            print_json({"location": location, "root": store.root, "policy": store.policy.to_mapping()})
        else:
            say(
                f"Store at {location}, files in {store.root}.",
                f"Use it with --store {location}, or: export ANALYSIS_STORE={location}",
            )
