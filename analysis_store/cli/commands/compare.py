"""``analysis-store rerun`` and ``compare``: recompute a result, and compare two results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, warned, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store, pairs
from analysis_store.cli.presets import ImportOption, import_modules
from analysis_store.errors import UnknownProcessorError

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.processing import Comparison
    from analysis_store.runs.read.run import Run

RtolOption = Annotated[
    float | None,
    typer.Option(min=0, help="Largest relative difference of values that count as equal.", show_default="1e-5"),
]
AtolOption = Annotated[
    float | None,
    typer.Option(min=0, help="Largest absolute difference of values that count as equal.", show_default="0"),
]


def rerun(
    uid: UidArgument,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="Change a parameter; may be repeated. VALUE may be JSON.",
        ),
    ] = None,
    compare_: Annotated[
        bool, typer.Option("--compare", help="Compare the new result with the old; exit code 1 if they differ.")
    ] = False,
    rtol: RtolOption = None,
    atol: AtolOption = None,
    modules: ImportOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute a stored result from the same inputs.

    The new result is a separate run, linked to the old one. Prints its uid.
    """
    import_modules(modules)
    with open_store(store) as opened, warned():
        old = find_run(opened, uid)
        with working(f"recomputing {old.uid[:8]}"):
            new = _anew(opened, old, pairs(parameter or [], "--parameter"))
        if compare_:
            _tell(opened, old, new, rtol, atol, as_json=as_json)
        elif as_json:
            print_json({"uid": new.uid, "rerun_of": old.uid, "file": new.file})
        else:
            say(new.uid)


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="A uid, the beginning of a uid, a scan_id, or -1.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The run to compare A with.")],
    rtol: RtolOption = None,
    atol: AtolOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Compare the data of two runs; exit code 1 if they differ.

    For each stream and key: identical, close, or different (where and by how much).
    """
    with open_store(store) as opened:
        _tell(opened, find_run(opened, first), find_run(opened, second), rtol, atol, as_json=as_json)


def _anew(store: AnalysisStore, old: Run, overrides: Mapping[str, Any]) -> Run:
    try:
        return store.rerun(old.uid, **overrides)
    except UnknownProcessorError as error:
        module = str(((old.start.get("provenance") or {}).get("code") or {}).get("entry_point", "")).partition(":")[0]
        raise UnknownProcessorError(
            f"{error} The run was made by the module {module}." if module else str(error)
        ) from error


def _tell(store: AnalysisStore, a: Run, b: Run, rtol: float | None, atol: float | None, *, as_json: bool) -> None:
    """Print how two runs compare, and exit with 1 if they differ."""
    given = {name: value for name, value in (("rtol", rtol), ("atol", atol)) if value is not None}
    with working("comparing"):
        found: Comparison = store.compare(a.uid, b.uid, **given)
    told: dict[str, Any] = found.to_dict()
    if as_json:
        print_json(told)
    else:
        say(repr(found))
    raise typer.Exit(0 if found else 1)
