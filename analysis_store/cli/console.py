"""Output for terminals and pipes: tables, JSON, one line per error, a spinner in a terminal only."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NoReturn

from analysis_store.core.jsonable import as_shown

_WHOLE = {"time", "uid"}
"""Columns that are never wrapped; the others are wrapped instead."""
_UID = re.compile(r"\b([0-9a-f]{8})(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


def complain(error: Exception, *, as_json: bool) -> None:
    """Print an error to standard error: one line of text, or one JSON object."""
    if as_json:
        line = json.dumps({"error": type(error).__name__, "message": str(error)}, ensure_ascii=False)
    else:
        line = f"error: {error}"
    print(line, file=sys.stderr)  # noqa: T201 - this module is where printing is done


def print_json(value: object) -> None:
    """Print a value as JSON, indented in a terminal and on one line in a pipe."""
    print(json.dumps(value, ensure_ascii=False, indent=2 if sys.stdout.isatty() else None, default=as_shown))  # noqa: T201


def say(*lines: str) -> None:
    """Print lines to standard output."""
    for line in lines:
        print(line)  # noqa: T201


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], none: str = "") -> None:
    """Print a table: aligned in a terminal, tab-separated and never shortened in a pipe.

    A terminal may have 80 columns, so uids are shortened there and empty columns are left out. A table without rows is
    replaced by the text ``none``.
    """
    if not sys.stdout.isatty():
        say(*("\t".join(row) for row in [columns, *rows]))
        return
    if none and not rows:
        say(none)
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    told = [index for index in range(len(columns)) if any(row[index] for row in rows)]
    drawn = Table(box=None, pad_edge=False)
    for index in told:  # folded, because truncated text cannot be copied
        drawn.add_column(columns[index], no_wrap=columns[index] in _WHOLE, overflow="fold")
    for row in rows:
        drawn.add_row(*(escape(_UID.sub(r"\1", row[index])) for index in told))
    Console(highlight=False).print(drawn)


def note(text: str) -> None:
    """Print a remark in a terminal, and nothing in a pipe."""
    if sys.stdout.isatty():
        say(text)


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner during slow work, in a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


@contextlib.contextmanager
def warned() -> Iterator[None]:
    """Print each warning of the block once at its end, on one line."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for message in dict.fromkeys(str(warning.message) for warning in caught):
                print(f"warning: {message}", file=sys.stderr)  # noqa: T201


def finish(report: Any, *, as_json: bool, remark: str = "") -> NoReturn:
    """Print a report, in a terminal with a remark below it, and exit with code 1 if the report is false."""
    import typer

    if as_json:
        print_json(report.to_dict())
    else:
        say(str(report))
        if remark:
            note(remark)
    raise typer.Exit(0 if report else 1)


def fields(values: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Yield lines ``name  value``, nested mappings below their names."""
    width = max((len(name) for name in values), default=0)
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield f"{indent}{name}"
            yield from fields(value, indent + "  ")
        elif isinstance(value, list) and value and all(isinstance(each, Mapping) for each in value):
            yield f"{indent}{name}"
            for each in value:
                first, *more = fields(each, indent + "    ")
                yield from (f"{indent}  - {first.lstrip()}", *more)
        elif isinstance(value, str) and "\n" in value:
            yield f"{indent}{name}"
            yield from (f"{indent}  {line}" for line in value.splitlines())
        else:
            yield f"{indent}{name:<{width}}  {value if isinstance(value, str) else json.dumps(value, default=as_shown)}"
