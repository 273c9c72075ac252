"""What is said of streams and keys beforehand: what nothing would look at is refused, what is free stays free."""

from __future__ import annotations

from typing import Any

import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError
from analysis_store.runs.values.gather import gather

EVENTS = [{"s": {"k": 1.5}}]


@pytest.mark.parametrize(
    ("descriptor_md", "place", "known"),
    [
        ({"s": {"data_kyes": {}}}, r'\["s"\]', "data_keys, hints, configuration"),
        ({"s": {"data_keys": {"k": {"unit": "eV"}}}}, r'\["s"\]\["data_keys"\]\["k"\]', "units"),
        (
            {"s": {"data_keys": {"k": {"limits": {"contol": {}}}}}},
            r'\["s"\]\["data_keys"\]\["k"\]\["limits"\]',
            "alarm, control",
        ),
        (
            {"s": {"data_keys": {"k": {"limits": {"control": {"lo": 1, "high": 2}}}}}},
            r'\["s"\]\["data_keys"\]\["k"\]\["limits"\]\["control"\]',
            "low, high",
        ),
    ],
)
def test_a_misspelt_entry_is_refused_with_those_that_are_known(
    descriptor_md: dict[str, Any], place: str, known: str
) -> None:
    """At any depth; it used to be taken, and nothing ever looked at it."""
    with pytest.raises(InvalidDataError, match=rf"descriptor_md{place}: unknown options \['\w+'\]; known: .*{known}"):
        gather(EVENTS, descriptor_md=descriptor_md)


def test_a_misspelt_entry_is_refused_when_a_run_is_opened(store: AnalysisStore, origin: Provenance) -> None:
    """Not when it ends, where all its events would be lost; what contradicts the data, with the first event."""
    with pytest.raises(InvalidDataError, match="unknown options"):
        store.new_run({}, provenance=origin, descriptor_md={"s": {"data_kyes": {}}})
    run = store.new_run({}, provenance=origin, descriptor_md={"s": {"data_keys": {"other": {"units": "eV"}}}})
    with pytest.raises(InvalidDataError, match="no such key"):
        run.event("s", {"k": 1.5})
    run.discard()


def test_what_is_free_stays_free(store: AnalysisStore, origin: Provenance) -> None:
    """Hints and configuration have what their devices have; anything else goes under ``attrs``."""
    said = {
        "hints": {"analysis": {"fields": ["k"], "gridding": "rectilinear"}},
        "configuration": {"det": {"data": {"gain": 3}, "timestamps": {"gain": 1.0}, "data_keys": {}, "own": "x"}},
        "object_keys": {"det": ["k"]},
        "attrs": {"title": "Fe foil"},
        "data_keys": {
            "k": {
                "units": "eV",
                "precision": 3,
                "limits": {"control": {"low": 0.0, "high": 1.0}, "hysteresis": 0.5},
                "lower_ctrl_limit": 0.0,
                "attrs": {"long_name": "energy", "units of old": "keV"},
            }
        },
    }
    run = store.insert(EVENTS, {}, provenance=origin, descriptor_md={"s": said})
    descriptor = store[run.uid]["s"].descriptors[0]

    assert {name: descriptor[name] for name in said if name != "data_keys"} == {
        name: it for name, it in said.items() if name != "data_keys"
    }
    assert run["s"]["k"].attrs == {
        "long_name": "energy",
        "units of old": "keV",
        **{name: it for name, it in said["data_keys"]["k"].items() if name != "attrs"},
    }
    assert run.read("s").attrs["title"] == "Fe foil"
