"""Imports what a save and a look at it need, for processes that are forked from the one that has imported this."""

from __future__ import annotations

import importlib
import tempfile

from analysis_store import AnalysisStore
from tests.faults.on_disk import ORIGIN, assert_works, result

for name in (
    "analysis_store.recorder.hdf5.datastore",
    "analysis_store.recorder.redis.collector",
    "tests.faults.producers",
    "redis",
):
    importlib.import_module(name)

with tempfile.TemporaryDirectory() as folder, AnalysisStore(folder) as store:
    store.insert(result(0, 200_000), {}, provenance=ORIGIN)
    assert_works(store)
