"""A few mutations of each kind, the same every time; ``make fuzz`` tries ten thousand."""

from __future__ import annotations

import importlib

import pytest

from tests.fuzz.trial import tried

TARGETS = ("bundles", "exports", "settings", "sqlite_pages", "streams")
OFTEN = {"exports": 200}
"""What is so quick that more of it is tried; number 183 made HDF5 go round for ever."""


@pytest.mark.parametrize("name", TARGETS)
def test_mutated(name: str) -> None:
    """Errors of ours, or right results; within limits of time and memory."""
    assert tried(importlib.import_module(f"tests.fuzz.{name}").target, 0, OFTEN.get(name, 20)) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_more_often(name: str) -> None:
    """The same with another seed."""
    assert tried(importlib.import_module(f"tests.fuzz.{name}").target, 1, 300) == []
