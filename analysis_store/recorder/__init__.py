"""Recording of values under keys as they arrive, from one or many processes; a recording can become a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.recorder.core.base import DataStore as DataStore
    from analysis_store.recorder.core.memory import InMemoryDataStore as InMemoryDataStore
    from analysis_store.recorder.core.recorder import Recorder as Recorder
    from analysis_store.recorder.core.series import Series as Series
    from analysis_store.recorder.hdf5.datastore import HDF5DataStore as HDF5DataStore
    from analysis_store.recorder.redis.collector import Collector as Collector
    from analysis_store.recorder.redis.datastore import RedisDataStore as RedisDataStore
    from analysis_store.recorder.run.datastore import RunDataStore as RunDataStore
    from analysis_store.recorder.run.finished_run import Recording as Recording
    from analysis_store.recorder.run.finished_run import recorded as recorded
    from analysis_store.recorder.run.live_runs import LiveRun as LiveRun
    from analysis_store.recorder.run.live_runs import live_runs as live_runs
    from analysis_store.recorder.run.live_runs import recover as recover
    from analysis_store.recorder.run.live_runs import resume as resume
    from analysis_store.recorder.zarr.datastore import ZarrDataStore as ZarrDataStore
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "core.base": ["DataStore"],
            "redis.collector": ["Collector"],
            "hdf5.datastore": ["HDF5DataStore"],
            "run.live_runs": ["LiveRun", "live_runs", "recover", "resume"],
            "core.memory": ["InMemoryDataStore"],
            "core.recorder": ["Recorder"],
            "run.finished_run": ["Recording", "recorded"],
            "redis.datastore": ["RedisDataStore"],
            "run.datastore": ["RunDataStore"],
            "core.series": ["Series"],
            "zarr.datastore": ["ZarrDataStore"],
        },
    )
