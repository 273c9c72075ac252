"""The commands ``export`` and ``link-tree``: what they write, print and refuse."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from analysis_store import AnalysisStore, Provenance, insert_analysis
from analysis_store.cli import main
from analysis_store.exchange import FORMATS
from tests.warm_cli import Command

ENTRY = Command()
SPECTRUM = "aaaa0000-0000-4000-8000-000000000001"
STACK = "bbbb0000-0000-4000-8000-000000000002"


@pytest.fixture
def call(monkeypatch, capfdbinary, tmp_path):
    """Run a command in this process, in a fresh folder; return exit code, standard output and standard error."""
    monkeypatch.setenv("ANALYSIS_STORE", str(tmp_path / "store"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["analysis-store", *map(str, words)])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return code, out.decode(errors="replace"), err.decode()

    return call


@pytest.fixture
def here(tmp_path):
    """The folder that commands run in."""
    return tmp_path / "here"


@pytest.fixture(autouse=True)
def store(tmp_path):
    """Make a store of a spectrum and of a stack of images that came from it."""
    energy = np.linspace(7000.0, 7400.0, 101)
    with AnalysisStore(tmp_path / "store") as opened:
        spectrum = insert_analysis(
            [{"primary": {"energy": energy, "mu": np.arctan(energy - 7112)}}],
            {"sample_name": "Fe foil", "scan_id": 7, "uid": SPECTRUM},
            provenance=Provenance(origin="synthetic", note="for a test"),
            store=opened,
        )
        insert_analysis(
            {"image": {"frame": np.arange(120, dtype=np.uint8).reshape(2, 6, 10)}, "s": {"text": ["=1+1"]}},
            {"sample_name": "pattern", "uid": STACK},
            provenance=Provenance(parents=spectrum, parameters={"bins": 10}),
            store=opened,
        )
    return tmp_path / "store"


class TestExport:
    """``export``."""

    @pytest.mark.parametrize("name", sorted(set(FORMATS) - {"flac", "wav"}))
    def test_every_format(self, call, here, name):
        """The suffix tells the format; what is printed is the file."""
        path = here / f"out{FORMATS[name].suffix}"
        code, out, err = call("export", "aaaa", path.name)

        assert (code, out, err) == (0, f"{path.name}\n", "")
        assert path.stat().st_size > 500
        assert list(here.iterdir()) == [path]

    def test_help_names_every_format(self, call):
        """The help has all formats."""
        _, out, _ = call("export", "--help")

        assert all(name in out for name in FORMATS)

    def test_run_by_number(self, call, here):
        """A run is named as in every other command: -1 is the newest, digits are a scan_id."""
        assert call("export", "-1", "newest.png")[0] == 0
        assert Image.open(io.BytesIO((here / "newest.png").read_bytes())).size == (10, 6)
        assert call("export", "7", "seven.csv")[0] == 0
        assert len(pd.read_csv(here / "seven.csv")) == 101

    def test_part_of_a_run(self, call, here):
        """Stream, key and event choose; events are counted from 1 here, as seq_num has them."""
        code, _, _ = call("export", "bbbb", "out.png", "--stream", "image", "--key", "frame", "--event", 2)

        assert code == 0
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO((here / "out.png").read_bytes()))), np.arange(60, 120).reshape(6, 10)
        )
        assert call("export", "bbbb", "none.png", "--event", 0)[0] == 2

    @pytest.mark.slow
    def test_standard_output(self, call, store):
        """With - the run is on standard output, text or bytes, and nothing else is."""
        code, out, _ = call("export", "aaaa", "-", "--format", "csv")
        assert code == 0
        assert len(pd.read_csv(io.StringIO(out))) == 101
        assert json.loads(call("export", "aaaa", "-", "--json")[1])

        words = [*ENTRY, "export", "bbbb", "-", "-f", "png", "--store", str(store)]
        done = subprocess.run(words, capture_output=True, check=True)
        assert Image.open(io.BytesIO(done.stdout)).size == (10, 6)
        assert done.stderr == b""

    def test_folder(self, call, here):
        """A folder gets a file by uid, for formats of one stream one per stream."""
        code, out, _ = call("export", "bbbb", "out/", "--format", "parquet", "--json")

        assert code == 0
        assert json.loads(out) == {
            "uid": STACK, "files": [f"out/{STACK}.image.parquet", f"out/{STACK}.s.parquet"]
        }  # fmt: skip
        assert len(list((here / "out").iterdir())) == 2

    def test_many_runs(self, call, here):
        """With a query all runs that it finds go into a folder, made if need be."""
        assert call("export", "--query", "sample_name=Fe foil", "--format", "csv", "foils")[0] == 0
        assert [path.name for path in (here / "foils").iterdir()] == [f"{SPECTRUM}.primary.csv"]

        code, out, _ = call("export", "all", "--query", '{"sample_name": {"$exists": true}}', "--json")
        assert code == 0
        assert sorted(json.loads(out)["files"]) == [f"all/{SPECTRUM}.json", f"all/{STACK}.json"]

    def test_never_overwrites_unless_told(self, call, here):
        """A file that is there stays, and the message has the option that replaces it."""
        (here / "out.json").write_text("mine")
        code, _, err = call("export", "aaaa", "out.json")
        assert code == 1
        assert err == "error: out.json exists already and was not changed; give --overwrite to replace a file.\n"
        assert (here / "out.json").read_text() == "mine"

        assert call("export", "aaaa", "out.json", "--overwrite")[0] == 0
        assert json.loads((here / "out.json").read_text())

    def test_warnings_are_lines(self, call, here):
        """What an export warns of is a line on standard error, not Python's."""
        code, out, err = call("export", "bbbb", "out.csv", "--stream", "s")

        assert (code, out) == (0, "out.csv\n")
        assert err.startswith("warning: a spreadsheet may take the text '=1+1' for a formula")
        assert len(err.splitlines()) == 1

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["aaaa", "out.doc"], r"error: out.doc has the suffix '.doc'; expected one of"),
            (["aaaa", "out.x", "--format", "jsn"], "error: Got 'jsn' as a format"),
            (["nope", "out.json"], "error: no run's uid"),
            (["aaaa", "out.json", "--stream", "nope"], "has no stream 'nope'"),
            (["aaaa", "out.png", "--key", "nope"], "has no key 'nope'"),
            (["bbbb", "out.csv", "--stream", "image"], "csv holds numbers"),
            (["aaaa", "out.flac", "--key", "mu"], "the sampling rate of 'mu'"),
            (["aaaa", "out.png", "--event", "9"], "there is no event"),
            (["--query", "{nope", "out"], "is not JSON"),
        ],
    )
    def test_refused(self, call, here, words, message):
        """What cannot be is refused in one line with exit code 1, and nothing is written."""
        code, out, err = call("export", *words)

        assert (code, out) == (1, "")
        assert message in err
        assert len(err.splitlines()) == 1
        assert list(here.iterdir()) == []

    @pytest.mark.parametrize(
        "words", [[], ["aaaa"], ["--query", "a=1"], ["--query", "a=1", "aaaa", "out"], ["--query", "a=1", "-"]]
    )
    def test_not_understood(self, call, here, words):
        """A command without run or target is not understood."""
        code, _, err = call("export", *words)

        assert code == 2
        assert "a folder" in err
        assert list(here.iterdir()) == []


