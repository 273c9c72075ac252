"""Check that editors know the types of the package: ``python -m tests.known_types``, a part of ``make lint``.

pyright counts the symbols of the package whose types it can read without running code. It does not follow the import
hook of an editable installation, so the folder of the checkout is given to it by PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FLOOR = 0.95
PYRIGHT = (sys.executable, "-m", "pyright", "--pythonpath", sys.executable)


def environment() -> dict[str, str]:
    """Return the environment in which pyright finds the package."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def verified() -> dict[str, Any]:
    """Return what pyright says of the types of the package."""
    command = [*PYRIGHT, "--verifytypes", "analysis_store", "--ignoreexternal", "--outputjson"]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        sys.exit(f"pyright gave no report: {done.stdout}{done.stderr}")
    return found


def unknown(symbols: list[dict[str, Any]]) -> list[str]:
    """Return one line for each exported symbol whose type is not known."""
    wanting = [
        each for each in symbols if each["isExported"] and not (each["isTypeKnown"] and not each["isTypeAmbiguous"])
    ]
    return [
        f"{each['name']}: {' '.join(fault['message'].split())}" for each in wanting for fault in each["diagnostics"]
    ]


def main() -> None:
    """Print the part of the types that is known; exit with 1 when it is below the floor."""
    report = verified()
    known = report["typeCompleteness"]["completenessScore"]
    print(f"Types known to editors: {known:.1%}; expected at least {FLOOR:.0%}.")
    if known < FLOOR:
        print(*unknown(report["typeCompleteness"]["symbols"]), *report["generalDiagnostics"], sep="\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
