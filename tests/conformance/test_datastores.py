"""Every datastore of the package does what all of them promise."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from time import sleep
from typing import Any, ClassVar

import numpy as np
import pytest

from analysis_store.recorder import DataStore, HDF5DataStore, InMemoryDataStore, Series, ZarrDataStore
from analysis_store.recorder.core.value_kinds import Declared, Form
from analysis_store.testing import DataStoreTests
from tests.sweeps import slowly


class TestInMemory(DataStoreTests):
    """In memory: nothing outlives it, nobody else sees it."""

    visible_within: ClassVar[float | None] = None

    def make(self, path: Path) -> InMemoryDataStore:
        """Return a new one."""
        return InMemoryDataStore()


class TestZarr(DataStoreTests):
    """A directory of Zarr arrays."""

    def make(self, path: Path) -> ZarrDataStore:
        """Return one that writes."""
        return ZarrDataStore(path / "recorded.zarr")

    def reopen(self, path: Path) -> Any:
        """Return one that reads."""
        return ZarrDataStore(path / "recorded.zarr", mode="r") if (path / "recorded.zarr").exists() else None

    test_arrays = slowly(DataStoreTests.test_arrays)
    test_indices = slowly(DataStoreTests.test_indices)


@pytest.mark.slow
class TestSmallZarr(TestZarr):
    """The same with blocks of a few values, so that each record fills some."""

    def make(self, path: Path) -> ZarrDataStore:
        """Return one that writes."""
        return ZarrDataStore(path / "recorded.zarr", block=64, flush_every=0.2)

    @pytest.mark.skip(reason="300 000 chunks of 64 bytes")
    def test_many_values_of_many_sizes(self, tmp_path: Path) -> None:
        """Large values in tiny blocks are not worth their time."""


class TestHDF5(DataStoreTests):
    """An HDF5 file."""

    def make(self, path: Path) -> HDF5DataStore:
        """Return one that writes."""
        return HDF5DataStore(path / "recorded.h5")

    def reopen(self, path: Path) -> Any:
        """Return one that reads."""
        return HDF5DataStore(path / "recorded.h5", mode="r") if (path / "recorded.h5").exists() else None


# ------------------------------------------------------------------------------------------------ broken datastores


class Forgetful(InMemoryDataStore):
    """Drops a value now and then."""

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        if len(self._values[key]) != 100:
            super()._append(key, form, value, time)


class Referring(InMemoryDataStore):
    """Gives away what it keeps."""

    def _last(self, key: str) -> Any:
        value = self._values[key][-1]
        return value if isinstance(value, np.ndarray) and value.ndim else super()._last(key)


class Truncating(InMemoryDataStore):
    """Takes 1.7 among ints, as 1."""

    def _fitted(self, key: str, value: Any, *, is_set: bool) -> tuple[Form, Any]:
        form = self._forms.get(key)
        if form is not None and form.dtype.kind == "i" and isinstance(value, float):
            value = int(value)
        return super()._fitted(key, value, is_set=is_set)


class ZeroRow(InMemoryDataStore):
    """Makes room before it looks at the value."""

    def _fitted(self, key: str, value: Any, *, is_set: bool) -> tuple[Form, Any]:
        form = self._forms.get(key)
        if form is not None and form.kind == "array":
            self._values[key].append(np.zeros(form.shape, form.dtype))
        found = super()._fitted(key, value, is_set=is_set)
        if form is not None and form.kind == "array":
            self._values[key].pop()
        return found


class Timeless(InMemoryDataStore):
    """Knows only when the last was."""

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        super()._append(key, form, value, time)
        self._known_at[key] = [time] * len(self._values[key])


class Stale(InMemoryDataStore):
    """Gives a series that does not grow."""

    def _series(self, key: str) -> Series:
        return Series(key, np.array(super()._series(key)))


class Sorted(InMemoryDataStore):
    """Gives keys in another order."""

    def keys(self) -> list[str]:
        """Return them sorted."""
        return sorted(super().keys())


class Single(InMemoryDataStore):
    """Keeps numbers in single precision."""

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        super()._append(key, form, value.astype("f4") if form.dtype == np.dtype(float) else value, time)


class Unlocked(InMemoryDataStore):
    """Lets threads in at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = nullcontext()  # type: ignore[assignment]

    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        before = list(self._values[key])
        sleep(0)
        self._values[key] = [*before, value]


class NeverClosed(InMemoryDataStore):
    """Takes values after it was closed."""

    def close(self) -> None:
        """Do nothing."""


class Unlimited(InMemoryDataStore):
    """Takes arrays of any number of axes."""

    def _fitted(self, key: str, value: Any, *, is_set: bool) -> tuple[Form, Any]:
        if isinstance(value, np.ndarray) and value.ndim > 8:
            form = Form("array", value.dtype, value.shape)
            self._add_key(key, form, is_set=is_set)
            self._known(key, form, is_set=is_set)
            return form, value
        return super()._fitted(key, value, is_set=is_set)


class Talkative(InMemoryDataStore):
    """Believes whatever is declared."""

    def declare(self, key: str, declared: Declared) -> None:
        """Keep it."""
        self._declared[key] = declared


class KeepsTheFirst(InMemoryDataStore):
    """Sets a value once."""

    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        if not self._values[key]:
            super()._set(key, form, value, time)


class Mute(ZarrDataStore):
    """Writes nothing until it is closed."""

    def _beat(self) -> None:
        """Do nothing."""


class MuteSuite(TestZarr):
    """The suite of it."""

    __test__ = False

    def make(self, path: Path) -> ZarrDataStore:
        """Return one that writes."""
        return Mute(path / "recorded.zarr")


BROKEN = {
    Forgetful: ("test_threads", ()),
    Referring: ("test_later_changes_change_nothing", ()),
    Truncating: ("test_refused_values_leave_the_key_as_it_was", ("a fraction among ints",)),
    ZeroRow: ("test_refused_values_leave_the_key_as_it_was", ("(1,) among (3,)",)),
    Timeless: ("test_times", ()),
    Stale: ("test_series", ()),
    Sorted: ("test_keys_are_paths", ()),
    Single: ("test_values", ("floats",)),
    Unlocked: ("test_threads", ()),
    NeverClosed: ("test_flush_and_close", ()),
    KeepsTheFirst: ("test_set_keeps_the_last", ()),
    Unlimited: ("test_values_that_are_too_much_cost_no_others", ("32 axes",)),
    Talkative: ("test_attributes_that_are_too_much_cost_no_others", ("a big int",)),
}


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_broken_datastores_are_caught(broken: type[DataStore], tmp_path: Path) -> None:
    """The suite fails for a datastore that is broken."""
    test, arguments = BROKEN[broken]
    suite = type("Suite", (DataStoreTests,), {"make": lambda self, path: broken(), "visible_within": None})()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(suite, test)(tmp_path, *arguments)


@pytest.mark.slow
def test_late_datastore_is_caught(tmp_path: Path) -> None:
    """The suite fails where another process does not see a value in time."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        MuteSuite().test_another_process_sees_it(tmp_path)


def test_make_is_asked_for(tmp_path: Path) -> None:
    """A suite without `make` says what to write."""
    with pytest.raises(NotImplementedError, match="make returns a datastore"):
        DataStoreTests().make(tmp_path)
