"""Git is asked here: without prompts, pager, locks or external diffs, and never for long."""

from __future__ import annotations

import os
import shutil
import subprocess

from analysis_store.errors import ProvenanceError

TIMEOUT = 10.0
"""Seconds that one question may take."""

_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_CONFIG = ("core.fsmonitor=false", "core.quotePath=true", "diff.noprefix=false", "diff.mnemonicPrefix=false")
_NO_CHECKOUT = (b"not a git repository", b"must be run in a work tree")


def git(folder: str, *arguments: str, missing: bytes | None = None, differs: bool = False) -> bytes:
    """Return what git prints.

    Parameters
    ----------
    folder : str
        Where it is asked.
    *arguments : str
        The question.
    missing : bytes, optional
        The answer where git says that there is nothing of the kind.
    differs : bool
        Whether an exit code of 1 means that there is a difference.

    Raises
    ------
    ProvenanceError
        It is not installed, refuses, or does not answer; the message gives its own words.
    """
    program = shutil.which("git")
    if program is None:
        raise ProvenanceError("git is not installed, or not on the PATH")
    options = [option for setting in _CONFIG for option in ("-c", setting)]
    try:
        done = subprocess.run(  # noqa: S603  no shell; names of files come after "--"
            [program, "--no-pager", "--no-optional-locks", *options, *arguments],
            cwd=folder,
            env=_surroundings(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ProvenanceError(f"git did not answer within {TIMEOUT:g} s about {folder}") from error
    except OSError as error:
        raise ProvenanceError(f"git could not be run ({error})") from error
    if done.returncode == 0 or (differs and done.returncode == 1):
        return done.stdout
    if missing is not None and (done.returncode == 1 or any(words in done.stderr for words in _NO_CHECKOUT)):
        return missing
    raise ProvenanceError(f"git refuses: {' '.join(done.stderr.decode(errors='replace').split())[:400]}")


def names(output: bytes) -> list[str]:
    """Return what git lists, separated by NUL, as text that `os.fsencode` turns back into the bytes."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def _surroundings() -> dict[str, str]:
    """Return the environment, without what would lead git to another repository or make it ask a person."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
