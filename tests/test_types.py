"""What an editor knows of code that uses the package: pyright reads it as an editor does."""

from __future__ import annotations

import inspect
import json
import re
import subprocess

import pytest

from analysis_store import AnalysisStore
from tests.known_types import PYRIGHT, environment

pytest.importorskip("pyright", reason="pyright is among the tools of make lint")

# Of each line, the comment says which type pyright reveals, or which error it finds.
USER = """
import io
from collections.abc import Iterator
from pathlib import Path

from analysis_store import AnalysisStore, export
from analysis_store.processing import Inputs, Preset, Task, get_processor, processor
from analysis_store.processing.library.fits import fit_peak
from analysis_store.types import Document


@processor(id="centre", version="1")
def centre(inputs: Inputs, *, threshold: float = 0.5, name: str) -> dict[str, float]:
    return {name: threshold}


def take(store: AnalysisStore, name: str, doc: Document) -> None:
    store(name, doc)


def use(store: AnalysisStore, inputs: Inputs) -> Iterator[object]:
    run = store[-1]
    yield reveal_type(run)  # Run
    yield reveal_type(store.search({"sample_name": "Fe foil"}, since="2026"))  # Runs
    yield reveal_type(store.search()[0])  # Run
    yield reveal_type(store.search()[:2].search(until="2026"))  # Runs
    yield reveal_type(run["primary"])  # Stream
    yield reveal_type(run["primary"]["mu"])  # LazyArray
    yield reveal_type(run.read())  # Dataset
    yield reveal_type(store.read_checked("abc"))  # Dataset
    yield reveal_type(store.read_checked("abc", None))  # dict[str, Dataset]

    yield reveal_type(centre)  # Processor[(*, threshold: float = 0.5, name: str), dict[str, float]]
    yield reveal_type(centre.preset(name="mu"))  # Preset
    yield centre.preset(name="mu", treshold=0.1)  # error: No parameter named "treshold"
    yield centre.preset()  # error: Argument missing for parameter "name"
    yield fit_peak.preset(model="gausian")  # error: cannot be assigned to parameter "model"
    yield reveal_type(centre(inputs, name="mu"))  # dict[str, float]
    yield reveal_type(centre | fit_peak.preset(y="mu"))  # Pipeline
    yield reveal_type(get_processor("fit_peak").preset(model="gaussian"))  # Preset
    yield reveal_type(Preset(centre, {"name": "mu"}))  # Preset
    yield reveal_type(store.compute(centre, [run, "abc", Path("scan.csv")]))  # Run
    yield store.compute(5, run)  # error: cannot be assigned to parameter "preset"
    yield store.search(5)  # error: cannot be assigned to parameter "query"
    yield store.insert([{"primary": 5}], {})  # error: cannot be assigned to parameter "data"


    yield reveal_type(inputs[0])  # Input
    yield reveal_type(inputs["primary"])  # InputStream
    yield reveal_type(Task(centre | fit_peak, "all").run()[0])  # Outcome
    yield reveal_type(Task(fit_peak, store.search()).run()[:2])  # list[Outcome]

    yield reveal_type(store.check())  # CheckReport
    yield reveal_type(store.explain(fit_peak, run))  # Explanation
    yield reveal_type(store.lineage(run.uid))  # Lineage
    yield reveal_type([each.run for each in store.stale({"sample_name": "Fe foil"})])  # list[Run]

    yield reveal_type(export(run))  # str | bytes
    yield reveal_type(export(run, io.BytesIO()))  # None
    yield reveal_type(export(run, Path("result.json")))  # Path | list[Path]
    yield reveal_type(export(store.search(), "results/"))  # list[Path]
"""
LINES = {number: line.partition("  # ")[::2] for number, line in enumerate(USER.splitlines()) if "  # " in line}


@pytest.fixture(scope="module")
def said(tmp_path_factory) -> dict[int, list[tuple[str, str]]]:
    """Return by line what pyright says of the code of a user: severity and message."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "user.py").write_text(USER)
    command = [*PYRIGHT, "--outputjson", "user.py"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    found: dict[int, list[tuple[str, str]]] = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        found.setdefault(each["range"]["start"]["line"], []).append((each["severity"], each["message"]))
    return found


@pytest.mark.parametrize("number", LINES, ids=lambda number: LINES[number][0].strip())
def test_type(said, number):
    """An editor knows the type of the expression, or finds the mistake."""
    expected = LINES[number][1]
    ((severity, message),) = said[number]

    if expected.startswith("error: "):
        assert severity == "error"
        assert expected.removeprefix("error: ") in message
    else:
        assert severity == "information"
        assert re.search(r' is "(.*)"$', message)[1] == expected


def test_nothing_else_is_said(said):
    """An editor finds no fault in the other lines."""
    assert set(said) == set(LINES)


def test_methods_of_a_store_return_something_known():
    """No method of a store returns just anything."""
    methods = dict(inspect.getmembers(AnalysisStore, inspect.isfunction))
    public = {name: each for name, each in methods.items() if not name.startswith("_") or name.endswith("__")}

    assert {"check", "compute", "search", "read_checked", "__getitem__"} <= set(public)
    assert [name for name, each in public.items() if each.__annotations__.get("return", "Any") == "Any"] == []
