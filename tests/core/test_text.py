"""Counts, times, persons and UTF-8 are said in one way."""

from __future__ import annotations

import pytest

from analysis_store.core.text import counted, is_utf8, local_time, person_of, to_utf8, utc_or_1970, utc_time
from analysis_store.errors import InvalidDocumentError


@pytest.mark.parametrize(("number", "said"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), ("1000+", "1000+ runs")])
def test_counts(number: object, said: str) -> None:
    """One is one, everything else is several."""
    assert counted(number, "run") == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "1970-01-01T00:00:00+00:00"),
        (1.5, "1970-01-01T00:00:01.500000+00:00"),
        ("12", "1970-01-01T00:00:12+00:00"),
        (float("nan"), None),
        (float("inf"), None),
        (1e300, None),
        (10**400, None),
        (None, None),
        ("noon", None),
    ],
)
def test_times_of_clocks_that_never_were_set(seconds: object, said: str | None) -> None:
    """Whatever a document says of a time, it is a time or none, and never an error."""
    assert utc_time(seconds) == said
    assert utc_or_1970(seconds) == (said or "1970-01-01T00:00:00+00:00")
    assert (local_time(seconds) is None) == (said is None)


@pytest.mark.parametrize(
    ("start", "person"),
    [
        ({"operator": "Ann"}, "Ann"),
        ({"user": ["Bo", "Cy"]}, "Bo"),
        ({"owner": {"name": "Di"}}, "Di"),
        ({"user": [{"name": "Ed"}], "operator": "Fay"}, "Ed"),
        ({"user": " ", "operator": "Gus"}, "Gus"),
        ({"user": 3, "sample_name": "Fe"}, None),
        ({"user": []}, None),
    ],
)
def test_persons(start: dict[str, object], person: str | None) -> None:
    """The first who is named, in a text, a list or a mapping."""
    assert person_of(start) == person


@pytest.mark.parametrize("text", ["", "plain", "é", "\0", "😀"])
def test_text_that_utf8_holds(text: str) -> None:
    """Such text is its bytes."""
    assert is_utf8(text)
    assert to_utf8(text) == text.encode()


@pytest.mark.parametrize("text", ["\ud800", "a\udfff", "\ude00\ud83d"])
def test_halves_of_characters(text: str) -> None:
    """A lone surrogate is refused by the error that was asked for, with its place."""
    assert not is_utf8(text)
    with pytest.raises(InvalidDocumentError, match=r'md\["a"\]: got .* holds a lone surrogate'):
        to_utf8(text, 'md["a"]', InvalidDocumentError)
    with pytest.raises(ValueError, match=r"^Got .* holds a lone surrogate"):
        to_utf8(text, refused=ValueError)
