"""``analysis-store lineage``, ``impact`` and ``stale``: ancestors, descendants and outdated results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis_store.cli.console import print_json, say, table, working
from analysis_store.cli.options import JsonOption, StoreOption, UidArgument, find_run, open_store, parse_terms
from analysis_store.core.write_errors import write_errors

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run
    from analysis_store.trust.lineage.model import Lineage

_COUNTED = re.compile(r"-\d+|\d{1,6}")
"""-1 is the newest run, and up to six digits are a scan_id; a commit has seven or more."""
IMPACT_COLUMNS = ("time", "uid", "made by", "steps", "how")
STALE_COLUMNS = ("time", "uid", "made by", "why")


class Form(StrEnum):
    """Output format of a graph."""

    TEXT = "text"
    DOT = "dot"
    SVG = "svg"
    MERMAID = "mermaid"
    PROV = "prov"


def lineage(
    uid: UidArgument,
    up: Annotated[bool, typer.Option("--up", help="Only ancestors.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only descendants.")] = False,
    form: Annotated[Form, typer.Option("--format", "-f", help="Output format; prov is W3C PROV-JSON.")] = Form.TEXT,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Write to this file.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Draw the ancestors and descendants of a run.

    Formats: a text tree, Graphviz, an SVG picture, Mermaid, or PROV-JSON.
    """
    with open_store(store) as opened:
        graph = opened.lineage(find_run(opened, uid).uid, up=up or not down, down=down or not up)
    told = json.dumps(graph.to_dict(), ensure_ascii=False) if as_json else _drawn(graph, form)
    if output is None:
        say(told.rstrip())
    else:
        _write(output, f"{told.rstrip()}\n")
        say(str(output))


def _drawn(graph: Lineage, form: Form) -> str:
    if form is Form.PROV:
        return json.dumps(graph.to_prov(), ensure_ascii=False, indent=2)
    draw: dict[Form, Callable[[], str]] = {
        Form.TEXT: graph.to_text, Form.DOT: graph.to_dot, Form.SVG: graph.to_svg, Form.MERMAID: graph.to_mermaid
    }  # fmt: skip
    return draw[form]()


def _write(path: Path, text: str) -> None:
    with write_errors(path, "Give another -o"):
        path.write_text(text, encoding="utf-8")


def impact(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT", help="A run, a file or its digest, a commit, or package==version, such as numpy==2.1.0."
        ),
    ],
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs that used something, and runs derived from them.

    Shows how each run is connected. Files are matched by content, not by path.
    """
    with open_store(store) as opened, working("searching"):
        asked = find_run(opened, what) if _COUNTED.fullmatch(what) else what
        found = opened.impact(asked)
        if as_json:
            told = [each.to_dict() for each in found]
        else:
            rows = [_row(each.run, str(each.depth), each.how) for each in found]
    if as_json:
        print_json(told)
    else:
        table(IMPACT_COLUMNS, rows, f"no run of this store used {what}.")


def stale(
    terms: Annotated[
        list[str] | None,
        typer.Argument(metavar="TERM", help="Only runs that match these terms, as in search.", show_default=False),
    ] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List results that would change if recomputed now, and why.

    An input was retracted, changed or recomputed, or there is a result of newer code.
    """
    with open_store(store) as opened, working("comparing"):
        found = list(opened.stale(parse_terms(terms or [])))
        rows = [_row(each.run, "; ".join(each.reasons)) for each in found]
    if as_json:
        print_json([each.to_dict() for each in found])
    else:
        table(STALE_COLUMNS, rows, "nothing is stale.")


def _row(run: Run, *more: str) -> list[str]:
    from analysis_store.runs.read.show import made_by, when

    return [when(run.start["time"]), run.uid[:8], made_by(run.start), *more]
