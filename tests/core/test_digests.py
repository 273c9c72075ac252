"""Digests: what they are taken of, and what they tell apart."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from blake3 import blake3

from analysis_store.digests import digest_array, digest_file, digest_ragged, digest_tables, digest_values
from analysis_store.errors import InvalidDataError


def by_hand(*pieces: bytes) -> str:
    """Return the digest of an encoding that was written down byte by byte."""
    return "blake3:" + blake3(b"".join(pieces)).hexdigest()


def text(value: str) -> bytes:
    """Return the encoding of a text."""
    return len(value.encode()).to_bytes(8, "little") + value.encode()


def test_array_by_hand():
    """An array is its dtype, its shape, and its elements little-endian in C order."""
    values = np.array([[1, 2, 3]], ">i2")

    assert digest_array(values) == by_hand(b"array\n<i2\n1,3,\n", b"\1\0\2\0\3\0")
    assert digest_array(np.zeros((0, 2), "?")) == by_hand(b"array\n|b1\n0,2,\n")


def test_text_by_hand():
    """Text of variable length is framed, each by how many bytes it has."""
    assert digest_array(np.array(["é", ""], object)) == by_hand(b"strings\nobject\n2,\n", text("é"), text(""))


def test_ragged_by_hand():
    """A ragged column is the arrays of its events."""
    values = [np.array([1, 2], "u1"), np.array(3, "u1")]

    assert digest_ragged(values) == by_hand(b"ragged\n\n2,\n", b"array\n|u1\n2,\n\1\2", b"array\n|u1\n\n\3")


def test_table_by_hand():
    """A table is its index, the labels of its columns, and the columns, each with what it is."""
    frame = pd.DataFrame({"a": np.array([1, 2], "i1")}, index=pd.RangeIndex(2, name="r"))
    frame.columns = pd.Index(["a"], dtype=object)
    parts = [
        (text('{"kind":"range","name":"r"}'), text("range"), b"array\n<i8\n3,\n", np.array([0, 2, 1], "<i8").tobytes()),
        (text('{"kind":"object","name":null}'), text("mask"), b"array\n|u1\n1,\n\0"),
        (text("values"), b"strings\nobject\n1,\n", text("a")),
        (text('{"kind":"numpy"}'), text("values"), b"array\n|i1\n2,\n\1\2"),
    ]

    assert digest_tables([frame]) == by_hand(b"tables\n\n1,\n", b"table\n\n2,1,1,1,\n", *(b"".join(p) for p in parts))


@pytest.mark.parametrize("dtype", ["i2", "u8", "f4", "f8", "c16", "U3", "M8[us]", "m8[s]", "longdouble"])
def test_byte_order_does_not_matter(dtype):
    """Big-endian values have the digest of the same values little-endian."""
    values = np.arange(3).astype("i8").astype(dtype)

    assert digest_array(values.astype(values.dtype.newbyteorder(">"))) == digest_array(values)


def test_memory_layout_does_not_matter():
    """Fortran order, strides and the padding of a structured dtype are not part of the values."""
    values = np.arange(12.0).reshape(3, 4)
    aligned = np.zeros(2, np.dtype([("a", "u1"), ("b", "f8")], align=True))
    dirty = np.frombuffer(b"\1" * aligned.nbytes, aligned.dtype).copy()
    dirty["a"], dirty["b"] = 0, 0

    assert digest_array(np.asfortranarray(values)) == digest_array(values)
    assert digest_array(np.repeat(values, 2, 0)[::2]) == digest_array(values)
    assert digest_array(dirty) == digest_array(aligned) == digest_array(aligned.astype([("a", "u1"), ("b", "f8")]))


def test_unused_bytes_of_long_doubles_do_not_matter():
    """A long double is its number, whatever its padding happens to hold."""
    values = np.array([1.5, -0.0], np.longdouble)
    dirty = values.copy()
    unused = (
        dirty.view(np.uint8).reshape(2, -1)[:, 10:] if np.finfo(np.longdouble).nmant == 63 else dirty.view("u1")[:0]
    )
    unused[...] = 0xAA

    assert digest_array(dirty) == digest_array(values)
    assert digest_array(dirty[:1] * 1j) == digest_array(values[:1] * 1j)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.zeros(2), -np.zeros(2)),
        (np.array([np.nan]), np.frombuffer(b"\1\0\0\0\0\0\xf8\x7f")),
        (np.zeros((2, 3)), np.zeros((3, 2))),
        (np.zeros(2, "i8"), np.zeros(2, "M8[s]")),
        (np.zeros(2, "M8[s]"), np.zeros(2, "M8[ms]")),
        (np.array([b"a"], "S1"), np.array([b"a"], "S2")),
        (np.array(["ab", "c"], object), np.array(["a", "bc"], object)),
        (np.array(["a"], object), np.array(["a"], np.dtypes.StringDType())),
    ],
)
def test_what_it_tells_apart(one, other):
    """Values that differ in a bit, dtype or shape have different digests."""
    assert digest_array(one) != digest_array(other)


@pytest.mark.parametrize(
    "other",
    [
        pd.DataFrame({"a": [1, 2]}, index=[1, 0]),
        pd.DataFrame({"b": [1, 2]}),
        pd.DataFrame({"a": [1.0, 2.0]}),
        pd.DataFrame({"a": pd.array([1, 2], dtype="Int64")}),
        pd.DataFrame({"a": [1, 2]}, index=pd.RangeIndex(2, name="x")),
    ],
)
def test_tables_it_tells_apart(other):
    """Tables that differ in index, label, kind or name have different digests."""
    assert digest_tables([other]) != digest_tables([pd.DataFrame({"a": [1, 2]})])


def test_values_of_any_kind():
    """One function tells by the values which digest they have."""
    frame, ragged = pd.DataFrame({"a": [1]}), [np.zeros(2), np.zeros(3)]
    both = np.empty(2, object)
    both[:] = ragged

    assert digest_values(np.zeros(3)) == digest_array(np.zeros(3))
    assert digest_values(ragged) == digest_values(both) == digest_ragged(ragged)
    assert digest_values([frame]) == digest_tables([frame])
    assert digest_values(["a", "b"]) == digest_array(np.array(["a", "b"], object))


@pytest.mark.parametrize("value", [1, None, "\ud800"])
def test_what_is_no_text(value):
    """Objects that are no text have no digest."""
    with pytest.raises(InvalidDataError, match="expected"):
        digest_array(np.array([value], object))


@pytest.mark.parametrize("size", [0, 1, 8 << 20, (8 << 20) + 1])
def test_file(tmp_path, size):
    """The digest of a file is that of its bytes, at every edge of the blocks in which it is read."""
    content = np.arange(size, dtype=np.uint32).astype(np.uint8).tobytes()
    (tmp_path / "file").write_bytes(content)

    assert digest_file(tmp_path / "file") == by_hand(content)


def test_digest_fits_into_a_document():
    """A digest is text that names its algorithm."""
    algorithm, _, digits = json.loads(json.dumps(digest_array(np.zeros(1)))).partition(":")

    assert (algorithm, len(digits)) == ("blake3", 64)
