"""The recorder: values under keys as they arrive, into one or several datastores."""

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
    """Takes values under keys, and gives them back as arrays.

    Parameters
    ----------
    *datastores : DataStore
        Every value goes into all of them; reading is from the first.

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
            raise InvalidDataError(f"{datastores!r} came; expected datastores, e.g. InMemoryDataStore().")
        self.datastores = datastores
        self._closed = False

    def record(self, key: str, value: object) -> None:
        """Append a value to those of a key, in every datastore; it is taken at once.

        Raises
        ------
        InvalidDataError
            The key or the value is not one that can be recorded, or does not fit those before; no datastore has it.
        StoreWriteError
            A datastore cannot write it, which the message names; those before it have it.
        RunClosedError
            The recorder is closed.
        """
        self._check(key, value, is_set=False)
        now = time.time()
        for datastore in self.datastores:
            datastore.append(key, value, now)

    def set(self, key: str, value: object) -> None:
        """Keep a value in the place of the one before; errors as in `record`."""
        self._check(key, value, is_set=True)
        now = time.time()
        for datastore in self.datastores:
            datastore.set(key, value, now)

    def declare(self, key: str, *, ragged: bool = False, dtype: Any = None, **attrs: Any) -> None:
        """Say beforehand what the values of a key are.

        Parameters
        ----------
        key : str
            One that has no values yet.
        ragged : bool
            Whether the shape may change from value to value.
        dtype : dtype, optional
            Of every value; without it, that of the first.
        **attrs
            ``units="eV"`` and whatever else is to be known.
        """
        self._check_open()
        try:
            declared = Declared(ragged, None if dtype is None else np.dtype(dtype).str, attrs)
        except TypeError as error:
            raise InvalidDataError(f"dtype={dtype!r} cannot be declared: {error}. Expected one like 'f8'.") from error
        for datastore in self.datastores:
            datastore.declare(key, declared)

    def get(self, key: str) -> Any:
        """Return the value of a key that was set, or recorded last."""
        return self.datastores[0].get(key)

    def get_all(self, key: str) -> Any:
        """Return all values of a key as a `Series`; of a key that others lie below, a mapping of these by name."""
        return self.datastores[0].get_all(key)

    def times(self, key: str) -> Series:
        """Return when each value of a key was recorded: float64 ``(n,)``, s since 1970."""
        return self.datastores[0].times(key)

    def keys(self) -> list[str]:
        """Return every key, in the order in which they came."""
        return self.datastores[0].keys()

    def flush(self, *, durable: bool = False) -> None:
        """Make everything visible to other processes, and safe from the death of this one, in every datastore.

        Parameters
        ----------
        durable : bool
            Return only when it would outlive a power cut, too.

        Raises
        ------
        StoreWriteError
            A datastore could not, or not with every key; the others did.
        """
        if durable:
            self._of_each(lambda datastore: datastore.flush(durable=True))
        else:
            self._of_each(lambda datastore: datastore.flush())

    def close(self) -> None:
        """Flush and end, every datastore whatever becomes of the others; a second call changes nothing."""
        self._end(lambda datastore: datastore.close())

    def _end(self, end: Callable[[DataStore], None]) -> None:
        try:
            self._of_each(end)
        finally:
            self._closed = True

    def _of_each(self, do: Callable[[DataStore], None]) -> None:
        """Do it with every datastore, and raise the first error afterwards."""
        errors = []
        for datastore in self.datastores:
            try:
                do(datastore)
            except Exception as error:  # noqa: BLE001 - the others come next
                errors.append(error)
        if errors:
            raise errors[0]

    def _check(self, key: str, value: Any, *, is_set: bool) -> None:
        """Refuse what one datastore would refuse, before another has it."""
        self._check_open()
        if len(self.datastores) > 1:
            for datastore in self.datastores:
                datastore.check(key, value, is_set=is_set)

    def _check_open(self) -> None:
        if self._closed:
            raise RunClosedError("the recorder is closed; make another one to record more.")

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
