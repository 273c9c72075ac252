"""A run that was recorded, read by the keys under which its values came."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from analysis_store.core.lazy import Through
from analysis_store.errors import KeyNotFoundError
from analysis_store.recorder.run.finalize import KEY, SET

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run


def recorded(run: Run) -> Recording:
    """Return the values of a run by the keys under which they were recorded.

    Examples
    --------
    >>> recorded(run)["train/loss"][-10:]  # doctest: +SKIP
    """
    return Recording(run)


class Recording(Mapping[str, Any]):
    """What was recorded, by key: of a key that was recorded a `LazyArray`, of one that was set its value."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._places = {
            str(entry[KEY]): (str(descriptor["name"]), name)
            for descriptor in run.descriptors
            for name, entry in descriptor["data_keys"].items()
            if KEY in entry
        }

    def __getitem__(self, key: str) -> Any:
        """Return the values of a key, unread; or the value, if it was set.

        Raises
        ------
        KeyNotFoundError
            It was not recorded in this run.
        """
        if key not in self._places:
            raise KeyNotFoundError(
                f"{key!r} was not recorded in run {self.run.uid}; it has {', '.join(self) or 'no key'}."
            )
        stream, name = self._places[key]
        values = self.run[stream][name]
        return values[0] if stream == SET else values

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def times(self, key: str) -> Any:
        """Return when each value was known: float64 ``(n,)``, s since 1970."""
        self[key]
        return self.run[self._places[key][0]].times

    def __repr__(self) -> str:
        return f"<Recording of {len(self)} keys in run {self.run.uid}>"


class Current(Through):
    """The values of a key, where they are now: in the live file, or in the run that it became."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    @property
    def _source(self) -> Any:
        return self._find()
