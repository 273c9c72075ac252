"""A timer for periodic work."""

from __future__ import annotations

import time


class Due:
    """True when a period has passed.

    Parameters
    ----------
    every : float, optional
        Seconds of the period; None means never.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self.begin()

    def begin(self) -> None:
        """Start a new period."""
        self._begun = time.monotonic()

    def is_now(self, *, new: bool = False) -> bool:
        """Return True if the period has passed, or for a new item; always False without a period."""
        return self._every is not None and (new or time.monotonic() - self._begun >= self._every)
