"""Values that a writer of one's own stores: what the documents say of them, and that they are not "changed"."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Provenance
from analysis_store.errors import InvalidDataError
from analysis_store.runs.values.gather import gather


class Writer2018:
    """Writes anything into a pickle, as profiles of 2018 do."""

    spec = "PICKLE"

    def __init__(self, path: str) -> None:
        self.path = path
        Path(path).touch()

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write the one value and say where."""
        (value,) = data.values()
        number = len(list(Path(self.path).parent.glob("*.pkl")))
        pd.to_pickle(value, f"{self.path}{number}.pkl")
        return {"number": number}


class Handler2018:
    """Reads it again; of tables the index is another kind of the same integers."""

    specs: ClassVar[set[str]] = {"PICKLE"}

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, number: int) -> Any:
        """Return the value."""
        value = pd.read_pickle(f"{self.path}{number}.pkl")
        return as_others_have_it(value) if isinstance(value, pd.DataFrame) else value


def as_others_have_it(frame: pd.DataFrame) -> pd.DataFrame:
    """Return an equal table in which ranges are integers, and counting integers ranges."""
    index = frame.index
    if isinstance(index, pd.RangeIndex):
        return frame.set_axis(pd.Index(np.array(index), name=index.name), axis=0)
    if index.dtype == np.int64 and len(index) and (np.diff(index) == 1).all():
        return frame.set_axis(pd.RangeIndex(index[0], index[0] + len(index), name=index.name), axis=0)
    return frame


@pytest.fixture
def writers(store: AnalysisStore, tmp_path: Path) -> dict[str, Any]:
    """Entries of ``writers_dict`` for key ``k``."""
    store.register_handler("PICKLE", Handler2018)
    (tmp_path / "own").mkdir()
    return {"k": {"writer": Writer2018, "root": str(tmp_path / "own")}}


@pytest.mark.parametrize(
    "index",
    [
        pd.RangeIndex(3),
        pd.RangeIndex(5, 14, 4, name="row"),
        pd.RangeIndex(9, 3, -2),
        pd.Index([4, 5, 6]),
        pd.Index([4, 7, 1]),
        pd.Index([4, 4, 4]),
        pd.Index([0.5, 1.5, 2.5]),
        pd.Index(["a", "b", "c"]),
    ],
    ids=repr,
)
def test_row_numbers_of_a_table_are_not_changed(
    store: AnalysisStore, origin: Provenance, writers: dict[str, Any], index: Any
) -> None:
    """A range that comes back as integers, or the other way round, is the same: to verify, check and read_checked."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]}, index=index)
    run = store.insert([{"s": {"k": frame}}] * 2, {}, provenance=origin, writers_dict=writers)

    pd.testing.assert_frame_equal(run["s"]["k"][1], frame)
    assert run.stop["digests"]
    assert run.verify()
    assert store.check()
    pd.testing.assert_frame_equal(store.read_checked(run.uid, "s")["k"].values[0], frame)


@pytest.mark.parametrize("other", [[0, 1, 3], [0.0, 1.0, 2.0], ["0", "1", "2"]])
def test_other_row_numbers_are_changed(
    store: AnalysisStore, origin: Provenance, writers: dict[str, Any], other: list[Any]
) -> None:
    """The digest still tells another index."""
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    run = store.insert([{"s": {"k": frame}}], {}, provenance=origin, writers_dict=writers)
    (file,) = Path(writers["k"]["root"]).glob("*.pkl")
    pd.to_pickle(frame.set_axis(other, axis=0), file)

    assert not run.verify()
    assert not store.check()


def test_objects_have_no_digest(store: AnalysisStore, origin: Provenance, writers: dict[str, Any]) -> None:
    """A table of anything is the business of its writer, and no reason to refuse the run."""
    frame = pd.DataFrame({"x": [1, "a", None]}, dtype=object)
    run = store.insert([{"s": {"k": frame}}], {}, provenance=origin, writers_dict=writers)

    assert run.stop["digests"] == []
    pd.testing.assert_frame_equal(run["s"]["k"][0], frame, check_index_type=False)


@pytest.mark.parametrize(
    ("values", "shape", "dtype"),
    [
        ([np.zeros((3, 5)), np.zeros((3, 7))], [3, None], "<f8"),
        ([np.zeros((3, 5)), np.zeros((4, 7))], [None, None], "<f8"),
        ([np.zeros((3, 5)), np.zeros((3, 5))], [3, 5], "<f8"),
        ([np.zeros(3), np.zeros((3, 5))], [None], "<f8"),
        ([np.zeros(3), np.zeros(3, "f4")], [3], None),
        ([{"a": 1}, "text"], [], None),
    ],
)
def test_the_descriptor_says_what_all_values_are(values: list[Any], shape: list[Any], dtype: str | None) -> None:
    """A length that all share, a dtype that all have; not those of the first."""
    entry = {"writer": Writer2018, "root": "."}
    data_key = gather([{"s": {"k": value}} for value in values], {"k": entry})["s"].columns["k"].data_key

    assert (data_key["shape"], data_key.get("dtype_numpy")) == (shape, dtype)


def test_a_misspelt_option_of_the_resource_is_refused() -> None:
    """Its keywords would never reach the function."""
    entry = {"writer": Writer2018, "resource": {"func": print, "kwarg": {"a": 1}}}

    with pytest.raises(
        InvalidDataError, match=r'writers_dict\["k"\]\["resource"\]: unknown .*kwarg.*known: func, kwargs'
    ):
        gather([{"s": {"k": 1}}], {"k": entry})
