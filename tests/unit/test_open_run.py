"""A run written event by event: nothing is visible before it ends, and it ends in exactly one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError, ProvenanceError, RunClosedError


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
        ({"x": 2**60 + 1}, "dtype_numpy <i8 came after <f8"),
        ({"x": True}, "dtype_numpy .b1 came after <f8"),
        ({"x": np.zeros(3)}, "shape"),
        ({"x": None}, r'event\[1\]\["x"\]: an object came after none in event 0.*NaN'),
        ({"x.y": 1}, "x_y"),
        (3, "int came"),
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
        with pytest.raises(InvalidDataError, match="<f8 came after <i8"):
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
