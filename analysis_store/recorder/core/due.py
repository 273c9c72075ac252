"""When something is to be done that is done every so often."""

from __future__ import annotations

import time


class Due:
    """Tells whether it is time again.

    Parameters
    ----------
    every : float, optional
        Seconds from one time to the next; None is never.
    """

    def __init__(self, every: float | None) -> None:
        self._every = every
        self.begin()

    def begin(self) -> None:
        """Count from now on."""
        self._begun = time.monotonic()

    def is_now(self, *, new: bool = False) -> bool:
        """Say whether it is time; at something new it always is, unless it never is."""
        return self._every is not None and (new or time.monotonic() - self._begun >= self._every)
