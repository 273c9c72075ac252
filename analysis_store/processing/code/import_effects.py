"""Effects of loading a module, other than defining its own names: it registers, fills, changes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from analysis_store.processing.code.module_source import ModuleText

_INERT = (ast.Import, ast.ImportFrom, ast.Pass, ast.Global, ast.Break, ast.Continue)
_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def effects(module: ModuleText, is_foreign: Callable[[str], bool]) -> list[ast.stmt]:
    """Return the statements of a module that may change something outside it, or its own tables.

    Parameters
    ----------
    module : ModuleText
        Text of the module.
    is_foreign : callable
        Returns True if a name belongs to an installed package or to Python, whose calls change nothing here.
    """
    return [one for one in module.tree.body if not _is_inert(one, is_foreign)]


def _is_inert(statement: ast.stmt, is_foreign: Callable[[str], bool]) -> bool:
    if isinstance(statement, _INERT):
        return True
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    if isinstance(statement, _DEFINITION):
        outside = [*statement.decorator_list, *_bases(statement)]
        return all(is_foreign(name) for part in outside for name in _roots(part))
    if isinstance(statement, (ast.Assign, ast.AnnAssign)):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        called = [node.func for node in ast.walk(statement) if isinstance(node, ast.Call)]
        return all(map(_is_plain, targets)) and all(is_foreign(name) for one in called for name in _roots(one))
    if isinstance(statement, (ast.If, ast.Try, ast.With)):
        return all(_is_inert(one, is_foreign) for one in _inner(statement))
    return False


def _bases(statement: ast.stmt) -> list[ast.expr]:
    if not isinstance(statement, ast.ClassDef):
        return []
    return [*statement.bases, *(keyword.value for keyword in statement.keywords)]


def _roots(node: ast.AST) -> Iterator[str]:
    """Yield the names with which an expression begins; "" if it begins otherwise."""
    while isinstance(node, (ast.Attribute, ast.Call, ast.Subscript)):
        node = node.func if isinstance(node, ast.Call) else node.value
    yield node.id if isinstance(node, ast.Name) else ""


def _is_plain(target: ast.AST) -> bool:
    if isinstance(target, (ast.Tuple, ast.List)):
        return all(map(_is_plain, target.elts))
    return isinstance(target, ast.Name)


def _inner(statement: ast.stmt) -> Iterator[ast.stmt]:
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, ast.stmt):
            yield child
        elif isinstance(child, ast.ExceptHandler):
            yield from child.body
