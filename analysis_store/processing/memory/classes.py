"""Description of a class in memory, in addition to its source text."""

from __future__ import annotations

import ast
import sys
import types
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any

from analysis_store.processing.code.module_source import bound_by
from analysis_store.processing.memory.loaded_code import changed

if TYPE_CHECKING:
    from analysis_store.processing.code.module_source import ModuleText
    from analysis_store.processing.memory.description import Description

_KEPT_BY_PYTHON = {"__doc__", "__module__", "__qualname__", "__firstlineno__", "_abc_impl", "_is_protocol"}
_IMPLIED = {"__init_subclass__", "__class_getitem__", "__new__"}
"""Methods that Python wraps automatically."""
_WRITTEN = (bool, int, float, complex, str, bytes, type(None))


def class_contents(one: type, to: Description) -> list[object]:
    """Describe a class: its bases, and the members that its text does not determine.

    Raises
    ------
    ProcessorError
        A method or constant differs from the text.
    """
    to.watch.value(_look, one)
    was, to.class_name = to.class_name, one.__name__
    try:
        body = _body(one, to)
        members = [
            [name, _member(one, name, body.get(name, []), to)] for name in sorted(vars(one)) if _counts(one, name, body)
        ]
        kinds = [to.of(kind) for kind in (type(one), *one.__bases__)]
        values = [[name, *_value(value, to)] for name, value in _members(one).items()]
        return [kinds, [member for member in members if member[1] is not None], values]
    finally:
        to.class_name = was


def _members(one: type) -> dict[str, Any]:
    return dict(one.__members__) if issubclass(one, Enum) else {}


def _value(member: Any, to: Description) -> list[object]:
    to.watch.value(lambda it: (it._value_,), member)  # the result of `value`
    return [to.of(member.value)]


def is_generated(function: types.FunctionType, class_name: str) -> bool:
    """Return True if a library generated a method from the text of a class, as `dataclasses` does."""
    main = vars(sys.modules["__main__"])
    owner = function.__qualname__.rpartition(".")[0]
    is_its = owner.rpartition(".")[2] == class_name or owner == "__create_fn__.<locals>"
    return (
        bool(class_name)
        and is_its
        and function.__code__.co_filename.startswith("<")
        and function.__globals__ is not main
    )


def _look(one: type) -> tuple[Any, ...]:
    return (*vars(one), *vars(one).values(), *one.__bases__)


def _counts(one: type, name: str, body: dict[str, list[ast.stmt]]) -> bool:
    """Return True if the author, or code that changed the class, set a member; Python and libraries set many."""
    if name in _KEPT_BY_PYTHON:
        return False
    if issubclass(one, Enum) and (name in one.__members__ or (name.startswith("_") and name.endswith("_"))):
        return isinstance(vars(one)[name], types.FunctionType)
    if name in body or not (name.startswith("__") and name.endswith("__")):
        return True
    return isinstance(vars(one)[name], (types.FunctionType, staticmethod, classmethod, property, int, float))


def _member(one: type, name: str, statements: list[ast.stmt], to: Description) -> Any:
    value = vars(one)[name]
    written = statements[0] if len(statements) == 1 else None
    if isinstance(written, (ast.FunctionDef, ast.AsyncFunctionDef)) and not written.decorator_list:
        return _method(one, name, value, to)
    if _is_constant(written) and isinstance(value, _WRITTEN) and not issubclass(one, Enum):
        if repr(value) != repr(written.value.value):  # type: ignore[union-attr]
            raise changed(one.__module__, f"{one.__qualname__}.{name}")
        return None
    return to.at((one.__module__, f"{one.__qualname__}.{name}"), value)  # a nested class is a part of this one


def _method(one: type, name: str, value: Any, to: Description) -> Any:
    """Describe a value in place of a method without decorators; None if it is that method."""
    if name in _IMPLIED and isinstance(value, (classmethod, staticmethod)):
        value = value.__func__
    told = to.of(value)
    return None if told == ["function", f"{one.__module__}:{one.__qualname__}.{name}"] else told


def _is_constant(statement: ast.stmt | None) -> bool:
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return False
    return isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, _WRITTEN)


def _body(one: type, to: Description) -> dict[str, list[ast.stmt]]:
    """Return the statements of a class that bind each name; nothing if the text has no such class."""
    text = to.own.text(one.__module__) if to.own.has(one.__module__) else None
    nodes = _classes(text).get(one.__qualname__, []) if text is not None else []
    return bound_by(nodes[0].body) if len(nodes) == 1 else {}


@cache
def _classes(module: ModuleText) -> dict[str, list[ast.ClassDef]]:
    found: dict[str, list[ast.ClassDef]] = {}
    waiting: list[tuple[str, ast.AST]] = [("", module.tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.ClassDef):
                found.setdefault(prefix + child.name, []).append(child)
                waiting.append((f"{prefix}{child.name}.", child))
            elif isinstance(child, (ast.If, ast.Try, ast.With, ast.ExceptHandler)):
                waiting.append((prefix, child))
    return found
