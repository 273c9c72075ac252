"""Values of a key in Redis, read like a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from analysis_store.recorder.redis.values import decoded

if TYPE_CHECKING:
    from analysis_store.recorder.core.value_kinds import Form
    from analysis_store.recorder.redis.connection import Link


class Kept:
    """The values of a recording that stays in Redis; only the requested values are fetched.

    Parameters
    ----------
    link : Link
        The server.
    key : str
        A key with values.
    form : Form, optional
        The form of the values; without it, their times are read.
    before : callable
        Sends the values recorded in this process; called before each read.
    """

    def __init__(self, link: Link, key: str, form: Form | None, before: Callable[[], None]) -> None:
        self._link, self._form, self._before = link, form, before
        self._name = f"{'times' if form is None else 'values'}:{key}"

    def __len__(self) -> int:
        self._before()
        return int(self._link.ask("LLEN", self._name))

    def __getitem__(self, chosen: int | slice) -> Any:
        if isinstance(chosen, slice):
            return self._fetched(range(*chosen.indices(len(self))))
        self._before()
        found = self._link.ask("LINDEX", self._name, int(chosen))
        if found is None:
            raise IndexError(f"index {chosen} is out of bounds: there are {len(self)} values")
        return _read(found, self._form)

    def _fetched(self, places: range) -> list[Any]:
        if not places:
            return []
        first, last = min(places[0], places[-1]), max(places[0], places[-1])
        found = self._link.ask("LRANGE", self._name, first, last)
        return [_read(found[place - first], self._form) for place in places]


def waiting(link: Link, key: str, form: Form | None) -> list[Any]:
    """Return the values of a key, or without a form their times, that are not collected yet."""
    entries = link.ask("XRANGE", "values", "-", "+")
    field = b"time" if form is None else b"value"
    name = key.encode()
    return [_read(entry[field], form) for _, entry in entries if entry[b"key"] == name]


def _read(data: bytes, form: Form | None) -> Any:
    return float(data) if form is None else decoded(form, data)
