"""The command line of trust: a store checked, mended, rebuilt, moved, its runs traced, retracted and removed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Code, Provenance, insert_analysis
from analysis_store.cli import main
from tests.warm_cli import Command

ENTRY = Command()
SYNTHETIC = Provenance(origin="synthetic", note="for a test")
RAW, NORM, FIT = (f"{letter * 4}0000-0000-4000-8000-00000000000{i}" for i, letter in enumerate("abc", 1))


@dataclass(frozen=True)
class Printed:
    """What a process printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def told(self):
        """What it printed as JSON."""
        assert self.out, self.err
        return json.loads(self.out)


Call = Callable[..., Printed]


@pytest.fixture
def folder(tmp_path):
    """Make a store of three runs, each made from the one before."""
    with AnalysisStore(tmp_path / "store") as opened:
        origin = SYNTHETIC
        for uid, key in ((RAW, "mu"), (NORM, "norm"), (FIT, "edge")):
            md = {"uid": uid, "plan_name": key, "sample_name": "Fe foil"}
            run = insert_analysis([{"primary": {key: np.linspace(0.0, 1.0, 50)}}], md, provenance=origin, store=opened)
            origin = Provenance(parents=run)
    return tmp_path / "store"


@pytest.fixture
def call(folder, monkeypatch, capsys) -> Call:
    """Run a command in this process, on that store."""
    monkeypatch.setenv("ANALYSIS_STORE", str(folder))

    def call(*words: object) -> Printed:
        monkeypatch.setattr(sys, "argv", ["analysis-store", *map(str, words)])
        try:
            code = main()
        except SystemExit as end:
            code = int(end.code or 0)
        return Printed(code, *capsys.readouterr())

    return call


