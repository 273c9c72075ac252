"""The code of a processor: what counts, what does not, and that it is the code which runs."""

from __future__ import annotations

import ast
import importlib
import itertools
import os
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

from analysis_store.errors import ProcessorError
from analysis_store.processing import Processor
from analysis_store.processing.code import ast_normal_form as syntax
from analysis_store.processing.code import module_source as modules
from analysis_store.processing.code.source import Source, package_of, remember, source_of, unchanged

NAME = "package_of_source_tests"
FOREIGN = "other_package_of_source_tests"

WORK = """
    from . import helpers
    from .helpers import smooth as flatten
    import package_of_source_tests.deep.inner as inner
    from package_of_source_tests.deep import *
    import other_package_of_source_tests as foreign
    from . import reexported

    LIMIT = 3

    def work(inputs, *, gain=1):
        '''Work.'''
        from .late import later
        # here
        used = helpers.scale(inputs, LIMIT), flatten(1), inner.below(2), starred(1), reexported(1)
        return used, foreign.f(1), later()
"""
FILES = {
    "__init__.py": "from .origin import made as reexported\nUNUSED = 1\n",
    "work.py": WORK,
    "helpers.py": """
        import functools
        GAIN = 2
        TABLE = {}
        TABLE.update(a=1)

        def decorated(function):
            return function

        @functools.lru_cache
        def scale(values, limit, power=2):
            return GAIN * TABLE["a"] * limit * Peak(1).height()

        @decorated
        def smooth(n):
            return n and smooth(n - 1)

        class Base:
            def height(self):
                return kind(1)

        class Peak(Base):
            class Inner:
                def thrice(self, n):
                    return n * 3

            def __init__(self, n):
                self.n = n

        @functools.singledispatch
        def kind(value):
            return "any"

        @kind.register(int)
        def _(value):
            return str(value)

        @functools.lru_cache
        def unused():
            return 1
    """,
    "origin.py": "def made(n):\n    return n\n",
    "late.py": "from . import work\ndef later():\n    return work.LIMIT\n",
    "deep/__init__.py": "def starred(n):\n    return n\n",
    "deep/inner.py": "from .. import helpers\ndef below(n):\n    return helpers.GAIN\n",
}
PARTS = {
    "deep.inner:below",
    "deep:starred",
    "helpers:<import>",
    "helpers:Base",
    "helpers:GAIN",
    "helpers:Peak",
    "helpers:TABLE",
    "helpers:_",
    "helpers:decorated",
    "helpers:kind",
    "helpers:scale",
    "helpers:smooth",
    "late:later",
    "origin:made",
    "work:LIMIT",
    "work:work",
}


