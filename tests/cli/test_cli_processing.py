"""The command line of processing: processors, running them on runs and files, tasks, explaining, computing anew."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml
from pydantic import TypeAdapter

from analysis_store import AnalysisStore, Provenance, insert_analysis
from analysis_store.cli import main
from analysis_store.cli.commands.processors import type_text
from tests.warm_cli import COLD, Command

ENTRY = Command()
SYNTHETIC = Provenance(origin="synthetic", note="for a test")


class Color(Enum):
    """One of two."""

    RED = "red"
    GREEN = "green"


MODULE = '''
"""Processors of one's own."""

import time
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from analysis_store.processing import processor


@processor(id="NAME_scale", version="1.0")
def scale(
    inputs,
    *,
    factor: Annotated[float, Field(gt=0)] = 2,
    kind: Literal["all", "odd"] = "all",
    label: str | None = None,
):
    """Multiply a curve.

    By a factor, which is positive.
    """
    curve = inputs["primary"]["curve"][0]
    if curve[0] < 0:
        raise ValueError("the curve begins below zero")
    return {"curve": curve * factor}


@processor(id="NAME_total", version="1.0")
def total(inputs, *, power: int = 1):
    """Add a curve up."""
    return {"total": float((inputs["primary"]["curve"][0] ** power).sum())}


@processor(id="NAME_size", version="2.0")
def size(inputs):
    """Measure a file."""
    return {"size": inputs.path.stat().st_size if hasattr(inputs, "path") else inputs[0].path.stat().st_size}


@processor(id="NAME_chance", version="1.0")
def chance(inputs):
    """Return something else each time."""
    return {"value": time.time()}


@processor(id="NAME_slow", version="1.0")
def slow(inputs):
    """Take its time."""
    Path("begun").touch()
    time.sleep(30)
    return {"value": 1.0}
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Write a module of one's own to a folder, go there, and return its name, with which its ids begin."""
    name = f"own_{os.getpid()}_{time.monotonic_ns()}"
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / f"{name}.py").write_text(MODULE.replace("NAME", name))
    monkeypatch.chdir(tmp_path / "here")
    before = list(sys.path)
    yield name
    sys.path[:] = before
    sys.modules.pop(name, None)


@pytest.fixture
def call(monkeypatch, capsys):
    """Run a command in this process; return exit code, standard output and standard error."""
    monkeypatch.delenv("ANALYSIS_STORE", raising=False)

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["analysis-store", *map(str, words)])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return call


@pytest.fixture
def store(tmp_path):
    """Make a store of three curves, of which the last begins below zero."""
    with AnalysisStore(tmp_path / "store") as opened:
        for number, low in enumerate([1.0, 2.0, -3.0]):
            insert_analysis(
                [{"primary": {"curve": np.linspace(low, 10.0, 50)}}],
                {"scan_id": number + 1, "sample_name": "good" if low > 0 else "bad", "kind": "curve"},
                provenance=SYNTHETIC,
                store=opened,
            )
    return tmp_path / "store"


