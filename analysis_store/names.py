"""Public names of a package that are loaded when they are first used: importing the package costs next to nothing."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any


def loaded_when_used(
    package: str, homes: Mapping[str, Iterable[str]], *, absolute: bool = False
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    Type checkers are told of the names beside it, under ``if TYPE_CHECKING``; the ``else`` hides this from them, since
    a module with a ``__getattr__`` has every name there is. A module bears no name that its package has from here:
    importing the module would put it in place of what the name stands for.

    Parameters
    ----------
    package : str
        Its ``__name__``.
    homes : mapping
        The modules in it, each with the names that it defines.
    absolute : bool
        Whether these modules have their full names, and may be anywhere.
    """
    home = {name: module if absolute else f"{package}.{module}" for module, names in homes.items() for name in names}

    def load(name: str) -> Any:
        module = sys.modules[package]
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name, obj=module)
        value = getattr(import_module(home[name]), name)
        setattr(module, name, value)  # the next use finds it at once
        return value

    def known() -> list[str]:
        return sorted({*home, *(name for name in vars(sys.modules[package]) if name.startswith("__"))})

    return sorted(home), load, known
