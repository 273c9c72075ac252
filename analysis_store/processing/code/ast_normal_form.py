"""Normal form of Python code: the part that counts, written the same by every version of Python.

Only the standard library is used here, so that any interpreter can compute the form.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

_DOCUMENTED = (ast.Module, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# The use of a name follows from its position; the other fields hold comments or the spelling of a constant.
_IDLE = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


def form(node: ast.AST) -> str:
    """Return the normal form of a piece of code: without comments, layout, line numbers and docstrings.

    Not `ast.dump`, whose output differs between versions of Python.
    """
    pieces: list[str] = []
    _write(node, pieces)
    return "".join(pieces)


def _write(value: object, to: list[str]) -> None:
    if isinstance(value, ast.Constant):
        # ascii(): which characters repr() shows depends on the Unicode tables of the interpreter.
        to.append(f"{type(value.value).__name__}:{value.value!a}")
    elif isinstance(value, ast.AST):
        to.append(f"{type(value).__name__}(")
        for name, member in _fields(value):
            to.append(f"{name}=")
            _write(member, to)
            to.append(",")
        to.append(")")
    elif isinstance(value, list):
        to.append("[")
        for member in value:
            _write(member, to)
            to.append(",")
        to.append("]")
    else:
        to.append(ascii(value))


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    for name, member in sorted(ast.iter_fields(node)):
        if name == "body" and isinstance(node, _DOCUMENTED):
            member = without_docstring(node)
        elif name == "values" and isinstance(node, ast.JoinedStr):
            member = _joined(node.values)
        # Fields of newer versions are empty in code that older ones can read.
        if member is not None and member != [] and name not in _IDLE:
            yield name, member


def without_docstring(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> list[ast.stmt]:
    """Return the body without its docstring."""
    return node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body


def _joined(values: list[ast.expr]) -> list[ast.expr]:
    """Return the parts of an f-string with adjacent texts joined, since versions split them differently."""
    joined: list[ast.expr] = []
    for value in values:
        last = joined[-1] if joined else None
        if isinstance(value, ast.Constant) and isinstance(last, ast.Constant):
            joined[-1] = ast.Constant(str(last.value) + str(value.value))
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            joined.append(value)
    return joined