class TestProcessors:
    """``processors``."""

    def test_table(self, call, module):
        """A line for each: id, version, what it does, package."""
        code, out, err = call("processors", "--import", module)

        assert code == 0, err
        lines = [line.split("\t") for line in out.splitlines()]
        assert lines[0] == ["id", "version", "what it does", "package"]
        assert [f"{module}_scale", "1.0", "Multiply a curve.", module] in lines

    def test_one(self, call, module):
        """Of one: where the code is, the docstring, and the parameters with type, default and rules."""
        code, out, err = call("processors", f"{module}_scale", "--import", module)

        assert code == 0, err
        assert f"{module}:scale" in out
        assert re.search(rf"{module}\.py:\d+", out)
        assert "By a factor, which is positive." in out
        rows = {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines() if "\t" in line}
        assert rows["factor"] == ["number", "2.0", "> 0"]
        assert rows["kind"] == ['"all" | "odd"', '"all"', ""]
        assert rows["label"] == ["string | null", "null", ""]

    def test_schema(self, call, module):
        """--json has the schema."""
        code, out, err = call("processors", f"{module}_scale@1.0", "--import", module, "--json")

        assert code == 0, err
        told = json.loads(out)
        assert (told["id"], told["version"], told["function"]) == (f"{module}_scale", "1.0", f"{module}:scale")
        assert told["schema"]["properties"]["factor"]["exclusiveMinimum"] == 0

    def test_no_parameters(self, call, module):
        """One without parameters says so."""
        assert "It takes no parameters." in call("processors", f"{module}_size", "--import", module)[1]

    def test_unknown(self, call, module):
        """An unknown id is refused, and the nearest is named."""
        code, _, err = call("processors", f"{module}_scal", "--import", module)

        assert code == 1
        assert f"{module}_scale" in err

    @pytest.mark.parametrize(
        ("text", "message"), [(None, "ModuleNotFoundError"), ("1 / 0\n", "ZeroDivisionError"), ("(", "SyntaxError")]
    )
    def test_bad_module(self, call, module, text, message):
        """A module that is not there, or fails, is named in one line."""
        if text:
            Path("broken.py").write_text(text)
        code, _, err = call("processors", "--import", "broken")

        assert code == 1
        assert re.fullmatch(rf"error: --import broken: {message}: .*\n", err)


@pytest.mark.parametrize(
    ("hint", "text"),
    [
        (list[float], "list of number"),
        (tuple[int, str], "[integer, string]"),
        (Literal["one"], '"one"'),
        (Color | None, '"red" | "green" | null'),
        (dict[str, int], "object"),
        (Any, "anything"),
    ],
)
def test_type_text(hint, text):
    """A type is told in words."""
    schema = TypeAdapter(hint).json_schema()

    assert type_text(schema, schema.get("$defs", {})) == text


