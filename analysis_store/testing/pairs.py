"""The conformance suite of pairs: subclass it for a writer and handler of one's own."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from analysis_store.errors import InvalidDataError
from analysis_store.pairs import call_writer, check_pair
from analysis_store.testing.strategies import arrays

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


def assert_same(wanted: Any, found: Any) -> None:
    """Fail where two values differ in kind, dtype, shape or in a bit of an element."""
    if type(wanted).__name__ == "DataFrame":
        import pandas

        pandas.testing.assert_frame_equal(wanted, found)
        return
    wanted, found = np.asarray(wanted), np.asarray(found)
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    if wanted.dtype.kind in "OT" or wanted.dtype.char in "gG":
        np.testing.assert_array_equal(found, wanted)
    else:
        assert found.tobytes() == wanted.tobytes()


class PairTests:
    """What every pair has to do. A subclass names the classes, and fixtures are all there is besides.

    Examples
    --------
    >>> from analysis_store.handlers.arrays import ArrayHandler
    >>> from analysis_store.writers.arrays import ArrayWriter
    >>> class TestArrays(PairTests):
    ...     writer, handler = ArrayWriter, ArrayHandler
    ...     resource_kwargs = {"dataset": "/entry/value"}
    """

    writer: ClassVar[Callable[..., Any]]
    """The writer."""

    handler: ClassVar[Callable[..., Any]]
    """The handler."""

    resource_kwargs: ClassVar[Mapping[str, Any]] = {}
    """What both take besides the path."""

    suffix: ClassVar[str] = ".h5"
    """Of the files."""

    values: ClassVar[st.SearchStrategy[Any]] = arrays()
    """Arrays or tables, any of which the writer accepts or refuses."""

    alike: ClassVar[Sequence[Any]] = (np.arange(6.0).reshape(2, 3), np.ones((2, 3)), np.full((2, 3), np.nan))
    """Values that belong to one data key, in the order of the events."""

    alien: ClassVar[Any] = object()
    """A value that the writer refuses."""

    def test_is_a_pair(self) -> None:
        """Writer and handler pass `check_pair`."""
        check_pair(
            type(self).writer,  # type: ignore[arg-type]
            type(self).handler,  # type: ignore[arg-type]
            values=self.alike,
            resource_kwargs=self.resource_kwargs,
            suffix=self.suffix,
        )

    def test_whatever_is_accepted_comes_back(self) -> None:
        """A value that the writer takes comes back with its dtype and shape, and is not modified."""

        @settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=40)
        @given(value=self.values)
        def round_trip(value: Any) -> None:
            before = value.copy()  # NumPy 2.0 crashes on a deep copy of variable text
            with tempfile.TemporaryDirectory() as folder:
                path = str(Path(folder) / f"value{self.suffix}")
                try:
                    found = self._write(path, [value])
                except InvalidDataError:
                    reject()
                assert_same(before, value)
                assert_same(value, self._read(path, found[0]))

        round_trip()

    def test_values_of_a_key(self, tmp_path: Path) -> None:
        """The values of several events are found in any order."""
        path = str(tmp_path / f"values{self.suffix}")
        found = self._write(path, self.alike)
        for value, datum_kwargs in reversed(list(zip(self.alike, found, strict=True))):
            assert_same(value, self._read(path, datum_kwargs))

    def test_reading_between_writing(self, tmp_path: Path) -> None:
        """A value can be read before the writer is closed, and the next one written after that."""
        path = str(tmp_path / f"values{self.suffix}")
        writer = self._new(path)
        for value in self.alike:
            assert_same(value, self._read(path, call_writer(writer, "value", value)))
        writer.close()

    def test_refused_value_harms_no_other(self, tmp_path: Path) -> None:
        """A value that is refused leaves those before and after it as they are."""
        path = str(tmp_path / f"values{self.suffix}")
        writer = self._new(path)
        first = call_writer(writer, "value", self.alike[0])
        with pytest.raises(InvalidDataError, match="expected"):
            call_writer(writer, "value", self.alien)
        second = call_writer(writer, "value", self.alike[1])
        writer.close()
        assert_same(self.alike[0], self._read(path, first))
        assert_same(self.alike[1], self._read(path, second))

    def _new(self, path: str) -> Any:
        return type(self).writer(path, **self.resource_kwargs)

    def _write(self, path: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        writer = self._new(path)
        try:
            return [call_writer(writer, "value", value) for value in values]
        finally:
            writer.close()

    def _read(self, path: str, datum_kwargs: Mapping[str, Any]) -> Any:
        handler = type(self).handler(path, **self.resource_kwargs)
        try:
            return handler(**datum_kwargs)
        finally:
            handler.close()
