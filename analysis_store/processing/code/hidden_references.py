"""Code that a piece of code uses without naming it: found by a text, or unknowable."""

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
"""Functions that look up code by a text; only the text shows which."""

_ALL_HERE = {"builtins:eval", "builtins:globals", "inspect:currentframe", "numexpr:evaluate", "sys:_getframe"}
"""Functions that may use any name of their module."""
_ALL_HERE_METHODS = {"eval", "query"}
"""Methods of a DataFrame that look up names in a text."""


@dataclass(slots=True)
class Hidden:
    """Uses of a piece of code that no name in it shows."""

    modules: list[str] = field(default_factory=list)
    """Modules that it names by a text."""

    all_here: bool = False
    """True if it may use any name of its own module."""

    unknown: str = ""
    """Functions that it calls and that may run any code."""


def hidden_in(piece: Piece, used: Iterable[tuple[ast.AST, str]]) -> Hidden:
    """Return the uses of a piece of code that no name in it shows.

    Parameters
    ----------
    piece : Piece
        The code.
    used : iterable of (node, meaning)
        Names in it and their meaning: ``"importlib:import_module"``.
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
