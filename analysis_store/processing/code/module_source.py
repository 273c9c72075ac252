"""The text of a module: the names that it binds, by definition or by import, found without running it."""

from __future__ import annotations

import ast
import sys
import threading
import tokenize
import warnings
from collections import defaultdict
from collections.abc import Container, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from analysis_store.errors import ProcessorError
from analysis_store.processing.code.module_homes import file_of, is_installed, within

Target = tuple[str, tuple[str, ...]]
"""A module, and the path from it to the imported object: attributes or submodules."""

_BLOCKS = ("body", "orelse", "finalbody")

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


class ModuleText:
    """A module as it is written."""

    def __init__(self, name: str, path: Path, text: str) -> None:
        self.name = name
        self.path = path
        self.text = text

    @cached_property
    def tree(self) -> ast.Module:
        """Syntax tree of the module."""
        try:
            with quiet():
                return ast.parse(self.text, str(self.path))
        except SyntaxError as error:
            raise ProcessorError(f"{self.path} cannot be read as Python ({error}). Fix and reload it.") from error

    @cached_property
    def bound(self) -> dict[str, list[ast.stmt]]:
        """Statements at module level that bind or change each name."""
        return bound_by(self.tree.body, self.imports)

    @cached_property
    def imports(self) -> dict[str, list[Target]]:
        """Meanings of the names it imports; several, if ``try`` or ``if`` decides."""
        return imports_in(_outside(self.tree), self)

    @cached_property
    def stars(self) -> list[str]:
        """Modules of which it imports all names."""
        nodes = [node for node in _outside(self.tree) if isinstance(node, ast.ImportFrom)]
        return [_base(node, self) for node in nodes if any(alias.name == "*" for alias in node.names)]

    @cached_property
    def package(self) -> str:
        """Its package, to which its relative imports refer."""
        return self.name if self.path.name == "__init__.py" else self.name.rpartition(".")[0]

    @cached_property
    def globals_set(self) -> frozenset[str]:
        """Names that its functions bind again at run time."""
        return frozenset(name for node in ast.walk(self.tree) if isinstance(node, ast.Global) for name in node.names)


def bound_by(body: list[ast.stmt], imports: Container[str] = ()) -> dict[str, list[ast.stmt]]:
    """Return the statements of a module or class that bind or change each name."""
    found: dict[str, list[ast.stmt]] = defaultdict(list)
    for statement in body:
        for name in dict.fromkeys(_names_bound(statement)):
            if not (isinstance(statement, _DEFINITION) and name != statement.name and name in imports):
                found[name].append(statement)  # decorators of other modules change nothing here
    return dict(found)


@contextmanager
def quiet() -> Iterator[None]:
    """Ignore compiler warnings about the text, which appeared when the module was loaded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def imports_in(nodes: Iterator[ast.AST], module: ModuleText) -> dict[str, list[Target]]:
    """Return the meanings of names after the imports among these nodes."""
    found: dict[str, list[Target]] = defaultdict(list)
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                found[alias.asname or top].append((alias.name if alias.asname else top, ()))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name].append((_base(node, module), (alias.name,)))
    found.pop("*", None)
    return dict(found)


def _base(node: ast.ImportFrom, module: ModuleText) -> str:
    """Return the full name of the module of an import, also for relative ones."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    up = node.level - (module.path.name == "__init__.py")
    return ".".join([*parts[: len(parts) - up], *([node.module] if node.module else [])])


def _outside(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements that run when the module is loaded: those outside functions and classes."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
            yield node
            if not isinstance(node, _DEFINITION):
                yield from _outside(node)


def _names_bound(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement defines, assigns or changes; imports are handled separately."""
    for node in [statement, *_outside(statement)]:
        if isinstance(node, _DEFINITION):
            yield node.name
            for decorator in node.decorator_list:  # @kinds.register changes kinds
                target = decorator.func if isinstance(decorator, ast.Call) else decorator
                yield from _first_name(target) if isinstance(target, ast.Attribute) else ()
            if node is statement:
                return
        elif isinstance(node, ast.stmt):
            yield from _names_assigned(node)


def _names_assigned(node: ast.stmt) -> Iterator[str]:
    expressions = [child for child in ast.iter_child_nodes(node) if isinstance(child, (ast.expr, ast.withitem))]
    for part in (inner for expression in expressions for inner in ast.walk(expression)):
        if isinstance(part, ast.Name) and isinstance(part.ctx, (ast.Store, ast.Del)):
            yield part.id
        elif isinstance(part, (ast.Attribute, ast.Subscript)) and isinstance(part.ctx, (ast.Store, ast.Del)):
            yield from _first_name(part)
        elif isinstance(node, ast.Expr) and isinstance(part, ast.Call):  # table.update(…) changes the table
            yield from _first_name(part.func) if isinstance(part.func, ast.Attribute) else ()


def _first_name(node: ast.AST) -> Iterator[str]:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


_kept: dict[str, ModuleText] = {}
_seen: set[str] = set()
"""Modules that were parsed; most belong to installed packages."""
_keeping = threading.Lock()


def keep_text(module: str, package: str) -> None:
    """Keep the texts of a module that is being loaded, and of all loaded user modules, since files may change later."""
    with _keeping:
        _kept.pop(module, None)
        loaded = list(sys.modules)
        new = [name for name in loaded if name not in _seen]
        _seen.update(new)
    near = [name for name in loaded if within(name, package)]
    for name in dict.fromkeys([*near, *(name for name in new if not is_installed(name))]):
        with suppress(ProcessorError):  # reported when it is used
            module_text(name)


def module_text(name: str, *, anew: bool = False) -> ModuleText | None:
    """Return a module as written when it was first seen after loading, or as it is written now.

    Returns
    -------
    ModuleText or None
        None if there is no Python text.
    """
    with _keeping:
        kept = _kept.get(name)
        if kept is not None and not anew and name in sys.modules:
            return kept
        path = file_of(name)
        if path is None or path.suffix != ".py" or not path.is_file():
            return None
        made = ModuleText(name, path, _read(path))
        if kept is not None and (kept.path, kept.text) == (made.path, made.text):
            return kept
        if not anew and name in sys.modules:
            _kept[name] = made
        return made


def _read(path: Path) -> str:
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ProcessorError(f"{path} cannot be read as Python ({error}). Fix and reload it.") from error
