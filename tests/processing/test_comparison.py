"""Two stored runs compared: by digest, else by value, in every form that values are kept in."""

from __future__ import annotations

import datetime
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError, RunNotFoundError
from analysis_store.processing.engine import comparison
from analysis_store.processing.engine.comparison import Comparison, Row, blocks
from analysis_store.processing.identity.differences import Differences
from analysis_store.runs.read.run import Run

NAN, INF = math.nan, math.inf
NOW = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)


@dataclass
class Fit:
    """An object as an analysis may return it."""

    centre: float
    points: list[float] = field(default_factory=list)
    raw: Any = None


class Keeper:
    """Compares with nothing but itself."""

    def __init__(self, value: Any) -> None:
        self.value = value


@pytest.fixture
def saved(store: AnalysisStore, origin: Provenance) -> Any:
    """Give a function that saves one value as the only key of one event."""

    def save(value: Any, events: int = 1) -> Run:
        return store.insert([{"primary": {"x": value}}] * events, {}, provenance=origin)

    return save


def compared(store: AnalysisStore, a: Run, b: Run, **tolerance: float) -> Row:
    """Return the only row of a comparison."""
    (row,) = store.compare(a, b, **tolerance)
    return row


FORMS = {
    "inline": 1.5,
    "text": "Fe foil",
    "bool": True,
    "array": np.arange(100.0),
    "nan": np.array([NAN, 1.0, INF] * 20),
    "times": np.array(["2026-01-01", "NaT"], "M8[s]"),
    "texts": np.array(["a", "bc"]),
    "table": pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.array([1, None], "Int64")}),
    "object": {"fit": [1.0, NAN, (2, "three")], "when": NOW, "big": 10**400, "none": None},
    "labelled": xr.DataArray([1.0, 2.0], dims="q", coords={"q": [0.1, 0.2]}),
}


@pytest.mark.parametrize("form", FORMS)
def test_equal_digests_need_no_reading(store: AnalysisStore, saved: Any, form: str) -> None:
    """Runs of the same values are identical, even where their files are gone."""
    a, b = saved(FORMS[form]), saved(FORMS[form])
    b.file.unlink()
    found = store.compare(a.uid, b, rtol=0)
    assert [row.verdict for row in found] == ["identical"]
    assert found
    assert next(iter(found)).of == 0


