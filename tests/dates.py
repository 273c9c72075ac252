"""Runs the tests that see a clock on other dates and in other zones: ``python -m tests.dates [pytest options]``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

TESTS = (
    "tests/trust/test_bundle.py",
    "tests/trust/test_check.py",
    "tests/runs/test_notes.py",
    "tests/catalogs/test_query.py",
    "tests/trust/test_removal.py",
    "tests/runs/test_retraction.py",
    "tests/store/test_store.py",
    "tests/codecs/test_codecs_standard.py",
    "tests/recorder/test_run_datastore.py",
)
CHOSEN = "not slow and not file_times"  # faketime moves the clock of the process, not that of the system
MOMENTS = (
    ("2027-01-01 00:30:00", "UTC"),
    ("2026-08-09 12:00:00", "Asia/Kathmandu"),
    ("2026-10-31 21:00:00", "America/St_Johns"),
    ("2028-02-29 12:00:00", "Europe/Berlin"),
    ("2026-12-31 23:59:50", "UTC"),
    ("2026-10-25 02:59:50", "Europe/Berlin"),  # the hour that comes twice
    ("2026-03-29 01:59:50", "Europe/Berlin"),  # the hour that does not come
    ("2040-06-15 12:00:00", "Pacific/Kiritimati"),
)


def main(options: list[str]) -> int:
    """Run the tests at every moment; return the number of moments at which one failed."""
    if shutil.which("faketime") is None:
        sys.exit("Got no faketime on PATH; expected Debian's package of that name. Do apt-get install faketime.")
    failed = []
    for moment, zone in MOMENTS:
        print(f"--- {moment} {zone}", flush=True)
        environment = os.environ | {"TZ": zone}
        tests = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "-m", CHOSEN, *TESTS, *options]
        if subprocess.run(["faketime", "-f", f"@{moment}", *tests], env=environment, check=False).returncode:
            failed.append(f"{moment} {zone}")
    print("failed: " + ", ".join(failed) if failed else f"passed at {len(MOMENTS)} moments")
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