@pytest.fixture
def shell(folder) -> Call:
    """Run a command in a process of its own, on that store."""

    def shell(*words: object) -> Printed:
        done = subprocess.run(
            [*ENTRY, *map(str, words)],
            env={**os.environ, "ANALYSIS_STORE": str(folder)},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        return Printed(done.returncode, done.stdout, done.stderr)

    return shell


def damage(path: Path) -> None:
    """Change one value in a run file."""
    path.chmod(0o644)
    with h5py.File(path, "r+") as file:
        file["entry/primary/norm"][0, 7] += 1


def file_of(folder: Path, uid: str) -> Path:
    """Return the file of a run."""
    (path,) = (folder / "files").glob(f"2*/*/*/{uid}.h5")
    return path


@pytest.mark.slow
def test_exit_status(shell, folder):
    """What a script sees of processes: 0 where all is well, 1 where something is wrong or refused, 2 for nonsense."""
    assert shell("check").code == 0
    assert shell("delete", NORM, "--reason", "too large", "--yes").code == 1
    assert shell("check", "--sample", "many").code == 2

    damage(file_of(folder, NORM))
    assert shell("check").code == 1
    assert shell("verify", NORM).code == 1
    assert shell("check", "--repair").code == 1  # nothing mends what was changed

    for path in folder.glob("catalog.sqlite*"):
        path.unlink()
    assert shell("ls").code == 1
    assert shell("reindex").code == 0
    assert shell("ls").code == 0


class TestCheck:
    """``check`` and ``verify``."""

    def test_well(self, call):
        """A sound store is exit code 0, and says so."""
        assert "all is well" in call("check").out
        done = call("check", "--json")

        assert done.code == 0
        assert done.told["well"] is True
        assert done.told["checked"]["runs"] == 3

    def test_damaged(self, call, folder):
        """A changed value is exit code 1; run, stream and key are named, with what to do."""
        damage(file_of(folder, NORM))
        done = call("check")

        assert done.code == 1
        assert "damaged (1)" in done.out
        assert NORM in done.out
        assert "'norm'" in done.out
        assert "->" in done.out
        (finding,) = call("check", "--json").told["findings"]
        assert (finding["kind"], finding["subject"], finding["fault"]) == ("damaged", NORM, True)

    def test_quick(self, call, folder):
        """Without reading data a changed value is not seen; a file that is gone is."""
        damage(file_of(folder, NORM))
        assert call("check", "--quick").code == 0

        file_of(folder, NORM).unlink()
        assert call("check", "--quick").code == 1

    @pytest.mark.parametrize(("word", "runs"), [("2", 2), ("0.3", 1), ("1.0", 3)])
    def test_sample(self, call, word, runs):
        """The data of so many runs, or of such a part of them, are read."""
        done = call("check", "--sample", word, "--json")

        assert (done.code, done.told["checked"]["runs"], done.told["checked"]["values"]) == (0, 3, runs)

    @pytest.mark.parametrize("word", ["many", "1.5", "-1", "0.0"])
    def test_sample_that_is_none(self, call, word):
        """What is neither a number nor a part is not understood."""
        assert call("check", "--sample", word).code == 2

    def test_repair(self, call, folder):
        """A whole file that the catalog lost is taken in again; then all is well."""
        with AnalysisStore(folder) as opened:
            opened.catalog.remove(FIT)
        assert "orphan" in call("check").out

        done = call("check", "--repair", "--json")
        assert done.code == 0
        assert "repaired" in {finding["kind"] for finding in done.told["findings"]}
        assert call("check").code == 0
        assert call("show", FIT).code == 0

    def test_verify(self, call, folder):
        """One run is compared with its digests."""
        assert call("verify", "-1").code == 0

        damage(file_of(folder, NORM))
        done = call("verify", "bbbb", "--json")
        assert done.code == 1
        assert done.told["whole"] is False
        assert "norm" in done.told["faults"][0]


class TestReindex:
    """``reindex``."""

    def test_lost(self, call, folder):
        """Without a catalog every command says what to do; that brings all of it back."""
        call("retract", NORM, "--reason", "a spike")
        before = call("ls").out
        for path in folder.glob("catalog.sqlite*"):
            path.unlink()

        done = call("ls")
        assert done.code == 1
        assert "analysis-store reindex" in done.err
        assert call("reindex", "--json").code == 0
        assert call("ls").out == before
        assert "retracted" in before
        assert call("check").code == 0

    def test_damaged(self, call, folder):
        """So it is where the catalog cannot be opened."""
        for path in folder.glob("catalog.sqlite*"):
            path.write_bytes(b"no database at all" * 1000)

        done = call("ls")
        assert done.code == 1
        assert "analysis-store reindex" in done.err
        assert call("reindex").code == 0
        assert call("check").code == 0
        assert list(folder.glob("catalog.sqlite.damaged-*"))

    def test_nothing_to_do(self, call):
        """A sound catalog stays as it is."""
        before = call("ls", "--json").out
        assert call("reindex").code == 0
        assert call("reindex", "--scratch").code == 0
        assert call("ls", "--json").out == before

    def test_database(self, call, folder, monkeypatch):
        """Where the catalog is a database, a variable names the folder of the files."""
        uri = f"sqlite:///{folder / 'another.sqlite'}"
        assert "root" in call("ls", "--store", uri).err

        monkeypatch.setenv("ANALYSIS_STORE_ROOT", str(folder / "files"))
        assert call("reindex", "--store", uri).code == 0
        assert call("ls", "--store", uri).out == call("ls").out

    def test_no_store(self, call, tmp_path):
        """A folder that is no store is not made one."""
        (tmp_path / "other").mkdir()
        done = call("reindex", "--store", tmp_path / "other")

        assert done.code == 1
        assert "analysis-store init" in done.err
        assert not list((tmp_path / "other").iterdir())


class TestRemarks:
    """``retract``, ``reinstate`` and ``annotate``."""

    def test_retract(self, call):
        """The run and what came of it are marked; lists show it, and can leave them out."""
        done = call("retract", "bbbb", "--reason", "the monochromator slipped")

        assert done.out.split() == [NORM, FIT]
        assert [line.split("\t")[-1] for line in call("ls").out.splitlines()] == [
            "status", "retracted", "retracted", "success"
        ]  # fmt: skip
        assert [run["uid"] for run in call("search", "--usable", "--json").told] == [RAW]
        assert "the monochromator slipped" in call("show", FIT).out
        assert call("show", NORM, "--json").told["retracted"] == "the monochromator slipped"
        assert call("documents", NORM).err.startswith("warning: ")
        assert call("retract", NORM, "--reason", "again").code == 1

    def test_reinstate(self, call):
        """A retraction that was a mistake is lifted from all that it reached."""
        call("retract", NORM, "--reason", "a mistake")
        done = call("reinstate", NORM, "--reason", "it was another scan", "--json")

        assert {note["uid"] for note in done.told} == {NORM, FIT}
        assert len(call("search", "--usable", "--json").told) == 3

    def test_needs_a_reason(self, call):
        """Without a reason nothing happens."""
        assert call("retract", NORM).code == 2
        assert call("retract", NORM, "--reason", " ").code == 1

    def test_annotate(self, call):
        """What became known is shown, the newest of each key; the documents are what they were."""
        start = call("show", RAW, "--json").told["start"]
        call("annotate", RAW, "thickness=7.5", "sample_name=Fe foil, oxidised")
        assert call("annotate", RAW, 'run={"cup": 4}').out.splitlines()[-2:] == ["run", "  cup  4"]
        done = call("annotate", RAW, "thickness=8", "--json")

        assert done.told["annotations"] == {"thickness": 8, "sample_name": "Fe foil, oxidised", "run": {"cup": 4}}
        assert "known since" in call("show", RAW).out
        assert call("show", RAW, "--json").told["start"] == start
        assert call("annotate", RAW, "nothing").code == 2


class TestRemoval:
    """``delete``, ``restore`` and ``gc``."""

    def test_refused(self, call):
        """What another run came from stays, and the message names that."""
        done = call("delete", NORM, "--reason", "too large", "--yes")

        assert done.code == 1
        assert FIT in done.err
        assert call("delete", NORM, "--reason", "too large").code == 1

    def test_dry_run(self, call, folder):
        """Without --yes nothing happens."""
        done = call("delete", FIT, "--reason", "too large", "--json")

        assert done.code == 0
        assert done.told["done"] is False
        assert file_of(folder, FIT).exists()
        assert call("check").code == 0

    def test_there_and_back(self, call):
        """A deleted run tells who deleted it and why, and comes back as it was."""
        before = call("ls").out
        assert call("delete", FIT, "--reason", "too large", "--yes").code == 0

        done = call("show", FIT)
        assert done.code == 1
        assert "too large" in done.err
        assert call("check").code == 0
        assert call("restore", FIT).out.strip() == FIT
        assert call("ls").out == before

    def test_purged(self, call, folder):
        """After its time of grace the file goes, and its documents stay."""
        call("delete", FIT, "--reason", "too large", "--yes")

        assert call("gc", "--yes", "--json").told["purged"] == []
        assert call("gc", "--grace", "0", "--json").told["purged"] == [FIT]
        assert call("restore", FIT).code == 0
        call("delete", FIT, "--reason", "too large", "--yes")
        assert call("gc", "--grace", "0", "--yes", "--json").told["purged"] == [FIT]
        assert not list((folder / "files").rglob(f"{FIT}.h5"))
        assert call("restore", FIT).code == 1
        assert call("check").code == 0
        assert call("reindex", "--scratch").code == 0


class TestMoving:
    """``dump``, ``load``, ``sync`` and ``backup``."""

    @pytest.fixture
    def other(self, call, tmp_path):
        """Make an empty store."""
        assert call("init", tmp_path / "other").code == 0
        return tmp_path / "other"

    def test_there(self, call, other, tmp_path):
        """A bundle of one run brings what that came from along; twice is as good as once."""
        done = call("dump", "plan_name=edge", tmp_path / "edge.zip", "--json")
        assert done.told["runs"] == [RAW, NORM, FIT]

        assert call("load", tmp_path / "edge.zip", "--store", other, "--dry-run", "--json").told["loaded"] == [
            RAW, NORM, FIT
        ]  # fmt: skip
        assert call("ls", "--store", other, "--json").told == []
        assert call("load", tmp_path / "edge.zip", "--store", other).code == 0
        assert call("ls", "--store", other).out == call("ls").out
        assert call("check", "--store", other).code == 0
        assert call("load", tmp_path / "edge.zip", "--store", other, "--json").told["skipped"] == [RAW, NORM, FIT]

    def test_which(self, call, tmp_path):
        """Runs are chosen by terms, by uid, or all of them; by nothing is not understood."""
        assert call("dump", tmp_path / "none.zip").code == 2
        assert call("dump", "--uid", "aaaa", tmp_path / "one.zip", "--json").told["runs"] == [RAW]
        assert len(call("dump", "--all", tmp_path / "all.zip", "--json").told["runs"]) == 3
        assert call("dump", "--all", tmp_path / "all.zip").code == 1  # it is there

    def test_damaged(self, call, folder, tmp_path):
        """A damaged run is refused by name, or left out."""
        damage(file_of(folder, NORM))
        done = call("dump", "--all", tmp_path / "all.zip")

        assert done.code == 1
        assert NORM in done.err
        assert not (tmp_path / "all.zip").exists()
        assert NORM in call("dump", "--all", tmp_path / "all.zip", "--skip-damaged", "--json").told["skipped"]

    def test_no_bundle(self, call, other, tmp_path):
        """What is no bundle is refused in one line."""
        with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
            archive.writestr("../out", "x")
        done = call("load", tmp_path / "bad.zip", "--store", other)

        assert done.code == 1
        assert done.err.startswith("error: ")
        assert not (tmp_path.parent / "out").exists()

    def test_sync(self, call, other):
        """What the other lacks goes there, with the notes on it."""
        call("retract", FIT, "--reason", "a spike")

        assert call("sync", call_folder := str(other), "--both", "--json").told["went"]["loaded"] == [RAW, NORM, FIT]
        assert call("ls", "--store", call_folder).out == call("ls").out
        assert call("sync", other).code == 0
        assert call("sync", other.parent / "nowhere").code == 1

    def test_backup(self, call, tmp_path):
        """The copy is a store; a second one copies nothing."""
        assert call("backup", tmp_path / "copy").code == 0
        assert call("backup", tmp_path / "copy", "--verify", "--json").code == 0
        assert call("ls", "--store", tmp_path / "copy").out == call("ls").out
        assert call("check", "--store", tmp_path / "copy").code == 0

    def test_backup_into_itself(self, call, folder):
        """A copy within the store is refused."""
        assert call("backup", folder / "files" / "copy").code == 1


class TestLineage:
    """``lineage``, ``impact`` and ``stale``."""

    def test_text(self, call):
        """All relatives of a run are drawn, or those on one side."""
        both = call("lineage", NORM)

        assert both.code == 0
        assert all(uid[:8] in both.out for uid in (RAW, NORM, FIT))
        assert FIT[:8] not in call("lineage", NORM, "--up").out
        assert RAW[:8] not in call("lineage", NORM, "--down").out

    def test_json(self, call):
        """For a program: uid, depth and whether it is here, nearest first."""
        told = call("lineage", FIT, "--json").told

        assert [(each["uid"], each["depth"], each["here"]) for each in told["runs"]] == [
            (FIT, 0, True), (NORM, -1, True), (RAW, -2, True)
        ]  # fmt: skip
        assert {(edge["child"], edge["parent"]) for edge in told["edges"]} == {(FIT, NORM), (NORM, RAW)}

    @pytest.mark.parametrize(
        ("form", "begins"), [("dot", "digraph"), ("svg", "<"), ("mermaid", "flowchart"), ("prov", "{")]
    )
    def test_forms(self, call, tmp_path, form, begins):
        """Each form goes to standard output or into a file."""
        done = call("lineage", FIT, "--format", form)
        assert done.out.startswith(begins)

        assert call("lineage", FIT, "--format", form, "-o", tmp_path / "graph").code == 0
        assert (tmp_path / "graph").read_text().strip() == done.out.strip()

    def test_cannot_be_written(self, call, tmp_path):
        """A file that cannot be written is named."""
        done = call("lineage", FIT, "-o", tmp_path / "nowhere" / "graph")

        assert done.code == 1
        assert "nowhere" in done.err

    def test_impact(self, call, folder):
        """What a commit was used for is listed, with all that came of it."""
        code = Code(name="tool", version="1", commit="0123abc" + "0" * 33, url="https://example.org/tool")
        origin = Provenance(origin="synthetic", note="for a test", code=code)
        with AnalysisStore(folder) as opened:
            first = opened.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
            opened.insert([{"primary": {"y": 1.0}}], {}, provenance=Provenance(parents=first, code=Code(
                name="other", version="2", url="https://example.org/other"
            )))  # fmt: skip

        assert len(call("impact", "0123abc", "--json").told) == 2
        assert len(call("impact", RAW, "--json").told) >= 2
        assert len(call("impact", "0123abc").out.splitlines()) == 3

    def test_stale(self, call, folder):
        """A result whose input was retracted is listed, with the reason."""
        assert call("stale", "--json").told == []
        call("retract", RAW, "--reason", "a spike")
        with AnalysisStore(folder) as opened, pytest.warns(UserWarning, match="retracted"):
            late = opened.insert([{"primary": {"z": 1.0}}], {}, provenance=Provenance(parents=RAW))

        told = call("stale", "--json").told
        assert late.uid in {each["uid"] for each in told}
        assert "retracted" in call("stale").out


def test_help_is_quick():
    """The help of a command loads none of what the command needs."""
    code = "import sys; from analysis_store.cli.app import app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    assert not {"numpy", "h5py", "pydantic", "analysis_store.trust", "analysis_store.store"} & set(loaded)
