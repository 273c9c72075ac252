"""Calls of git: without prompts, pager, locks or external diffs, and with a timeout."""

from __future__ import annotations

import os
import shutil
import subprocess

from analysis_store.errors import ProvenanceError

TIMEOUT = 10.0
"""Timeout of one call in seconds."""

_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_CONFIG = ("core.fsmonitor=false", "core.quotePath=true", "diff.noprefix=false", "diff.mnemonicPrefix=false")
_NO_CHECKOUT = (b"not a git repository", b"must be run in a work tree")


def git(folder: str, *arguments: str, missing: bytes | None = None, differs: bool = False) -> bytes:
    """Return the output of git.

    Parameters
    ----------
    folder : str
        Folder in which to run git.
    *arguments : str
        Arguments of git.
    missing : bytes, optional
        Result if git reports that the requested value does not exist.
    differs : bool
        Accept exit code 1, which means that there is a difference.

    Raises
    ------
    ProvenanceError
        Git is not installed, fails, or does not answer; the message contains its output.
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
    raise ProvenanceError(f"git failed: {' '.join(done.stderr.decode(errors='replace').split())[:400]}")


def names(output: bytes) -> list[str]:
    """Return the NUL-separated items that git lists, as text that `os.fsencode` turns back into the bytes."""
    return [os.fsdecode(name) for name in output.split(b"\0") if name]


def _surroundings() -> dict[str, str]:
    """Return the environment without variables that lead git to another repository or make it prompt."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return kept | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
