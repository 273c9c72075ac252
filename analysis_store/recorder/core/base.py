"""The base class of datastores, which keep the values of a recorder by key."""

from __future__ import annotations

import errno
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from analysis_store.errors import InvalidDataError, KeyNotFoundError, RunClosedError, StoreWriteError
from analysis_store.recorder.core.value_kinds import Declared, Form, checked_declared, form_of

if TYPE_CHECKING:
    from analysis_store.recorder.core.series import Series

_LONGEST_REASON = 2000
_LONGEST_KEY = 1000
_LONGEST_NAME = 255
"""Largest number of bytes of a folder's name: each name of a key is a folder in a Zarr directory."""


class DataStore(ABC):
    """A place for recorded values. This class has the common behaviour; a subclass stores and reads the values.

    A key is a path: ``"train/loss"``. A key has values, or keys below it, never both. A key is used with `append` (all
    values are kept) or with `set` (only the last is), never both.

    Any number of threads may use a datastore: the methods of a subclass are called one at a time. Only one process
    writes, unless the class says otherwise. A subclass that opens existing values calls `_known` for each key
    before the first record.
    """

    is_durable: ClassVar[bool] = False
    """True if this datastore alone guarantees ``flush(durable=True)``."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forms: dict[str, Form] = {}
        self._sets: set[str] = set()
        self._declared: dict[str, Declared] = {}
        self._closed = False

    # ------------------------------------------------------------------------------- what a subclass does

    @abstractmethod
    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        """Create a new key; its first value follows."""

    @abstractmethod
    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        """Add a value, a copy in its form; or raise an error and leave the key unchanged."""

    @abstractmethod
    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        """Replace the value of a key; as `_append`."""

    @abstractmethod
    def _last(self, key: str) -> Any:
        """Return the last value of a key, as it was given."""

    @abstractmethod
    def _series(self, key: str) -> Series:
        """Return all values of an appended key, including values that are not flushed yet."""

    @abstractmethod
    def _times(self, key: str) -> Series:
        """Return the time of each value."""

    @abstractmethod
    def _flush(self) -> None:
        """Make all values visible to other processes, and safe if this process dies."""

    @abstractmethod
    def _close(self) -> None:
        """Close, after the last flush. Recorded values can still be read."""

    def _secure(self) -> None:
        """Make all flushed values durable; raise an error if that is impossible."""
        raise StoreWriteError(
            errno.ENOTSUP,
            f"{self!r} cannot guarantee that recorded values survive a power cut; they were flushed as usual. Record "
            "into an HDF5DataStore or a RunDataStore, instead or in addition",
        )

    def _refresh(self) -> None:  # noqa: B027 - most have nothing to do
        """Find keys that another process has added, if there may be any; called before each lookup."""

    def _known(self, key: str, form: Form, *, is_set: bool = False) -> None:
        """Register an existing key."""
        self._forms[key] = form
        if is_set:
            self._sets.add(key)

    # ---------------------------------------------------------------------------------------------- in

    def append(self, key: str, value: object, time: float) -> None:
        """Append a value with its ``time``, s since 1970, to a key; the value is copied at once.

        Raises
        ------
        InvalidDataError
            The value does not fit the key, or the key is invalid; the key is unchanged.
        StoreWriteError
            The value cannot be written; the message says why. Flushed values are kept.
        RunClosedError
            The datastore is closed.
        """
        with self._lock:
            form, fitted = self._fitted(key, value, is_set=False)
            self._append(key, form, fitted, time)

    def set(self, key: str, value: object, time: float) -> None:
        """Set the value of a key, in place of the last one; errors as in `append`."""
        with self._lock:
            form, fitted = self._fitted(key, value, is_set=True)
            self._set(key, form, fitted, time)

    def check(self, key: str, value: object, *, is_set: bool = False) -> None:
        """Check a value; errors as in `append` and `set`."""
        with self._lock:
            self._form_for(key, value, is_set=is_set).fitted(value, key)

    def declare(self, key: str, declared: Declared) -> None:
        """Declare the values of a key before the first.

        Raises
        ------
        InvalidDataError
            The key has values already; or the declaration is invalid.
        """
        with self._lock:
            self._check_open()
            if checked_key(key, self._forms) in self._forms:
                raise InvalidDataError(f"{key!r} has values already; declare a key before its first value.")
            self._declared[key] = checked_declared(declared)

    def _fitted(self, key: str, value: Any, *, is_set: bool) -> tuple[Form, Any]:
        form = self._form_for(key, value, is_set=is_set)
        fitted = form.fitted(value, key)
        if key not in self._forms:
            self._add_key(key, form, is_set=is_set)
            self._known(key, form, is_set=is_set)
        return form, fitted

    def _form_for(self, key: str, value: Any, *, is_set: bool) -> Form:
        self._check_open()
        form = self._forms.get(key)
        if form is None:
            return form_of(value, checked_key(key, self._forms), self._declared.get(key), is_set=is_set)
        if (key in self._sets) != is_set:
            before, now = ("recorded", "set") if is_set else ("set", "recorded")
            raise InvalidDataError(f"{key!r} was {before} before, and is {now} now; use another key for one of them.")
        return form

    def _check_open(self) -> None:
        if self._closed:
            raise RunClosedError(f"{self!r} is closed; open another one to record more.")

    # --------------------------------------------------------------------------------------------- back

    def keys(self) -> list[str]:
        """Return every key with values, in the order of their first values."""
        with self._lock:
            self._refresh()
            return list(self._forms)

    def form(self, key: str) -> Form | None:
        """Return the form of a key's values; None without values."""
        with self._lock:
            self._refresh()
            return self._forms.get(key)

    def get(self, key: str) -> Any:
        """Return the value that was set or appended last.

        Raises
        ------
        KeyNotFoundError
            There is no such key.
        """
        with self._lock:
            return self._last(self._there(key))

    def get_all(self, key: str) -> Any:
        """Return all values of a key as a `Series`; for a key with keys below it, a mapping of these by name.

        For a key used with `set`, the value is returned.
        """
        with self._lock:
            self._refresh()
            if key in self._forms:
                return self._last(key) if key in self._sets else self._series(key)
            below = below_of(self._forms, key)
            if not below:
                self._there(key)
            return {name: self.get_all(f"{key}/{name}" if key else name) for name in below}

    def times(self, key: str) -> Series:
        """Return the time of each value of a key: float64 ``(n,)``, s since 1970."""
        with self._lock:
            return self._times(self._there(key))

    def flush(self, *, durable: bool = False) -> None:
        """Make all recorded values visible to other processes, and safe if this process dies.

        Parameters
        ----------
        durable : bool
            Return only when the values would also survive a power cut.

        Raises
        ------
        StoreWriteError
            The disk or the server refused a write; or the values were flushed but cannot be made durable here, as
            the message explains.
        """
        with self._lock:
            self._check_open()
            self._flush()
            if durable:
                self._secure()

    def close(self) -> None:
        """Flush and close; a second call has no effect. Recorded values can still be read."""
        with self._lock:
            if self._closed:
                return
            try:
                self._flush()
            finally:
                self._closed = True
                self._close()

    def fail(self, reason: str) -> None:
        """Close because an exception ended the recording; a datastore that stores the reason overrides this."""
        self.close()

    def _there(self, key: str) -> str:
        self._refresh()
        if key not in self._forms:
            known = f"recorded keys: {', '.join(list(self._forms)[:20])}" if self._forms else "no key is recorded yet"
            raise KeyNotFoundError(f"{key!r} is not recorded; {known}.")
        return key

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.fail(reason_of(kind, error))


