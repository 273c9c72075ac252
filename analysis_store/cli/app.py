"""The command ``analysis-store`` itself: its commands, its help and its version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from analysis_store.cli.commands import (
    check,
    compare,
    demo,
    export,
    find,
    insert,
    lineage,
    live,
    plot,
    process,
    processors,
    record,
    removal,
    retract,
    serve,
    show,
    stores,
    tail,
    task,
    transfer,
)


class _GroupsLast(TyperGroup):
    """Lists groups of commands after single commands, which are used more often."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of commands and groups, each in the order in which they were added."""
        return sorted(self.commands, key=lambda name: isinstance(self.commands[name], TyperGroup))


app = typer.Typer(
    cls=_GroupsLast,
    help="A permanent store for derived data. Every result has its provenance.",
    epilog="Exit codes: 0 success, 1 refused or failed, 2 invalid command line, 130 interrupted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help starts in half the time
)
_RUN = {"ignore_unknown_options": True}  # -1 means the newest run; it is not an option
_COMMANDS: list[tuple[Callable[..., None], dict[str, bool]]] = [
    (stores.init, {}),
    (insert.insert, {}),
    (record.record, {}),
    (tail.tail, _RUN),
    (live.live, {}),
    (live.recover, {}),
    (find.ls, {}),
    (find.search, {}),
    (show.show, _RUN),
    (plot.plot, _RUN),
    (show.documents, _RUN),
    (export.export, _RUN),
    (export.link_tree, {}),
    (processors.processors, {}),
    (process.run, {}),
    (process.explain, _RUN),
    (compare.rerun, _RUN),
    (compare.compare, _RUN),
    (lineage.lineage, _RUN),
    (lineage.impact, _RUN),
    (lineage.stale, {}),
    (retract.retract, _RUN),
    (retract.reinstate, _RUN),
    (retract.annotate, _RUN),
    (check.check, {}),
    (check.verify, _RUN),
    (check.reindex, {}),
    (transfer.dump, _RUN),
    (transfer.load, {}),
    (transfer.sync, {}),
    (transfer.backup, {}),
    (removal.delete, _RUN),
    (removal.restore, {}),
    (removal.gc, {}),
    (serve.serve, {}),
    (demo.demo, {}),
]
for _command, _settings in _COMMANDS:
    app.command(context_settings=_settings)(_command)
app.add_typer(task.app, name="task")


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("analysis_store"))
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Handle the options that come before the command."""
