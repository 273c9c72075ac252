"""What runs is what is written, or has another key, or none: many pairs of code that give different results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.code import child
from tests.code.cases import EDITS, PATCHES, Case
from tests.sweeps import some

Told = dict[str, list[str]]
"""By the name of a case: what its code is taken for, what it returns, what its code is taken for after that."""

CHECKOUT = Path(__file__).parents[2]


def write(root: Path, cases: list[Case], *, edited: bool) -> None:
    """Write the modules of cases, each into a folder of its own."""
    patches = {}
    for number, case in enumerate(cases):
        prefix = f"case{number:03d}"
        for name, text in case.written(prefix, edited=edited).items():
            path = root / prefix / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        patches[prefix] = case.patch.replace("CASE", prefix)
    (root / "patches.json").write_text(json.dumps(patches))


def ask(root: Path, how: str, cases: list[Case]) -> Told:
    """Load all cases in one fresh process, and return what it says of them."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-W", "ignore", child.__file__, str(root), how]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=150)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    return {case.name: told for case, told in zip(cases, found.values(), strict=True)}


@pytest.fixture(scope="module")
def edits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, Told]:
    """What two processes say of the cases of edited files, before and after they were edited."""
    folder = tmp_path_factory.mktemp("edits")
    found = []
    for edited in (False, True):
        write(folder / str(edited), EDITS, edited=edited)
        found.append(ask(folder / str(edited), "written", EDITS))
    return found[0], found[1]


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """What processes say of the cases that are changed while they run; each process is asked once."""
    folder = tmp_path_factory.mktemp("patches") / "all"
    write(folder, PATCHES, edited=False)
    found: dict[str, Told] = {}

    def told(how: str) -> Told:
        if how not in found:
            found[how] = ask(folder, how, PATCHES)
        return found[how]

    return told


def check(case: Case, before: list[str], after: list[str]) -> None:
    """Check that a change was noticed, and that nothing else was."""
    kind = "refused" if after[0].startswith("refused") else "same" if after[0] == before[0] else "key"
    assert kind == case.then, after[0]
    assert (before[1] == after[1]) == (case.then == "same"), "the case is none: it gives the same result"
    assert before[0] == before[2], "to run it is no change"
    if case.then != "refused" or not case.edit:
        assert not before[0].startswith("refused"), before[0]


@pytest.mark.parametrize("case", EDITS, ids=lambda case: case.name)
def test_edited(case: Case, edits: tuple[Told, Told]) -> None:
    """A file that was edited changes the key in a new process, if the processor uses what was edited."""
    check(case, *(told[case.name] for told in edits))


@pytest.mark.parametrize("how", some(["patched", "late"], 1))
@pytest.mark.parametrize("case", PATCHES, ids=lambda case: case.name)
def test_changed_while_running(case: Case, how: str, patches: Callable[[str], Told]) -> None:
    """What was changed in memory changes the key or leaves none, be it before the key was taken first or after."""
    check(case, patches("written")[case.name], patches(how)[case.name])


def test_refusals_say_what_to_do(edits: tuple[Told, Told], patches: Callable[[str], Told]) -> None:
    """An error names what was changed, or what cannot be followed, and the way out."""
    assert "_mod:f was changed after it was loaded" in patches("patched")["a function"][0]
    computed = edits[1]["a helper found by a computed name"][0]
    assert "_mod:work, which calls importlib.import_module" in computed
    assert "only_version=True" in computed
