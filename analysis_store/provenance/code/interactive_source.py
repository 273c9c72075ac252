"""Interactive source that is in no file: cells of a notebook, lines typed at a prompt, ``python -c``."""

from __future__ import annotations

import linecache
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_store.provenance.texts import plain_text, text_digest

MAX_TYPED = 10 * 2**20
"""Length of the longest history that is kept whole; of a longer one, only the calling cell is kept."""

_NOTEBOOKS = ("__vsc_ipynb_file__", "__session__")


@dataclass(frozen=True, slots=True)
class Typed:
    """Interactive source."""

    name: str
    """Name of the notebook if known, else ``notebook``, ``ipython`` or ``python``."""

    source: str
    """The whole text."""

    digest: str
    """``blake3:<hex>`` of the text."""

    @classmethod
    def of(cls, name: str, text: str) -> Typed:
        """Return interactive source with storable text and its digest."""
        text = plain_text(text)
        return cls(name, text, text_digest(text))


_last: tuple[tuple[str, int], Typed] | None = None


def typed_in(filename: str) -> Typed | None:
    """Return the interactive source of code with this file name, or None if it is unknown.

    For IPython this is every input so far, since a cell that saves a result seldom computes all of it.
    """
    shell = _shell()
    if shell is not None:
        return _ipython(shell, filename)
    text = cell(filename) or (_command() if filename == "<string>" else None)
    return None if text is None else Typed.of("python", text)


def cell(filename: str) -> str | None:
    """Return source that Python's line cache holds without a file, as IPython stores it there."""
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4 and entry[1] is None:
        return "".join(entry[2])
    return "".join(linecache.getlines(filename)) or None if filename.startswith("<") else None


def _shell() -> Any:
    ipython = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _ipython(shell: Any, filename: str) -> Typed:
    global _last  # noqa: PLW0603  there is one shell in a process
    inputs = shell.history_manager.input_hist_raw
    key = (filename, len(inputs))
    if _last is None or _last[0] != key:
        _last = key, Typed.of(_name(shell), _text(inputs, cell(filename) or ""))
    return _last[1]


def _text(inputs: list[str], calling: str) -> str:
    typed = "\n\n".join(f"# In[{number}]:\n{text.rstrip()}" for number, text in enumerate(inputs) if text.strip())
    whole = typed if calling.strip() in typed else f"{typed}\n\n# In[*]:\n{calling.rstrip()}"
    return (whole if len(whole) <= MAX_TYPED else calling).strip() + "\n"


def _name(shell: Any) -> str:
    named = [shell.user_ns.get(name) for name in _NOTEBOOKS] + [os.environ.get("JPY_SESSION_NAME")]
    notebook = next((name for name in named if isinstance(name, str) and name), None)
    if notebook is not None:
        return Path(notebook).stem
    return "notebook" if hasattr(shell, "kernel") else "ipython"


def _command() -> str | None:
    """Return the code given to ``python -c``."""
    words = sys.orig_argv
    if sys.argv[:1] != ["-c"] or "-c" not in words[:-1]:
        return None
    return words[words.index("-c") + 1] + "\n"
