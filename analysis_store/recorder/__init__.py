"""Values as they arrive, under keys, from one process or many; in the end a run with its provenance."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.recorder.base import DataStore
    from analysis_store.recorder.collector import Collector
    from analysis_store.recorder.hdf5 import HDF5DataStore
    from analysis_store.recorder.lives import LiveRun, live_runs, recover, resume
    from analysis_store.recorder.memory import InMemoryDataStore
    from analysis_store.recorder.recorder import Recorder
    from analysis_store.recorder.recording import Recording, recorded
    from analysis_store.recorder.redis import RedisDataStore
    from analysis_store.recorder.run import RunDataStore
    from analysis_store.recorder.series import Series
    from analysis_store.recorder.zarr import ZarrDataStore

_HOMES = {
    "Collector": "collector",
    "DataStore": "base",
    "HDF5DataStore": "hdf5",
    "InMemoryDataStore": "memory",
    "LiveRun": "lives",
    "Recording": "recording",
    "Recorder": "recorder",
    "RedisDataStore": "redis",
    "RunDataStore": "run",
    "Series": "series",
    "ZarrDataStore": "zarr",
    "live_runs": "lives",
    "recorded": "recording",
    "recover": "lives",
    "resume": "lives",
}
__all__ = [
    "Collector",
    "DataStore",
    "HDF5DataStore",
    "InMemoryDataStore",
    "LiveRun",
    "Recorder",
    "Recording",
    "RedisDataStore",
    "RunDataStore",
    "Series",
    "ZarrDataStore",
    "live_runs",
    "recorded",
    "recover",
    "resume",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
