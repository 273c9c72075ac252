"""A run written event by event: nothing is visible before it ends, and it ends in exactly one way."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Provenance
from analysis_store.codecs import register_codec
from analysis_store.errors import InvalidDataError, ProvenanceError, RunClosedError
from tests.zoo import Fit


def test_events_and_columns_make_one_run(store: AnalysisStore, origin: Provenance) -> None:
    """Single events and blocks of columns are joined in order, each event with the time it came."""
    with store.new_run({"sample_name": "Fe"}, provenance=origin) as run:
        run.event("primary", {"x": 1.0, "image": np.zeros((5, 5))})
        run.events("primary", {"x": np.array([2.0, 3.0]), "image": np.ones((2, 5, 5))})
        run.event("primary", {"x": 4.0, "image": np.full((5, 5), 2.0)})
        run.event("baseline", {"t": 300})
        assert len(store) == 0

    saved = store[run.uid]
    assert saved["primary"]["x"].read().tolist() == [1.0, 2.0, 3.0, 4.0]
    np.testing.assert_array_equal([0, 1, 1, 2], saved["primary"]["image"].read()[:, 0, 0])
    assert saved.stop["num_events"] == {"primary": 4, "baseline": 1}
    assert (np.diff(saved["primary"].times) >= 0).all()
    assert saved.verify()


def test_later_changes_of_a_value_change_nothing(store: AnalysisStore, origin: Provenance) -> None:
    """What is handed over is copied."""
    image = np.zeros(100)
    columns = {"x": np.zeros((2, 30))}
    with store.new_run({}, provenance=origin) as run:
        run.event("a", {"image": image})
        run.events("b", columns)
        image[:] = 1
        columns["x"][:] = 1

    assert store[-1]["a"]["image"].read().max() == 0
    assert store[-1]["b"]["x"].read().max() == 0


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"y": 1.0}, r"lacks \['x'\] and adds \['y'\]"),
        ({"x": 2**60 + 1}, "dtype_numpy <i8 after <f8"),
        ({"x": True}, "dtype_numpy .b1 after <f8"),
        ({"x": np.zeros(3)}, "shape"),
        ({"x": None}, r'event\[1\]\["x"\]: Got an object after none in event 0.*NaN'),
        ({"x.y": 1}, "x_y"),
        (3, "Got int"),
    ],
)
def test_an_event_that_does_not_fit_is_refused(
    store: AnalysisStore, origin: Provenance, event: object, message: str
) -> None:
    """The run stays as it was, and goes on."""
    with store.new_run({}, provenance=origin) as run:
        run.event("s", {"x": 1.0})
        with pytest.raises(InvalidDataError, match=message):
            run.event("s", event)  # type: ignore[arg-type]
        run.event("s", {"x": 3.0})

    assert store[-1]["s"]["x"].read().tolist() == [1.0, 3.0]


def test_an_integer_among_floats_is_a_float(store: AnalysisStore, origin: Provenance) -> None:
    """Where nothing is lost; a float among integers is refused, never cut."""
    with store.new_run({}, provenance=origin) as run:
        run.event("s", {"x": 1.5, "n": 1})
        run.event("s", {"x": 2, "n": 2})
        with pytest.raises(InvalidDataError, match="<f8 after <i8"):
            run.event("s", {"x": 2, "n": 1.7})

    assert [1.5, 2.0] == store[run.uid]["s"]["x"].read().tolist()


def test_an_exception_after_the_first_event_leaves_a_failed_run(store: AnalysisStore, origin: Provenance) -> None:
    """The events that came are kept, with the reason."""
    with pytest.raises(ZeroDivisionError), store.new_run({}, provenance=origin) as run:  # noqa: PT012
        run.event("s", {"x": 1.0})
        raise ZeroDivisionError("beam lost")

    stop = store[run.uid].stop
    assert (stop["exit_status"], stop["reason"], stop["num_events"]) == (
        "fail",
        "ZeroDivisionError: beam lost",
        {"s": 1},
    )


def test_an_exception_before_the_first_event_leaves_nothing(store: AnalysisStore, origin: Provenance) -> None:
    """A run that never was is none."""
    with pytest.raises(ZeroDivisionError), store.new_run({}, provenance=origin):
        raise ZeroDivisionError

    assert len(store) == 0
    assert list(store.root.rglob("*.h5")) == []


def test_a_discarded_run_leaves_nothing(store: AnalysisStore, origin: Provenance) -> None:
    """Whatever it held."""
    run = store.new_run({}, provenance=origin)
    run.event("s", {"x": 1.0})
    run.discard()
    run.close()

    assert len(store) == 0
    with pytest.raises(RunClosedError, match="has ended"):
        run.event("s", {"x": 1.0})


def test_a_run_left_open_ends_as_aborted(tmp_path: Path, origin: Provenance) -> None:
    """Never as a success."""
    with AnalysisStore(tmp_path) as store:
        run = store.new_run({}, provenance=origin)
        run.event("s", {"x": 1.0})
        empty = store.new_run({}, provenance=origin)

    with AnalysisStore(tmp_path) as store:
        assert store[run.uid].stop["exit_status"] == "abort"
        assert empty.uid not in store


def test_provenance_is_checked_when_the_run_opens(store: AnalysisStore) -> None:
    """Not after hours of work."""
    with pytest.raises(ProvenanceError):
        store.new_run({})


def test_a_run_without_events_is_a_run(store: AnalysisStore, origin: Provenance) -> None:
    """It tells that nothing was found."""
    with store.new_run({"sample_name": "empty"}, provenance=origin):
        pass

    assert list(store[-1]) == []
    assert [name for name, _ in store[-1].documents()] == ["start", "stop"]


def test_units_may_be_said_beforehand(store: AnalysisStore, origin: Provenance) -> None:
    """descriptor_md is merged when the run ends."""
    with store.new_run({}, provenance=origin, descriptor_md={"s": {"data_keys": {"x": {"units": "mm"}}}}) as run:
        run.event("s", {"x": 1.0})

    assert store[run.uid].read("s")["x"].attrs["units"] == "mm"


@pytest.mark.parametrize(
    ("first", "then", "message"),
    [
        (np.array(["a"]), np.array([b"a"]), "dtype"),
        (np.array(["a"]), np.array(["a"], ">U1"), "dtype"),
        (["a", "b"], ["a\0", "b"], "dtype"),
        ("a", np.array(["b"], np.dtypes.StringDType()), "dtype"),
        (pd.DataFrame({"x": [1]}), pd.DataFrame({"y": [1]}), "surplus"),
        (xr.DataArray([1.0], dims="x"), xr.DataArray([1.0], dims="y"), "dims"),
        (xr.DataArray([1.0], attrs={"units": "g"}), xr.DataArray([1.0], attrs={"units": "mg"}), "units"),
        (Fit("a", (1.0, 2.0)), threading.Lock(), "no codec"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("one_by_one", [True, False])
def test_what_could_not_be_saved_with_the_others_is_refused_at_once(
    store: AnalysisStore, origin: Provenance, first: Any, then: Any, message: str, one_by_one: bool
) -> None:
    """Not when the run ends: nothing could be done any more, and all events were lost."""
    place = r'event\[1\]\["x"\]' if one_by_one else r'(event\[1\]\["x"\]|data\["s"\]\["x"\]\[0\])'
    with store.new_run({}, provenance=origin) as run:
        run.event("s", {"x": first})
        with pytest.raises(InvalidDataError, match=f"{place}: .*{message}"):
            run.event("s", {"x": then}) if one_by_one else run.events("s", {"x": [then, then]})
        run.event("s", {"x": first})

    assert store[run.uid]["s"].num_events == 2
    assert store[run.uid].verify()


def test_attributes_of_blocks_are_the_same(store: AnalysisStore, origin: Provenance) -> None:
    """A Dataset that says something else of the stream is refused; the same said again, NaN among it, is not."""

    def block(**attrs: Any) -> xr.Dataset:
        return xr.Dataset({"x": ("t", [1.0, 2.0], {"fill": float("nan")})}, attrs=attrs)

    with store.new_run({}, provenance=origin) as run:
        run.events("s", block(title="Fe", bad=float("nan")))
        run.events("s", block(title="Fe", bad=float("nan")))
        with pytest.raises(InvalidDataError, match=r"got the attributes .*Ni.*, those before have .*Fe"):
            run.events("s", block(title="Ni"))

    found = store[run.uid].read("s")
    assert found.attrs["title"] == "Fe"
    assert np.isnan(found["x"].attrs["fill"])


def test_what_cannot_be_copied_is_refused(store: AnalysisStore, origin: Provenance, tmp_path: Path) -> None:
    """By an error of ours; a dataset of an HDF5 file is read instead, and may be closed."""

    @register_codec
    class Unique:
        def __deepcopy__(self, memo: dict[int, Any]) -> Unique:
            raise RuntimeError("only one")

        def to_state(self) -> int:
            return 1

        @classmethod
        def from_state(cls, state: int) -> Unique:
            return cls()

    with store.new_run({}, provenance=origin) as run:
        with pytest.raises(InvalidDataError, match=r'event\[0\]\["x"\]: the .*Unique cannot be copied: .*only one'):
            run.event("s", {"x": Unique()})
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["a"] = np.arange(30)
            run.event("s", {"x": file["a"]})

    assert store[run.uid]["s"]["x"][0].tolist() == list(range(30))
