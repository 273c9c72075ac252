"""Sweeps over many cases: some of them in `make test`, all of them in `make test-slow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest


def some(cases: Iterable[Any], few: int) -> list[Any]:
    """Return cases for `pytest.mark.parametrize`, tuples for several names; those after the first few are slow."""
    each = [case if isinstance(case, tuple) else (case,) for case in cases]
    return [pytest.param(*case, marks=[pytest.mark.slow] * (number >= few)) for number, case in enumerate(each)]


def sizes(small: Any, whole: Any) -> list[Any]:
    """Return a small size of a sweep for `pytest.mark.parametrize`, and the whole one, which is slow."""
    return [pytest.param(small, id="some"), pytest.param(whole, id="all", marks=pytest.mark.slow)]


def slowly(test: Callable[..., Any]) -> Callable[..., Any]:
    """Return a test of a shared suite for a class that inherits it, where it is slow."""

    @pytest.mark.slow
    @wraps(test)
    def inherited(*args: Any, **kwargs: Any) -> Any:
        return test(*args, **kwargs)

    return inherited
