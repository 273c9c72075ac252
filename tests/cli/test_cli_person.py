"""What a person sees who sits at a terminal of 80 columns, and what a pipe gets instead."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.cli import main
from analysis_store.errors import ProvenanceError
from analysis_store.runs.read.show import made_by
from tests.warm_cli import Command

ENTRY = Command()
SYNTHETIC = Provenance(origin="synthetic", note="for a test")
UID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PEAK = ("run", "peak_statistics", "-p", "x=x", "-p", "y=y")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Make a store of two scans, and go to where it is."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANALYSIS_STORE", "store")
    x = np.linspace(-5, 5, 50)
    with AnalysisStore("store") as store:
        for number, y in enumerate([np.exp(-(x**2)), np.exp(-((x - 1) ** 2))], 1):
            md = {"plan_name": "scan", "scan_id": number}
            store.insert([{"primary": {"x": x, "y": y}}], md, provenance=SYNTHETIC)
    return tmp_path / "store"


@pytest.fixture
def pipe(folder, monkeypatch, capsys):
    """Run a command whose output goes into a pipe; return exit code, standard output and standard error."""

    def pipe(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["analysis-store", *map(str, words)])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        return code, *capsys.readouterr()

    return pipe


@pytest.fixture
def person(pipe, monkeypatch):
    """Run a command whose output a person reads."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def person(*words: object) -> tuple[int, str, str]:
        with monkeypatch.context() as there:
            there.setattr(sys.stdout, "isatty", lambda: True)
            return pipe(*words)

    return person


class TestTables:
    """Tables for a person."""

    def test_uids_are_short(self, person):
        """The beginning of each uid, which every command takes; nothing is cut, and 80 columns are enough."""
        code, out, _ = person(*PEAK, "--on", "plan_name=scan")

        assert code == 0
        table = out.partition("task ")[0]
        assert len(re.findall(r"^[0-9a-f]{8}  done    [0-9a-f]{8}  computed", table, re.MULTILINE)) == 2
        assert "…" not in table
        assert "error" not in table  # a column of which all is empty
        assert max(map(len, table.splitlines())) <= 80
        assert "2 inputs, 2 done, 2 computed." in out

    def test_uids_are_whole_in_a_pipe(self, pipe):
        """A program gets all of a uid."""
        _, out, _ = pipe(*PEAK, "--on", "plan_name=scan")

        assert len(UID.findall(out)) == 4

    def test_times_are_not_broken(self, person, folder):
        """A long name of a processor or a sample gives way, and not the time or the uid."""
        with AnalysisStore("store") as store:
            md = {"plan_name": "a_plan_with_a_long_name", "sample_name": "iron foil at 300 K", "scan_id": 1000000}
            store.insert([{"primary": {"x": 1.0}, "baseline": {"y": 1.0}}], md, provenance=SYNTHETIC)
        _, out, _ = person("ls", "-n", 1)

        assert re.search(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  [0-9a-f]{8}  1000000", out, re.MULTILINE)
        assert max(map(len, out.splitlines())) <= 80
        head, *rows, _ = out.splitlines()
        column = slice(head.index("made by"), head.index("sample"))
        assert "".join(row[column].strip() for row in rows) == "a_plan_with_a_long_name"

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (["search", "scan_id=99"], "no run matches"),
            (["stale"], "nothing is stale"),
            (["impact", "numpy==0.0.1"], "no run of this store used numpy==0.0.1"),
            (["task", "ls"], "no tasks yet"),
            (["live"], "no run is being recorded"),
            ([*PEAK, "--on", "scan_id=99"], "no input"),
        ],
    )
    def test_nothing_there(self, person, pipe, words, told):
        """Where there is nothing a person is told so; a pipe gets the names of the columns."""
        assert told in person(*words)[1]
        code, out, _ = pipe(*words)

        assert code == 0
        assert "\t" in out
        assert told not in out

    def test_a_new_store(self, person):
        """An empty store says what to do first."""
        person("init", "new")

        assert "analysis-store insert" in person("ls", "--store", "new")[1]


class TestMadeBy:
    """Who made a run."""

    def test_lists(self, pipe, folder):
        """The processor with its version where there was one, else the plan; in a shell and in Python."""
        pipe(*PEAK, "--on", "scan_id=1")
        _, out, _ = pipe("ls")
        column = out.splitlines()[0].split("\t").index("made by")

        assert [line.split("\t")[column] for line in out.splitlines()[1:]] == ["peak_statistics@1", "scan", "scan"]
        with AnalysisStore("store") as store:
            assert "peak_statistics@1" in repr(store.search())
            assert "peak_statistics@1" in repr(store[-1])
            assert "peak_statistics@1" in store.lineage(store[-1].uid).to_text()

    def test_foreign_documents(self, folder):
        """A run of another program that calls something else "processing" is shown by its plan."""
        with AnalysisStore("store") as store:
            run = store.insert([{"primary": {"x": 1.0}}], {"plan_name": "scan"}, provenance=SYNTHETIC)
            assert made_by({**run.start, "processing": "none"}) == "scan"
            assert made_by({"processing": {"processor": 3}}) == ""


