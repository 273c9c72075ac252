"""State that the code itself changes while it runs, such as a cache or a counter: it counts as unchanged."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from analysis_store.processing.memory.own_code import ABSENT, Place

_MOST = 4096

_same: OrderedDict[tuple[Place, str], str] = OrderedDict()
_changing = threading.Lock()


@dataclass(frozen=True, slots=True)
class Found:
    """Values found at a place."""

    form: str
    """Digest of the text."""

    digest: str
    """Digest of the text and of the value in memory."""

    value: Any
    """Value in memory."""


def canonical(place: Place, digest: str) -> str:
    """Return the digest that a place had before processors ran here, if only they changed it since."""
    return _same.get((place, digest), digest)


def changes(before: dict[Place, Found], after: dict[Place, Found], rebound: set[str]) -> list[Place]:
    """Return the places that changed while a processor ran, by other causes than its own code.

    Parameters
    ----------
    before, after : dict
        Places before and after.
    rebound : set of str
        Names that the code assigns.
    """
    return [
        place
        for place, was in before.items()
        if place in after and after[place].digest != was.digest and not _is_own_doing(place, was, after[place], rebound)
    ]


def accept(before: dict[Place, Found], after: dict[Place, Found]) -> None:
    """Accept the present values as the earlier ones."""
    with _changing:
        for place, was in before.items():
            now = after.get(place)
            if now is not None and now.digest != was.digest:
                _same[place, now.digest] = canonical(place, was.digest)
                while len(_same) > _MOST:
                    _same.popitem(last=False)


def _is_own_doing(place: Place, was: Found, now: Found, rebound: set[str]) -> bool:
    is_same_object = was.value is now.value or was.value is ABSENT
    return was.form == now.form and (is_same_object or place[1] in rebound)
