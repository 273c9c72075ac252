"""Whether what is loaded is what a text says: results of old code must not be filed under the new."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache, cached_property
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from analysis_store.processing.modules import quiet

if TYPE_CHECKING:
    from analysis_store.processing.modules import ModuleText

_HAS_DOCSTRING = 0x4000000  # since 3.13; before, the docstring is the first constant of every function
_SIMPLE = (bool, int, float, complex, str, bytes, type(None))


def differs(module: ModuleText, name: str) -> bool:
    """Whether a name of a loaded module stands for other code, or another number or text, than is written."""
    loaded = sys.modules.get(module.name)
    if loaded is None or name not in vars(loaded):
        return False
    if type(loaded.__loader__) is not SourceFileLoader:  # pytest has one that makes other code of the same text
        return False
    value = vars(loaded)[name]
    functions = [one for one in _functions(value) if _is_of(one, module)]
    if functions:
        return any(_is_other(one, module) for one in functions)
    written = _constant(module, name)
    return written is not None and _told(value) != _told(written.value)


def same_code(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Whether two functions do the same, wherever they stand and whatever their docstrings say."""
    codes = [inspect.unwrap(function).__code__ for function in (one, other)]
    return bool(_gist(codes[0]) == _gist(codes[1]))


def _functions(value: Any) -> Iterator[FunctionType]:
    """Yield the functions that a value is made of, under its decorators."""
    if isinstance(value, type):
        for member in vars(value).values():
            if not isinstance(member, type) or member.__qualname__ == f"{value.__qualname__}.{member.__name__}":
                yield from _functions(member)
        return
    if isinstance(value, property):
        yield from (one for one in (value.fget, value.fset, value.fdel) if isinstance(one, FunctionType))
        return
    if isinstance(value, cached_property):
        value = value.func
    value = inspect.unwrap(value)
    value = value if isinstance(value, FunctionType) else getattr(value, "function", value)
    value = value if isinstance(value, FunctionType) else getattr(value, "__func__", value)
    if isinstance(value, FunctionType):
        yield value


def _is_of(function: FunctionType, module: ModuleText) -> bool:
    # Methods that a dataclass makes have another file name than the module.
    return function.__module__ == module.name and Path(function.__code__.co_filename) == module.path


def _is_other(function: FunctionType, module: ModuleText) -> bool:
    written = _codes(module).get(function.__code__.co_qualname, ())
    if _gist(function.__code__) not in written:
        return True
    nodes = _definitions(module).get(function.__code__.co_qualname, [])
    return bool(nodes) and all(_defaults_differ(function, node) for node in nodes)


@cache
def _codes(module: ModuleText) -> dict[str, set[Any]]:
    """Return the gist of every function in the text, by qualified name; of several, where a name is defined twice."""
    found: dict[str, set[Any]] = {}
    with quiet():
        waiting = [compile(module.text, str(module.path), "exec", dont_inherit=True)]
    while waiting:
        for constant in waiting.pop().co_consts:
            if isinstance(constant, CodeType):
                found.setdefault(constant.co_qualname, set()).add(_gist(constant))
                waiting.append(constant)
    return found


def _gist(code: CodeType) -> Any:
    """Return what a function does: not where it stands, nor its docstring."""
    constants = list(code.co_consts)
    has_docstring = code.co_flags & _HAS_DOCSTRING or sys.version_info < (3, 13)
    if has_docstring and constants and isinstance(constants[0], str | None):
        constants[0] = None
    told = tuple(_gist(one) if isinstance(one, CodeType) else _told(one) for one in constants)
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags & ~_HAS_DOCSTRING)
    return code.co_code, told, names, counts


def _told(constant: Any) -> tuple[type, str]:
    """Return a constant so that equal ones are equal, NaN too, and 1, 1.0 and True are not."""
    return type(constant), repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)


@cache
def _definitions(module: ModuleText) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Return the definitions of functions at the level of the module and of its classes, by qualified name."""
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    waiting: list[tuple[str, ast.AST]] = [("", module.tree)]
    while waiting:
        prefix, node = waiting.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)):
                found.setdefault(prefix + child.name, []).append(child)
            elif isinstance(child, ast.ClassDef):
                waiting.append((f"{prefix}{child.name}.", child))
            elif isinstance(child, (ast.stmt, ast.ExceptHandler)):
                waiting.append((prefix, child))
    return found


def _defaults_differ(function: FunctionType, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a default that is a plain constant is another than is written."""
    held = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    written = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
    if len(held) != len(written):
        return True
    pairs = [(value, one.value) for value, one in zip(held, written, strict=True) if isinstance(one, ast.Constant)]
    return any(_told(value) != _told(one) for value, one in pairs)


def _constant(module: ModuleText, name: str) -> ast.Constant | None:
    """Return the number or text that a name is given once and for all, if it is one."""
    statements = module.bound.get(name, [])
    if len(statements) != 1 or name in module.globals_set:
        return None
    statement = statements[0]
    is_plain = isinstance(statement, ast.AnnAssign) or (
        isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets)
    )
    value = statement.value if is_plain and isinstance(statement, (ast.Assign, ast.AnnAssign)) else None
    return value if isinstance(value, ast.Constant) and isinstance(value.value, _SIMPLE) else None