@pytest.mark.parametrize(
    ("a", "b", "tolerance", "row"),
    [
        (1.0, 1.0 + 1e-7, 1e-6, ("close", 1)),
        (1.0, 1.0 + 1e-7, 0, ("different", 1)),
        (0.0, -0.0, 0, ("identical", 0)),
        (NAN, 1.0, 1, ("different", 1)),
        (INF, 1.0, 1, ("different", 1)),
        (1.0, INF, 1, ("different", 1)),
        (INF, -INF, 1, ("different", 1)),
        (1e308, -1e308, 0.1, ("different", 1)),
        (2**60, 2**60 + 1, 0, ("different", 1)),
        (2**60, 2**60 + 1, 1e-6, ("close", 1)),
        (True, False, 1, ("different", 1)),
        ("Fe", "Ni", 1, ("different", 1)),
        ("Fe", "Fe foil", 0, ("different", 1)),
        (np.uint64(2**64 - 1), np.uint64(2**64 - 2), 0, ("different", 1)),
        (np.array([2**64 - 1] * 50, "u8"), np.array([0] * 50, "u8"), 0, ("different", 50)),
        (np.array([-(2**63)] * 50), np.array([2**63 - 1] * 50), 0.5, ("different", 50)),
        (np.arange(100.0), np.where(np.arange(100) == 7, 8.0, np.arange(100.0)), 1e-3, ("different", 1)),
        (np.full(50, 1 + 1j), np.full(50, 1 + 1.001j), 1e-2, ("close", 50)),
        (np.full(50, complex(NAN, 1)), np.full(50, complex(NAN, 2)), 1, ("different", 50)),
        (np.array([NAN] * 50), np.array([NAN] * 49 + [1]), 1, ("different", 1)),
        (
            np.array(["2026-01-01", "NaT"] * 9, "M8[s]"),
            np.array(["2026-01-01", "2026-01-01"] * 9, "M8[s]"),
            1,
            ("different", 9),
        ),
        (np.array([b"a", b"b"]), np.array([b"a", b"c"]), 1, ("different", 1)),
        (np.array([(1, 2.0)] * 9, "i4,f8"), np.array([(1, 2.5)] * 9, "i4,f8"), 0.1, ("different", 9)),
        (np.zeros(50, "f4"), np.zeros(50, "f8"), 1, ("dtype", 0)),
        (np.zeros(50), np.zeros(51), 1, ("shape", 0)),
        (np.zeros(50), {"a": 1}, 1, ("dtype", 0)),
        (1, 1.0, 1, ("dtype", 0)),
        (np.arange(50, dtype="<i4"), np.arange(50, dtype=">i4"), 0, ("identical", 0)),
        (pd.DataFrame({"a": [1.0, 2]}), pd.DataFrame({"a": [1.0, 2.1]}), 1e-2, ("different", 1)),
        (pd.DataFrame({"a": [1.0, 2]}), pd.DataFrame({"a": [1.0, 2.001]}), 1e-2, ("close", 1)),
        (pd.DataFrame({"a": [1.0]}), pd.DataFrame({"b": [1.0]}), 1, ("different", 3)),
        (pd.DataFrame({"a": [1.0]}, index=["p"]), pd.DataFrame({"a": [1.0]}, index=["q"]), 1, ("different", 1)),
        (
            pd.DataFrame({"a": pd.array([1, None], "Int64")}),
            pd.DataFrame({"a": pd.array([1, 2], "Int64")}),
            1,
            ("different", 1),
        ),
        (
            pd.DataFrame({"a": pd.array([1, None], "Int64")}),
            pd.DataFrame({"a": pd.array([1, None], "Int32")}),
            1,
            ("different", 1),
        ),
        (
            pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
            pd.DataFrame({"a": pd.Categorical(["x", "x"])}),
            1,
            ("different", 1),
        ),
        ({"fit": [1.0, NAN]}, {"fit": [1.001, NAN]}, 1e-2, ("close", 1)),
        ({"fit": [1.0, NAN]}, {"fit": [1.1, NAN]}, 1e-2, ("different", 1)),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, 0, ("identical", 0)),
        ({"a": 1}, {"b": 1}, 0, ("different", 2)),
        ({"a": [1]}, {"a": [1, 2]}, 0, ("different", 1)),
        ({"a": 10**400}, {"a": 10**400 + 1}, 0, ("different", 1)),
        ({"a": 10**400}, {"a": 10**400 + 1}, 1e-9, ("close", 1)),
        ({"a": {1, 2}}, {"a": {1, 3}}, 0, ("different", 1)),
        ({"a": NOW}, {"a": NOW.replace(year=2027)}, 1, ("different", 1)),
        ({"a": np.zeros(3)}, {"a": np.zeros(4)}, 1, ("different", 1)),
        ({"a": 1}, {"a": 1.0}, 1, ("different", 1)),
        (np.ma.array([1.0, 2], mask=[0, 1]), np.ma.array([1.0, 9], mask=[0, 1]), 0, ("identical", 0)),
        (np.ma.array([1.0, 2], mask=[0, 1]), np.ma.array([1.0, 2], mask=[1, 1]), 0, ("different", 1)),
        (np.ma.array([1.0, 2, 3], mask=[0, 1, 1]), np.ma.array([1.0, 9, 3], mask=[0, 0, 1]), 0, ("different", 2)),
        (np.ma.array([1.0, 2], mask=[0, 1]), np.ma.array([3.0, 2], mask=[0, 1]), 0, ("different", 1)),
        (np.array(["a", "b\0c"], object), np.array(["a", "b"]), 0, ("different", 1)),
        (np.array(["a", "b\0c"], object), np.array(["a", "b\0d"], object), 0, ("different", 1)),
        (np.array(["a", "b"] * 20, np.dtypes.StringDType()), np.array(["a", "b"] * 20), 0, ("identical", 0)),
        (np.array(["a", "b"] * 20, np.dtypes.StringDType()), np.array(["a", "bc"] * 20), 0, ("different", 20)),
        ("b\0", "b", 0, ("different", 1)),
        (
            xr.DataArray([1.0, 2], dims="q", coords={"q": [0.1, 0.2]}),
            xr.DataArray([1.0, 2], dims="q", coords={"q": [0.1, 0.3]}),
            1e-2,
            ("different", 1),
        ),
        (
            {"a": xr.DataArray([1.0], dims="q", attrs={"units": "mm"})},
            {"a": xr.DataArray([1.0], dims="q", attrs={"units": "m"})},
            1,
            ("different", 1),
        ),
        (pd.Series([1.0, 2], index=["a", "b"]), pd.Series([1.0, 2.5], index=["a", "b"]), 1e-2, ("different", 1)),
        (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-02"), 1, ("different", 1)),
    ],
)
def test_values_that_differ(store: AnalysisStore, saved: Any, a: Any, b: Any, tolerance: float, row: Any) -> None:
    """Each form says whether its values are close, and how many are not."""
    found = compared(store, saved(a), saved(b), rtol=tolerance)
    assert (found.verdict, found.differ) == row, found
    assert bool(found) == (row[0] in ("close", "identical"))


