"""State of a recording: number of values, rate and last value of each key, as a table or as JSON."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.cli.canvas import sparkline

if TYPE_CHECKING:
    from analysis_store.cli.follow import Followed
    from analysis_store.documents import Document

COLUMNS = ("key", "values", "per second", "last", "")
_RECENT = 200
"""Number of last values in the rate and the sparkline."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """State of one key."""

    key: str
    count: int
    rate: float | None
    """Recent values per second; None with too few values."""
    time: float
    """Time of the last value, s since 1970."""
    last: Any
    curve: str
    """A sparkline of numbers, empty for other values."""

    def to_document(self) -> Document:
        """Return the state as JSON values."""
        return {"values": self.count, "rate": self.rate, "time": self.time, "last": plain(self.last)}

    def row(self) -> list[str]:
        """Return the row of a table with `COLUMNS`."""
        rate = "" if self.rate is None else f"{self.rate:.3g}"
        return [self.key, str(self.count), rate, brief(self.last), self.curve]


def states(followed: Followed, *, now: float | None = None) -> list[KeyState]:
    """Return the state of each key; give ``now`` for a live recording, so that its rate falls while no values come."""
    return [_state(followed, key, now) for key in followed.keys()]  # noqa: SIM118 - no mapping


def _state(followed: Followed, key: str, now: float | None) -> KeyState:
    count, is_number = followed.count(key), followed.is_number(key)
    begin = max(0, count - _RECENT)
    times = followed.times(key, begin, count)
    values = followed.values(key, begin if is_number else count - 1, count)
    curve = sparkline(np.asarray(values), 30) if is_number and count > 1 else ""
    return KeyState(key, count, _rate(times, now), float(times[-1]), values[-1], curve)


def _rate(times: np.ndarray, now: float | None) -> float | None:
    if times.size < 2:
        return None
    until = times[-1] if now is None else max(now, times[-1])
    return float((times.size - 1) / (until - times[0])) if until > times[0] else None


def brief(value: object) -> str:
    """Return a value as short text: a number itself; for an array, dtype, shape, minimum and maximum."""
    if isinstance(value, np.generic):
        value = plain(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        size = " × ".join(map(str, value.shape))
        if value.dtype.kind in "biuf" and value.size:
            return f"{value.dtype} [{size}] {brief(value.min().item())} … {brief(value.max().item())}"
        return f"{value.dtype} [{size}]"
    text = str(value) if isinstance(value, (str, int, bool)) else repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def plain(value: object) -> Any:
    """Return NumPy scalars and arrays as Python numbers and lists, for JSON."""
    if not isinstance(value, (np.generic, np.ndarray)):
        return value
    return (value.astype(str) if value.dtype.kind in "mM" else value).tolist()  # times of any unit as text


def stamp(seconds: float) -> str:
    """Return a time as text, in the local time zone, to the millisecond."""
    base = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(seconds))
    return f"{base}.{int(seconds % 1 * 1000):03d}"
