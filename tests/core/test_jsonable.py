"""What JSON has of any value, where nothing need be refused."""

from __future__ import annotations

import json
from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType

import numpy as np

from analysis_store.core.jsonable import as_python, as_shown, rebuilt


def test_containers_of_any_class_are_dicts_and_lists() -> None:
    """Read-only mappings and tuples of clients become plain, at any depth; text and bytes are not looked into."""
    value = MappingProxyType({"a": (1, OrderedDict(b=[2, (3,)])), 4: "text", "c": b"12"})
    found = rebuilt(value, lambda leaf: leaf)
    assert found == {"a": [1, {"b": [2, [3]]}], "4": "text", "c": b"12"}
    assert type(found["a"][1]) is dict


def test_numpys_values_are_pythons() -> None:
    """Numbers and arrays become what JSON has, wherever they lie."""
    value = {"a": [np.float32(0.5), np.arange(4).reshape(2, 2)], "b": np.bool_(True), "c": None}
    assert rebuilt(value, as_python) == {"a": [0.5, [[0, 1], [2, 3]]], "b": True, "c": None}


def test_what_json_does_not_know_is_shown_as_text() -> None:
    """A default for `json.dumps` never raises."""
    text = json.dumps([np.int8(3), np.arange(2), Path("a"), {1}, 2j], default=as_shown)
    assert json.loads(text) == [3, [0, 1], "a", "{1}", "2j"]
