"""Pairs of code that give different results: a file that was edited, or what somebody changed in a running process.

``CASE`` stands for a prefix that is unique to the case, so that one process can load all of them. The processor is
the function `work` of ``CASE_mod``; it takes None and returns a number or text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from textwrap import dedent

MOD = "CASE_mod.py"
HELPER = "CASE_helper.py"
PLUG = "CASE_plug.py"


@dataclass(frozen=True)
class Case:
    """Code, and a change of it."""

    name: str
    files: dict[str, str]
    edit: dict[str, tuple[str, str]] = field(default_factory=dict)
    """What is replaced in files, before another process loads them."""

    patch: str = ""
    """What is done in the process in which they are loaded."""

    then: str = "key"
    """``key``: it has another key; ``refused``: it has none, with an error; ``same``: nothing has changed."""

    def written(self, prefix: str, *, edited: bool) -> dict[str, str]:
        """Return the texts of the files."""
        texts = {name: dedent(text) for name, text in self.files.items()}
        for name, (old, new) in self.edit.items() if edited else ():
            assert old in texts[name], (self.name, old)
            texts[name] = texts[name].replace(old, new)
        return {name.replace("CASE", prefix): text.replace("CASE", prefix) for name, text in texts.items()}


def edited(name: str, old: str, new: str, *, where: str = MOD, then: str = "key", **files: str) -> Case:
    """Return a case of which one file is edited."""
    texts = {f"CASE_{stem}.py": text for stem, text in files.items()}
    return Case(name, texts, {where: (old, new)}, then=then)


def patched(name: str, patch: str, *, then: str = "key", **files: str) -> Case:
    """Return a case that is changed while it runs; ``mod`` and ``helper`` are its modules."""
    return Case(name, {f"CASE_{stem}.py": text for stem, text in files.items()}, patch=patch, then=then)


USES_HELPER = """
    import CASE_helper as helper
    def work(inputs):
        return helper.f(2)
"""
CONSTANTS = """
    import numpy as np
    K = [3, 1, 2]
    D = {"a": {"b": [3]}}
    A = np.array([3.0, 1.0])
    C = np.linspace(0, 3, 4)
    N = 3
    T = (3, [1])
    S = {3, 4}
    F = None
    def work(inputs):
        return str((K, D, A.tolist(), C.tolist(), N, T, sorted(S), F))
"""
CLASS = """
    from functools import cached_property
    class Base:
        base = 1
        def over(self):
            return 1
    class C(Base):
        k = 3
        table = [3]
        made = sum([1, 2])
        def f(self):
            return 3
        @staticmethod
        def s():
            return 3
        @classmethod
        def c(cls):
            return 3
        @property
        def p(self):
            return 3
        @cached_property
        def q(self):
            return 3
        def __call__(self):
            return 3
    def other(self):
        return 7
    def work(inputs):
        c = C()
        return str((c.k, c.table, c.made, c.f(), c.s(), c.c(), c.p, c.q, c(), c.over(), c.base))
"""
FUNCTIONS = """
    import functools
    N = 3
    def f(x, *, by=3):
        return x + by
    def g(x, *, by=3):
        return x * by
    def scaled(by):
        def inner(x):
            return x * by
        return inner
    twice = scaled(2)
    def counted(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args)
        return wrapper
    @counted
    def h(x):
        return x + N
    @functools.lru_cache
    def cached(x):
        return x + N
    part = functools.partial(f, by=4)
    short = lambda x: x + 1
    def work(inputs):
        return str((f(2), g(2), twice(2), h(2), cached(2), part(2), short(2)))
"""
REGISTRY = """
    KINDS = {}
    NAMES = []
    def register(name):
        def take(function):
            KINDS[name] = function
            return function
        return take
    class Base:
        kinds = {}
        def __init_subclass__(cls, **more):
            Base.kinds[cls.__name__] = cls
    class Plain:
        pass
    def work(inputs):
        found = [one(2) for one in KINDS.values()]
        classes = [*Base.kinds.values(), *Plain.__subclasses__()]
        return str((found, NAMES, [one().f() for one in classes]))