class TestRun:
    """``run``."""

    def test_on_query(self, call, module, store):
        """Every run that the query finds gets its result; the second time all of them are there already."""
        words = [
            "run",
            f"{module}_scale",
            "--on",
            "sample_name=good",
            "-p",
            "factor=3",
            "--import",
            module,
            "-s",
            store,
        ]
        code, out, err = call(*words)

        assert code == 0, err
        rows = [
            dict(zip(out.splitlines()[0].split("\t"), line.split("\t"), strict=True)) for line in out.splitlines()[1:]
        ]
        assert [(row["status"], row["how"]) for row in rows] == [("done", "computed")] * 2
        with AnalysisStore(store) as opened:
            for row in rows:
                result = opened[row["result"]]
                np.testing.assert_array_equal(
                    result["primary"]["curve"][0], opened[row["input"]]["primary"]["curve"][0] * 3
                )
                assert result.parents == [row["input"]]
        code, out, _ = call(*words)
        assert code == 0
        assert [line.split("\t")[3] for line in out.splitlines()[1:]] == ["reused"] * 2

    def test_chain(self, call, module, store):
        """Of several presets each gets the results of the one before; parameters say whose they are."""
        code, out, err = call(
            "run", f"{module}_scale", f"{module}_total@1.0", "--uid", "-3", "--import", module, "-s", store,
            "-p", f"{module}_scale.factor=2", "-p", f"{module}_total.power=2", "--json",
        )  # fmt: skip

        assert code == 0, err
        told = json.loads(out)
        assert (told["status"], told["counts"]["computed"]) == ("done", 2)
        with AnalysisStore(store) as opened:
            result = opened[told["outcomes"][0]["results"][f"{module}_total"]["run"]]
            assert result["primary"]["total"][0] == pytest.approx((np.linspace(2.0, 20.0, 50) ** 2).sum())
            assert result.start["processing"]["task"] == told["task"]

    def test_file(self, call, module, store, tmp_path):
        """A file is an input, too."""
        (tmp_path / "seven").write_bytes(b"1234567")
        code, out, err = call(
            "run", f"{module}_size", "--file", tmp_path / "seven", "--import", module, "-s", store, "--json"
        )

        assert code == 0, err
        uid = json.loads(out)["outcomes"][0]["results"][f"{module}_size"]["run"]
        with AnalysisStore(store) as opened:
            assert opened[uid]["primary"]["size"][0] == 7
            assert opened[uid].provenance.files[0].path == str(tmp_path / "seven")

    @pytest.mark.parametrize("suffix", ["json", "yaml"])
    @pytest.mark.parametrize("whole", [True, False])
    def test_from_file(self, call, module, store, tmp_path, suffix, whole):
        """A preset or a pipeline may be in a file."""
        preset = {"processor": f"{module}_scale", "parameters": {"factor": 5}}
        then = {"processor": f"{module}_total", "parents": ["scaled"]}
        document = {"steps": {"scaled": preset, "sum": then}} if whole else preset
        path = tmp_path / f"what.{suffix}"
        path.write_text(json.dumps(document) if suffix == "json" else yaml.safe_dump(document))
        code, out, err = call("run", path, "--uid", "-3", "--import", module, "-s", store, "--json")

        assert code == 0, err
        assert list(json.loads(out)["outcomes"][0]["results"]) == (["scaled", "sum"] if whole else ["what"])

    @pytest.mark.slow
    def test_processes(self, module, store):
        """The same in worker processes, which find the module in the current folder."""
        done = subprocess.run(
            [*COLD, "run", f"{module}_scale", "--on=kind=curve", "--executor=2", "--import", module, "-s", store],
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip

        assert done.returncode == 1, done.stderr
        assert done.stdout, done.stderr
        assert [line.split("\t")[1] for line in done.stdout.splitlines()[1:]].count("done") == 2
        assert "1 of 3 inputs failed" in done.stderr
        assert "Traceback" not in done.stderr

    def test_failure(self, call, module, store):
        """An input that fails fails alone; the exit code is 1, and it is said how to see why."""
        code, out, err = call("run", f"{module}_scale", "--on", "kind=curve", "--import", module, "-s", store)

        assert code == 1
        assert sorted(line.split("\t")[1] for line in out.splitlines()[1:]) == ["done", "done", "failed"]
        found = re.fullmatch(r"error: 1 of 3 inputs failed; why: (analysis-store task show .{8} --failures)\n", err)
        assert found
        code, out, _ = call(*found[1].split()[1:], "-s", store)
        assert code == 0
        assert "ValueError: the curve begins below zero" in out
        assert "Traceback" in out
        assert "raise ValueError" in out

    def test_damaged(self, call, module, store):
        """A result whose file is spoilt is named in one line and computed again."""
        words = ["run", f"{module}_scale", "--uid", "-3", "--import", module, "-s", store, "--json"]
        uid = json.loads(call(*words)[1])["outcomes"][0]["results"][f"{module}_scale"]["run"]
        with AnalysisStore(store) as opened:
            file = opened[uid].file
        file.chmod(0o600)
        file.write_bytes(b"spoilt")
        words[3] = "-4"
        code, out, err = call(*words)

        assert code == 0, err
        assert err.splitlines() == [err.strip()], err
        assert err.startswith(f"warning: run {uid} is damaged: ")
        assert json.loads(out)["outcomes"][0]["results"][f"{module}_scale"]["run"] != uid

    def test_of_the_library(self, store):
        """A processor that comes with the package, on a Dask cluster at an address."""
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=1, processes=False, protocol="tcp", dashboard_address=None, host="127.0.0.1"
        ) as cluster:
            done = subprocess.run(
                [*COLD, "run", "peak_statistics", "--on", "sample_name=good", "--executor", cluster.scheduler_address,
                 "-s", store, "--json"],
                capture_output=True, text=True, timeout=120,
            )  # fmt: skip

        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["counts"]["computed"] == 2

    def test_nothing_found(self, call, module, store):
        """A query that finds nothing is no failure."""
        code, out, err = call("run", f"{module}_scale", "--on", "sample_name=none", "--import", module, "-s", store)

        assert (code, err) == (0, "")
        assert len(out.splitlines()) == 1

    @pytest.mark.parametrize(
        ("words", "code", "message"),
        [
            (["NAME_scale"], 2, "--on, --uid or --file"),
            (["NAME_scal", "--on", "kind=curve"], 1, "NAME_scale"),
            (["NAME_scale", "--on", "kind=curve", "-p", "factor=-1"], 1, "factor.*-1"),
            (["NAME_scale", "--on", "kind=curve", "-p", "factr=1"], 1, "factr.*factor"),
            (["NAME_scale", "NAME_total", "--on", "kind=curve", "-p", "factor=1"], 1, "names no preset.*NAME_total"),
            (["NAME_scale", "--on", "kind=curve", "-p", "factor"], 2, "key=value"),
            (["nowhere.json", "--on", "kind=curve"], 1, "nowhere.json is not a readable JSON or YAML file"),
            (["NAME_scale", "--uid", "nobody"], 1, "nobody"),
            (["NAME_scale", "--on", '{"kind": {"$nope": 1}}'], 1, r"\$nope"),
            (["NAME_scale", "--on", "kind=curve", "--executor", "many"], 1, "executor: Got 'many'"),
        ],
    )
    def test_refused(self, call, module, store, words, code, message):
        """What makes no sense is refused before anything is computed."""
        found, out, err = call(
            "run", *(word.replace("NAME", module) for word in words), "--import", module, "-s", store
        )

        assert (found, out) == (code, "")
        assert re.search(message.replace("NAME", module), err)
        with AnalysisStore(store) as opened:
            assert len(opened) == 3

    @pytest.mark.slow
    def test_interrupted(self, module, store):
        """Ctrl-C ends it with exit code 130, without a traceback, and the task says so."""
        process = subprocess.Popen(
            [*COLD, "run", f"{module}_slow", "--uid", "-1", "--import", module, "-s", store],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        until = time.monotonic() + 100
        while not Path("begun").exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)

        assert process.returncode == 130
        assert "Traceback" not in err
        done = subprocess.run([*ENTRY, "task", "ls", "-s", store, "--json"], capture_output=True, text=True)
        assert json.loads(done.stdout)[0]["status"] == "interrupted"


