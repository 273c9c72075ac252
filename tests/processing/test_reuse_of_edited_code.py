"""Results are reused by what runs: through real stores, with processes that edit, patch and keep state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from tests.code import reusing

CHECKOUT = Path(__file__).parents[2]

WORK = """
    import helper
    from analysis_store.processing import processor

    @processor(id="profile_work", version="1"{more})
    def work(inputs):
        return {{"value": helper.of(inputs["primary"]["x"][0])}}
"""
LATE = """
    from analysis_store.processing import processor

    @processor(id="profile_work", version="1")
    def work(inputs):
        import helper
        return {"value": helper.of(inputs["primary"]["x"][0])}
"""


class Beamline:
    """A folder of loose modules, as a profile has them, and a store with three scans."""

    def __init__(self, folder: Path, origin: Provenance) -> None:
        self.code, self.store = folder / "startup", folder / "store"
        self.code.mkdir()
        with AnalysisStore(self.store) as store:
            for number in range(3):
                data = {"primary": {"x": np.full((1, 4), number + 1.0)}}
                store.insert(data, {"plan_name": "scan", "scan_id": number}, provenance=origin)

    def write(self, helper: str, work: str = WORK.format(more="")) -> None:
        """Write both modules."""
        (self.code / "helper.py").write_text(dedent(helper))
        (self.code / "profile_mod.py").write_text(dedent(work))

    def compute(self, statements: str = "") -> list[Any]:
        """Compute for every scan, in a fresh process that does some statements first."""
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [
            sys.executable,
            "-W",
            "ignore",
            reusing.__file__,
            str(self.code),
            str(self.store),
            dedent(statements),
        ]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=100)
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def beamline(tmp_path: Path, origin: Provenance) -> Beamline:
    """A place where code is edited."""
    return Beamline(tmp_path, origin)


def test_helper_beside_it(beamline: Beamline) -> None:
    """An edited helper gives new results in a new process; edited back, the first ones are there."""
    for factor, is_there in ((1, False), (2, False), (1, True)):
        beamline.write(f"def of(x):\n    return float(x[0]) * {factor}\n")
        assert beamline.compute() == [[n * factor, is_there] for n in (1, 2, 3)]


def test_patched(beamline: Beamline) -> None:
    """What somebody put in place of a function is not filed under what is written."""
    beamline.write("K = [1]\ndef of(x):\n    return float(x[0]) * K[0]\n")

    assert all(
        "helper:of was changed" in error for error in beamline.compute("import helper; helper.of = lambda x: 9.0")
    )
    assert beamline.compute("import helper; helper.K[0] = 9") == [[9.0, False], [18.0, False], [27.0, False]]
    assert beamline.compute() == [[1.0, False], [2.0, False], [3.0, False]]


CACHE = """
    CACHE = {}
    COUNT = 0
    def of(x):
        global COUNT
        COUNT += 1
        return CACHE.setdefault(float(x[0]), float(x[0]) * 2)
"""


@pytest.mark.slow
def test_state_that_the_code_keeps(beamline: Beamline) -> None:
    """A cache and a counter that the processor itself fills make no other key: not here, not in another process."""
    beamline.write(CACHE)

    assert beamline.compute() == [[2.0, False], [4.0, False], [6.0, False]]
    assert beamline.compute() == [[2.0, True], [4.0, True], [6.0, True]]


@pytest.mark.slow
def test_state_that_others_change(beamline: Beamline) -> None:
    """A value that somebody puts into the cache of a processor, between two runs of it, makes another key."""
    beamline.write(CACHE)
    patched = beamline.compute("AFTER = 'import helper; helper.CACHE.update({2.0: 99.0, 3.0: 99.0})'")

    assert patched == [[2.0, False], [99.0, False], [99.0, False]]
    assert beamline.compute() == [[2.0, True], [4.0, False], [6.0, False]]


@pytest.mark.parametrize("change", ["other=lambda: 3.0", "K=[K[0] + 1.0]"])
def test_changed_while_it_runs(beamline: Beamline, change: str) -> None:
    """What is changed while a processor runs, and not by a name in its code, leaves no result."""
    beamline.write(
        f"""
        import sys
        K = [1.0]
        def of(x):
            vars(sys.modules["helper"]).update({change})
            return other() + K[0]
        def other():
            return 2.0
        """
    )

    assert all("changed" in str(error) for error in beamline.compute())
    with AnalysisStore(beamline.store) as store:
        assert len(store.search({"processing.processor": "profile_work"})) == 0


@pytest.mark.slow
def test_edited_before_it_is_imported(beamline: Beamline) -> None:
    """A module that the function imports is the one that is there when it runs, not when the key was first taken."""
    beamline.write("def of(x):\n    return float(x[0])\n", LATE)
    assert beamline.compute() == [[1.0, False], [2.0, False], [3.0, False]]

    statements = f"""
        from pathlib import Path
        mod.work.source
        Path({str(beamline.code / "helper.py")!r}).write_text("def of(x):\\n    return 7.0\\n")
    """
    assert beamline.compute(statements) == [[7.0, False]] * 3
    assert beamline.compute() == [[7.0, True]] * 3


FOUND = """
    import importlib
    def of(x):
        return importlib.import_module("help" + "er2").of(x)
"""


@pytest.mark.slow
def test_only_the_version(beamline: Beamline) -> None:
    """Code that cannot be followed is refused, unless its author says by the version that it is the same."""
    (beamline.code / "helper2.py").write_text("def of(x):\n    return float(x[0])\n")
    beamline.write(FOUND)
    assert all("helper:of, which calls importlib.import_module" in error for error in beamline.compute())

    beamline.write(FOUND, WORK.format(more=", only_version=True"))
    assert beamline.compute() == [[1.0, False], [2.0, False], [3.0, False]]
    (beamline.code / "helper2.py").write_text("def of(x):\n    return 7.0\n")
    assert beamline.compute() == [[1.0, True], [2.0, True], [3.0, True]]

    beamline.write(FOUND, WORK.format(more=", only_version=True").replace('version="1"', 'version="2"'))
    assert beamline.compute() == [[7.0, False]] * 3