class TestLinkTree:
    """``link-tree``."""

    def test_makes_a_tree(self, call, here):
        """The tree is made and counted; its links lead to the results."""
        code, out, err = call("link-tree", "tree")

        assert (code, err) == (0, "")
        assert out == "2 inputs, 2 sets of parameters, 2 links in tree.\n"
        with h5py.File(here / "tree" / f"{SPECTRUM}.h5") as file:
            (group,) = file.values()
            assert group.attrs["parameters.bins"] == 10
            assert group[STACK]["image/frame"].shape == (2, 6, 10)

    def test_some_runs_by_a_key(self, call, here):
        """Terms choose the runs, --by what tells them apart; JSON tells all."""
        code, out, _ = call("link-tree", "tree", "sample_name=Fe foil", "--by", "sample_name", "--json")

        told = json.loads(out)
        assert code == 0
        assert (told["files"], told["links"], told["dangling"]) == (["tree/no-input.h5"], 1, [])
        with h5py.File(here / "tree" / "no-input.h5") as file:
            assert next(iter(file)).startswith("sample_name=Fe_foil-")

    def test_check(self, call, here, store):
        """Links that lead nowhere are listed, and are exit code 1; making the tree again tells them, too."""
        call("link-tree", "tree")
        assert call("link-tree", "tree", "--check") == (0, "", "")
        (gone,) = store.rglob(f"{STACK}.h5")
        gone.unlink()

        code, out, _ = call("link-tree", "tree", "--check")
        assert code == 1
        assert out.endswith(f"leads to {gone}: there is no such file\n")
        code, out, _ = call("link-tree", "tree", "--check", "--json")
        assert (code, [link["target"] for link in json.loads(out)]) == (1, [str(gone)])
        code, _, err = call("link-tree", "tree", "sample_name=pattern")
        assert code == 0
        assert "there is no such file" in err
        assert "left as they were: tree/no-input.h5" in err

    def test_refused(self, call, here):
        """A folder that is none, and a file in the way, are refused in one line."""
        code, _, err = call("link-tree", "nope", "--check")
        assert (code, err.startswith("error: There is no tree in nope")) == (1, True)

        (here / "file").write_text("mine")
        code, _, err = call("link-tree", "file")
        assert (code, "is a file and was not changed" in err) == (1, True)
