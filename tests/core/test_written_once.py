"""What `analysis_store.core` has, no room writes again."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import analysis_store

PACKAGE = Path(analysis_store.__file__).parent
Trees = dict[str, list[ast.AST]]


@pytest.fixture(scope="module")
def trees() -> Trees:
    """Every node of the syntax trees of the package, by module."""
    return {
        str(path.relative_to(PACKAGE)): list(ast.walk(ast.parse(path.read_text()))) for path in PACKAGE.rglob("*.py")
    }


def test_one_function_syncs(trees: Trees) -> None:
    """`os.fsync` and its kin are named once in the package, so that every file is made durable the same way."""
    names = {"fsync", "fdatasync"}
    found = [
        module
        for module, nodes in trees.items()
        for node in nodes
        if isinstance(node, ast.Attribute) and node.attr in names
    ]
    assert found == ["folders.py"]


def test_nobody_waits_for_locks_alone(trees: Trees) -> None:
    """`FileLock.acquire` is in no loop but that of one who says, while it waits, what is waited for."""
    found = [
        module
        for module, nodes in trees.items()
        for node in nodes
        if isinstance(node, ast.While) and "FileLock" in ast.unparse(node)
    ]
    assert len(found) == 1, found


def test_every_array_that_is_read_later_has_the_base(trees: Trees) -> None:
    """No class of the package has a shape and gives values by index without deriving from one that does already."""
    found = [
        f"{module}: {node.name}"
        for module, nodes in trees.items()
        for node in nodes
        if isinstance(node, ast.ClassDef)
        and not node.bases
        and {"shape", "__getitem__"} <= {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
    ]
    assert found == []