@pytest.mark.parametrize(
    ("a", "b", "largest", "relative", "told"),
    [
        (np.zeros((5, 20)), np.eye(5, 20) * 3, 3.0, 1.0, "[0, 0, 0]: 0.0 and 3.0"),
        (np.full(50, 4.0), np.full(50, 2.0), 2.0, 1.0, "[0, 0]: 4.0 and 2.0"),
        (np.array([2**63 - 1] * 50), np.array([-(2**63)] * 50), 2.0**64, 2.0, "[0, 0]: 9223372036854775807 and"),
        (np.array([NAN] * 50), np.zeros(50), INF, INF, "[0, 0]: nan and 0.0"),
        ({"fit": [1.0, {"c": 2.0}]}, {"fit": [1.0, {"c": 4.0}]}, 2.0, 0.5, "[0]['fit'][1]['c']: 2.0 and 4.0"),
        ({"a": 1}, {"a": "x"}, None, None, "[0]['a']: int 1 and str 'x'"),
        ({"a": np.zeros(3)}, {"a": np.ones(3)}, 1.0, 1.0, "[0]['a'][0]: 0.0 and 1.0"),
        (pd.DataFrame({"q": [1.0, 2]}), pd.DataFrame({"q": [1.0, 3]}), 1.0, 1 / 3, "[0]['q'][1]: 2.0 and 3.0"),
        ({"a": 5}, {}, None, None, "[0]['a']: 5 and nothing"),
        (np.zeros(50), np.zeros((50, 1)), None, None, "(1, 50) and (1, 50, 1)"),
        (np.zeros(50, "f4"), np.zeros(50), None, None, "float32 and float64"),
    ],
)
def test_where_and_by_how_much(
    store: AnalysisStore, saved: Any, a: Any, b: Any, largest: float | None, relative: float | None, told: str
) -> None:
    """A row names the first difference and the largest one."""
    row = compared(store, saved(a), saved(b), rtol=0)
    assert row.told.startswith(told)
    assert (row.largest, row.relative) == (largest, relative)


def test_the_first_that_is_not_close_is_named(store: AnalysisStore, saved: Any) -> None:
    """Close ones before it are counted only where all are close."""
    a = np.arange(1.0, 101)
    b = a.copy()
    b[3] += 1e-9
    b[50:52] += 1
    row = compared(store, saved(a), saved(b))
    assert (row.verdict, row.differ, row.of, row.told) == ("different", 2, 100, "[0, 50]: 51.0 and 52.0")
    row = compared(store, saved(a), saved(b), atol=2)
    assert (row.verdict, row.differ, row.told) == ("close", 3, "[0, 3]: 4.0 and 4.000000001")


def test_ragged_values(store: AnalysisStore, origin: Provenance) -> None:
    """Arrays whose shape differs from event to event are compared event by event."""

    def save(*values: Any) -> Run:
        return store.insert([{"primary": {"x": np.asarray(value)}} for value in values], {}, provenance=origin)

    a = save(np.zeros(30), np.ones(40))
    assert a["primary"]["x"].form == "ragged"
    assert compared(store, a, save(np.zeros(30), np.ones(40) * 1.5)).told == "[1][0]: 1.0 and 1.5"
    assert compared(store, a, save(np.zeros(30), np.ones(41))).told == "[1]: float64 (40,) and float64 (41,)"
    assert compared(store, a, save(np.zeros(30), np.ones(40) + 1e-9)).verdict == "close"


def test_objects_are_compared_by_what_is_in_them(store: AnalysisStore, origin: Provenance, saved: Any) -> None:
    """Dataclasses and plain objects by their attributes."""
    from analysis_store.processing.identity.differences import Differences

    for a, b, first in (
        (Fit(1.0, [1.0]), Fit(1.0, [2.0]), ".points[0]: 1.0 and 2.0"),
        (Keeper(Fit(1.0, raw={1: 2})), Keeper(Fit(1.0, raw={1: 3})), ".value.raw[1]: 2 and 3"),
        (Keeper(1), Fit(1.0), "Keeper <"),
    ):
        found = Differences(0, 0)
        found.compare(a, b)
        assert found.beyond == 1
        assert found.first.startswith(first)


@pytest.mark.slow
def test_values_in_a_circle_and_deep_ones() -> None:
    """Neither ends in a loop or an exhausted stack."""
    circles: list[list[Any]] = [[1.0], [2.0]]
    for circle in circles:
        circle.append(circle)
    deep: list[Any] = [[1.0], [1.5]]
    for _ in range(100_000):
        deep = [[deep[0]], [deep[1]]]
    for a, b in (circles, deep):
        found = Differences(0, 0)
        found.compare(a, b)
        assert (found.compared, found.beyond) == (1, 1)
    while deep[0]:  # taken apart from outside, since Python would do it by recursion
        deep = [deep[0][0], deep[1][0]] if isinstance(deep[0], list) else [None, None]


