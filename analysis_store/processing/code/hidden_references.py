"""Code that a piece of code uses without naming it: found by a text, or where nobody can know."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analysis_store.processing.code.statements import Piece

_UNKNOWN = {
    "builtins:__import__",
    "builtins:exec",
    "importlib:import_module",
    "importlib.machinery:SourceFileLoader",
    "importlib.metadata:entry_points",
    "importlib.util:spec_from_file_location",
    "marshal:loads",
    "pkg_resources:iter_entry_points",
    "pkgutil:resolve_name",
    "pkgutil:walk_packages",
    "runpy:run_module",
    "runpy:run_path",
    "sys:modules",
}
"""What finds code by a text, wherever it is; only the text says which."""

_ALL_HERE = {"builtins:eval", "builtins:globals", "inspect:currentframe", "numexpr:evaluate", "sys:_getframe"}
"""What may use any name of the module that it stands in."""
_ALL_HERE_METHODS = {"eval", "query"}
"""Those of a DataFrame look names up that only a text has."""


@dataclass(slots=True)
class Hidden:
    """What a piece of code uses that no name in it stands for."""

    modules: list[str] = field(default_factory=list)
    """Modules that it names by a text."""

    all_here: bool = False
    """Whether it may use any name of its own module."""

    unknown: str = ""
    """What it calls that may run code from anywhere."""


def hidden_in(piece: Piece, used: Iterable[tuple[ast.AST, str]]) -> Hidden:
    """Return what a piece of code uses without naming it.

    Parameters
    ----------
    piece : Piece
        The code.
    used : iterable of (node, meaning)
        What it names: ``"importlib:import_module"``.
    """
    found = Hidden(all_here=not piece.attributes.isdisjoint(_ALL_HERE_METHODS))
    for node, meaning in used:
        if meaning in _ALL_HERE:
            found.all_here = True
        elif meaning in _UNKNOWN or meaning.startswith("sys:modules."):
            _enter(found, piece.asked.get(id(node)), meaning)
    return found


def _enter(found: Hidden, name: str | None, meaning: str) -> None:
    if name is None:
        found.unknown = meaning.replace(":", ".").removeprefix("builtins.")
    elif name:
        found.modules.append(name)
    else:
        found.all_here = True
