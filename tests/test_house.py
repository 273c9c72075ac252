"""The house itself: what a wheel holds, what an import loads, what every module says of itself."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import analysis_store
from analysis_store import errors

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "analysis_store"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
HEAVY = (
    "alembic",
    "dask",
    "h5py",
    "hdf5plugin",
    "matplotlib",
    "numpy",
    "pandas",
    "rich",
    "sqlalchemy",
    "tiled",
    "typer",
    "xarray",
)


def _python(code: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -------------------------------------------------------------------------------------------------- packaging


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> list[str]:
    """Build a wheel from a copy of the checkout, links and all; return the names of its files."""
    source = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "handlers", "writers"):
        shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    shutil.copytree(PACKAGE, source / "analysis_store", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "dist", "."]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return archive.namelist()


def test_wheel_holds_the_package_alone(wheel):
    """No wheel of ours installs a module that is called ``handlers`` or ``writers``."""
    assert {name.split("/")[0] for name in wheel} == {"analysis_store", "analysis_store-0.1.0.dist-info"}


def test_wheel_holds_all_of_it(wheel):
    """Every module, the marker of types, the migrations and the licence are in the wheel."""
    expected = {_name(path) for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts}

    assert expected - set(wheel) == set()
    assert "analysis_store/py.typed" in wheel
    assert any(name.startswith("analysis_store/catalogs/sql/migrations/") for name in wheel)
    assert any(name.endswith("licenses/LICENSE") for name in wheel)


def test_entry_points_load():
    """Whatever the package announces can be imported, and handlers and writers are announced for the same specs."""
    groups = ("databroker.handlers", "analysis_store.writers", "console_scripts")
    ours = {
        group: {point.name: point for point in entry_points(group=group) if point.value.startswith("analysis_store")}
        for group in groups
    }
    for points in ours.values():
        assert points
        for point in points.values():
            assert callable(point.load())

    assert set(ours["databroker.handlers"]) == set(ours["analysis_store.writers"])


def test_version_is_told_once():
    """The version of the installed package is that of pyproject.toml and stands in the changelog."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

    assert _python("from importlib.metadata import version; print(version('analysis_store'))") == version
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


# -------------------------------------------------------------------------------------------- what is loaded


def test_import_is_light():
    """``import analysis_store`` loads none of the libraries it stands on."""
    loaded = _python("import sys, analysis_store; print(*(name.partition('.')[0] for name in sys.modules))").split()

    assert not set(loaded) & set(HEAVY)


def test_help_is_light():
    """``analysis-store --help`` loads the parser of the command line, and no library for data."""
    code = "import sys; import analysis_store.cli.app; print(*(name.partition('.')[0] for name in sys.modules))"

    assert not set(_python(code).split()) & (set(HEAVY) - {"typer"})


def test_reader_loads_no_writer():
    """Handlers are read without loading a module that writes."""
    modules = " ".join(f"analysis_store.handlers.{path.stem}" for path in (PACKAGE / "handlers").glob("[!_]*.py"))
    code = (
        f"import sys, importlib; [importlib.import_module(name) for name in {modules.split()!r}]; "
        "print(*(name for name in sys.modules if name.startswith('analysis_store.writers')))"
    )

    assert _python(code) == ""


@pytest.mark.parametrize("room", ["handlers", "writers"])
def test_links_are_for_people(room):
    """The links at the top level lead into the package, and refuse to be imported under the bare name."""
    link = ROOT / room

    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == PACKAGE / room
    code = f"import importlib\ntry: importlib.import_module({room!r})\nexcept ImportError as error: print(error)"
    assert f"import analysis_store.{room}, not" in _python(code)


def test_formats_mirror_each_other():
    """A format has its writer and its handler in modules of the same name."""
    names = {room: {path.stem for path in (PACKAGE / room).glob("*.py")} for room in ("handlers", "writers")}
    formats = {
        point.value.partition(":")[0].rpartition(".")[2] for point in entry_points(group="analysis_store.writers")
    }

    assert formats <= names["handlers"]
    assert formats <= names["writers"]


def test_public_names():
    """Every public name can be had from the package, and is documented."""
    assert set(analysis_store.__all__) <= set(dir(analysis_store))
    for name in analysis_store.__all__:
        assert inspect.getdoc(getattr(analysis_store, name)), name


# --------------------------------------------------------------------------------------------- what is written


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_modules_say_what_they_own():
    """The first line of a module is a sentence about what it owns."""
    first_lines = {_name(path): (ast.get_docstring(_tree(path)) or "").partition("\n")[0] for path in MODULES}

    assert [name for name, line in first_lines.items() if len(line) <= 20] == []


def test_no_assert_no_bare_exception():
    """The library neither asserts nor raises an `Exception` that nobody could tell from another."""
    for path in MODULES:
        for node in ast.walk(_tree(path)):
            if "testing" not in path.parts:
                assert not isinstance(node, ast.Assert), f"{_name(path)}:{node.lineno}"
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                assert getattr(node.exc.func, "id", "") != "Exception", f"{_name(path)}:{node.lineno}"


@pytest.mark.parametrize("path", TESTS, ids=_name)
def test_every_test_says_what_it_shows(path):
    """Every test has a sentence."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            assert ast.get_docstring(node), f"{_name(path)}:{node.lineno} {node.name}"


def test_errors_are_drawn():
    """Every error is in the tree of the module, derives from the one root and from a built-in that fits."""
    classes = {
        name: each
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, Exception) and not issubclass(each, Warning)
    }
    tree = re.findall(r"([A-Z]\w+Error)(?: \((\w+)\))?", errors.__doc__)

    assert {name for name, _ in tree} == set(classes)
    for name, builtin in tree:
        assert issubclass(classes[name], errors.AnalysisStoreError)
        if builtin:
            assert issubclass(classes[name], getattr(importlib.import_module("builtins"), builtin))
        assert classes[name].__doc__


# ------------------------------------------------------------------------------------------------------- types


def _public(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Yield the public functions and methods of a module."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _public(node.body)
        elif isinstance(node, ast.FunctionDef) and (not node.name.startswith("_") or node.name.startswith("__")):
            yield node


def _mentions_any(function: ast.FunctionDef) -> bool:
    taken = function.args
    each = [*taken.posonlyargs, *taken.args, *taken.kwonlyargs, taken.vararg, taken.kwarg]
    hints = [function.returns, *(one.annotation for one in each if one is not None)]
    return any(isinstance(node, ast.Name) and node.id == "Any" for hint in hints if hint for node in ast.walk(hint))


def test_few_public_functions_mention_any():
    """Of the public functions at most 12 % take or return what may be anything: a value, or an object of a library."""
    functions = [each for path in MODULES for each in _public(ast.parse(path.read_text(encoding="utf-8")).body)]
    found = [each for each in functions if _mentions_any(each)]

    assert len(functions) > 2000
    assert len(found) / len(functions) <= 0.12
