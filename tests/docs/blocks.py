"""Code blocks of a page of the documentation, and how each kind is run.

* ``python``: run in one namespace per page, from top to bottom; with ``>>>`` the output is compared.
* ``python file=NAME``: the content of a file, which later blocks import.
* ``console``: each line after ``$`` is given to a shell, and what it prints is compared.
* ``<!-- not run: reason -->`` above a block excuses it. ``<!-- hidden`` … ``-->`` is Python that readers need not see.

What differs from run to run (uids, times, digests) is made equal on both sides; ``...`` stands for anything.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis_store import AnalysisStore
from tests import warm_cli

_BLOCK = re.compile(
    r"(?:^<!-- not run: *(?P<reason>.*?) *-->\n+)?"
    r"^```(?P<language>\S*)(?: file=(?P<file>\S+))?[^\n]*\n(?P<code>.*?)^```$"
    r"|^<!-- hidden\n(?P<hidden>.*?)^-->$",
    re.MULTILINE | re.DOTALL,
)
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE | doctest.REPORT_NDIFF
_FLEETING = [
    (re.compile(r"blake3:[0-9a-f]+…?"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b(?=[a-f]*[0-9])[0-9a-f]{8}\b"), "UID8"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?"), "TIME"),
    (re.compile(r"\b\d{4}/\d\d/\d\d\b"), "DAY"),
    (re.compile(r"\b\d{10}\.\d+\b"), "STAMP"),
]
RUN = ("python", "console")
_MARK = "<<next command>>"


@dataclass(frozen=True)
class Block:
    """One block of a page."""

    language: str
    code: str
    line: int
    reason: str | None = None
    file: str | None = None


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a Markdown page."""
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        if found["hidden"] is not None:
            yield Block("python", found["hidden"], line)
        else:
            yield Block(found["language"], found["code"], line, found["reason"], found["file"])


class Session:
    """One reader who follows a page: a folder, a namespace, a shell."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.namespace: dict[str, Any] = {"__name__": "__main__"}

    def close(self) -> None:
        """Close the stores that the page left open, as the end of its process would."""
        for value in self.namespace.values():
            if isinstance(value, AnalysisStore):
                value.close()
        for name, module in list(sys.modules.items()):
            if str(getattr(module, "__file__", None)).startswith(f"{self.folder}{os.sep}"):
                del sys.modules[name]  # another page may have a file of this name

    def run(self, block: Block) -> None:
        """Run a block and compare what it prints; raises `AssertionError` where that differs."""
        if block.file:
            (self.folder / block.file).write_text(block.code, encoding="utf-8")
        elif block.language == "console":
            self._console(block)
        elif ">>>" in block.code:
            self._doctest(block)
        else:
            self._python(block)

    def _python(self, block: Block) -> None:
        path = self.folder / f"{self.page.stem.replace('-', '_')}_{block.line}.py"
        path.write_text(block.code, encoding="utf-8")  # code has a file, as that of a reader who saved it
        exec(compile(block.code, str(path), "exec"), self.namespace)

    def _doctest(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(
            block.code, self.namespace, self.page.name, str(self.page), block.line
        )
        runner = doctest.DocTestRunner(_Checker(self.folder), optionflags=_FLAGS)
        report: list[str] = []
        runner.run(test, out=report.append, clear_globs=False)
        self.namespace.update(test.globs)
        assert not runner.failures, "".join(report)

    def _console(self, block: Block) -> None:
        """Give all commands of a block to one shell, so that what one exports is known to the next."""
        commands, wanted = zip(*map(_command, re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]), strict=True)
        printed = self._shell("".join(f"{command}\nprintf '{_MARK}'\n" for command in commands)).split(_MARK)
        checker = _Checker(self.folder)
        for command, want, got in zip(commands, wanted, printed, strict=False):
            assert checker.check_output(want, got, _FLAGS), (
                f"{self.page.name}:{block.line}: $ {command}\nexpected:\n{want}\nprinted:\n{got}"
            )

    def _shell(self, script: str) -> str:
        programs = f"{Path(warm_cli.command()).parent}:{Path(sys.executable).parent}"
        environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}", "COLUMNS": "100"}
        return subprocess.run(
            ["bash", "-c", script],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        ).stdout


def _command(part: str) -> tuple[str, str]:
    """Return a command, over as many lines as it has, and what it is shown to print."""
    command, _, shown = part.partition("\n")
    while command.endswith("\\"):
        more, _, shown = shown.partition("\n")
        command = f"{command}\n{more.removeprefix('> ')}"
    return command, shown


class _Checker(doctest.OutputChecker):
    """Compares after making equal what differs from run to run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return super().check_output(self._settled(want), self._settled(got), optionflags)

    def _settled(self, text: str) -> str:
        text = text.replace(f"{self.folder}/", "").replace(str(self.folder), ".")
        for pattern, word in _FLEETING:
            text = pattern.sub(word, text)
        return text