class Packages:
    """Writes packages of one name, each in a folder of its own, and forgets the one before."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.numbers = itertools.count()

    def forget(self) -> None:
        """Forget the package, as a new process would."""
        for name in [name for name in sys.modules if name.partition(".")[0] in {NAME, FOREIGN}]:
            del sys.modules[name]
        for name in [name for name in modules._kept if name.partition(".")[0] == NAME]:
            del modules._kept[name]

    def load(self, files: dict[str, str], foreign: str = "def f(n):\n    return n\n"):
        """Write and import the package; give its module `work`."""
        self.forget()
        root = self.folder / str(next(self.numbers))
        for name, text in files.items():
            path = root / NAME / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        installed = root / "site-packages"
        installed.mkdir()
        (installed / f"{FOREIGN}.py").write_text(foreign)
        self.monkeypatch.syspath_prepend(root)
        self.monkeypatch.syspath_prepend(installed)
        found = importlib.import_module(f"{NAME}.work")
        remember(found.work)
        return found

    def source(self, changes: dict[str, tuple[str, str]] | None = None, **others: str) -> Source:
        """Give the source of the function `work`, after replacing text in files."""
        files = dict(FILES)
        for name, (old, new) in (changes or {}).items():
            assert old in files[name]
            files[name] = files[name].replace(old, new)
        return source_of(self.load(files, **others).work)


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """What writes and imports packages; the last one is forgotten."""
    made = Packages(tmp_path, monkeypatch)
    yield made
    made.forget()


def test_parts(packages):
    """All that the function uses in its package counts, wherever and however it is imported; nothing else does."""
    parts = dict(packages.source().parts)

    assert {name.replace(NAME, "").lstrip(".").replace("::", ":") for name in parts} == PARTS
    assert all(re.fullmatch("blake3:[0-9a-f]{64}", digest) for digest in parts.values())


COUNTS = {
    "the function": {"work.py": ("flatten(1)", "flatten(2)")},
    "a default": {"work.py": ("gain=1", "gain=2")},
    "a constant": {"work.py": ("LIMIT = 3", "LIMIT = 4")},
    "a number's type": {"work.py": ("LIMIT = 3", "LIMIT = 3.0")},
    "a helper": {"helpers.py": ("n and smooth", "n > 0 and smooth")},
    "a helper's default": {"helpers.py": ("power=2", "power=3")},
    "a helper's decorator": {"helpers.py": ("        @decorated\n", "")},
    "a decorator's code": {"helpers.py": ("return function", "return function or None")},
    "a constant of another module": {"helpers.py": ("GAIN = 2", "GAIN = 5")},
    "a table that is changed": {"helpers.py": ("TABLE.update(a=1)", "TABLE.update(a=2)")},
    "the constructor of a class": {"helpers.py": ("self.n = n", "self.n = -n")},
    "a method of a base class": {"helpers.py": ("return kind(1)", "return kind(2)")},
    "what a type is dispatched to": {"helpers.py": ("return str(value)", "return repr(value)")},
    "which type is dispatched": {"helpers.py": ("@kind.register(int)", "@kind.register(bool)")},
    "what is imported late": {"late.py": ("return work.LIMIT", "return -work.LIMIT")},
    "what comes with a star": {"deep/__init__.py": ("return n", "return -n")},
    "what is below": {"deep/inner.py": ("return helpers.GAIN", "return -helpers.GAIN")},
    "what is exported again": {"origin.py": ("return n", "return -n")},
    "which one is exported": {
        "__init__.py": ("made as reexported", "made2 as reexported"),
        "origin.py": ("return n", "return n\ndef made2(n):\n    return n"),
    },
    "which library": {"work.py": (f"import {FOREIGN} as foreign", "import math as foreign")},
}


@pytest.mark.parametrize("what", COUNTS)
def test_counts(packages, what):
    """A change of what counts changes the digest."""
    assert packages.source(COUNTS[what]).digest != packages.source().digest


IDLE = {
    "a comment": {"work.py": ("# here", "# there, and more\n")},
    "a docstring": {"work.py": ("'''Work.'''", "'''Work harder.'''")},
    "the layout": {"work.py": ("gain=1", " gain  =  (1) ")},
    "the quotes": {"helpers.py": ('TABLE["a"]', "TABLE['a']")},
    "unused functions": {"helpers.py": ("def unused():\n            return 1", "def unused():\n            return 2")},
    "unused constants": {"__init__.py": ("UNUSED = 1", "UNUSED = 2")},
    "how a number is written": {"work.py": ("LIMIT = 3", "LIMIT = 0x3")},
}


@pytest.mark.parametrize("what", IDLE)
def test_does_not_count(packages, what):
    """A change of what does not count leaves the digest as it is."""
    assert packages.source(IDLE[what]) == packages.source()


def test_other_packages_do_not_count(packages):
    """What another package does is recorded with the environment; it is not in the digest."""
    assert packages.source(foreign="def f(n):\n    return -n\n") == packages.source()


def test_alternatives_count(packages):
    """Of what `try` and `if` decide, every branch counts."""
    text = """
        try:
            from no_such_module import fast
        except ImportError:
            def fast(n):
                return {}
        if True:
            from .a import one
        else:
            from .b import one
        def work(inputs):
            return fast(one(1))
    """
    files = {"__init__.py": "", "a.py": "def one(n): return n\n", "b.py": "def one(n): return n\n"}

    def digest(value: str, **changed: str) -> str:
        return source_of(packages.load({**files, **changed, "work.py": text.format(value)}).work).digest

    assert digest("n") != digest("-n")
    assert digest("n") != digest("n", **{"b.py": "def one(n): return -n\n"})


def test_module_alone(packages):
    """A module that is in no package has itself for one."""
    root = packages.folder / "alone"
    root.mkdir()
    (root / f"{NAME}.py").write_text("def helper(n):\n    return n\ndef work(inputs):\n    return helper(inputs)\n")
    packages.monkeypatch.syspath_prepend(root)
    work = importlib.import_module(NAME).work

    assert [place for place, _ in source_of(work).parts] == [f"{NAME}:helper", f"{NAME}:work"]


def test_edited_after_registration(packages):
    """What was loaded is what counts, whatever the file says later: it is what runs."""
    loaded = packages.load(FILES)
    before = packages.source()
    loaded = packages.load(FILES)
    path = Path(loaded.__file__)
    path.write_text(path.read_text().replace("LIMIT = 3", "LIMIT = 4"))

    assert source_of(loaded.work) == before


EDITS = {
    "a function": ("n and smooth", "n > 0 and smooth"),
    "a constant": ("GAIN = 2", "GAIN = 3"),
    "a default": ("power=2", "power=3"),
    "a method": ("self.n = n", "self.n = -n"),
    "a method of a class inside": ("return n * 3", "return n * 4"),
    "a name": ("def smooth(n)", "def smoother(n)"),
}


@pytest.mark.parametrize("what", EDITS)
def test_edited_between(packages, what):
    """A module that was changed after it was loaded, and before the processor was, is not filed under the new code."""
    loaded = packages.load(FILES)
    path = Path(loaded.helpers.__file__)
    text = path.read_text()
    path.write_text(text.replace(*EDITS[what]))
    modules._kept.clear()

    with pytest.raises(ProcessorError, match=r"was changed after it was loaded, .* restart Python"):
        source_of(loaded.work)

    path.write_text(text.replace("# here", "").replace("        return 1", "        return 1  # that is all"))
    modules._kept.clear()
    assert source_of(loaded.work).parts


def test_loaded_anew(packages):
    """After a reload of a helper the processor has the new code; a name that still holds the old one is refused."""
    loaded = packages.load(FILES)
    made = Processor("work", "1", loaded.work)
    before = made.source
    path = Path(loaded.helpers.__file__)
    path.write_text(path.read_text().replace("n and smooth", "n > 0 and smooth"))
    assert made.source is before

    importlib.reload(loaded.helpers)
    with pytest.raises(ProcessorError, match=rf"{NAME}\.work:flatten was changed"):
        _ = made.source

    loaded.flatten = loaded.helpers.smooth
    assert made.source.digest != before.digest
    assert made.source is made.source


def test_replaced_while_running(packages):
    """A constant or function that somebody put in place of what is written is noticed."""
    loaded = packages.load(FILES)
    packages.monkeypatch.setattr(loaded.helpers, "GAIN", 7)

    with pytest.raises(ProcessorError, match=f"{NAME}.helpers:GAIN was changed"):
        source_of(loaded.work)


def test_processes_agree(packages):
    """Every process finds the same digest, whatever the order of its sets."""
    expected = packages.source()
    folder = Path(sys.modules[f"{NAME}.work"].__file__).parents[1]
    path = os.pathsep.join([str(folder), str(folder / "site-packages")])
    script = (
        f"from {NAME}.work import work\nfrom analysis_store.processing.code.source import source_of\n"
        "print(source_of(work).digest)\n"
    )
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", script]
        told = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)
        assert told.stdout.strip() == expected.digest, told.stderr


def test_warnings_of_the_compiler(packages):
    """What the compiler warns of when a module is loaded, it does not say again when its text is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = packages.load({"__init__.py": "", "work.py": "def work(inputs):\n    return '\\d'\n"})

    assert len(source_of(loaded.work).parts) == 1


