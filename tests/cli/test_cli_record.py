"""``analysis-store record``, ``tail``, ``live`` and ``recover``, run as a shell runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from contextlib import contextmanager

import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.recorder import HDF5DataStore, Recorder, recorded
from tests.faults.children import wait_for
from tests.sweeps import some
from tests.warm_cli import COLD, Command

ENTRY = Command()
ORIGIN = ["--origin", "synthetic", "--note", "for a test"]


@pytest.fixture
def store(tmp_path):
    """Make an empty store."""
    AnalysisStore(tmp_path / "store").close()
    return tmp_path / "store"


@pytest.fixture
def call(store):
    """Run a command in a process of its own; return exit code, standard output and standard error."""

    def call(*words: object, text: str = "") -> tuple[int, str, str]:
        done = subprocess.run(
            [*ENTRY, *map(str, words), "--store", str(store)],
            input=text, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return call


@pytest.fixture
def live_with(call):
    """Return a function that lists the live runs which have so many values under each key."""

    def live_with(keys: dict[str, int]):
        return lambda: [each for each in json.loads(call("live", "--json")[1]) if each["keys"] == keys]

    return live_with


@contextmanager
def recording(store, *words: str):
    """Run ``record`` with a pipe to its standard input, killed at the end if it goes on; give it and the uid."""
    process = subprocess.Popen(
        [*COLD, "record", "--store", str(store), *ORIGIN, *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def values_of(run, key: str) -> list:
    """Return the values that were recorded under a key."""
    return list(np.asarray(recorded(run)[key]))


class TestRecord:
    """Standard input becomes a run."""

    def test_lines(self, call, store):
        """Lines of both kinds are values under their keys; metadata and provenance are in the run."""
        text = 'train/loss 0.5\nnote two words\n\n{"train/loss": 0.25, "curve": [1, 2.5]}\ntrain/loss nan\n'
        code, out, err = call("record", *ORIGIN, "--md", "sample_name=Fe", "--parameter", "rate=0.1", text=text)

        assert (code, err) == (0, "")
        with AnalysisStore(store) as opened:
            run = opened[out.strip()]
            assert run.start["sample_name"] == "Fe"
            assert run.start["provenance"]["parameters"] == {"rate": 0.1}
            assert run.stop["exit_status"] == "success"
            np.testing.assert_array_equal(values_of(run, "train/loss"), [0.5, 0.25, np.nan])
            assert values_of(run, "note") == ["two words"]
            np.testing.assert_array_equal(values_of(run, "curve"), [[1, 2.5]])
            assert run.verify()

    def test_json(self, call):
        """With --json the first line has the uid and the last the number of values."""
        code, out, _ = call("record", *ORIGIN, "--json", text="a 1\na 2\nb x\n")
        first, last = map(json.loads, out.splitlines())

        assert code == 0
        assert last == {"uid": first["uid"], "values": {"a": 2, "b": 1}}

    def test_from_file(self, call, store, tmp_path):
        """A file is read, and is the provenance with its digest."""
        path = tmp_path / "values.txt"
        path.write_text("x 1\nx 2\n")
        code, out, _ = call("record", "--from", path)

        assert code == 0
        with AnalysisStore(store) as opened:
            run = opened[out.strip()]
            assert values_of(run, "x") == [1, 2]
            assert [file.path for file in run.provenance.files] == [str(path)]

    def test_without_origin(self, call, store):
        """Without a parent, a file or an origin it is refused before anything is read or made."""
        before = sorted(store.rglob("*"))
        code, out, err = call("record", text="x 1\n")

        assert (code, out) == (1, "")
        assert "error: " in err
        assert [path for path in sorted(store.rglob("*")) if path.suffix != ".sqlite-wal"] == [
            path for path in before if path.suffix != ".sqlite-wal"
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("x", "line 3: got 'x'; expected a key and its value"),
            ("x 1.7", "line 3: 'x': got a value of dtype float64.*--dtype KEY=f8"),
            ('{"new": 1, "x": "text"}', "line 3: 'x'"),
            ('{"a": 1, "a/b": 2}', "line 3: .*a key has values, or keys below it"),
        ],
    )
    def test_refused_line(self, call, store, line, message):
        """A line that is refused ends the run as failed; it is named, and what came before it is kept."""
        code, out, err = call("record", *ORIGIN, text=f"x 1\nx 2\n{line}\nx 3\n")

        assert code == 1
        assert len(err.splitlines()) == 1
        assert re.search(message, err)
        with AnalysisStore(store) as opened:
            run = opened[out.strip()]
            assert run.stop["exit_status"] == "fail"
            assert "line 3" in run.stop["reason"]
            assert values_of(run, "x") == [1, 2]
            assert len(list(run)) == 1

    def test_refused_first_line(self, call, store):
        """Where nothing was recorded, nothing stays."""
        code, _, err = call("record", *ORIGIN, text="x\n")

        assert (code, "line 1" in err) == (1, True)
        assert [path for path in store.rglob("*") if ".h5" in path.name] == []

    def test_declared(self, call, store):
        """A dtype and arrays of changing shape are declared by options."""
        code, out, err = call(
            "record", *ORIGIN, "--dtype", "x=f8", "--ragged", "peaks", text="x 1\nx 1.7\npeaks [1, 2]\npeaks [3]\n"
        )

        assert (code, err) == (0, "")
        with AnalysisStore(store) as opened:
            assert values_of(opened[out.strip()], "x") == [1, 1.7]

    def test_bad_dtype(self, call):
        """What is no dtype is a command not understood."""
        code, _, err = call("record", *ORIGIN, "--dtype", "x=nope")

        assert code == 2
        assert "dtype='nope' cannot be declared" in err.replace("\n", " ")

    @pytest.mark.parametrize("number", some([signal.SIGTERM, signal.SIGINT], 1))
    def test_interrupted(self, store, live_with, number):
        """Ctrl-C, and the end that a batch system sets, close the run as aborted with what came."""
        with recording(store) as (process, uid):
            process.stdin.write("x 1\nx 2\n")
            process.stdin.flush()
            wait_for(live_with({"x": 2}), "both values")
            process.send_signal(number)
            _, err = process.communicate(timeout=30)

            assert process.returncode == 130
            assert "Traceback" not in err
        with AnalysisStore(store) as opened:
            assert opened[uid].stop["exit_status"] == "abort"
            assert values_of(opened[uid], "x") == [1, 2]


class TestLive:
    """A run while it is recorded, and after its process died."""

    @pytest.mark.slow
    def test_tail(self, store, call):
        """The newest live run is followed: what was there, what comes, and its end."""
        with recording(store) as (process, _):
            process.stdin.write("x 1\n")
            process.stdin.flush()
            follower = subprocess.Popen(
                [*ENTRY, "tail", "--json", "--interval", "0.1", "--store", str(store)],
                stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            assert json.loads(follower.stdout.readline())["value"] == 1
            process.stdin.write("x 2\nnote two words\n")
            process.stdin.flush()
            found = [json.loads(follower.stdout.readline()) for _ in range(2)]
            process.stdin.write("x 3\n")
            process.communicate(timeout=30)
            out, _ = follower.communicate(timeout=30)

        assert [(each["key"], each["value"]) for each in found] == [("x", 2), ("note", "two words")]
        assert [json.loads(line)["value"] for line in out.splitlines()] == [3]
        assert follower.returncode == 0

    @pytest.mark.slow
    def test_live(self, store, call, live_with):
        """A live run is listed with its holder, and cannot be recovered."""
        with recording(store) as (process, uid):
            process.stdin.write("x 1\nx 2\ny 1\n")
            process.stdin.flush()
            (told,) = wait_for(live_with({"x": 2, "y": 1}), "both keys")
            table = call("live")[1].splitlines()
            code, _, err = call("recover", uid[:8])

            assert told["uid"] == uid
            assert told["keys"] == {"x": 2, "y": 1}
            assert str(process.pid) in str(told["holder"])
            assert table[1].split("\t")[1:4] == [uid[:8], "3", "2"]
            assert code == 1
            assert str(process.pid) in err

    @pytest.mark.slow
    def test_recover(self, store, call, live_with):
        """A run whose process was killed is listed as such, told by tail, and closed with what it had."""
        with recording(store) as (process, uid):
            process.stdin.write("x 1\nx 2\n")
            process.stdin.flush()
            wait_for(live_with({"x": 2}), "both values")
            process.kill()
            process.wait()
            (told,) = json.loads(call("live", "--json")[1])
            assert told["holder"] is None
            code, out, err = call("tail", uid[:8])
            assert (code, len(out.splitlines())) == (1, 2)
            assert "recover" in err
            assert call("recover")[:2] == (0, f"{uid}\n")
            assert call("live", "--json")[1].strip() == "[]"
            assert call("recover")[:2] == (0, "")
        with AnalysisStore(store) as opened:
            assert opened[uid].stop["exit_status"] == "abort"
            assert values_of(opened[uid], "x") == [1, 2]

    def test_tail_of_nothing(self, call):
        """Where nothing is recorded, tail says so."""
        code, _, err = call("tail")

        assert code == 1
        assert "no run is being recorded" in err

    @pytest.mark.slow
    def test_tail_of_a_run_that_ended(self, call):
        """A run that has ended is shown as it is."""
        uid = call("record", *ORIGIN, text="a/x 1\na/x 2\n")[1].strip()
        code, out, _ = call("tail", uid[:8], "--once", "--json")
        told = json.loads(out)

        assert code == 0
        assert (told["status"], told["keys"]["a/x"]["values"], told["keys"]["a/x"]["last"]) == ("success", 2, 2)


class TestFile:
    """An HDF5 file of a recorder."""

    def test_once(self, call, tmp_path):
        """A file is shown as it stands, with the number of values and the last one of each key."""
        with Recorder(HDF5DataStore(tmp_path / "x.h5")) as recorder:
            for step in range(5):
                recorder.record("a/b", step / 4)
            recorder.set("best", "four")
        code, out, err = call("tail", tmp_path / "x.h5", "--once")
        rows = [line.split("\t") for line in out.splitlines()]

        assert (code, err) == (0, "")
        assert [row[:2] + row[3:4] for row in rows] == [
            ["key", "values", "last"],
            ["a/b", "5", "1"],
            ["best", "1", "four"],
        ]
        assert rows[1][4] == "▁▃▅▇█"

    def test_followed(self, call, tmp_path):
        """A file is followed until its writer closes it."""
        path = tmp_path / "x.h5"
        with Recorder(HDF5DataStore(path)) as recorder:
            recorder.record("x", 1)
            recorder.flush()
            follower = subprocess.Popen(
                [*ENTRY, "tail", str(path), "--interval", "0.1"], stdout=subprocess.PIPE, text=True
            )
            first = follower.stdout.readline()
            recorder.record("x", 2)
        out, _ = follower.communicate(timeout=30)

        assert first.split(" ", 1)[1] == "x 1\n"
        assert out.split(" ", 1)[1] == "x 2\n"
        assert follower.returncode == 0

    def test_in_a_terminal(self, tmp_path):
        """In a terminal a table with a curve is drawn."""
        path = tmp_path / "x.h5"
        with Recorder(HDF5DataStore(path)) as recorder:
            for step in range(20):
                recorder.record("x", step)
        leader, terminal = os.openpty()
        subprocess.run([*ENTRY, "tail", str(path)], stdout=terminal, timeout=60, env={**os.environ, "COLUMNS": "100"})
        os.close(terminal)
        shown = os.read(leader, 1 << 16).decode()
        os.close(leader)

        assert "per second" in shown
        assert "▁" in shown
        assert "█" in shown
