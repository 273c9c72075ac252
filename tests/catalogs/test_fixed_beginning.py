"""What a pattern says of the beginning of a text, by which an index finds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_store.catalogs.query.values import fixed_beginning, found, pattern
from analysis_store.errors import QueryError


@pytest.mark.parametrize(
    ("asked", "beginning"),
    [
        ("^abc", "abc"), ("^abc$", "abc"), ("^a.c", "a"), (r"^a\.c", "a.c"), (r"^a\dc", "a"), ("^é", "é"),
        ("(?s)^abc", "abc"), ("^ab?", "a"), ("^ab*c", "a"), ("^ab+", "a"), ("^ab{2}", "a"), ("^é*", ""),
        ("^ab|c", ""), ("abc", ""), ("(?i)^abc", ""), ("(?m)^abc", ""), ("^(ab)", ""), ("^[ab]", ""), ("^", ""),
        (r"^\Qa.b\E", ""), ("^a?b", ""), (r"^a\?b", "a"),
    ],
)  # fmt: skip
def test_what_is_known(asked: str, beginning: str) -> None:
    """Letters after the beginning, up to the first that may be another one, or missing."""
    assert fixed_beginning(asked, ignore_case=False) == beginning
    assert fixed_beginning(asked, ignore_case=True) == ""


@given(
    st.text(r"^^^^ab.?*+{}0|()\dQE$é[]-" + "\ud800", max_size=8),
    st.text("ab.0é\n-?\ud800", max_size=6),
    st.booleans(),
)
def test_every_text_that_is_found_begins_so(asked: str, text: str, ignore_case: bool) -> None:
    """Whatever the pattern: none is missed."""
    try:
        compiled = pattern(asked, ignore_case)
    except QueryError:
        return
    if found(compiled, text):
        assert text.startswith(fixed_beginning(asked, ignore_case))
