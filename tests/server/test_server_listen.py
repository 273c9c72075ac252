"""What ``serve`` takes as key and address, and what it prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from analysis_store.errors import SettingsError
from analysis_store.server import serve
from analysis_store.server.listen import announcement, bound
from analysis_store.store import AnalysisStore
from tests.sweeps import some

PROGRAM = """
import sys
from analysis_store.server import serve
from analysis_store.store import AnalysisStore
with AnalysisStore(sys.argv[1]) as store:
    serve(store, port=0, api_key=sys.argv[2] if len(sys.argv) > 2 else None)
"""


def started(folder: Path, *arguments: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
    """Start a server as a program of its own; return it with the first line it printed."""
    names = {name: value for name, value in os.environ.items() if name != "ANALYSIS_STORE_API_KEY"}
    command = [sys.executable, "-c", PROGRAM, str(folder), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**names, **environment})
    assert process.stdout
    return process, process.stdout.readline()


def status(address: str) -> int:
    """Return how an address answers."""
    try:
        with urllib.request.urlopen(address, timeout=100) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


@pytest.mark.slow
@pytest.mark.parametrize("given", some(["made", "argument", "environment"], 1))
def test_the_key_and_the_address(tmp_path: Path, given: str) -> None:
    """Argument before environment before a fresh one; only the fresh one is printed; loopback; Ctrl-C ends it."""
    key = "k3y" * 8
    arguments = {"made": (), "argument": (key,), "environment": ()}[given]
    variables = {
        "made": {},
        "argument": {"ANALYSIS_STORE_API_KEY": "other"},
        "environment": {"ANALYSIS_STORE_API_KEY": key},
    }
    process, line = started(tmp_path / "s", *arguments, **variables[given])
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/ui/", line)
        assert address, line
        made = re.search(r"\?api_key=([0-9a-f]{64})$", line.strip())
        assert bool(made) == (given == "made")
        assert key not in line
        assert status(address[0]) == 401
        assert status(f"{address[0]}?api_key={made[1] if made else key}") == 200
        assert status(f"{address[0]}?api_key=other") == 401
    finally:
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)
    assert key not in rest


def test_an_address_that_is_taken_is_named(tmp_path: Path) -> None:
    """The message has host, port, and what to do."""
    with AnalysisStore(tmp_path / "s") as store, bound("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=rf"127\.0\.0\.1, port {port}.*another --port"):
            serve(store, port=port, api_key="a1")
        with pytest.raises(SettingsError, match=r"Cannot listen on 203\.0\.113\.1"):
            serve(store, host="203.0.113.1", port=0, api_key="a1")


def test_an_empty_key_in_the_environment_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, rather than taken for no protection or for none given."""
    monkeypatch.setenv("ANALYSIS_STORE_API_KEY", "")
    with AnalysisStore(tmp_path / "s") as store, pytest.raises(SettingsError, match="0 characters"):
        serve(store, port=0)


def test_what_is_printed() -> None:
    """An address that a browser takes, also for IPv6."""
    with bound("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        assert announcement(listener, "abc").splitlines()[0] == f"Serving at http://127.0.0.1:{port}/ui/?api_key=abc"
        assert "api_key" not in announcement(listener, None)


def test_importing_the_room_loads_no_library() -> None:
    """The command line can name the server without paying for it."""
    program = (
        "import sys, analysis_store.server; print([m for m in ('tiled', 'fastapi', 'databroker') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
