"""Starting: what importing the package and asking the command for help cost over bare Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Row, bound, interleaved


def rows() -> Iterator[Row]:
    """Yield every row about starting."""
    command = Path(sys.executable).with_name("analysis-store")
    times = interleaved(
        {
            "python": lambda: _run(sys.executable, "-c", "pass"),
            "import": lambda: _run(sys.executable, "-c", "import analysis_store"),
            "help": lambda: _run(str(command), "--help"),
        },
        15,
    )
    yield bound("import analysis_store, over bare Python", (times["import"] - times["python"]) * 1e3, 30, "ms")
    yield bound("analysis-store --help", times["help"] * 1e3, 200, "ms")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
