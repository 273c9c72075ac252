"""The map of the house names files that exist, and every room."""

from __future__ import annotations

import re
from pathlib import Path
from pkgutil import resolve_name

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "analysis_store"
MAP = (ROOT / "docs" / "explanations" / "architecture.md").read_text(encoding="utf-8")


def test_the_map_names_what_exists():
    """Each row of the table leads to a module or a folder."""
    rows = re.findall(r"^\| .+ \| `(.+)` \|$", MAP, re.MULTILINE)

    assert len(rows) >= 25
    assert [row for row in rows if not (ROOT / row).exists()] == []


def test_the_map_shows_every_room():
    """The picture has each folder of the package."""
    rooms = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    picture = MAP.partition("```text")[2].partition("```")[0]

    assert [room for room in sorted(rooms) if not re.search(rf"\b{room}\b", picture)] == []


def _exists(name: str) -> bool:
    """Return True if a dotted name is a module, a name in one, or a member of a class."""
    owner, _, member = name.rpartition(".")
    try:
        return member in getattr(resolve_name(owner), "__annotations__", {}) or bool(resolve_name(name))
    except (ImportError, AttributeError):
        return False


def test_docstrings_name_what_exists():
    """A module or function of the package that a docstring refers to is where the docstring says."""
    texts = [path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")]
    names = {name for text in texts for name in re.findall(r"`~?(analysis_store\.\w+\.[\w.]*\w)`", text)}

    assert len(names) > 5
    assert [name for name in sorted(names) if not _exists(name)] == []


def test_the_tests_have_the_rooms_of_the_package():
    """Each folder of tests is a room, or one of those that are about all rooms."""
    about_all = {"code", "conformance", "data", "docs", "faults", "fuzz"}
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and path.name != "__pycache__"}

    assert [name for name in sorted(folders - about_all) if not (PACKAGE / name).exists()] == []
