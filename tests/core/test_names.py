"""The names of a package are those that type checkers are told of, and are loaded when they are used."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import analysis_store
from tests.sweeps import some

PACKAGE = Path(analysis_store.__file__).parent
ROOMS = sorted(
    ".".join(path.relative_to(PACKAGE.parent).parent.parts)
    for path in PACKAGE.rglob("__init__.py")
    if "loaded_when_used(" in path.read_text(encoding="utf-8")
)


def told(room: str) -> dict[str, str]:
    """Return the names that type checkers are told of, each with its module."""
    text = Path(str(import_module(room).__file__)).read_text(encoding="utf-8")
    imports = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names if alias.asname is not None}


@pytest.mark.parametrize("room", ROOMS)
def test_the_names_are_those_of_the_type_checkers(room: str) -> None:
    """What is imported under ``TYPE_CHECKING`` is what the package announces, from the same modules."""
    package = import_module(room)

    assert sorted(told(room)) == package.__all__
    assert set(package.__all__) < set(dir(package))
    for name, module in told(room).items():
        assert getattr(package, name) is getattr(import_module(module), name)


@pytest.mark.parametrize("room", some(ROOMS, 2))
def test_no_module_stands_in_place_of_a_name(room: str) -> None:
    """Whoever imports all modules of a package first still gets its functions and classes, no module."""
    modules = sorted(set(told(room).values()))
    code = (
        f"import importlib, inspect; [importlib.import_module(name) for name in {modules!r}]; "
        f"package = importlib.import_module({room!r}); "
        "print([name for name in package.__all__ if inspect.ismodule(getattr(package, name))])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_an_unknown_name() -> None:
    """A name that is none is refused as by any module, and the one that was meant is suggested."""
    code = "import analysis_store.recorder as recorder; recorder.Record"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert "module 'analysis_store.recorder' has no attribute 'Record'. Did you mean: 'Recorder'?" in done.stderr


def test_a_package_is_empty_until_it_is_used() -> None:
    """Importing a package loads the mechanism only; a name that was used is kept."""
    code = (
        "import sys, analysis_store.recorder as recorder\n"
        "print(*sorted(name for name in sys.modules if name.startswith('analysis_store')))\n"
        "recorder.Series\n"
        "print('Series' in vars(recorder), 'Recorder' in vars(recorder))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "analysis_store analysis_store.names analysis_store.recorder\nTrue False\n"


def test_a_suite_that_fails_shows_the_values(tmp_path: Path) -> None:
    """A test of a public suite says what it met, as tests of one's own do."""
    (tmp_path / "test_mine.py").write_text(
        "from types import SimpleNamespace\n"
        "import pytest\n"
        "from analysis_store.testing import CatalogTests\n"
        "class TestMine(CatalogTests):\n"
        "    @pytest.fixture\n"
        "    def catalog(self):\n"
        "        return SimpleNamespace(children=lambda uid: ['nobody'], insert=lambda record: None)\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "test_children", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "assert ['nobody'] == ['early', 'late']" in done.stdout