def reason_of(kind: type[BaseException], error: BaseException | None) -> str:
    """Return the message of an exception that ended a recording, shortened."""
    return f"{kind.__name__}: {error}"[:_LONGEST_REASON]


def checked_key(key: Any, keys: Iterable[str] = ()) -> str:
    """Return a key that is valid in all datastores.

    Raises
    ------
    InvalidDataError
        The key is invalid; or it is below or above one of ``keys``.
    """
    names = key.split("/") if isinstance(key, str) else [""]
    if any(name in {"", ".", ".."} or not name.isprintable() for name in names):
        raise InvalidDataError(f"Got {key!r} as a key; expected names joined by '/', like 'train/loss'.")
    if len(key.encode()) > _LONGEST_KEY or any(len(name.encode()) > _LONGEST_NAME for name in names):
        raise InvalidDataError(
            f"Got the key {key[:80]!r}… of {len(key.encode())} bytes; expected at most {_LONGEST_KEY}, and "
            f"{_LONGEST_NAME} for each name in it. Use a shorter one, and keep the long text as a value."
        )
    for other in keys:
        if other.startswith(f"{key}/") or key.startswith(f"{other}/"):
            raise InvalidDataError(f"{key!r} cannot be recorded with {other!r}: a key has values, or keys below it.")
    return str(key)


def below_of(keys: Iterable[str], key: str) -> list[str]:
    """Return the names directly below a key, in order."""
    prefix = f"{key}/" if key else ""
    return list(dict.fromkeys(other[len(prefix) :].partition("/")[0] for other in keys if other.startswith(prefix)))