class TestPlan:
    """``run --dry-run`` and ``explain``."""

    def test_dry_run(self, call, module, store):
        """Of each input and step: whether it is there, and why not; nothing is computed."""
        words = ["run", f"{module}_scale", "--on", "sample_name=good", "--import", module, "-s", store]
        code, out, err = call(*words, "--dry-run")
        assert code == 0, err
        assert [line.split("\t")[2] for line in out.splitlines()[1:]] == ["missing"] * 2
        assert call(*words)[0] == 0
        code, out, _ = call(*words, "--dry-run")

        assert [line.split("\t")[2] == "missing" for line in out.splitlines()[1:]] == [False] * 2
        with AnalysisStore(store) as opened:
            assert len(opened) == 5

    def test_chain(self, call, module, store):
        """A step whose input is still to be computed cannot be looked up, and says so."""
        words = ["run", f"{module}_scale", f"{module}_total", "--uid", "-3", "--import", module, "-s", store, "--json"]
        first = json.loads(call(*words, "--dry-run")[1])
        assert [(step["step"], step["hit"]) for step in first] == [
            (f"{module}_scale", False),
            (f"{module}_total", False),
        ]
        assert first[1]["reasons"] == [f"needs the result of {module}_scale"]
        with AnalysisStore(store) as opened:
            uid = opened[-3].uid
        words[4] = uid
        made = json.loads(call(*words)[1])["outcomes"][0]["results"]
        again = json.loads(call(*words, "--dry-run")[1])

        assert [step["run"] for step in again] == [result["run"] for result in made.values()]

    def test_refused_input(self, call, module, store):
        """An input that cannot be one is told, and the others are looked at."""
        code, out, err = call(
            "run", f"{module}_size", "--file", "nowhere", "--uid", "-1", "--import", module, "-s", store, "--dry-run"
        )

        assert code == 0, err
        assert [line.split("\t")[2] for line in out.splitlines()[1:]] == ["missing", "refused"]
        assert "nowhere" in out.splitlines()[2].split("\t")[3]

    def test_several_inputs(self, call, module, store, tmp_path):
        """Files and runs may be inputs of one result."""
        (tmp_path / "two").write_bytes(b"12")
        code, out, err = call("explain", f"{module}_size", tmp_path / "two", "-1", "--import", module, "-s", store)

        assert code == 0, err
        assert out == f"{module}_size: miss\n  no result of {module}_size is stored\n"

    def test_explain(self, call, module, store):
        """What differs from the nearest result is told; in JSON, too."""
        common = ["--import", module, "-s", store]
        assert call("run", f"{module}_scale", "--uid", "-3", *common)[0] == 0
        code, out, err = call("explain", f"{module}_scale", "-4", "-p", "factor=7", *common)
        assert code == 0, err
        assert re.search(r"factor.*2.*7", out)
        told = json.loads(call("explain", f"{module}_scale", "-4", *common, "--json")[1])

        assert [(step["step"], step["hit"]) for step in told] == [(f"{module}_scale", True)]


