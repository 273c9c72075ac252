"""What the tests of a datastore are given: one, and what outlives it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from analysis_store.testing.datastores.cases import NOW, close_it

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore


class Suite:
    """Description of a datastore by a subclass of the suite."""

    visible_within: ClassVar[float | None] = 1.0
    """Seconds after which another process sees a value without a flush; None where none ever does."""

    appends: ClassVar[bool] = True
    """Whether what was recorded can be gone on with after closing."""

    def make(self, path: Path) -> DataStore:
        """Return a datastore in a directory: a new one, or what was recorded there before, to go on with."""
        raise NotImplementedError(f"{type(self).__name__}.make returns a datastore in {path}")

    def reopen(self, path: Path) -> Any:
        """Return what was recorded, to be read; also while it is being recorded. None where nothing outlives it."""
        return None

    def _both(self, path: Path, fill: Any) -> Any:
        """Yield a datastore that was filled: before a flush, after it, after closing, and opened again."""
        with self.make(path) as datastore:
            fill(datastore)
            yield datastore
            datastore.flush()
            yield datastore
        yield datastore
        again = self.reopen(path)
        if again is not None:
            yield again
            close_it(again)

    def _outlives(self, path: Path) -> bool:
        path.mkdir()
        with self.make(path) as datastore:
            datastore.append("a", 1, NOW)
        found = self.reopen(path)
        close_it(found)
        return found is not None
