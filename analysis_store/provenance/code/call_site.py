"""The code location that a result comes from: the caller's frame, or a given object."""

from __future__ import annotations

import functools
import inspect
import sys
from dataclasses import dataclass
from types import CodeType, ModuleType
from typing import Any

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.code.installed import is_standard

_OWN = "analysis_store"
_DOORS = ("analysis_store.cli.", "analysis_store.server.")
_MAIN = ("__main__", "__mp_main__")


@dataclass(frozen=True, slots=True)
class Site:
    """A code location."""

    file: str
    """File name with which the code was compiled: a path, or a name like ``<stdin>``."""

    module: str
    """Name of the module in which it ran."""

    function: str = ""
    """Qualified name of the function or class; empty for code of the module itself."""

    home: str | None = None
    """File of that module."""

    def entry_point(self, name: str) -> str:
        """Return ``module:function``, using the given name for a module without a name of its own."""
        module = name if self.module in _MAIN else self.module
        return f"{module}:{self.function}" if self.function else module


def calling_site() -> Site:
    """Return the innermost location outside this package and outside Python's own library.

    Calls through the command line or the server have only library frames as callers, which did not produce the
    result. If a thread or a pool ran no other code, the main module is returned.
    """
    frame = inspect.currentframe()
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if not _is_own(module) and not is_standard(frame.f_code.co_filename):
            return _in_code(frame.f_code, module, frame.f_code.co_qualname, frame.f_globals.get("__file__"))
        frame = frame.f_back
    main = sys.modules["__main__"]
    return Site(getattr(main, "__file__", None) or "<string>", "__main__")


def _is_own(module: str) -> bool:
    return f"{module}.".startswith(f"{_OWN}.") and not f"{module}.".startswith(_DOORS)


def site_of(obj: object) -> Site:
    """Return the location of a function, method, class or module.

    Raises
    ------
    ProvenanceError
        The object has another type.
    """
    obj = _plain(obj)
    if isinstance(obj, ModuleType):
        return Site(getattr(obj, "__file__", None) or "<built-in>", obj.__name__)
    module = getattr(obj, "__module__", None) or type(obj).__module__
    function = getattr(obj, "__qualname__", type(obj).__qualname__)
    code = _code(obj)
    if code is not None:
        return _in_code(code, module, function, getattr(obj, "__globals__", {}).get("__file__") or _file(module))
    return Site(_file(module) or "<built-in>", module, function)


def _plain(obj: Any) -> Any:
    """Return the object without decorators, partial applications and instances."""
    while isinstance(obj, (functools.partial, functools.partialmethod)):
        obj = obj.func
    if isinstance(obj, ModuleType):
        return obj
    if not callable(obj):
        raise ProvenanceError(
            f"capture: Got {obj!r:.60}, a {type(obj).__name__}; expected a function, class or module."
        )
    obj = inspect.unwrap(getattr(obj, "__func__", obj))
    return obj if hasattr(obj, "__qualname__") else type(obj)


def _code(obj: Any) -> CodeType | None:
    """Return the code of a function, or of the first method that a class defines itself."""
    if isinstance(obj, type):
        methods = (getattr(value, "__func__", value) for value in vars(obj).values())
        codes = (getattr(method, "__code__", None) for method in methods if _owned(method, obj))
        return next((code for code in codes if code is not None), None)
    code = getattr(obj, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _owned(method: Any, owner: type) -> bool:
    return bool(getattr(method, "__qualname__", "").startswith(f"{owner.__qualname__}."))


def _in_code(code: CodeType, module: str, qualname: str, home: Any) -> Site:
    function = ".".join(part for part in qualname.split(".") if not part.startswith("<"))
    return Site(code.co_filename, module, function, home if isinstance(home, str) else None)


def _file(module: str) -> str | None:
    return getattr(sys.modules.get(module), "__file__", None)