class TestTask:
    """``task show``, ``task ls`` and ``task run``."""

    def test_show_and_ls(self, call, module, store):
        """The newest task is -1; it is listed with its status and counts."""
        call("run", f"{module}_scale", "--on", "kind=curve", "--import", module, "-s", store)
        code, out, err = call("task", "show", "-1", "-s", store, "--json")
        assert code == 0, err
        told = json.loads(out)
        assert (told["status"], told["counts"]["done"], told["counts"]["failed"]) == ("partial", 2, 1)
        assert len(told["outcomes"]) == 3
        rows = [line.split("\t") for line in call("task", "ls", "-s", store)[1].splitlines()]

        assert rows[1][1:6] == [told["task"][:8], "partial", "3", "2", "1"]

    def test_run_again(self, call, module, store):
        """Run again it computes only what is missing."""
        call("run", f"{module}_scale", "--on", "kind=curve", "--import", module, "-s", store)
        code, out, err = call("task", "run", "-1", "--import", module, "-s", store, "--json")

        assert code == 1, err
        assert json.loads(out)["counts"]["computed"] == 0

    def test_unknown(self, call, store):
        """A task that is not there is refused."""
        assert call("task", "show", "nope", "-s", store)[0] == 1
        assert call("task", "show", "-1", "-s", store)[0] == 1


class TestCompared:
    """``rerun`` and ``compare``."""

    def test_same(self, call, module, store):
        """What comes out the same is exit code 0; the new run is linked to the old."""
        call("run", f"{module}_scale", "--uid", "-3", "--import", module, "-s", store)
        code, out, err = call("rerun", "-1", "--compare", "--import", module, "-s", store)

        assert code == 0, err
        assert "identical" in out
        with AnalysisStore(store) as opened:
            assert opened[-1].start["processing"]["rerun_of"] == opened[-2].uid

    def test_different(self, call, module, store):
        """What does not, or is computed with other parameters, is exit code 1, with what differs."""
        call("run", f"{module}_scale", "--uid", "-3", "--import", module, "-s", store)
        words = ["rerun", "-1", "-p", "factor=4", "--compare", "--import", module, "-s", store]
        code, out, err = call(*words, "--json")
        assert code == 1, err
        assert json.loads(out)
        assert call("compare", "-1", "-2", "-s", store)[0] == 1
        assert call("compare", "-1", "-2", "--rtol", "2", "-s", store)[0] == 0
        assert call("compare", "-1", "-1", "-s", store)[0] == 0

    def test_uid(self, call, module, store):
        """Without --compare the uid of the new run is printed."""
        call("run", f"{module}_scale", "--uid", "-3", "--import", module, "-s", store)
        code, out, err = call("rerun", "-1", "--import", module, "-s", store)

        assert code == 0, err
        with AnalysisStore(store) as opened:
            assert opened[-1].uid == out.strip()

    def test_not_computed(self, call, store):
        """A run that no processor made is refused."""
        assert call("rerun", "-1", "-s", store)[0] == 1
