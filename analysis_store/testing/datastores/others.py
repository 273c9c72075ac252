"""Tests of other users of a datastore: threads, other processes, and later readers."""

from __future__ import annotations

import inspect
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from analysis_store.errors import InvalidDataError, RunClosedError
from analysis_store.recorder.core.value_kinds import Declared
from analysis_store.testing.datastores.cases import NOW, close_it, record
from analysis_store.testing.datastores.suite import Suite

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis_store.recorder.core.base import DataStore

_EACH = 500
_PATIENCE = 10.0
"""Seconds that a machine with other things to do may take longer."""

_CHILD = """
import importlib.util, sys, time
from pathlib import Path
module, file, name, where, key, wanted, within = sys.argv[1:]
spec = importlib.util.spec_from_file_location(module, file)
sys.modules[module] = made = importlib.util.module_from_spec(spec)
spec.loader.exec_module(made)
suite = getattr(made, name)()
print("ready", flush=True)
sys.stdin.readline()
datastore = suite.reopen(Path(where))
for count in map(int, wanted.split(",")):
    until = time.monotonic() + float(within)
    while not (key in datastore.keys() and len(datastore.get_all(key)) >= count):
        if time.monotonic() > until:
            sys.exit(f"{datastore!r} shows no {count} values of {key}")
        time.sleep(0.01)
    values = datastore.get_all(key)[:count]
    assert list(values) == list(range(count)), values
    print(count, flush=True)
"""


class OthersAtDataStore(Suite):
    """What is flushed is there for others, and for later."""

    def test_flush_and_close(self, tmp_path: Path) -> None:
        """Flushing changes nothing that is seen; what is closed is read, and takes no more."""
        datastore = self.make(tmp_path)
        datastore.flush()
        datastore.append("a", 1, NOW)
        datastore.flush()
        datastore.flush()
        datastore.append("a", 2, NOW)
        datastore.close()
        datastore.close()
        assert datastore.get_all("a")[:].tolist() == [1, 2]
        assert (datastore.get("a"), datastore.keys()) == (2, ["a"])
        refusals: list[Callable[[], None]] = [
            lambda: datastore.append("a", 1, NOW),
            lambda: datastore.set("b", 1, NOW),
            lambda: datastore.declare("b", Declared()),
            datastore.flush,
        ]
        for refused in refusals:
            with pytest.raises(RunClosedError, match="closed"):
                refused()
        assert datastore.get_all("a")[:].tolist() == [1, 2]

    def test_opened_again(self, tmp_path: Path) -> None:
        """What is opened again goes on where it ended, with the same forms."""
        if self.reopen(tmp_path / "none") is None and not self._outlives(tmp_path / "other"):
            pytest.skip("what is recorded does not outlive the datastore")
        if not self.appends:
            pytest.skip("a recording that has ended is not gone on with")
        for start in (0, 3, 6):
            with self.make(tmp_path) as datastore:
                for number in range(start, start + 3):
                    datastore.append("a", number, NOW)
                    datastore.append("text", "x" * number, NOW)
                datastore.set("last", start, NOW)
                datastore.append(f"key of {start}", [1.5], NOW)
                with pytest.raises(InvalidDataError, match="a"):
                    datastore.append("a", 1.7, NOW)
                with pytest.raises(InvalidDataError, match="was set before"):
                    datastore.append("last", 1.7, NOW)
                assert list(range(start + 3)) == datastore.get_all("a")[:].tolist()
        found = self.reopen(tmp_path)
        assert ["x" * number for number in range(9)] == list(found.get_all("text"))
        assert found.keys() == ["a", "text", "last", "key of 0", "key of 3", "key of 6"]
        assert found.get("last") == 6
        close_it(found)

    def test_another_process_sees_it(self, tmp_path: Path) -> None:
        """Another process sees a value that was flushed at once, and one that was not soon."""
        if self.visible_within is None:
            pytest.skip("no other process sees what is recorded")
        file = inspect.getfile(type(self))
        within = str(self.visible_within + _PATIENCE)
        arguments = [type(self).__module__, file, type(self).__name__, str(tmp_path), "a/b", "3,4", within]
        with (
            self.make(tmp_path) as datastore,
            subprocess.Popen(  # noqa: S603 - this file, in another process
                [sys.executable, "-c", _CHILD, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            ) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            record(datastore, "a/b", range(3))
            datastore.flush()
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "3\n"
            datastore.append("a/b", 3, NOW)
            assert child.stdout.readline() == "4\n"
            child.stdin.close()
            assert child.wait() == 0

    def test_threads(self, tmp_path: Path) -> None:
        """Four threads record into keys of their own and into one: nothing is lost, each one's order is kept."""

        def work(datastore: DataStore, thread: int) -> None:
            for number in range(_EACH):
                datastore.append("shared", [thread, number], NOW)
                datastore.append(f"own/{thread}", number, NOW)
                if number % 100 == 0:
                    datastore.flush()
                    assert number == datastore.get(f"own/{thread}")

        def fill(datastore: DataStore) -> None:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(work, [datastore] * 4, range(4)))

        for found in self._both(tmp_path, fill):
            shared = found.get_all("shared")[:]
            assert shared.shape == (4 * _EACH, 2)
            for thread in range(4):
                assert list(range(_EACH)) == shared[shared[:, 0] == thread, 1].tolist()
                assert list(range(_EACH)) == found.get_all(f"own/{thread}")[:].tolist()
