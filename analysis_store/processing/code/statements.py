"""Facts from the text of one statement of a module: names, imports, changes. Computed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from analysis_store.processing.code.ast_normal_form import form
from analysis_store.processing.code.module_source import Target, imports_in
from analysis_store.processing.code.scopes import Chain, chains

if TYPE_CHECKING:
    from analysis_store.processing.code.module_source import ModuleText


@dataclass(frozen=True, slots=True)
class Piece:
    """A parsed statement."""

    form: str
    """Its normal form; see `analysis_store.processing.code.ast_normal_form`."""

    chains: tuple[tuple[Chain, ast.AST], ...]
    """Names from outside that it uses, and their positions."""

    imports: dict[str, list[Target]]
    """Imports of it."""

    attributes: frozenset[str]
    """Attributes that it accesses of any object."""

    rebound: frozenset[str]
    """Names of modules and attributes of objects that it assigns."""

    asked: dict[int, str]
    """Texts passed to functions and tables, by the id of these: possible names of modules."""


@lru_cache(maxsize=8192)
def piece_of(statement: ast.stmt, text: ModuleText) -> Piece:
    """Return the facts of a statement of a module."""
    nodes = list(ast.walk(statement))
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    stored = {node.attr for node in attributes if isinstance(node.ctx, ast.Store)}
    return Piece(
        form=form(statement),
        chains=tuple(chains(statement)),
        imports=imports_in(iter(nodes), text),
        attributes=frozenset(node.attr for node in attributes),
        rebound=frozenset(stored.union(*(node.names for node in nodes if isinstance(node, ast.Global)))),
        asked=dict(_asked_for(nodes, text.package)),
    )


def _asked_for(nodes: list[ast.AST], package: str) -> Iterator[tuple[int, str]]:
    """Yield objects that receive a constant text, by id, with the text as the name of a module; "" for ``__name__``."""
    for node in nodes:
        if isinstance(node, ast.Call) and node.args:
            asked, name = node.func, _named(node.args[0], node.args[1:], package)
        elif isinstance(node, ast.Subscript):
            asked, name = node.value, _named(node.slice, [], package)
        else:
            continue
        if name is not None:
            yield id(asked), name


def _named(text: ast.AST, more: list[ast.expr], package: str) -> str | None:
    if isinstance(text, ast.Name) and text.id == "__name__":
        return ""
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
        return None
    if not text.value.startswith("."):
        return text.value
    if len(more) == 1 and isinstance(more[0], ast.Name) and more[0].id == "__package__":
        return _resolved(text.value, package)
    return None


def _resolved(name: str, package: str) -> str:
    """Return the full name of a module given by dots."""
    plain = name.lstrip(".")
    parts = package.split(".")
    kept = parts[: len(parts) - (len(name) - len(plain) - 1)]
    return ".".join([*kept, plain] if plain else kept)
