"""The command line for tests, in processes forked from one that has imported everything: a start takes milliseconds.

`command()` is the path of a program that behaves as ``analysis-store`` does: its own process, streams, exit status,
folder and environment. It passes no signals on; those, and a start from nothing, are tested with the true one (`COLD`).
"""

from __future__ import annotations

import array
import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

COLD = [sys.executable, "-c", "import sys; from analysis_store.cli import main; sys.exit(main())"]
"""The words that start the true program from nothing."""

# The program that the tests start: it hands its streams over, and ends as the other process does.
CLIENT = """#!{python} -IS
import array, json, os, signal, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({address!r})
work = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode("utf-8", "surrogateescape")
server.sendmsg([len(work).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(work)
status = int(server.recv(16) or b"70")
if status < 0:
    signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)
os._exit(status)
"""


class Command(Sequence[str]):
    """The words that start the program; the server starts with the first test that needs them."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return [command()][index]

    def __iter__(self) -> Iterator[str]:
        return iter([command()])


@cache
def command() -> str:
    """Return the path of the program, its server started; where processes cannot be watched, of the true one."""
    if not hasattr(os, "pidfd_open"):
        return str(Path(sys.executable).with_name("analysis-store"))
    folder = tempfile.TemporaryDirectory()
    address, client = f"{folder.name}/socket", Path(folder.name, "bin", "analysis-store")
    client.parent.mkdir()
    client.write_text(CLIENT.format(python=sys.executable, address=address), encoding="utf-8")
    client.chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, address], stdin=subprocess.PIPE, cwd=folder.name)
    atexit.register(lambda: (server.stdin.close(), server.wait(), folder.cleanup()))  # type: ignore[union-attr]
    while not Path(address).exists():
        assert server.poll() is None, "the server of the warm command line died"
        time.sleep(0.02)
    return str(client)


def serve(address: str) -> None:
    """Fork a process for each client, until the one that started this ends."""
    warm_up()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{address}.new")
    listener.listen()
    Path(f"{address}.new").rename(address)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            os._exit(0)
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            if work := attend(client):
                return run(*work)  # up through the whole of Python, so that it ends as any other
            os._exit(0)
        client.close()
        reap()


def warm_up() -> None:
    """Import what typical commands import; no thread may be left, for a fork would lose it."""
    import analysis_store.cli as room
    from analysis_store import AnalysisStore, Provenance
    from analysis_store.recorder import Recorder, RunDataStore

    for found in pkgutil.walk_packages(room.__path__, f"{room.__name__}."):
        importlib.import_module(found.name)
    origin = Provenance(origin="synthetic", note="what a command imports")
    with tempfile.TemporaryDirectory() as folder, AnalysisStore(folder) as store:
        run = store.insert([{"primary": {"x": 1.0, "y": [0.0] * 100}}], {"sample_name": "Fe"}, provenance=origin)
        with Recorder(RunDataStore(store, {}, origin)) as recorder:
            recorder.record("x", 1.0)
        run.read()
        store.search(sample_name="Fe").table()
        store.check()
    assert threading.active_count() == 1


def reap() -> None:
    """Take note of the processes that ended."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def attend(client: socket.socket) -> tuple[list[str], str, dict[str, str]] | None:
    """Return the work in the process that does it; in this one, wait until that ends, and say how."""
    head, rights, _, _ = client.recvmsg(8, socket.CMSG_SPACE(3 * array.array("i").itemsize))
    text = b""
    while len(text) < int.from_bytes(head, "big"):
        text += client.recv(1 << 20)
    streams = array.array("i", rights[0][2])
    worker = os.fork()
    if worker == 0:
        client.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        return tuple(json.loads(text.decode("utf-8", "surrogateescape")))  # type: ignore[return-value]
    os.closerange(0, 3)
    for stream in streams:
        os.close(stream)
    watch(client, worker)
    return None


def watch(client: socket.socket, worker: int) -> None:
    """Say how a process ended; kill it where its client was killed."""
    ended = os.pidfd_open(worker)
    ready, _, _ = select.select([client, ended], [], [])
    if ended not in ready:
        os.kill(worker, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1])
    with contextlib.suppress(OSError):
        client.sendall(str(status).encode())


def run(argv: list[str], folder: str, environment: dict[str, str]) -> None:
    """Do what the console script does, in the folder and environment of the client."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = open(  # noqa: SIM115  for as long as the process lives
            number, "w" if number else "r", buffering=1 if number == 2 or os.isatty(number) else -1,
            errors="backslashreplace" if number == 2 else None, encoding="utf-8", closefd=False,
        )  # fmt: skip
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    from analysis_store.cli import main

    sys.argv = argv
    sys.exit(main())


if __name__ == "__main__":
    sys.path[0] = str(Path(sys.executable).parent)  # as that of the console script
    serve(sys.argv[1])