def test_streams_keys_and_events(store: AnalysisStore, origin: Provenance) -> None:
    """What is missing on one side is told, and so is another number of events."""
    a = store.insert({"primary": {"x": np.arange(3), "y": np.arange(3)}, "dark": {"z": [1.0]}}, {}, provenance=origin)
    b = store.insert({"primary": {"x": np.arange(4), "w": np.arange(4)}}, {}, provenance=origin)
    found = store.compare(a, b)
    assert not found
    assert [(row.stream, row.key, row.verdict) for row in found] == [
        ("primary", "x", "shape"),
        ("primary", "y", "only in a"),
        ("dark", "z", "only in a"),
        ("primary", "w", "only in b"),
    ]
    assert found.events == {"primary": (3, 4), "dark": (1, None)}
    assert json.loads(json.dumps(found.to_dict()))["events"] == {"primary": [3, 4], "dark": [1, None]}
    text = repr(found)
    assert "primary: 3 events in a, 4 in b" in text
    assert "(3,) and (4,)" in text
    assert len(text.splitlines()) == 1 + 2 + 1 + 4


def test_no_events(store: AnalysisStore, origin: Provenance) -> None:
    """Runs without streams are the same; a stream without events is not a missing one."""
    a, b = (store.insert([], {}, provenance=origin) for _ in range(2))
    assert store.compare(a, b)
    c = store.insert({"primary": {"x": np.zeros(0)}}, {}, provenance=origin)
    assert not store.compare(a, c)
    assert store.compare(c, store.insert({"primary": {"x": np.zeros(0)}}, {}, provenance=origin))


def test_a_key_that_cannot_be_read(store: AnalysisStore, origin: Provenance) -> None:
    """It is told, and the others are compared."""
    a, b = (
        store.insert({"primary": {"x": np.arange(100.0) + n, "same": [1.0] * 100}}, {}, provenance=origin)
        for n in range(2)
    )
    b.file.unlink()
    found = {row.key: row for row in store.compare(a, b)}
    assert found["x"].verdict == "unreadable"
    assert str(b.file) in found["x"].told
    assert found["same"].verdict == "identical"
    assert not found["x"]


def test_blocks_cover_an_array(monkeypatch: pytest.MonkeyPatch, store: AnalysisStore, saved: Any) -> None:
    """Each element once, none of the blocks too large; what they say of places is of the whole array."""
    for shape in ((7,), (3, 4), (1, 10, 10), (2, 1, 1), (4, 0), (0,), (2, 3, 5)):
        seen = np.zeros(shape, int)
        for block in blocks(shape, 6):
            assert seen[block].size <= max(6, shape[-1] if len(shape) > 1 else 0)
            seen[block] += 1
        assert (seen == 1).all()
    monkeypatch.setattr(comparison, "_BLOCK", 64)
    a = np.zeros((5, 4, 30))
    b = a.copy()
    b[3, 2, 17] = b[4, 0, 0] = 2
    row = compared(store, saved(a, 2), saved(b, 2))
    assert (row.differ, row.of, row.told) == (4, 1200, "[0, 3, 2, 17]: 0.0 and 2.0")


@pytest.mark.parametrize("value", [-1.0, NAN, INF, "1e-3", None])
def test_a_tolerance_that_is_none(store: AnalysisStore, saved: Any, value: Any) -> None:
    """It is refused by name."""
    run = saved(1.0)
    with pytest.raises(InvalidDataError, match="rtol"):
        store.compare(run, run, rtol=value)
    with pytest.raises(InvalidDataError, match="atol"):
        store.compare(run, run, atol=value)


def test_runs_by_number(store: AnalysisStore, saved: Any) -> None:
    """Whatever names one run of the store names it here."""
    runs = [saved(1.0), saved(2.0)]
    found = store.compare(-2, -1)  # type: ignore[arg-type]
    assert [found.a, found.b] == [run.uid for run in runs]


def test_the_first_that_is_not_close_of_several_values() -> None:
    """A value that is close, and came before it, does not hide it."""
    found = Differences(1e-3, 0)
    found.compare([1.0, 5.0, 7.0], [1.0001, 6.0, 8.0])
    assert (found.first, found.unequal, found.beyond) == ("[1]: 5.0 and 6.0", 3, 2)


def test_a_run_that_is_not_there(store: AnalysisStore, saved: Any) -> None:
    """It is named."""
    with pytest.raises(RunNotFoundError, match="nobody"):
        store.compare(saved(1.0), "nobody")


def test_runs_of_two_stores(tmp_path: Path, store: AnalysisStore, origin: Provenance, saved: Any) -> None:
    """Runs themselves may come from anywhere."""
    with AnalysisStore(tmp_path / "second") as second:
        other = second.insert([{"primary": {"x": 1.0}}], {}, provenance=origin)
        assert isinstance(store.compare(saved(1.0), other), Comparison)
        assert store.compare(saved(1.0), other)
