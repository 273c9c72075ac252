"""Objects without the classes they were of: the plain form, as far as it is needed and no further."""

from __future__ import annotations

import h5py
import pytest

from analysis_store.codecs import Plain, dump, load, register_codec
from analysis_store.errors import CodecError, UnknownTypeError
from analysis_store.testing.codecs import content
from analysis_store.testing.strategies import Pair, Peak


@pytest.fixture
def file():
    """A file in memory."""
    with h5py.File("plain", "w", driver="core", backing_store=False) as opened:
        yield opened


class Strict:
    """A class that is made of a number only."""

    def __init__(self, number):
        self.number = number + 0


register_codec(Strict, to_state=lambda it: {"number": it.number}, from_state=lambda state: Strict(state["number"]))


def test_plain_parts_of_known_values(file):
    """What is known holds the plain form of what is not."""
    dump([Peak(Plain("my.Model", 2, {"a": 1.5}), [1]), Plain("my.Model", 2, {"a": 2.5})], file, "x")
    with pytest.raises(UnknownTypeError, match=r"'my\.Model'.*register_codec"):
        load(file["x"])
    found = load(file["x"], missing="plain")
    assert found == [Peak(Plain("my.Model", 2, {"a": 1.5}), [1]), Plain("my.Model", 2, {"a": 2.5})]


def test_values_that_cannot_be_made_of_plain_parts(file):
    """A value of a known type that cannot be made of plain parts is plain itself, and the same in the file again."""
    dump(Strict(3), file, "x")
    del file["x/number"]
    dump(Plain("my.Number", 1, 3), file["x"], "number")
    del file["x/number"].attrs["analysis_store_codec"]
    found = load(file["x"], missing="plain")
    assert (type(found), found.state) == (Plain, {"number": Plain("my.Number", 1, 3)})
    dump(found, file, "again")
    assert content(file["again"]) == content(file["x"])


def test_newer_versions(file):
    """A state of a version that is not known here is refused by name, and read in its plain form."""
    name = f"{Strict.__module__}.Strict"
    dump([Plain(name, 7, {"count": 3})], file, "x")
    with pytest.raises(CodecError, match=r"version 7, its codec here version 1.*missing=\"plain\""):
        load(file["x"])
    assert load(file["x"], missing="plain") == [Plain(name, 7, {"count": 3})]


def test_plain_keys(file):
    """A key of a dict, or a member of a set, whose type is not known is plain and still a key."""
    wanted = {Plain("my.Key", 1, "a"): 1, Plain("my.Key", 1, "b"): Pair(2), "c": {Plain("my.Key", 1, [1])}}
    dump(wanted, file, "x")
    assert load(file["x"], missing="plain") == wanted
