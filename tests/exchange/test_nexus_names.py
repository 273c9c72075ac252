"""The names in a run file: such that NeXus allows them, all different, and as plain as can be."""

from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_store.layout import RESERVED_KEYS, _changed, key_names, nexus_names, stream_names

ALLOWED = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
CLASHING = st.text("aA1_-µ %/\u0301é", min_size=0, max_size=4)
"""Few letters, so that many names become the same when they are changed."""


@pytest.mark.parametrize(
    ("names", "stored"),
    [
        (["energy", "Mu", "mu", "_x", "lambda_"], ["energy", "Mu", "mu", "_x", "lambda_"]),
        (["det-stats-total"], ["det_stats_total_"]),
        (["a-b", "a_b"], ["a_b_", "a_b"]),
        (["a-b", "a_b_", "a b"], ["a_b_3_", "a_b_", "a_b_2_"]),
        (["300 K", "7", ""], ["_300_K_", "_7_", "__"]),
        (["µ", "日本", "\u0660x"], ["__", "___", "_x_"]),
        (["e\u0301", "\u00e9"], ["e__", "__"]),
        (["time", "seq_num", "time_"], ["time_2_", "seq_num_", "time_"]),
        (["%", "%25", "a/b", "."], ["__", "_25_", "a_b_", "__2_"]),
        (["x" * 63, "x" * 64], ["x" * 63, "x" * 55 + "_"]),
        (["x\n", "x"], ["x__", "x"]),
        (["a", "a", "a-", "a-"], ["a", "a_", "a__", "a__2_"]),
    ],
)
def test_names_in_the_file(names: list[str], stored: list[str]) -> None:
    """A name that NeXus allows stays, whatever others become; any other is changed, and ends with an underscore."""
    assert nexus_names(names, RESERVED_KEYS) == stored


@given(st.lists(CLASHING | st.text(max_size=80) | st.sampled_from([*RESERVED_KEYS, "x" * 300, "x" * 301])))
def test_no_two_are_the_same(names: list[str]) -> None:
    """Whatever names there are: NeXus allows what is stored, plain names stay, what is changed can be seen."""
    stored = nexus_names(names, RESERVED_KEYS)

    assert len(set(stored)) == len(names)
    assert RESERVED_KEYS.isdisjoint(stored)
    assert all(ALLOWED.fullmatch(each) for each in stored)
    plain = {name for name in names if ALLOWED.fullmatch(name)} - RESERVED_KEYS
    assert plain <= set(stored)
    assert all(each == name or each.endswith("_") for name, each in zip(names, stored, strict=True))
    assert all(stored[names.index(name)] == name for name in plain)


@given(st.lists(CLASHING, unique=True, min_size=2), st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(names: list[str], random: Random) -> None:
    """A descriptor whose data keys were sorted by another program leads to the same datasets."""
    shuffled = random.sample(names, len(names))

    assert key_names(names) == {name: key_names(shuffled)[name] for name in names}


class Counted(set[str]):
    """A set that counts how often it is looked into."""

    looked = 0

    def __contains__(self, name: object) -> bool:
        self.looked += 1
        return super().__contains__(name)


def test_many_that_would_be_the_same() -> None:
    """A free name for each of 2000 is found by looking once or twice, not once for each other."""
    taken, last = Counted(), dict[str, int]()
    for number in range(2000):
        taken.add(_changed("x" * 300 + str(number), taken, last))

    assert len(taken) == 2000
    assert taken.looked <= 2 * 2000


def test_names_that_an_entry_has_for_something_else() -> None:
    """A stream does not take the place of what NeXus or the file has in an entry; in layout 1 it did."""
    streams = ["process", "documents", "title", "notes", "primary"]

    assert list(stream_names(streams).values()) == ["process_", "documents_", "title_", "notes_", "primary"]
    assert list(stream_names(streams, "1").values()) == ["process_", "documents_", "title_", "notes", "primary"]


def test_layout_1_has_the_names_it_had() -> None:
    """Files of layout 1 are found their datasets in as ever: by order, changed only where HDF5 refuses a name."""
    keys = ["a-b", "a_b", "300 K", "time", "time_", "a/b", "%"]

    assert key_names(keys, "1") == {
        "a-b": "a-b",
        "a_b": "a_b",
        "300 K": "300 K",
        "time": "time_",
        "time_": "time__",
        "a/b": "a%2Fb",
        "%": "%",
    }
