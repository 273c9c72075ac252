"""The command line: what each command prints for a person, for a pipe and as JSON, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from analysis_store import AnalysisStore, Parent, Provenance, insert_analysis
from analysis_store.cli import main

ENTRY = [sys.executable, "-c", "import sys; from analysis_store.cli import main; sys.exit(main())"]
SYNTHETIC = Provenance(origin="synthetic", note="for a test")


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
    """Make a store of three runs: a spectrum, an image and a scan, the second a child of the first."""
    energy = np.linspace(7000.0, 7400.0, 101)
    with AnalysisStore(tmp_path / "store") as opened:
        spectrum = insert_analysis(
            [{"primary": {"energy": energy, "mu": np.arctan(energy - 7112), "e0": 7112.3}}],
            {"sample_name": "Fe foil", "scan_id": 7, "uid": "aaaa0000-0000-4000-8000-000000000001"},
            descriptor_md={"primary": {"data_keys": {"energy": {"units": "eV"}}}},
            provenance=SYNTHETIC,
            store=opened,
        )
        insert_analysis(
            [{"image": {"frame": np.arange(600.0).reshape(20, 30)}}],
            {"sample_name": "pattern", "uid": "bbbb0000-0000-4000-8000-000000000002"},
            provenance=Provenance(parents=spectrum),
            store=opened,
        )
        insert_analysis(
            {"scan": {"x": np.arange(5.0), "name": ["a", "b", "c", "d", "e"], "y": np.arange(5.0) ** 2}},
            {"uid": "cccc0000-0000-4000-8000-000000000003"},
            provenance=SYNTHETIC,
            store=opened,
        )
    return tmp_path / "store"


@pytest.fixture
def table(tmp_path):
    """Write a small table."""
    path = tmp_path / "table.csv"
    path.write_text("energy (eV),mu\n7100,0.1\n7110,0.5\n7120,1.0\n7130,1.1\n")
    return path


class TestErrors:
    """Exit codes and messages."""

    def test_refused_in_one_line(self, call, store):
        """What the store refuses is exit code 1 and one line, without a traceback."""
        code, out, err = call("show", "nope", "--store", store)

        assert (code, out) == (1, "")
        assert re.fullmatch(r"error: no run's uid is or begins with 'nope'.*\n", err)

    def test_refused_as_json(self, call, store):
        """With --json the error is an object."""
        code, _, err = call("show", "nope", "--store", store, "--json")

        assert code == 1
        assert json.loads(err)["error"] == "RunNotFoundError"

    @pytest.mark.parametrize("words", [["show"], ["nope"], ["ls", "--nope"], ["ls", "-n", "many"], ["show", "-1", "x"]])
    def test_not_understood(self, call, words):
        """A command that makes no sense is exit code 2 with a hint."""
        code, _, err = call(*words)

        assert code == 2
        assert "--help" in err

    def test_no_store(self, call, tmp_path):
        """Without a store, and with a folder that is none, the message says what to do; no store is made."""
        assert "ANALYSIS_STORE" in call("ls")[2]
        assert "analysis-store init" in call("ls", "--store", tmp_path / "typo")[2]
        assert list(tmp_path.iterdir()) == []

    @pytest.mark.slow
    def test_interrupted(self, store):
        """Ctrl-C ends a server with exit code 130 or 0 and no traceback."""
        process = subprocess.Popen(
            [*ENTRY, "serve", str(store), "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        said = process.stdout.readline()
        assert said.startswith("Serving at http://127.0.0.1:")
        urllib.request.urlopen(said.split()[2], timeout=100).close()  # it has begun to serve
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

        assert process.returncode in (0, 130)
        assert "Traceback" not in err

    def test_pipe_that_is_closed(self, store):
        """A reader that has seen enough is no error to speak of."""
        command = f"{' '.join(map(repr, ENTRY))} documents cccc --store {store} | head -1"
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

        assert json.loads(done.stdout)["name"] == "start"
        assert "Traceback" not in done.stderr


class TestInit:
    """``init``."""

    def test_makes_a_store(self, call, tmp_path):
        """The folder is made, with the policy that was asked for."""
        code, out, _ = call("init", tmp_path / "new", "--dirty", "refuse", "--json")

        assert code == 0
        assert json.loads(out)["policy"]["dirty"] == "refuse"
        assert call("ls", "--store", tmp_path / "new")[0] == 0

    def test_open_policy(self, call, tmp_path):
        """A store for documents of others demands nothing."""
        policy = json.loads(call("init", tmp_path / "new", "--open", "--json")[1])["policy"]

        assert (policy["require_inputs"], policy["require_code"]) == (False, False)

    def test_twice(self, call, store):
        """An existing store stays as it is."""
        assert call("init", store)[0] == 0
        assert len(json.loads(call("ls", "--store", store, "--json")[1])) == 3

    def test_unknown_policy(self, call, tmp_path):
        """A policy that is none is refused, and no folder is left."""
        code, _, err = call("init", tmp_path / "new", "--dirty", "maybe")

        assert code == 1
        assert "'allow', 'diff', 'refuse'" in err
        assert not (tmp_path / "new").exists()


class TestInsert:
    """``insert``."""

    def test_columns_and_provenance(self, call, store, table):
        """Columns with units, metadata, and the file with its digest as provenance."""
        words = [
            "--md",
            "sample_name=Fe foil",
            "--md",
            "temperature=300",
            "--parent",
            "aaaa0000-0000-4000-8000-000000000001",
        ]
        code, out, err = call("insert", table, "--store", store, *words, "--parameter", "pre=[-150, -30]")
        assert code == 0, err
        with AnalysisStore(store) as opened:
            run = opened[out.strip()]

            assert run["primary"]["energy"].attrs["units"] == "eV"
            assert run["primary"]["mu"][0].tolist() == [0.1, 0.5, 1.0, 1.1]
            assert (run.start["sample_name"], run.start["temperature"]) == ("Fe foil", 300)
            assert run.parents == ["aaaa0000-0000-4000-8000-000000000001"]
            assert run.provenance.files[0].path == str(table)
            assert run.provenance.parameters == {"pre": [-150, -30]}

    def test_chunks(self, call, store, table):
        """--chunk makes several events."""
        code, out, _ = call("insert", table, "--store", store, "--chunk", "2", "--json")

        assert code == 0
        assert json.loads(out)["streams"] == {"primary": 2}

    def test_external_parent_and_code(self, call, store, table):
        """A parent elsewhere is declared, and code of others is named."""
        words = [
            "--parent",
            "xyz@csx",
            "--code-name",
            "larch",
            "--code-version",
            "1.0",
            "--code-url",
            "https://x.org/larch",
        ]
        code, out, err = call("insert", table, "--store", store, *words)
        assert code == 0, err
        with AnalysisStore(store) as opened:
            provenance = opened[out.strip()].provenance

            assert provenance.parents == (Parent("xyz", "csx"),)
            assert (provenance.code.name, provenance.code.version) == ("larch", "1.0")

    def test_metadata_file(self, call, store, table, tmp_path):
        """--md-file gives a whole mapping; --md wins over it."""
        (tmp_path / "md.json").write_text('{"sample": {"name": "Fe"}, "scan_id": 1}')
        code, out, _ = call("insert", table, "-s", store, "--md-file", tmp_path / "md.json", "--md", "scan_id=2")
        assert code == 0
        start = json.loads(call("show", out.strip(), "-s", store, "--json")[1])["start"]

        assert (start["sample"], start["scan_id"]) == ({"name": "Fe"}, 2)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--parent", "nobody"], "nobody"),
            (["--md-file", "nowhere.json"], "is not a readable JSON file"),
            (["--dataset", "nope"], "no column 'nope'"),
            (["--md", "a.b=1"], r"refuses keys that are empty or hold '\.'"),
            (["--code-name", "larch"], "--code-url and --code-version or --code-commit"),
        ],
    )
    def test_refused(self, call, store, table, words, message):
        """What cannot be saved is refused, and the store is as it was."""
        before = sorted(store.rglob("*"))
        code, _, err = call("insert", table, "--store", store, *words)

        assert code == 1
        assert re.search(message, err)
        assert sorted(path for path in store.rglob("*") if "sqlite-" not in path.name) == [
            path for path in before if "sqlite-" not in path.name
        ]

    def test_word_without_value(self, call, store, table):
        """--md wants key=value."""
        code, _, err = call("insert", table, "--store", store, "--md", "sample")

        assert code == 2
        assert "key=value" in err


class TestFind:
    """``ls`` and ``search``."""

    def test_pipe_gets_tabs(self, call, store):
        """In a pipe the table is tab-separated, newest first, and never cut."""
        _, out, _ = call("ls", "--store", store)
        rows = [line.split("\t") for line in out.splitlines()]

        assert rows[0][:3] == ["time", "uid", "scan_id"]
        assert [row[1] for row in rows[1:]] == ["cccc0000", "bbbb0000", "aaaa0000"]
        assert rows[3][2:] == ["7", "analysis", "Fe foil", "primary 1", "success"]

    def test_limit(self, call, store):
        """-n shows the newest; 0 shows all."""
        assert len(json.loads(call("ls", "-s", store, "-n", 1, "--json")[1])) == 1
        assert len(json.loads(call("ls", "-s", store, "-n", 0, "--json")[1])) == 3

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["sample_name=Fe foil"], ["aaaa"]),
            (["scan_id=7"], ["aaaa"]),
            (['{"scan_id": {"$gt": 6}}', "sample_name=Fe foil"], ["aaaa"]),
            (['{"scan_id": {"$exists": false}}'], ["cccc", "bbbb"]),
            (["--text", "pattern"], ["bbbb"]),
            (["--since", "2000-01-01"], ["cccc", "bbbb", "aaaa"]),
            (["--until", "2000-01-01"], []),
            ([], ["cccc", "bbbb", "aaaa"]),
        ],
    )
    def test_search(self, call, store, words, found):
        """Equalities, queries, words and times; all of them must hold."""
        code, out, err = call("search", *words, "--store", store, "--json")

        assert code == 0, err
        assert [run["uid"][:4] for run in json.loads(out)] == found

    @pytest.mark.parametrize(
        ("words", "message"),
        [(['{"a": {"$near": 1}}'], r"\$near"), (['{"a": '], "is not JSON"), (["--since", "tomorrow?"], "tomorrow")],
    )
    def test_refused(self, call, store, words, message):
        """A query that is none is told apart from one without hits."""
        code, _, err = call("search", *words, "--store", store)

        assert code == 1
        assert re.search(message, err)


class TestShow:
    """``show`` and ``documents``."""

    def test_person(self, call, store):
        """Metadata, provenance, lineage, data with units and the file."""
        _, out, _ = call("show", "aaaa", "--store", store)

        for part in ("Fe foil", "synthetic", "bbbb0000-0000-4000-8000-000000000002", ".h5"):
            assert part in out
        assert "primary\tenergy\t1\t101\t<f8\teV" in out
        assert "primary\te0\t1\tscalar\t<f8\t" in out

    @pytest.mark.parametrize("word", ["7", "aaaa", "-3"])
    def test_names_of_a_run(self, call, store, word):
        """A scan_id, a prefix, or a place counted from the newest."""
        assert json.loads(call("show", word, "--store", store, "--json")[1])["uid"].startswith("aaaa")

    def test_json(self, call, store):
        """Everything that show tells, to be parsed."""
        told = json.loads(call("show", "bbbb", "--store", store, "--json")[1])

        assert told["parents"] == ["aaaa0000-0000-4000-8000-000000000001"]
        assert told["streams"]["image"]["data_keys"]["frame"]["shape"] == [20, 30]

    def test_documents(self, call, store):
        """One document a line, the same that the run has."""
        _, out, _ = call("documents", "cccc", "--store", store)
        with AnalysisStore(store) as opened:
            expected = [{"name": name, "doc": doc} for name, doc in opened["cccc"].documents()]

        assert [json.loads(line) for line in out.splitlines()] == expected


class TestPlot:
    """``plot``."""

    def test_curve(self, call, store):
        """The second of two arrays over the first, with units and ranges."""
        _, out, _ = call("plot", "aaaa", "--store", store)
        lines = out.splitlines()

        assert lines[0].startswith("Fe foil")
        assert lines[1].startswith("mu ")
        assert lines[-1] == "energy (eV)  7000 … 7400"
        assert any("\u2801" <= character <= "\u28ff" for character in out)

    def test_image(self, call, store):
        """An image is drawn in shades."""
        assert "█" in call("plot", "bbbb", "--store", store)[1]

    def test_scalars_over_events(self, call, store):
        """Numbers are drawn over the events, or over one another."""
        told = json.loads(call("plot", "cccc", "--store", store, "--y", "y", "--json")[1])

        assert (told["x"]["key"], told["y"]["values"]) == ("x", [0, 1, 4, 9, 16])

    @pytest.mark.parametrize("uid", ["aaaa", "bbbb", "cccc"])
    def test_png(self, call, store, tmp_path, uid):
        """A PNG file is written."""
        code, out, _ = call("plot", uid, "--store", store, "--png", tmp_path / "plot.png")

        assert (code, out.strip()) == (0, str(tmp_path / "plot.png"))
        assert (tmp_path / "plot.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["aaaa", "--y", "nope"], "no numbers under 'nope'; it has energy, mu, e0"),
            (["cccc", "--y", "name"], "no numbers under 'name'"),
            (["aaaa", "--event", "9"], "there is no event 9"),
            (["aaaa", "--x", "e0", "--y", "mu"], "must be equal"),
            (["aaaa", "--stream", "nope"], "nope"),
            (["aaaa", "--png", "/nowhere/plot.png"], "could not write the plot"),
        ],
    )
    def test_refused(self, call, store, words, message):
        """What cannot be drawn is said so."""
        code, _, err = call("plot", *words, "--store", store)

        assert code == 1
        assert message in err


class TestWhole:
    """The program as it is installed."""

    def run(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the program in a process of its own."""
        return subprocess.run(
            [*ENTRY, *words], capture_output=True, text=True, check=False, env={**os.environ, **environment}
        )

    def test_store_from_the_environment(self, store):
        """$ANALYSIS_STORE names the store, and the option wins over it."""
        assert len(json.loads(self.run("ls", "--json", ANALYSIS_STORE=str(store)).stdout)) == 3
        assert self.run("ls", "--store", "/nowhere", ANALYSIS_STORE=str(store)).returncode == 1

    def test_version(self):
        """--version prints the version."""
        assert re.fullmatch(r"\d+\.\d+\.\d+\S*\n", self.run("--version").stdout)

    def test_demo(self, tmp_path):
        """From nothing: a result is saved, found, read back and verified; a second time, too."""
        for count in (1, 2):
            done = self.run("demo", str(tmp_path / "demo"))

            assert done.returncode == 0, done.stderr
            assert "every value equals the saved one" in done.stdout
            with AnalysisStore(tmp_path / "demo") as opened:
                assert len(opened) == count
                assert abs(float(opened[-1].read()["edge_step"][0]) - 1.2) < 0.05
