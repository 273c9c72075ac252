"""What a line on standard input means to ``analysis-store record``."""

from __future__ import annotations

import math

import pytest

from analysis_store.cli.lines import parse_line, parse_value
from analysis_store.errors import InvalidDataError


@pytest.mark.parametrize(
    ("line", "values"),
    [
        (b"train/loss 0.5\n", {"train/loss": 0.5}),
        (b"  n\t3 \r\n", {"n": 3}),
        (b"note two words", {"note": "two words"}),
        (b'note "3"', {"note": "3"}),
        (b"curve [1, 2.5]", {"curve": [1, 2.5]}),
        (b'fit {"ok": true}', {"fit": {"ok": True}}),
        ('{"Größe": 1, "b/c": "x"}'.encode(), {"Größe": 1, "b/c": "x"}),
        (b"\n", {}),
        (b"   ", {}),
        (b"{}", {}),
    ],
)
def test_line(line, values):
    """Keys and values as JSON has them, else text; an empty line says nothing."""
    assert parse_line(line) == values


@pytest.mark.parametrize(
    ("text", "value"),
    [(".5", 0.5), ("1.", 1.0), ("+3", 3.0), ("-inf", -math.inf), ("Infinity", math.inf), ("1.e3", 1000.0)],
)
def test_numbers_of_other_programs(text, value):
    """Numbers that JSON does not know are numbers."""
    found = parse_value(text)

    assert type(found) is float
    assert found == value


@pytest.mark.parametrize("text", ["nan", "NaN", "-nan"])
def test_nan(text):
    """NaN is a number, not a word."""
    assert math.isnan(parse_value(text))


@pytest.mark.parametrize("text", ["007", "1_000", "0x10", "1e", "nano", ".", "3 4", "Fe"])
def test_text(text):
    """What only looks like a number stays as it came."""
    assert parse_value(text) == text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"loss", "expected a key and its value"),
        (b'{"a": 1', "is not JSON.*an object on one line"),
        (b'{"a": 1, "a": 2}', "a key occurs twice"),
        (b"a \xff", "not UTF-8"),
        (b"a " + b"[" * 100_000, "too many nested lists"),
        (b'{"a":' * 100_000, "is not JSON"),
    ],
)
def test_refused(line, message):
    """A line that cannot be understood is refused with what was expected."""
    with pytest.raises(InvalidDataError, match=message):
        parse_line(line)
