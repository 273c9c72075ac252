"""Another process that runs a pipeline for this one, without importing the main script.

A pool of the standard library would import the main script again in the process it starts: a script that moves motors
and has no ``if __name__ == "__main__":`` would move them twice.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import subprocess
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from analysis_store.processing.task.batch import Batch, received, sent
from analysis_store.processing.task.outcomes import Failure, Outcome

logger: logging.Logger = logging.getLogger(__name__)

_TRIALS = 2
_PROGRAM = "import sys; sys.path[:] = {path!r}; from analysis_store.processing.task.worker_process import main; main()"


class Companion:
    """A process that receives inputs one at a time and returns their outcomes; it ends with its parent process.

    Parameters
    ----------
    batch : Batch
        Pipeline and store.

    Raises
    ------
    pickle.PicklingError, TypeError, SettingsError
        The store or the pipeline cannot be sent to another process.
    """

    def __init__(self, batch: Batch) -> None:
        self._data = sent(batch)
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None

    def outcome(self, item: str | Path) -> Outcome:
        """Return the outcome of an input. A process that died is replaced; the input is tried twice."""
        told = ""
        for _ in range(_TRIALS):
            try:
                return self._asked(item)
            except (EOFError, OSError, pickle.UnpicklingError):
                status = self._ended()
                if self._closed:
                    told = "abandoned: the analysis was closed"
                    break
                told = f"the process died that worked on it, {_TRIALS} times (status {status})"
                logger.warning("the process that analyses died with status %s while it worked on %s", status, item)
        return Outcome(str(item), failures=(Failure(None, told),))

    def _asked(self, item: str | Path) -> Outcome:
        process = self._process = self._process or self._started()
        if self._closed:  # closing may have happened before this process was started
            raise EOFError("closed")
        _send(_pipe(process.stdin), item)
        answer: Outcome = pickle.load(_pipe(process.stdout))  # noqa: S301 - from the process that was started here
        return answer

    def _started(self) -> subprocess.Popen[bytes]:
        program = _PROGRAM.format(path=[os.path.abspath(part) for part in sys.path])  # noqa: PTH100 - "" is a folder, too
        process = subprocess.Popen(  # noqa: S603 - this interpreter, with a program from here
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C pauses a scan; it must not stop work in the background
        )
        _send(_pipe(process.stdin), self._data)
        return process

    def _ended(self) -> int | None:
        process, self._process = self._process, None
        if process is None:
            return None
        process.kill()
        with process:  # closes its pipes and waits for it
            pass
        return process.returncode

    def give_up(self) -> None:
        """Abort the running work; the waiting caller gets an error."""
        self._closed = True
        process = self._process
        if process is not None:
            process.kill()

    def close(self) -> None:
        """End the process, when no caller waits for it."""
        self._closed = True
        self._ended()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise EOFError("the process has no pipe")
    return pipe


def _send(pipe: IO[bytes], message: Any) -> None:
    pickle.dump(message, pipe)
    pipe.flush()


def main() -> None:
    """Process inputs until stdin closes, then exit immediately."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a processor must not mix with the answers
    questions: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(questions,), daemon=True).start()
    data = questions.get()
    while True:
        _send(answers, _outcome(data, questions.get()))


def _listen(questions: queue.SimpleQueue[Any]) -> None:
    """Forward inputs. When stdin closes, the parent is gone: exit, since a processor might never end."""
    try:
        while True:
            questions.put(pickle.load(sys.stdin.buffer))  # noqa: S301 - from the process that started this one
    except EOFError:
        os._exit(0)  # saving is atomic, and a task computes missing results


def _outcome(data: bytes, item: str | Path) -> Outcome:
    try:
        batch = received(data)
    except Exception as error:  # noqa: BLE001 - a module that cannot be imported here, a store that cannot be reached
        traceback.print_exc()
        told = f"the worker process cannot do this work: {type(error).__name__}: {error}"
        return Outcome(str(item), failures=(Failure(None, told),))
    return batch.outcome(item)
