"""Logs whose writers are killed, are many, or find the disk full."""

from __future__ import annotations

import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from analysis_store.errors import StoreWriteError
from analysis_store.logs import AppendLog
from tests.faults.children import heard, start
from tests.store.test_disk_full import largest_file
from tests.sweeps import sizes

LONG = "x" * 20_000


def append_for_ever(connection: Connection, path: Path, who: int) -> None:
    """Append until killed; tell of each entry that is surely there."""
    log = AppendLog(path)
    for number in range(1_000_000):
        log.append([{"who": who, "number": number, "long": LONG}], durable=False)
        connection.send(number)


def append_some(connection: Connection, path: Path, who: int) -> None:
    """Append a hundred entries, two at a time."""
    log = AppendLog(path)
    for number in range(0, 100, 2):
        log.append([{"who": who, "number": number}, {"who": who, "number": number + 1}], durable=False)
    connection.send("done")


@pytest.mark.filterwarnings("ignore:.*is not an entry and is left out")
@pytest.mark.parametrize("kills", sizes(5, 20))
def test_killed_writers(tmp_path: Path, kills: int) -> None:
    """After many kills every entry that was promised is there once, in order, and nothing is there that is none."""
    path = tmp_path / "log.jsonl"
    promised = {}
    for who in range(kills):
        process, connection = start(append_for_ever, path, who)
        connection.recv()
        time.sleep(0.001 * who)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        promised[who] = len(heard(connection)) + 1
    AppendLog(path).append([{"who": kills, "number": 0, "long": LONG}])
    entries = AppendLog(path).read()
    for who in range(kills):
        numbers = [entry["number"] for entry in entries if entry["who"] == who]
        assert numbers == list(range(len(numbers)))
        assert promised[who] <= len(numbers) <= promised[who] + 1
    assert all(entry["long"] == LONG for entry in entries)
    assert entries[-1]["who"] == kills


def test_processes_at_once(tmp_path: Path) -> None:
    """Four processes lose no entry, and what one appended together stays together."""
    path = tmp_path / "log.jsonl"
    children = [start(append_some, path, who) for who in range(4)]
    assert [heard(connection) for _, connection in children] == [["done"]] * 4
    entries = AppendLog(path).read()
    pairs = [(entries[at], entries[at + 1]) for at in range(0, 400, 2)]
    assert all(a["who"] == b["who"] and a["number"] + 1 == b["number"] for a, b in pairs)
    for who in range(4):
        assert [entry["number"] for entry in entries if entry["who"] == who] == list(range(100))


@pytest.mark.parametrize("room", [0, 1, 20, 39])
def test_a_full_disk(tmp_path: Path, room: int) -> None:
    """Of entries that do not fit none stays, though a part of them fits; the log goes on when there is space."""
    log = AppendLog(tmp_path / "log.jsonl")
    log.append([{"step": 1}])
    before = log.path.read_bytes()
    with (
        largest_file(len(before) + room),
        pytest.raises(StoreWriteError, match=r"write .*log\.jsonl: .*free space"),
    ):
        log.append([{"step": 2, "text": "x" * 20}, {"step": 3}])
    assert log.path.read_bytes() == before
    log.append([{"step": 4}])
    assert log.read() == [{"step": 1}, {"step": 4}]
