"""Public names of a package that are loaded on first use, so that importing the package is fast."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def loaded_when_used(
    package: str, homes: Mapping[str, Iterable[str]], *, absolute: bool = False
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    Type checkers read the names next to the call, under ``if TYPE_CHECKING``; the ``else`` hides the call from them,
    because a module with a ``__getattr__`` would have any name. A module must not have the same name as an object that
    its package exports: importing the module would replace the object.

    Parameters
    ----------
    package : str
        The package's ``__name__``.
    homes : mapping
        Modules of the package, each with the names that it defines.
    absolute : bool
        If true, modules are given by their full names, and may be in other packages.
    """
    home = {name: module if absolute else f"{package}.{module}" for module, names in homes.items() for name in names}

    def load(name: str) -> Any:
        module = sys.modules[package]
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        value = getattr(import_module(home[name]), name)
        setattr(module, name, value)  # the next use finds it directly
        return value

    def known() -> list[str]:
        return sorted({*home, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return sorted(home), load, known
