"""Where a run came from is asked of its record in one way."""

from __future__ import annotations

from typing import Any

import pytest

from analysis_store.catalogs.base import RunRecord

FOUND, STATED = {"origin": "manual", "note": "found"}, {"origin": "manual", "note": "stated"}


@pytest.mark.parametrize(
    ("beside", "start", "provenance"),
    [
        ({"provenance": FOUND}, {"provenance": STATED}, FOUND),
        ({"provenance": {}}, {"provenance": STATED}, STATED),
        ({}, {"provenance": STATED}, STATED),
        ({}, {"provenance": None}, {}),
        ({}, {}, {}),
    ],
)
def test_what_the_store_found_out_wins(beside: Any, start: Any, provenance: Any) -> None:
    """What the store found out is taken before what a start document states, and neither is an empty mapping."""
    assert RunRecord({"uid": "a", "time": 1.0, **start}, None, (), "a.h5", beside=beside).provenance == provenance
