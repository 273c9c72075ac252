"""Logs: what is appended comes back, and what was torn is not an entry."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis_store.errors import InvalidDocumentError, StoreWriteError
from analysis_store.logs import AppendLog


@pytest.fixture
def log(tmp_path: Path) -> AppendLog:
    """Give a log whose folders are not there yet."""
    return AppendLog(tmp_path / "tasks" / "2026" / "log.jsonl")


def test_entries_come_back(log: AppendLog) -> None:
    """Each exactly as it was, in order: NaN, integers of any size, any text."""
    entries = [{"n": 2**70, "x": -0.0, "text": "a\nb\x00\ud800 日本"}, {"inf": -math.inf, "deep": {"z": [], "a": None}}]
    log.append(entries)
    log.append([{"last": True}], durable=False)
    assert repr(log.read()) == repr([*entries, {"last": True}])
    assert log.path.read_bytes().count(b"\n") == 3


def test_no_log_has_no_entries(log: AppendLog) -> None:
    """Reading makes nothing, nor does appending nothing."""
    assert log.read() == []
    log.append([])
    assert not log.path.parent.exists()


def test_an_entry_that_json_does_not_have(log: AppendLog) -> None:
    """None of the entries that came with it is kept."""
    with pytest.raises(InvalidDocumentError, match="JSON"):
        log.append([{"good": 1}, {"bad": object()}])
    assert log.read() == []


@pytest.mark.parametrize("torn", [b'{"step": 2, "na', b"{", b'{"a":1}{"b"', b"\xff\xfe", b"12", b'["list"]'])
def test_a_torn_end(log: AppendLog, torn: bytes) -> None:
    """It is not an entry, and not glued to the next one; once something follows it, it is told by file and line."""
    log.append([{"step": 1}])
    with log.path.open("ab") as file:
        file.write(torn)
    assert log.read() == [{"step": 1}]
    log.append([{"step": 3}])
    with pytest.warns(UserWarning, match=r"log\.jsonl, line 2 is not an entry"):
        assert log.read() == [{"step": 1}, {"step": 3}]


def test_an_end_that_lacks_its_newline_alone(log: AppendLog) -> None:
    """It is an entry, before and after another one is added."""
    log.append([{"step": 1}, {"step": 2}])
    with log.path.open("rb+") as file:
        file.truncate(log.path.stat().st_size - 1)
    assert log.read() == [{"step": 1}, {"step": 2}]
    log.append([{"step": 3}])
    assert log.read() == [{"step": 1}, {"step": 2}, {"step": 3}]


def test_threads(log: AppendLog) -> None:
    """Entries of one call stay together, whoever else appends."""

    def work(who: int) -> None:
        for number in range(20):
            log.append([{"who": who, "number": number, "part": part} for part in range(3)], durable=False)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    entries = log.read()
    assert len(entries) == 480
    assert all(len({(e["who"], e["number"]) for e in entries[at : at + 3]}) == 1 for at in range(0, 480, 3))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """The error names the log and what to do."""
    (tmp_path / "tasks").write_text("a file is in the way")
    with pytest.raises(StoreWriteError, match=r"could not write .*tasks/log\.jsonl: .*Nothing was added; .*try again"):
        AppendLog(tmp_path / "tasks" / "log.jsonl").append([{"a": 1}])