"""
PLUG_IN = """
    import CASE_helper as helper
    LIMIT = 3
    @helper.register("a")
    def a(x):
        return x + LIMIT
    class Sub(helper.Base):
        def f(self):
            return 3
    class Other(helper.Plain):
        def f(self):
            return 3
    helper.NAMES.append("a")
"""
USES_PLUG_IN = """
    import CASE_helper as helper
    import CASE_plug
    def work(inputs):
        return helper.work(inputs)
"""
LATE_PLUG_IN = """
    import CASE_helper as helper
    def work(inputs):
        import CASE_plug
        return helper.work(inputs)
"""

EDITS = [
    edited(
        "a helper beside it", "x + 1", "x + 2", where=HELPER, mod=USES_HELPER, helper="def f(x):\n    return x + 1\n"
    ),
    edited(
        "a constant of a helper beside it",
        "N = 1",
        "N = 2",
        where=HELPER,
        mod=USES_HELPER,
        helper="N = 1\ndef f(x):\n    return x + N\n",
    ),
    edited(
        "a helper of a helper beside it",
        "x + 1",
        "x + 2",
        where=PLUG,
        mod=USES_HELPER,
        helper="from CASE_plug import f\n",
        plug="def f(x):\n    return x + 1\n",
    ),
    edited(
        "a helper that is imported in the function",
        "x + 1",
        "x + 2",
        where=HELPER,
        mod="def work(inputs):\n    from CASE_helper import f\n    return f(2)\n",
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "a helper found by a constant name",
        "x + 1",
        "x + 2",
        where=HELPER,
        mod='import importlib\ndef work(inputs):\n    return importlib.import_module("CASE_helper").f(2)\n',
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "a helper found by getattr",
        "x + 1",
        "x + 2",
        where=HELPER,
        mod='import CASE_helper\ndef work(inputs):\n    return getattr(CASE_helper, "f")(2)\n',
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "a helper found by sys.modules",
        "x + 1",
        "x + 2",
        where=HELPER,
        mod='import sys, CASE_helper\ndef work(inputs):\n    return sys.modules["CASE_helper"].f(2)\n',
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "a function found by globals()",
        "x + 1",
        "x + 2",
        mod='def f(x):\n    return x + 1\ndef work(inputs):\n    return globals()["f"](2)\n',
    ),
    edited(
        "a function found by eval",
        "x + 1",
        "x + 2",
        mod='def f(x):\n    return x + 1\ndef work(inputs):\n    return eval("f(2)")\n',
    ),
    edited(
        "a name set by globals()",
        "x + 1",
        "x + 2",
        mod='def f(x):\n    return x + 1\nglobals()["g"] = f\ndef work(inputs):\n    return g(2)\n',
    ),
    edited(
        "names set in a loop",
        "x * by",
        "x + by",
        mod="""
            def scaled(by):
                def inner(x):
                    return x * by
                return inner
            for n in (3, 4):
                globals()[f"times{n}"] = scaled(n)
            def work(inputs):
                return times3(2) + times4(2)
        """,
    ),
    edited(
        "a list appended to through an alias",
        "append(1)",
        "append(2)",
        mod="K = []\nL = K\nL.append(1)\ndef work(inputs):\n    return str(K)\n",
    ),
    edited(
        "a list filled by a call",
        "fill(K, 1)",
        "fill(K, 2)",
        mod="def fill(k, n):\n    k.append(n)\nK = []\nfill(K, 1)\ndef work(inputs):\n    return str(K)\n",
    ),
    edited(
        "a table updated by another module",
        "a=1",
        "a=2",
        where=PLUG,
        mod="import CASE_helper as helper\nimport CASE_plug\ndef work(inputs):\n    return str(helper.K)\n",
        helper="K = {}\n",
        plug="import CASE_helper\nCASE_helper.K.update(a=1)\n",
    ),
    edited(
        "a method set by setattr",
        "return 3",
        "return 7",
        mod="""
            class C:
                def f(self):
                    return 1
            def q(self):
                return 3
            setattr(C, "f", q)
            def work(inputs):
                return C().f()
        """,
    ),
    edited(
        "a method set by another module",
        "return 3",
        "return 7",
        where=PLUG,
        mod="import CASE_helper as helper\nimport CASE_plug\ndef work(inputs):\n    return helper.C().f()\n",
        helper="class C:\n    def f(self):\n        return 1\n",
        plug='import CASE_helper\ndef q(self):\n    return 3\nsetattr(CASE_helper.C, "f", q)\n',
    ),
    *(
        edited(f"{what} of {how}", old, new, where=PLUG, mod=mod, helper=REGISTRY, plug=PLUG_IN)
        for how, mod in (("a plug-in module", USES_PLUG_IN), ("a plug-in module imported late", LATE_PLUG_IN))
        for what, old, new in (
            ("a registered function", "x + LIMIT", "x - LIMIT"),
            ("a constant", "LIMIT = 3", "LIMIT = 4"),
            (
                "a subclass",
                "Sub(helper.Base):\n    def f(self):\n        return 3",
                "Sub(helper.Base):\n    def f(self):\n        return 4",
            ),
            (
                "an unregistered subclass",
                "Other(helper.Plain):\n    def f(self):\n        return 3",
                "Other(helper.Plain):\n    def f(self):\n        return 4",
            ),
            ("a name", 'append("a")', 'append("b")'),
        )
    ),
    edited(
        "a helper of a plug-in package imported late",
        "x + 1",
        "x + 2",
        where=PLUG,
        mod='KINDS = {}\ndef work(inputs):\n    import CASE_helper\n    return KINDS["a"](2)\n',
        helper="import CASE_plug\n",
        plug='import CASE_mod\ndef f(x):\n    return x + 1\nCASE_mod.KINDS["a"] = f\n',
    ),
    edited(
        "what a module below computes of a text",
        "3, 4",
        "3, 5",
        mod="import numpy as np\nA = np.linspace(0, 3, 4)\ndef work(inputs):\n    return str(A)\n",
    ),
    edited(
        "a default of a class attribute",
        "k = 3",
        "k = 4",
        mod="class C:\n    k = 3\ndef work(inputs):\n    return C.k\n",
    ),
    edited(
        "a field of a dataclass",
        "= 3",
        "= 4",
        mod="""
            from dataclasses import dataclass
            @dataclass
            class C:
                k: int = 3
            def work(inputs):
                return C().k
        """,
    ),
    edited(
        "a helper exported again by a package",
        "x + 1",
        "x + 2",
        where="CASE_pkg/inner.py",
        mod="import CASE_pkg\ndef work(inputs):\n    return CASE_pkg.f(2)\n",
        **{"pkg/__init__": "from .inner import f\n", "pkg/inner": "def f(x):\n    return x + 1\n"},
    ),
    edited(
        "a helper a package finds by __getattr__",
        "x + 1",
        "x + 2",
        where="CASE_pkg/inner.py",
        mod="import CASE_pkg\ndef work(inputs):\n    return CASE_pkg.f(2)\n",
        **{
            "pkg/__init__": """
                import importlib
                _WHERE = {"f": "inner"}
                def __getattr__(name):
                    if name not in _WHERE:
                        raise AttributeError(name)
                    return getattr(importlib.import_module("." + _WHERE[name], __name__), name)
            """,
            "pkg/inner": "def f(x):\n    return x + 1\n",
        },
    ),
    edited(
        "a helper found by a computed name",
        "x + 1",
        "x + 2",
        where=HELPER,
        then="refused",
        mod='import importlib\ndef work(inputs):\n    return importlib.import_module("CASE_" + "helper").f(2)\n',
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "code that is read and executed",
        "x + 1",
        "x + 2",
        where=HELPER,
        then="refused",
        mod="""
            from pathlib import Path
            def work(inputs):
                names = {}
                exec((Path(__file__).parent / "CASE_helper.py").read_text(), names)
                return names["f"](2)
        """,
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "code that is executed when the module is loaded",
        "x + 1",
        "x + 2",
        where=HELPER,
        then="refused",
        mod="""
            from pathlib import Path
            exec((Path(__file__).parent / "CASE_helper.py").read_text())
            def work(inputs):
                return f(2)
        """,
        helper="def f(x):\n    return x + 1\n",
    ),
    edited(
        "data that are read when the module is loaded",
        "3",
        "4",
        where="CASE_data.json",
        mod=(
            "import json\n"
            "from pathlib import Path\n"
            "K = json.loads(Path(__file__).with_name('CASE_data.json').read_text())\n"
            "def work(inputs):\n"
            "    return str(K)\n"
        ),
    ),
    edited(
        "an unused function",
        "return 1",
        "return 2",
        where=HELPER,
        then="same",
        mod=USES_HELPER,
        helper="def f(x):\n    return x\ndef unused():\n    return 1\n",
    ),
    edited(
        "a global named as a local variable",
        "values = 1",
        "values = 2",
        then="same",
        mod="values = 1\ndef work(inputs):\n    values = 3\n    return [n for n in range(values)][-1]\n",
    ),
]
EDITS = [
    Case(c.name, {**c.files, "CASE_data.json": "[3]"}, c.edit, c.patch, c.then) if "CASE_data.json" in c.edit else c
    for c in EDITS
]

PATCHES = [
    patched("an item of a list", "mod.K[0] = 7", mod=CONSTANTS),
    patched("a list that grows", "mod.K.append(7)", mod=CONSTANTS),
    patched("the order of a list", "mod.K.sort()", mod=CONSTANTS),
    patched("another list", "mod.K = [7]", mod=CONSTANTS),
    patched("a nested item", "mod.D['a']['b'][0] = 7", mod=CONSTANTS),
    patched("a key of a dict", "mod.D['c'] = 7", mod=CONSTANTS),
    patched("an item of an array", "mod.A[0] = 7", mod=CONSTANTS),
    patched("an item of a computed array", "mod.C[0] = 7", mod=CONSTANTS),
    patched("another array", "mod.C = mod.C * 2", mod=CONSTANTS),
    patched("the dtype of an array", "mod.A = mod.A.astype(int)", mod=CONSTANTS),
    patched("a list in a tuple", "mod.T[1][0] = 7", mod=CONSTANTS),
    patched("an item of a set", "mod.S.add(7)", mod=CONSTANTS),
    patched("a number", "mod.N = 7", then="refused", mod=CONSTANTS),
    patched("None", "mod.F = 7", mod=CONSTANTS),
    patched("a number by globals", "vars(mod)['N'] = 7", then="refused", mod=CONSTANTS),
    patched("a shadowed builtin", "mod.str = repr", mod="def work(inputs):\n    return str('a')\n"),
    patched("a builtin replaced", "mod.sorted = lambda values: 7", then="refused", mod=CONSTANTS),
    patched("a method", "mod.C.f = lambda self: 7", then="refused", mod=CLASS),
    patched("a method by a function of the module", "mod.C.f = mod.other", mod=CLASS),
    patched("a static method", "mod.C.s = staticmethod(lambda: 7)", then="refused", mod=CLASS),
    patched("a class method", "mod.C.c = classmethod(lambda cls: 7)", then="refused", mod=CLASS),
    patched("a property", "mod.C.p = property(lambda self: 7)", then="refused", mod=CLASS),
    patched("a property by a function of the module", "mod.C.p = property(mod.other)", mod=CLASS),
    patched("a property by a value", "mod.C.p = 7", mod=CLASS),
    patched("a cached property", "mod.C.q = property(lambda self: 7)", then="refused", mod=CLASS),
    patched(
        "a descriptor",
        "class D:\n    def __get__(self, one, kind):\n        return 7\nmod.C.p = D()",
        then="refused",
        mod=CLASS,
    ),
    patched("a special method", "mod.C.__call__ = lambda self: 7", then="refused", mod=CLASS),
    patched(
        "a special method that was not there",
        "mod.C.__getattribute__ = lambda self, name: (lambda: 7)",
        then="refused",
        mod=CLASS,
    ),
    patched("a class attribute", "mod.C.k = 7", then="refused", mod=CLASS),
    patched("a list of a class", "mod.C.table[0] = 7", mod=CLASS),
    patched("a computed class attribute", "mod.C.made = 7", mod=CLASS),
    patched("an attribute of a base class", "mod.Base.base = 7", then="refused", mod=CLASS),
    patched("an attribute over that of a base class", "mod.C.base = 7", mod=CLASS),
    patched("a method over that of a base class", "mod.C.over = mod.other", mod=CLASS),
    patched("the bases of a class", "class New(mod.Base):\n    base = 7\nmod.C.__bases__ = (New,)", mod=CLASS),
    patched("a class", "mod.C = type('C', (mod.Base,), dict(vars(mod.C), k=7))", then="refused", mod=CLASS),
    patched("a subclass in place of a class", "class New(mod.C):\n    k = 7\nmod.C = New", then="refused", mod=CLASS),
    patched("a function", "mod.f = lambda x, by=3: 7", then="refused", mod=FUNCTIONS),
    patched("a function by another of the module", "mod.f = mod.g", then="refused", mod=FUNCTIONS),
    patched("a function by one of a library", "mod.short = abs", mod=FUNCTIONS),
    patched("the code of a function", "mod.f.__code__ = (lambda x, *, by: 7).__code__", then="refused", mod=FUNCTIONS),
    patched("the code of another function", "mod.f.__code__ = mod.g.__code__", then="refused", mod=FUNCTIONS),
    patched("a default", "mod.f.__kwdefaults__['by'] = 7", then="refused", mod=FUNCTIONS),
    patched("all defaults", "mod.f.__kwdefaults__ = {'by': 7}", then="refused", mod=FUNCTIONS),
    patched("what a function closes over", "mod.twice.__closure__[0].cell_contents = 7", mod=FUNCTIONS),
    patched("a function made by one", "mod.twice = mod.scaled(7)", mod=FUNCTIONS),
    patched("a decorated function", "mod.h = lambda x: 7", then="refused", mod=FUNCTIONS),
    patched("a decorated function by another", "mod.h = mod.counted(mod.g)", mod=FUNCTIONS),
    patched(
        "what a decorator wraps", "mod.h.__closure__[0].cell_contents = lambda x: 7", then="refused", mod=FUNCTIONS
    ),
    patched(
        "a cached function",
        "import functools\nmod.cached = functools.lru_cache(lambda x: 7)",
        then="refused",
        mod=FUNCTIONS,
    ),
    patched("a cached function by another", "import functools\nmod.cached = functools.lru_cache(mod.g)", mod=FUNCTIONS),
    patched("a partial function", "import functools\nmod.part = functools.partial(mod.f, by=7)", mod=FUNCTIONS),
    patched("the keywords of a partial function", "mod.part.keywords['by'] = 7", mod=FUNCTIONS),
    patched("a lambda", "mod.short = lambda x: 7", then="refused", mod=FUNCTIONS),
    patched("a lambda by a function", "mod.short = mod.f", mod=FUNCTIONS),
    patched(
        "a function imported by name",
        "mod.f = lambda x: 7",
        then="refused",
        mod="from CASE_helper import f\ndef work(inputs):\n    return f(2)\n",
        helper="def f(x):\n    return x\n",
    ),
    patched(
        "a function of a helper",
        "helper.f = lambda x: 7",
        then="refused",
        mod=USES_HELPER,
        helper="def f(x):\n    return x\n",
    ),
    patched(
        "a helper",
        "import types\nmod.helper = types.SimpleNamespace(f=lambda x: 7)",
        then="refused",
        mod=USES_HELPER,
        helper="def f(x):\n    return x\n",
    ),
    patched(
        "another helper",
        "import math\nmod.helper = math",
        then="refused",
        mod="import CASE_helper as helper\ndef work(inputs):\n    return helper.sin(2)\n",
        helper="def sin(x):\n    return x\n",
    ),
    patched(
        "a function of a library",
        "import types\nmod.np = types.SimpleNamespace(abs=lambda x: 7)",
        then="refused",
        mod="import numpy as np\ndef work(inputs):\n    return int(np.abs(-2))\n",
    ),
    patched(
        "a function in a library",
        "import statistics\nstatistics.mode = lambda x: 7",
        then="refused",
        mod="import statistics\ndef work(inputs):\n    return statistics.mode([1, 2])\n",
    ),
    patched(
        "a function imported from a library",
        "mod.mean = lambda x: 7",
        then="refused",
        mod="from statistics import mean\ndef work(inputs):\n    return mean([1, 2])\n",
    ),
    patched(
        "a function imported from a library by another",
        "import statistics\nmod.mean = statistics.median",
        mod="from statistics import mean\ndef work(inputs):\n    return mean([1, 2, 6])\n",
    ),
    patched(
        "an entry of a registry",
        "helper.KINDS['a'] = lambda x: 7",
        then="refused",
        mod=USES_PLUG_IN,
        helper=REGISTRY,
        plug=PLUG_IN,
    ),
    patched(
        "an entry of a registry by another function",
        "helper.KINDS['a'] = abs",
        mod=USES_PLUG_IN,
        helper=REGISTRY,
        plug=PLUG_IN,
    ),
    patched("an entry that is taken out", "helper.KINDS.clear()", mod=USES_PLUG_IN, helper=REGISTRY, plug=PLUG_IN),
    patched(
        "an entry of a registry of classes",
        "del helper.Base.kinds['Sub']",
        mod=USES_PLUG_IN,
        helper=REGISTRY,
        plug=PLUG_IN,
    ),
    patched(
        "a method of a registered class",
        "helper.Base.kinds['Sub'].f = lambda self: 7",
        then="refused",
        mod=USES_PLUG_IN,
        helper=REGISTRY,
        plug=PLUG_IN,
    ),
    patched(
        "a subclass made while running",
        "class New(helper.Plain):\n    def f(self):\n        return 7",
        then="refused",
        mod=USES_PLUG_IN,
        helper=REGISTRY,
        plug=PLUG_IN,
    ),
    patched(
        "a mode set by a function",
        "mod.set_mode(7)",
        mod="MODE = 3\ndef set_mode(mode):\n    global MODE\n    MODE = mode\ndef work(inputs):\n    return MODE\n",
    ),
    patched(
        "an attribute of an instance",
        "mod.one.k = 7",
        mod="class C:\n    def __init__(self):\n        self.k = 3\none = C()\ndef work(inputs):\n    return one.k\n",
    ),
    patched(
        "an attribute of a function",
        "mod.f.k = 7",
        mod="def f():\n    return f.k\nf.k = 3\ndef work(inputs):\n    return f()\n",
    ),
    patched(
        "a slot of an instance",
        "mod.one.k = 7",
        mod="class C:\n    __slots__ = ('k',)\none = C()\none.k = 3\ndef work(inputs):\n    return one.k\n",
    ),
    patched(
        "a field of a dataclass",
        "mod.one.k.append(7)",
        mod=(
            "from dataclasses import dataclass\n"
            "@dataclass\n"
            "class C:\n"
            "    k: list\n"
            "one = C([3])\n"
            "def work(inputs):\n"
            "    return str(one)\n"
        ),
    ),
    patched(
        "what a dataclass generates",
        "mod.C.__repr__ = lambda self: '7'",
        then="refused",
        mod=(
            "from dataclasses import dataclass\n"
            "@dataclass\n"
            "class C:\n"
            "    k: int = 3\n"
            "def work(inputs):\n"
            "    return str(C())\n"
        ),
    ),
    patched(
        "the value of an enum",
        "mod.C.A._value_ = 7",
        mod="from enum import Enum\nclass C(Enum):\n    A = 3\ndef work(inputs):\n    return C.A.value\n",
    ),
    patched(
        "a table of pandas",
        "mod.table.loc[0, 'a'] = 7",
        mod=(
            "import pandas as pd\n"
            "table = pd.DataFrame({'a': [3, 4], 'b': ['x', 'y']})\n"
            "def work(inputs):\n"
            "    return int(table['a'].sum())\n"
        ),
    ),
    patched(
        "a labelled array of xarray",
        "mod.table[0] = 7",
        mod=(
            "import xarray as xr\n"
            "table = xr.DataArray([3, 4], dims='x', coords={'x': [1, 2]})\n"
            "def work(inputs):\n"
            "    return int(table.sum())\n"
        ),
    ),
    patched(
        "a coordinate of xarray",
        "mod.table = mod.table.assign_coords(x=[3, 4])",
        mod=(
            "import xarray as xr\n"
            "table = xr.DataArray([3, 4], dims='x', coords={'x': [1, 2]})\n"
            "def work(inputs):\n"
            "    return int(table.x.sum())\n"
        ),
    ),
    patched(
        "a knot of an interpolation",
        "mod.curve.y[0] = 7",
        mod=(
            "from scipy.interpolate import interp1d\n"
            "curve = interp1d([0, 1], [3.0, 4.0], copy=False)\n"
            "def work(inputs):\n"
            "    return float(curve(0))\n"
        ),
    ),
    patched(
        "a hint of a model",
        "mod.model.set_param_hint('center', value=7)",
        mod=(
            "from lmfit.models import GaussianModel\n"
            "model = GaussianModel()\n"
            "def work(inputs):\n"
            "    return float(model.make_params()['center'].value)\n"
        ),
    ),
    patched(
        "a parameter of a fit",
        "mod.start['a'].value = 7",
        mod=(
            "from lmfit import Parameters\n"
            "start = Parameters()\n"
            "start.add('a', value=3)\n"
            "def work(inputs):\n"
            "    return float(start['a'].value)\n"
        ),
    ),
    patched(
        "the state of a random generator",
        "mod.rng.random()",
        mod=(
            "import numpy as np\n"
            "rng = np.random.default_rng(3)\n"
            "def work(inputs):\n"
            "    return str(rng.bit_generator.state['state']['state'])\n"
        ),
    ),
    patched(
        "a bound method",
        "mod.add.__self__.by = 7",
        mod=(
            "class C:\n"
            "    by = 3\n"
            "    def add(self, x):\n"
            "        return x + self.by\n"
            "add = C().add\n"
            "def work(inputs):\n"
            "    return add(2)\n"
        ),
    ),
    patched(
        "a pattern",
        "import re\nmod.PATTERN = re.compile('7')",
        mod="import re\nPATTERN = re.compile('3')\ndef work(inputs):\n    return PATTERN.pattern\n",
    ),
    patched(
        "a function dispatched by type",
        "mod.kind.register(int, lambda x: 7)",
        then="refused",
        mod=(
            "from functools import singledispatch\n"
            "@singledispatch\n"
            "def kind(x):\n"
            "    return 3\n"
            "def work(inputs):\n"
            "    return kind(2)\n"
        ),
    ),
    patched(
        "a function dispatched by type to another",
        "mod.kind.register(int, mod.other)",
        mod=(
            "from functools import singledispatch\n"
            "@singledispatch\n"
            "def kind(x):\n"
            "    return 3\n"
            "def other(x):\n"
            "    return 4\n"
            "def work(inputs):\n"
            "    return kind(2)\n"
        ),
    ),
    patched("nothing", "", then="same", mod=CONSTANTS),
    patched("nothing in functions", "", then="same", mod=FUNCTIONS),
    patched("nothing in classes", "", then="same", mod=CLASS),
    patched("nothing in registries", "", then="same", mod=USES_PLUG_IN, helper=REGISTRY, plug=PLUG_IN),
    patched(
        "a global that is not used",
        "mod.unused = lambda: 7",
        then="same",
        mod="unused = 1\ndef work(inputs):\n    return 3\n",
    ),
]
