"""A recording that is a run does what every datastore promises: while it is live, and when it is read from the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest

from analysis_store import AnalysisStore
from analysis_store.recorder import RunDataStore, live_runs
from analysis_store.testing import DataStoreTests
from tests.faults.on_disk import ORIGIN


@pytest.mark.slow  # the live file is that of an HDF5 datastore, whose tests are not
class TestRun(DataStoreTests):
    """A run: another process reads the live file; what is closed is read from the run file."""

    appends: ClassVar[bool] = False

    @pytest.fixture(autouse=True)
    def _stores(self) -> Iterator[None]:
        """Close the stores that a test has made."""
        with ExitStack() as self.stores:
            yield

    def make(self, path: Path) -> RunDataStore:
        """Return a recording that has just begun."""
        self.last = RunDataStore(self.stores.enter_context(AnalysisStore(path / "store")), {}, ORIGIN)
        return self.last

    def reopen(self, path: Path) -> Any:
        """Return what is in the live file; what was closed is in the store."""
        if not (path / "store").exists():
            return None
        with AnalysisStore(path / "store") as store:
            found = live_runs(store)
        return found[0].datastore() if found else self.last
