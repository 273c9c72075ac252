"""A recorded run, read by the keys under which its values were recorded."""

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
    """Recorded values by key: a `LazyArray` for a recorded key, the value of a set key."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._places = {
            str(entry[KEY]): (str(descriptor["name"]), name)
            for descriptor in run.descriptors
            for name, entry in descriptor["data_keys"].items()
            if KEY in entry
        }

    def __getitem__(self, key: str) -> Any:
        """Return the values of a key, lazily; or the value, if it was set.

        Raises
        ------
        KeyNotFoundError
            The key was not recorded in this run.
        """
        if key not in self._places:
            raise KeyNotFoundError(
                f"{key!r} was not recorded in run {self.run.uid}; recorded keys: {', '.join(self) or 'none'}."
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
        """Return the time of each value: float64 ``(n,)``, s since 1970."""
        self[key]
        return self.run[self._places[key][0]].times

    def __repr__(self) -> str:
        return f"<Recording of {len(self)} keys in run {self.run.uid}>"


class Current(Through):
    """The values of a key, in the live file or in the finished run."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self._find = find

    @property
    def _source(self) -> Any:
        return self._find()
