"""Comparison of loaded functions with their source text, so that results of old code do not count as those of new."""

from __future__ import annotations

import ast
import inspect
import sys
from bisect import bisect_right
from collections.abc import Callable
from functools import cache
from importlib.machinery import SourceFileLoader
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from analysis_store.errors import ProcessorError
from analysis_store.processing.code.ast_normal_form import form
from analysis_store.processing.code.module_source import quiet

if TYPE_CHECKING:
    from analysis_store.processing.code.module_source import ModuleText

_HAS_DOCSTRING = 0x4000000  # since 3.13; before, the docstring is the first constant of every function

_Definition = ast.FunctionDef | ast.AsyncFunctionDef
_Written = dict[str, dict[Any, list[int]]]
"""By qualified name, the code of each function of that name, and the statements of the module that contain it."""


def place_of(function: FunctionType, module: ModuleText) -> str | None:
    """Return the name in a module under which a loaded function is written; None if it is not written there."""
    loaded = sys.modules.get(module.name)
    if loaded is None or function.__globals__ is not vars(loaded):
        return None  # from an earlier module of this name
    written = _written(module).get(function.__code__.co_qualname, {})
    if type(loaded.__loader__) is SourceFileLoader:
        there = written.get(_gist(function.__code__), [])
    else:  # pytest's loader compiles other code from the same text
        here = function.__code__.co_filename == str(module.path)
        there = [number for numbers in written.values() for number in numbers] if here else []
    nodes = _definitions(module).get(function.__code__.co_qualname, [])
    if not there or (nodes and all(_defaults_differ(function, node) for node in nodes)):
        return None
    return name_of(module, module.tree.body[there[0]])


def name_of(module: ModuleText, statement: ast.stmt) -> str:
    """Return the first name that a statement of a module binds or changes; else a name that describes it."""
    names = [name for name, statements in module.bound.items() if statement in statements]
    return (
        min(names, key=lambda name: (name != getattr(statement, "name", name), name)) if names else unnamed(statement)
    )


def unnamed(statement: ast.stmt) -> str:
    """Return a name for a statement that binds no name."""
    from analysis_store.processing.identity.result_key import digest_of

    return f"<{digest_of(form(statement)).rpartition(':')[2][:8]}>"


def is_plain_definition(statements: list[ast.stmt]) -> bool:
    """Return True if a name is bound once, to a function as it is written."""
    return len(statements) == 1 and isinstance(statements[0], _Definition) and not statements[0].decorator_list


def computed_defaults(function: FunctionType, module: ModuleText) -> list[object]:
    """Return the defaults of a function that are not plain constants in the text."""
    held = _defaults(function)
    nodes = _definitions(module).get(function.__code__.co_qualname, [])
    if len(nodes) != 1:
        return held
    return [
        value for value, one in zip(held, _written_defaults(nodes[0]), strict=True) if not isinstance(one, ast.Constant)
    ]


def changed(module: str, name: str) -> ProcessorError:
    """Return the error for loaded code that differs from its source."""
    return ProcessorError(
        f"{module}:{name} was changed after it was loaded, so that the running code differs from its source. Reload "
        "the module "
        "and all that import it, or restart Python."
    )


def same_code(one: Callable[..., object], other: Callable[..., object]) -> bool:
    """Return True if two functions have the same code, ignoring location and docstrings."""
    codes = [inspect.unwrap(function).__code__ for function in (one, other)]
    return bool(_gist(codes[0]) == _gist(codes[1]))


def gist_digest(function: FunctionType) -> str:
    """Return the digest of the bytecode of a function without source; it depends on the version of Python."""
    return blake3(repr(_gist(function.__code__)).encode()).hexdigest()


@cache
def _written(module: ModuleText) -> _Written:
    found: _Written = {}
    with quiet():
        whole = compile(module.text, str(module.path), "exec", dont_inherit=True)
    begins = [_first_line(statement) for statement in module.tree.body]
    waiting = [(one, -1) for one in whole.co_consts if isinstance(one, CodeType)]
    while waiting:
        code, number = waiting.pop()
        number = bisect_right(begins, code.co_firstlineno) - 1 if number < 0 else number
        found.setdefault(code.co_qualname, {}).setdefault(_gist(code), []).append(number)
        waiting += [(one, number) for one in code.co_consts if isinstance(one, CodeType)]
    return found


def _first_line(statement: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(one.lineno for one in decorators)])


def _gist(code: CodeType) -> Any:
    """Return the code of a function without its location and docstring."""
    constants = list(code.co_consts)
    has_docstring = code.co_flags & _HAS_DOCSTRING or sys.version_info < (3, 13)
    if has_docstring and constants and isinstance(constants[0], str | None):
        constants[0] = None
    told = tuple(_gist(one) if isinstance(one, CodeType) else _told(one) for one in constants)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING)
    return code.co_code, told, names, counts


def _told(constant: Any) -> tuple[type, str]:
    """Return a constant such that equal ones are equal, also NaN, and 1, 1.0 and True differ."""
    return type(constant), repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


@cache
def _definitions(module: ModuleText) -> dict[str, list[_Definition]]:
    """Return the definitions of functions at the level of the module and of its classes, by qualified name."""
    found: dict[str, list[_Definition]] = {}
    waiting: list[tuple[str, ast.AST]] = [("", module.tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, _Definition):
                found.setdefault(prefix + child.name, []).append(child)
            elif isinstance(child, ast.ClassDef):
                waiting.append((f"{prefix}{child.name}.", child))
            elif isinstance(child, (ast.stmt, ast.ExceptHandler)):
                waiting.append((prefix, child))
    return found


def _defaults(function: FunctionType) -> list[object]:
    named = function.__kwdefaults__ or {}
    names = function.__code__.co_varnames[function.__code__.co_argcount :][: function.__code__.co_kwonlyargcount]
    return [*(function.__defaults__ or ()), *(named[name] for name in names if name in named)]


def _written_defaults(node: _Definition) -> list[ast.expr]:
    return [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]


def _defaults_differ(function: FunctionType, node: _Definition) -> bool:
    """Return True if a default that is a plain constant differs from its source."""
    held, written = _defaults(function), _written_defaults(node)
    if len(held) != len(written):
        return True
    pairs = [(value, one.value) for value, one in zip(held, written, strict=True) if isinstance(one, ast.Constant)]
    return any(_told(value) != _told(one) for value, one in pairs)
