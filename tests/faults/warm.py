"""Imports what a save and a look at it need, for processes that are forked from the one that has imported this."""

from __future__ import annotations

import tempfile

from analysis_store import AnalysisStore
from tests.faults.on_disk import ORIGIN, assert_works, result

with tempfile.TemporaryDirectory() as folder, AnalysisStore(folder) as store:
    store.insert(result(0, 200_000), {}, provenance=ORIGIN)
    assert_works(store)
