"""The names that a piece of code takes from outside: neither parameters nor local variables of its functions."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

Chain = tuple[str, ...]
"""A name with the attributes accessed on it: ``a.b.c`` is ``("a", "b", "c")``."""

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSION = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPE = (*_FUNCTION, ast.Lambda, ast.ClassDef, *_COMPREHENSION)


def chains(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[Chain, ast.AST]]:
    """Yield each name that is used and not local, with its attributes and its position.

    Unclear cases count as not local. Names that a function imports are not local either, since their
    meaning is known.
    """
    attributes: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        attributes.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        if inner.id not in local:
            yield (inner.id, *reversed(attributes)), node
        return
    for child, its_local in _children(inner, local):
        yield from chains(child, its_local)


def _children(node: ast.AST, local: frozenset[str]) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    """Yield the parts of a node, each with the names that are local to it."""
    if isinstance(node, (*_FUNCTION, ast.Lambda)):
        inside = local | _bound_in(node)
        body = node.body if isinstance(node.body, list) else [node.body]
        for child in ast.iter_child_nodes(node):
            if child not in body:
                yield child, local  # decorators, defaults and hints
        yield from ((child, inside) for child in body)
    elif isinstance(node, _COMPREHENSION):
        yield from _of_comprehension(node, local)
    else:
        yield from ((child, local) for child in ast.iter_child_nodes(node))


def _of_comprehension(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, local: frozenset[str]
) -> Iterator[tuple[ast.AST, frozenset[str]]]:
    inside = local | {name for one in node.generators for name in _stored(one.target)}
    for number, one in enumerate(node.generators):
        yield one.iter, inside if number else local
        yield from ((part, inside) for part in (one.target, *one.ifs))
    made = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
    yield from ((part, inside) for part in made)


def _bound_in(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> frozenset[str]:
    """Return the names that are local to a function."""
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    names = {one.arg for one in every if one is not None}
    if isinstance(function, ast.Lambda):
        return frozenset(names)
    outside: set[str] = set()
    for node in _here(function.body):
        names.update(_names_of(node))
        if isinstance(node, ast.Global):
            outside.update(node.names)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            outside.update(alias.asname or alias.name.partition(".")[0] for alias in node.names)
    return frozenset(names - outside)


def _here(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Yield all nodes of a function that are in no scope inside it."""
    for node in nodes:
        yield node
        if not isinstance(node, _SCOPE):
            yield from _here(ast.iter_child_nodes(node))


def _names_of(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node binds."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
        yield node.id
    elif isinstance(node, (*_FUNCTION, ast.ClassDef, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)) and node.name:
        yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def _stored(target: ast.AST) -> Iterator[str]:
    for node in ast.walk(target):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
