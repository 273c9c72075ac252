"""The command line ``analysis-store``: one module per group of commands.

Exit codes: 0 all is well; 1 the store refused or failed, with one line that says why; 2 the command was not
understood; 130 interrupted by Ctrl-C. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import sys

from analysis_store.errors import AnalysisStoreError


def main() -> int:
    """Run the command that the arguments of the process name; return the exit code."""
    from analysis_store.cli.app import app
    from analysis_store.cli.console import complain

    try:
        app(prog_name="analysis-store")
    except AnalysisStoreError as error:
        complain(error, as_json="--json" in sys.argv[1:])
        return 1
    return 0
