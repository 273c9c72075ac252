"""Processes that work for this one leave Ctrl-C to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from analysis_store.core.pools import cores, may_start_processes, process_pool, submit


def test_a_worker_ignores_interrupts() -> None:
    """A worker is another process, in which SIGINT is ignored and not held back; here nothing is changed."""
    with process_pool(1) as pool:
        assert submit(pool, signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN
        assert signal.SIGINT not in submit(pool, signal.pthread_sigmask, signal.SIG_BLOCK, ()).result()
        assert submit(pool, os.getpid).result() != os.getpid()
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_no_more_cores_than_this_process_may_use() -> None:
    """A process that is bound to one core has one."""
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); "
    code += "from analysis_store.core.pools import cores; print(cores())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 1 <= cores()


def test_a_script_is_not_run_a_second_time(tmp_path: Path) -> None:
    """A script of somebody may do anything when it is imported; a prompt and our own programs do not."""
    script = tmp_path / "scan.py"
    script.write_text("from analysis_store.core.pools import may_start_processes\nprint(may_start_processes())\n")
    told = [
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
        for command in ([sys.executable, str(script)], [sys.executable, "-c", script.read_text()])
    ]
    assert told == ["False\n", "True\n"]
    assert may_start_processes()
