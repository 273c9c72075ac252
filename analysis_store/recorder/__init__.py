"""Values as they arrive, under keys, from one process or many; in the end a run with its provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.recorder.base import DataStore as DataStore
    from analysis_store.recorder.collector import Collector as Collector
    from analysis_store.recorder.hdf5 import HDF5DataStore as HDF5DataStore
    from analysis_store.recorder.lives import LiveRun as LiveRun
    from analysis_store.recorder.lives import live_runs as live_runs
    from analysis_store.recorder.lives import recover as recover
    from analysis_store.recorder.lives import resume as resume
    from analysis_store.recorder.memory import InMemoryDataStore as InMemoryDataStore
    from analysis_store.recorder.recorder import Recorder as Recorder
    from analysis_store.recorder.recording import Recording as Recording
    from analysis_store.recorder.recording import recorded as recorded
    from analysis_store.recorder.redis import RedisDataStore as RedisDataStore
    from analysis_store.recorder.run import RunDataStore as RunDataStore
    from analysis_store.recorder.series import Series as Series
    from analysis_store.recorder.zarr import ZarrDataStore as ZarrDataStore
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "base": ["DataStore"],
            "collector": ["Collector"],
            "hdf5": ["HDF5DataStore"],
            "lives": ["LiveRun", "live_runs", "recover", "resume"],
            "memory": ["InMemoryDataStore"],
            "recorder": ["Recorder"],
            "recording": ["Recording", "recorded"],
            "redis": ["RedisDataStore"],
            "run": ["RunDataStore"],
            "series": ["Series"],
            "zarr": ["ZarrDataStore"],
        },
    )
