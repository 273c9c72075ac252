"""Metadata are made plain without loss, or refused with their path; documents are validated."""

from __future__ import annotations

import datetime
import enum
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis_store.documents import (
    clean_metadata,
    compose_datum,
    dumps,
    event_uid,
    is_time,
    loads,
    parent_uids,
    unpack_page,
    validate,
)
from analysis_store.errors import InvalidDocumentError, InvalidMetadataError
from analysis_store.testing.equality import assert_identical
from tests.zoo import Level, Loud, Mode, Point

START = {"uid": "a", "time": 1.0}


class Colour(enum.StrEnum):
    """Text with a name."""

    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(2**62), 2**62),
        (np.True_, True),
        (np.str_("x"), "x"),
        (np.str_("x\0"), "x\0"),
        (Loud("x"), "x"),
        (Level.LOW, 1),
        (Mode.SAFE, "safe\0"),
        ({Mode.FAST: {np.str_("a\0"): 1}}, {"fast": {"a\0": 1}}),
        ((1, (2, 3)), [1, [2, 3]]),
        (np.arange(3), [0, 1, 2]),
        (np.array(5.0), 5.0),
        (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), "2026-01-02T03:04:05+00:00"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (Path("a") / "b", "a/b"),
        (Colour.RED, "red"),
        (2**80, 2**80),
        (None, None),
        ({"a": {"b": (np.int8(1),)}}, {"a": {"b": [1]}}),
        ([{"a.b": 1}], [{"a.b": 1}]),
    ],
)
def test_what_loses_nothing_is_converted(value: object, plain: object) -> None:
    """NumPy scalars, tuples, dates, paths and small arrays become JSON of the same value and type."""
    clean = clean_metadata({"key": value})["key"]

    assert_identical(plain, clean)


@pytest.mark.parametrize(
    ("md", "where"),
    [
        ({"a": {"b.c": 1}}, r'md\["a"\]\["b\.c"\]'),
        ({"a/b": 1}, r'md\["a/b"\]'),
        ({"": 1}, r"empty"),
        ({1: 2}, r"the key 1 is a int"),
        ({"a": [0, {1, 2}]}, r'md\["a"\]\[1\]: a set'),
        ({"a": b"x"}, r'md\["a"\]: a bytes'),
        ({"a": np.arange(17)}, r"an array of 17 elements"),
        ({"a": np.complex128(1j)}, r"complex128"),
        ({"a": object()}, r'md\["a"\]: a object'),
        ({"a": "\ud800"}, r"lone surrogate"),
        ({"a": np.datetime64("NaT", "s")}, r"datetime64"),
        ({"a": pd.NaT}, r'md\["a"\]: a pandas.*NaT'),
        ({"a": [Point(1, 2)]}, r'md\["a"\]\[0\]: a tests.zoo.Point cannot be kept'),
        ({"a": np.str_("\ud800")}, r'md\["a"\]: .* lone surrogate'),
        ({"a": np.array(["b", "\ud800"])}, r'md\["a"\]\[1\]: .* lone surrogate'),
    ],
)
def test_what_would_lose_something_is_refused_with_its_path(md: dict[object, object], where: str) -> None:
    """The message names the full path of the value."""
    with pytest.raises(InvalidMetadataError, match=where):
        clean_metadata(md)


def test_metadata_within_themselves_are_refused() -> None:
    """A cycle ends in an error, not in a full stack."""
    md: dict[str, object] = {}
    md["self"] = md

    with pytest.raises(InvalidMetadataError, match="within itself"):
        clean_metadata(md)


def test_the_original_is_not_modified() -> None:
    """The clean copy shares nothing with the caller's metadata."""
    md = {"a": {"b": [1, 2]}}

    clean_metadata(md)["a"]["b"].append(3)

    assert md == {"a": {"b": [1, 2]}}


def test_json_gives_back_nan_infinity_and_big_integers() -> None:
    """What JSON proper cannot hold comes back all the same."""
    value = [float("inf"), -float("inf"), 2**70, -0.0, "ü\0"]

    assert repr(value) == repr(loads(dumps(value)))
    assert repr(loads(dumps(float("nan")))) == "nan"


def test_validation_names_document_place_and_rule() -> None:
    """The message leads to the fault."""
    with pytest.raises(InvalidDocumentError, match=r"start\['scan_id'\].*integer"):
        validate("start", {**START, "scan_id": "seven"})
    with pytest.raises(InvalidDocumentError, match='"time" is a required property'):
        validate("start", {"uid": "a"})


def test_validation_takes_numpy_values() -> None:
    """RunEngines emit NumPy scalars and arrays, which are numbers and arrays to the schema."""
    event = {
        "uid": "e",
        "time": np.float64(1),
        "seq_num": np.int64(1),
        "descriptor": "d",
        "timestamps": {},
        "filled": {},
    }
    validate("event", {**event, "data": {"x": np.zeros((1000, 1000)), "t": (np.float32(1), 2)}})

    with pytest.raises(InvalidDocumentError, match="seq_num"):
        validate("event", {**event, "seq_num": np.float64(1.5), "data": {"x": np.arange(3)}})


def test_obsolete_and_unknown_names_are_told_apart() -> None:
    """bulk_events is refused by name, with what to send instead."""
    with pytest.raises(InvalidDocumentError, match="event_page"):
        validate("bulk_events", {})
    with pytest.raises(InvalidDocumentError, match="known: start"):
        validate("stat", {})


def test_parents_are_read_from_every_dialect() -> None:
    """Each once, in order; an empty text names nobody."""
    start = {"parent_uids": ["a", "b"], "parent_uid": "", "raw_uid": "c", "original_run_uid": "a", "exp_uid": ["d"]}

    assert parent_uids(start) == ["a", "b", "c", "d"]


def test_uids_of_events_and_datums() -> None:
    """They follow from the descriptor and the resource, and are unique as these are."""
    uid = "01234567-89ab-cdef-0123-456789abcdef"

    assert event_uid(uid, 42) == "01234567-89ab-cdef-0123-00000000002a"
    assert compose_datum("r", 7, {"point_number": 7})["datum_id"] == "r/7"


def test_pages_are_unpacked_and_the_rest_left_alone() -> None:
    """A page gives single documents; anything else is itself."""
    page = {
        "descriptor": "d",
        "uid": ["1", "2"],
        "time": [1.0, 2.0],
        "seq_num": [1, 2],
        "data": {"x": [3, 4]},
        "timestamps": {"x": [1.0, 2.0]},
        "filled": {},
    }

    assert [event["data"]["x"] for _, event in unpack_page("event_page", page)] == [3, 4]
    assert list(unpack_page("start", START)) == [("start", START)]


def test_a_number_beyond_any_time() -> None:
    """What no float holds is no time."""
    assert is_time(1.5)
    assert not is_time(10**400)
    assert not is_time(True)