class TestShow:
    """``show``."""

    def test_for_people(self, person):
        """A time is a date, and what is in a list has its lines, not the braces of JSON."""
        person(*PEAK, "--on", "scan_id=1")
        _, out, _ = person("show", -1)

        assert len(re.findall(r"^ *time +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$", out, re.MULTILINE)) == 2
        assert re.search(rf"^  parents\n    - uid +{UID.pattern}\n      catalog ", out, re.MULTILINE)

    def test_json_is_exact(self, pipe):
        """--json has the time as it is stored."""
        assert isinstance(json.loads(pipe("show", -1, "--json")[1])["start"]["time"], float)


class TestWhatNext:
    """Messages say what to do."""

    def test_impact_of_a_scan_id(self, pipe):
        """A number is a scan_id, as for every other command."""
        pipe(*PEAK, "--on", "scan_id=1")
        code, out, err = pipe("impact", 1, "--json")

        assert code == 0, err
        assert len(json.loads(out)) == 1

    @pytest.mark.parametrize("word", ["scan_id>3", "scan_id>=3", "3"])
    def test_a_comparison(self, pipe, word):
        """What is no key=value is answered with a query that is understood."""
        code, _, err = pipe("search", word)

        assert code == 2
        assert "nor a query in JSON such as" in " ".join(err.split())

    def test_dump_nothing(self, pipe, folder):
        """A bundle of no run is no bundle, but a typing error."""
        code, _, err = pipe("dump", "scan_id=99", "none.zip")

        assert code == 1
        assert "none.zip was not written" in err
        assert not Path("none.zip").exists()

    def test_deleted_runs(self, pipe, person):
        """Of a deleted run the beginning of its uid is enough: to be told of it, and to bring it back; gc lists it."""
        uid = json.loads(pipe("show", 2, "--json")[1])["uid"]
        pipe("delete", 2, "--reason", "taken twice", "--yes")

        code, _, err = pipe("show", uid[:8])
        assert code == 1
        assert "taken twice" in err
        assert uid in pipe("gc")[1]
        assert pipe("restore", uid[:8])[1].strip() == uid
        assert pipe("show", uid[:8])[0] == 0

    def test_retract(self, person):
        """A person is told how many runs it concerns, and how it is undone."""
        person(*PEAK, "--on", "scan_id=1")
        _, out, _ = person("retract", 1, "--reason", "wrong motor")

        assert re.search(r"^2 runs retracted; to undo: analysis-store reinstate [0-9a-f]{8}$", out, re.MULTILINE)

    def test_unknown_processor(self, pipe):
        """Whoever misspells an id, or forgets to import, is told of both."""
        for word in ("peak_statistic", "my_own"):
            code, _, err = pipe("run", word, "--on", "scan_id=1")
            assert code == 1
            assert "--import MODULE" in err

    def test_the_module_of_a_result(self, pipe, folder):
        """A result that cannot be made anew here names the module that made it."""
        Path("person_steps.py").write_text(
            "from analysis_store.processing import processor\n\n\n"
            '@processor(id="person_sum", version="1")\n'
            "def total(inputs):\n"
            '    """Add up."""\n'
            '    if inputs.start["scan_id"] == 2:\n'
            '        raise ValueError("no such scan")\n'
            '    return {"sum": float(inputs["primary"]["y"][0].sum())}\n'
        )
        code, _, err = pipe("run", "person_sum", "--on", "plan_name=scan", "--import", "person_steps")
        assert code == 1
        assert re.search(r"1 of 2 inputs failed; why: analysis-store task show [0-9a-f]{8} --failures", err)

        again = subprocess.run([*ENTRY, "rerun", "-1"], capture_output=True, text=True, check=False, timeout=60)

        assert again.returncode == 1
        assert "The run was made by the module person_steps." in again.stderr

    def test_where_it_failed(self, pipe):
        """A traceback begins with the processor, not with the way to it; errors of the store have no module."""
        Path("person_fails.py").write_text(
            "from analysis_store.processing import processor\n\n\n"
            '@processor(id="person_fails", version="1")\n'
            "def fail(inputs):\n"
            '    """Fail."""\n'
            "    return inner(inputs)\n\n\n"
            "def inner(inputs):\n"
            '    raise ValueError("no such luck")\n'
        )
        pipe("run", "person_fails", "--on", "scan_id=1", "--import", "person_fails")
        _, out, _ = pipe("task", "show", -1, "--failures")
        pipe("retract", 1, "--reason", "wrong motor")
        _, refused, _ = pipe("run", "person_fails", "--on", "scan_id=1", "--import", "person_fails")

        places = re.findall(r'File ".*?([^/"]+)", line', out)
        assert places == ["person_fails.py", "person_fails.py"]
        assert "ValueError: no such luck" in out
        assert "\tInputError: run" in refused

    def test_measured_data(self, folder):
        """Who subscribes a store for results to a RunEngine is told which store measured data go into."""
        with AnalysisStore("store") as store, pytest.raises(ProvenanceError, match="analysis-store init --open"):
            store("start", {"uid": "a" * 8, "time": 1.0, "plan_name": "count"})

    @pytest.mark.parametrize(
        ("words", "command"),
        [
            (["show", "zzz"], "analysis-store ls"),
            (["verify", "-99"], "analysis-store ls"),
            (["task", "show", "zzz"], "analysis-store task ls"),
            (["recover", "zzz"], "analysis-store live"),
            (["ls", "--store", "nowhere"], "analysis-store init nowhere"),
        ],
    )
    def test_what_is_not_there(self, pipe, words, command):
        """Who names what is not there is told the command that lists, or makes, what is."""
        code, _, err = pipe(*words)

        assert code == 1
        assert command in err
