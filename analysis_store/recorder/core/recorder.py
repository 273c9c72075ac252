"""The recorder: records values under keys in one or several datastores."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from analysis_store.errors import InvalidDataError, RunClosedError
from analysis_store.recorder.core.base import DataStore, reason_of
from analysis_store.recorder.core.value_kinds import Declared

if TYPE_CHECKING:
    from analysis_store.recorder.core.series import Series


class Recorder:
    """Records values under keys, and returns them as arrays.

    Parameters
    ----------
    *datastores : DataStore
        Every value is written to all of them; values are read from the first.

    Raises
    ------
    InvalidDataError
        There is no datastore.

    Examples
    --------
    >>> with Recorder(InMemoryDataStore()) as recorder:
    ...     recorder.record("train/loss", 0.5)
    ...     recorder.record("train/loss", 0.25)
    ...     recorder.get_all("train/loss")[:]
    array([0.5 , 0.25])
    """

    def __init__(self, *datastores: DataStore) -> None:
        if not datastores or not all(isinstance(datastore, DataStore) for datastore in datastores):
            raise InvalidDataError(f"Got {datastores!r}; expected datastores, e.g. InMemoryDataStore().")
        self.datastores = datastores
        self._closed = False

    def record(self, key: str, value: object) -> None:
        """Append a value to a key, in every datastore; the value is copied at once.

        Raises
        ------
        InvalidDataError
            The key or the value is invalid, or the value does not fit earlier values; no datastore has recorded it.
        StoreWriteError
            A datastore cannot write it; the message names that datastore. Earlier datastores have recorded the value.
        RunClosedError
            The recorder is closed.
        """
        self._check(key, value, is_set=False)
        now = time.time()
        for datastore in self.datastores:
            datastore.append(key, value, now)

    def set(self, key: str, value: object) -> None:
        """Set the value of a key, in place of the last one; errors as in `record`."""
        self._check(key, value, is_set=True)
        now = time.time()
        for datastore in self.datastores:
            datastore.set(key, value, now)

    def declare(self, key: str, *, ragged: bool = False, dtype: Any = None, **attrs: Any) -> None:
        """Declare the values of a key before the first.

        Parameters
        ----------
        key : str
            A key without values.
        ragged : bool
            If true, values may differ in shape.
        dtype : dtype, optional
            Dtype of every value; default: that of the first.
        **attrs
            ``units="eV"`` and other attributes.
        """
        self._check_open()
        try:
            declared = Declared(ragged, None if dtype is None else np.dtype(dtype).str, attrs)
        except TypeError as error:
            raise InvalidDataError(f"dtype={dtype!r} cannot be declared: {error}; expected e.g. 'f8'.") from error
        for datastore in self.datastores:
            datastore.declare(key, declared)

    def get(self, key: str) -> Any:
        """Return the value of a key that was set or recorded last."""
        return self.datastores[0].get(key)

    def get_all(self, key: str) -> Any:
        """Return all values of a key as a `Series`; for a key with keys below it, a mapping of these by name."""
        return self.datastores[0].get_all(key)

    def times(self, key: str) -> Series:
        """Return the time of each value of a key: float64 ``(n,)``, s since 1970."""
        return self.datastores[0].times(key)

    def keys(self) -> list[str]:
        """Return every key, in the order of their first values."""
        return self.datastores[0].keys()

    def flush(self, *, durable: bool = False) -> None:
        """Make all values visible to other processes, and safe if this process dies, in every datastore.

        Parameters
        ----------
        durable : bool
            Return only when the values would also survive a power cut.

        Raises
        ------
        StoreWriteError
            A datastore could not flush, or not every key; the others have flushed.
        """
        if durable:
            self._of_each(lambda datastore: datastore.flush(durable=True))
        else:
            self._of_each(lambda datastore: datastore.flush())

    def close(self) -> None:
        """Flush and close every datastore, also if others fail; a second call has no effect."""
        self._end(lambda datastore: datastore.close())

    def _end(self, end: Callable[[DataStore], None]) -> None:
        try:
            self._of_each(end)
        finally:
            self._closed = True

    def _of_each(self, do: Callable[[DataStore], None]) -> None:
        """Call a method of every datastore, and raise the first error afterwards."""
        errors = []
        for datastore in self.datastores:
            try:
                do(datastore)
            except Exception as error:  # noqa: BLE001 - the others come next
                errors.append(error)
        if errors:
            raise errors[0]

    def _check(self, key: str, value: Any, *, is_set: bool) -> None:
        """Check a value in all datastores, before any of them records it."""
        self._check_open()
        if len(self.datastores) > 1:
            for datastore in self.datastores:
                datastore.check(key, value, is_set=is_set)

    def _check_open(self) -> None:
        if self._closed:
            raise RunClosedError("the recorder is closed; open a new one to record more.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            reason = reason_of(kind, error)
            self._end(lambda datastore: datastore.fail(reason))

    def __repr__(self) -> str:
        return f"<Recorder of {len(self.keys())} keys into {', '.join(map(repr, self.datastores))}>"
