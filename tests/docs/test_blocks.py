"""Every code block of the documentation runs, or says why not; what it shows is what it prints."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import RUN, Session, blocks

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    if "_build" not in path.parts and any(block.language in RUN for block in blocks(path))
)
FIRST = ("README.md", "docs/tutorials/first-result.md")
"""Pages that start programs and are tested by `make test` all the same."""
SILENT = {"", "bash", "sh", "shell", "pycon", "py"}  # languages that would slip through unseen


def _starts_programs(page: Path) -> bool:
    return any(block.language == "console" for block in blocks(page)) and str(page.relative_to(ROOT)) not in FIRST


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.slow] * _starts_programs(page)) for page in PAGES],
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_page_runs(page, tmp_path, monkeypatch):
    """A reader who follows the page from top to bottom sees what it shows."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)  # as that of a reader who starts Python there
    monkeypatch.delenv("ANALYSIS_STORE", raising=False)
    with contextlib.closing(Session(page, tmp_path)) as session:
        for block in blocks(page):
            if block.language in RUN and not block.reason:
                session.run(block)


def test_no_block_slips_through():
    """Blocks name their language, and one that is not run says why."""
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for block in blocks(page):
            assert block.language not in SILENT, f"{page}:{block.line}: {block.language!r}; use python or console"
            assert block.reason != "", f"{page}:{block.line}: give the reason"


def test_no_block_of_the_dbep_slips_through():
    """The same holds for the one page that is not Markdown."""
    text = (ROOT / "DBEP.rst").read_text(encoding="utf-8")
    found = re.findall(r"^(?:\.\. not run: (.+)\n\n)?\.\. code-block:: (\w+)", text, flags=re.MULTILINE)

    assert found
    assert all(reason or language == "text" for reason, language in found)


def test_file_of_a_page(tmp_path, monkeypatch):
    """A block that names a file is that file, which later blocks import, and no later page."""
    page = tmp_path / "page.md"
    page.write_text("```python file=shown.py\nx = 1\n```\n```python\n>>> import shown\n>>> shown.x\n1\n\n```\n")
    monkeypatch.syspath_prepend(tmp_path)
    with contextlib.closing(Session(page, tmp_path)) as session:
        for block in blocks(page):
            session.run(block)
        assert "shown" in sys.modules

    assert (tmp_path / "shown.py").read_text() == "x = 1\n"
    assert "shown" not in sys.modules


def test_checker_notices(tmp_path):
    """The comparison fails where a page shows something else than what is printed."""
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n```python\n>>> x\n2\n```\n```console\n$ echo a; echo b\na\nc\n```\n")
    first, second, third = blocks(page)
    session = Session(page, tmp_path)
    session.run(first)

    for block in (second, third):
        with pytest.raises(AssertionError, match=r"(?i)expected"):
            session.run(block)
