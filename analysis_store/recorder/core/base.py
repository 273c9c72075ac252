"""What a datastore is: where the values that a recorder is given are kept, by key, and read again."""

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
"""Bytes, as a folder's name may have: each name of a key is one in a Zarr directory."""


class DataStore(ABC):
    """A place for recorded values; what every datastore does alike is here, a subclass keeps and reads them.

    A key is a path: ``"train/loss"``. A key has values, or keys below it, not both. Of a key that is appended to all
    values are kept, of one that is set the last; one key is the one or the other.

    Any number of threads may use a datastore: the methods of a subclass are called one at a time. Of processes one
    writes, unless its class says otherwise. A subclass that finds values already there calls `_known` for each key
    before anything is recorded.
    """

    is_durable: ClassVar[bool] = False
    """Whether ``flush(durable=True)`` keeps its promise by this datastore alone."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._forms: dict[str, Form] = {}
        self._sets: set[str] = set()
        self._declared: dict[str, Declared] = {}
        self._closed = False

    # ------------------------------------------------------------------------------- what a subclass does

    @abstractmethod
    def _add_key(self, key: str, form: Form, *, is_set: bool) -> None:
        """Make room for a new key; the first value follows."""

    @abstractmethod
    def _append(self, key: str, form: Form, value: Any, time: float) -> None:
        """Add a value, which is as its form gives it, and nobody else's; or raise, and leave the key as it was."""

    @abstractmethod
    def _set(self, key: str, form: Form, value: Any, time: float) -> None:
        """Keep a value in the place of the one before; as `_append`."""

    @abstractmethod
    def _last(self, key: str) -> Any:
        """Return the last value of a key that has one, as it was given."""

    @abstractmethod
    def _series(self, key: str) -> Series:
        """Return all values of a key that is appended to, those that were not flushed yet among them."""

    @abstractmethod
    def _times(self, key: str) -> Series:
        """Return when each was known."""

    @abstractmethod
    def _flush(self) -> None:
        """Make everything visible to other processes and safe from the death of this one."""

    @abstractmethod
    def _close(self) -> None:
        """End, after the last flush. What was recorded can still be read."""

    def _secure(self) -> None:
        """Make everything that was flushed safe from a power cut; what cannot do that refuses."""
        raise StoreWriteError(
            errno.ENOTSUP,
            f"{self!r} cannot promise that what was recorded survives a power cut; it was flushed as usual. Record "
            "into an HDF5DataStore or a RunDataStore, instead or as well",
        )

    def _refresh(self) -> None:  # noqa: B027 - most have nothing to do
        """Take note of keys that another process has added, where that can be; called before anything is looked up."""

    def _known(self, key: str, form: Form, *, is_set: bool = False) -> None:
        """Take note of a key that was there before."""
        self._forms[key] = form
        if is_set:
            self._sets.add(key)

    # ---------------------------------------------------------------------------------------------- in

    def append(self, key: str, value: object, time: float) -> None:
        """Add a value, known at ``time``, s since 1970, to those of a key; it is taken at once.

        Raises
        ------
        InvalidDataError
            The value does not fit the key, whose length stays as it was; or the key is none.
        StoreWriteError
            It cannot be written; the message says why, and what was flushed before is still there.
        RunClosedError
            The datastore is closed.
        """
        with self._lock:
            form, fitted = self._fitted(key, value, is_set=False)
            self._append(key, form, fitted, time)

    def set(self, key: str, value: object, time: float) -> None:
        """Keep a value in the place of the one before; errors as in `append`."""
        with self._lock:
            form, fitted = self._fitted(key, value, is_set=True)
            self._set(key, form, fitted, time)

    def check(self, key: str, value: object, *, is_set: bool = False) -> None:
        """Refuse what `append` or `set` would refuse."""
        with self._lock:
            self._form_for(key, value, is_set=is_set).fitted(value, key)

    def declare(self, key: str, declared: Declared) -> None:
        """Say beforehand what the values of a key are.

        Raises
        ------
        InvalidDataError
            The key has values already; or they cannot be like that.
        """
        with self._lock:
            self._check_open()
            if checked_key(key, self._forms) in self._forms:
                raise InvalidDataError(f"{key!r} has values already; declare a key before the first.")
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
        """Return every key that has values, in the order in which they came."""
        with self._lock:
            self._refresh()
            return list(self._forms)

    def form(self, key: str) -> Form | None:
        """Return what the values of a key are; None of one that has none."""
        with self._lock:
            self._refresh()
            return self._forms.get(key)

    def get(self, key: str) -> Any:
        """Return the value that was set, or appended last.

        Raises
        ------
        KeyNotFoundError
            There is no such key.
        """
        with self._lock:
            return self._last(self._there(key))

    def get_all(self, key: str) -> Any:
        """Return all values of a key as a `Series`; of a key that others lie below, a mapping of these by name.

        Of a key that is set, the value is returned.
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
        """Return when each value of a key was known: float64 ``(n,)``, s since 1970."""
        with self._lock:
            return self._times(self._there(key))

    def flush(self, *, durable: bool = False) -> None:
        """Make everything that was recorded visible to other processes, and safe from the death of this one.

        Parameters
        ----------
        durable : bool
            Return only when it would outlive a power cut, too.

        Raises
        ------
        StoreWriteError
            The disk, or the server, refused it; or it cannot be made durable here, which the message explains, and was
            flushed as usual.
        """
        with self._lock:
            self._check_open()
            self._flush()
            if durable:
                self._secure()

    def close(self) -> None:
        """Flush and end; a second call changes nothing. What was recorded can still be read."""
        with self._lock:
            if self._closed:
                return
            try:
                self._flush()
            finally:
                self._closed = True
                self._close()

    def fail(self, reason: str) -> None:
        """Close because an exception ended the recording; a datastore that can tell why overrides this."""
        self.close()

    def _there(self, key: str) -> str:
        self._refresh()
        if key not in self._forms:
            known = f"recorded are {', '.join(list(self._forms)[:20])}" if self._forms else "nothing is recorded yet"
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
    """Return what an exception that ended a recording says, in few words."""
    return f"{kind.__name__}: {error}"[:_LONGEST_REASON]


def checked_key(key: Any, keys: Iterable[str] = ()) -> str:
    """Return a key that all datastores can have.

    Raises
    ------
    InvalidDataError
        It is none; or lies below one of ``keys``, or above one.
    """
    names = key.split("/") if isinstance(key, str) else [""]
    if any(name in {"", ".", ".."} or not name.isprintable() for name in names):
        raise InvalidDataError(f"{key!r} came as a key; expected names with '/' between them, like 'train/loss'.")
    if len(key.encode()) > _LONGEST_KEY or any(len(name.encode()) > _LONGEST_NAME for name in names):
        raise InvalidDataError(
            f"Got the key {key[:80]!r}… of {len(key.encode())} bytes; expected at most {_LONGEST_KEY}, and "
            f"{_LONGEST_NAME} for each name in it. Use a shorter one, and keep the long text as a value."
        )
    for other in keys:
        if other.startswith(f"{key}/") or key.startswith(f"{other}/"):
            raise InvalidDataError(f"{key!r} cannot be recorded beside {other!r}: a key has values, or keys below it.")
    return str(key)


def below_of(keys: Iterable[str], key: str) -> list[str]:
    """Return the names directly below a key, in their order."""
    prefix = f"{key}/" if key else ""
    return list(dict.fromkeys(other[len(prefix) :].partition("/")[0] for other in keys if other.startswith(prefix)))
