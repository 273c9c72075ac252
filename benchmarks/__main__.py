"""Print the table: ``python -m benchmarks [saving reading objects recording search processing trust starting]``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from benchmarks import objects, processing, reading, recording, saving, search, starting, trust

if TYPE_CHECKING:
    from benchmarks.measure import Row

PARTS: dict[str, Callable[[], Iterable[Row]]] = {
    "saving": saving.rows,
    "reading": reading.rows,
    "objects": objects.rows,
    "recording": recording.rows,
    "search": search.rows,
    "processing": processing.rows,
    "trust": trust.rows,
    "starting": starting.rows,
}


def main(wanted: list[str]) -> int:
    """Measure and print; the exit status tells whether every target was met."""
    unknown = sorted(set(wanted) - set(PARTS))
    if unknown:
        print(f"unknown parts {unknown}; known: {', '.join(PARTS)}", file=sys.stderr)
        return 2
    console, met = Console(width=150), True
    for name in wanted or PARTS:
        table = Table("work", "measured", "must reach", "", title=name)
        for row in PARTS[name]():
            table.add_row(row.work, row.measured, row.target, "" if not row.target else "yes" if row.met else "NO")
            met = met and row.met
        console.print(table)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