def test_state_of_a_program(packages):
    """What functions change while the processor runs is state, and counts as before; what others change counts."""
    helpers = "COUNT = 0\ndef count():\n    global COUNT\n    COUNT += 1\n    return COUNT\n"
    work = "from .helpers import COUNT, count\ndef work(inputs):\n    return count() + COUNT\n"
    loaded = packages.load({"__init__.py": "", "helpers.py": helpers, "work.py": work})
    before = source_of(loaded.work)
    with unchanged(before, loaded.work):
        loaded.work(None)

    assert source_of(loaded.work) == before
    assert before.parts[0][0] == f"{NAME}.helpers:COUNT"

    loaded.work(None)
    assert source_of(loaded.work) != before


def test_machinery_does_not_count():
    """Of our own package, only the folder of the processor counts: the machinery may change."""
    assert package_of("analysis_store.processing.library.peaks") == "analysis_store.processing.library"
    assert package_of("analysis_store.testing.processors") == "analysis_store.testing"
    assert package_of("laboratory.beamline.peaks") == "laboratory"
    assert package_of("analysis_store_plugin.peaks") == "analysis_store_plugin"


SAMPLE = '''
"""Module."""
import a.b as c
@d(1, key="v")
async def f(x: int, /, y=-0.0, *args: "str", z: float = 1e300, **more) -> None:
    """Doc."""
    async with c as e, f as (g, *h):
        pass
    try:
        lambda q, *, r=1: (q := r)
    except* (ValueError, TypeError) as error:
        raise X from error
    match x:
        case {"a": [1, *_], **rest} if rest: return 1j
        case P(a=1) | None | "s": pass
    return f"{x!r:>{y}} and {{braces}} {z=}" "tail" f"{x}" u"u" + "\\N{SNOWMAN}\\ud800é\\u0378"
class K(L, metaclass=M):
    """Doc."""
    x: int
    y = {**a, "b": [i for i in j if k], **{}}
    z = b"bytes", ..., 10**30, 123456789012345678901234567890, a[1:2, ..., ::3], True
'''


def interpreters() -> list[str]:
    """Other versions of Python that we support and that are on this machine."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for minor in ("3.11", "3.12", "3.13"):
        there = [*sorted(str(path) for path in root.glob(f"{minor}.*/bin/python")), shutil.which(f"python{minor}")]
        found[minor] = next((path for path in there if path), None)
    return [path for minor, path in found.items() if path and minor != f"{sys.version_info[0]}.{sys.version_info[1]}"]


@pytest.mark.parametrize("python", interpreters() or [None])
def test_versions_of_python_agree(python):
    """The form of code is the same in every version of Python that can read it."""
    if python is None:
        pytest.skip("only one of Python 3.11, 3.12, 3.13 is here; put others into PATH or PYENV_ROOT")
    script = (
        "import ast, sys, runpy\n"
        "form = runpy.run_path(sys.argv[1])['form']\n"
        "print(form(ast.parse(sys.stdin.buffer.read().decode())))\n"
    )
    command = [python, "-W", "ignore", "-c", script, syntax.__file__]
    told = subprocess.run(command, input=SAMPLE.encode(), capture_output=True, timeout=60, check=True)

    assert told.stdout.decode().strip() == syntax.form(ast.parse(SAMPLE))
    assert "Doc." not in told.stdout.decode()
    assert "JoinedStr" in told.stdout.decode()
