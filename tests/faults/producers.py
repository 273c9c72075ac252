"""What producers and the collector of a recording do in the tests of faults; imports little, to start fast."""

from __future__ import annotations

import os
import signal

from analysis_store import AnalysisStore, Provenance
from analysis_store.recorder import RunDataStore, live_runs, resume
from analysis_store.recorder.hdf5.datastore import HDF5DataStore
from analysis_store.recorder.redis import scripts
from analysis_store.recorder.redis.collector import Collector
from analysis_store.recorder.redis.datastore import RedisDataStore

PRODUCERS = 3
VALUES = 2000


def record(connection, url, name, number, room=1500):
    """Record what is still missing of a producer's values under two keys, and tell what the server has acknowledged."""
    with RedisDataStore(url, name, producer=f"p{number}", maxlen=room) as datastore:
        for index in range(datastore.taken, VALUES):
            datastore.append("even" if index % 2 == 0 else "odd", number * VALUES + index, float(index))
            if index % 100 == 99:
                datastore.flush()
                connection.send(datastore.taken)
    connection.send("done")


def collect(connection, url, name, path):
    """Collect everything into a file, which is written when the collector says so and at no other time."""
    with HDF5DataStore(path, flush_every=60.0) as datastore, Collector(url, name, datastore) as collector:
        connection.send("open")
        collector.run(PRODUCERS)
    connection.send("done")


def collect_and_die(connection, url, name, path, *, when):
    """Collect, and be killed around the moment when what was written leaves the server."""
    with HDF5DataStore(path, flush_every=60.0) as datastore, Collector(url, name, datastore) as collector:
        run = collector._link.run

        def last(script, *arguments):
            if script == scripts.FORGET and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            answer = run(script, *arguments)
            if script == scripts.FORGET:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        collector._link.run = last
        collector.run(PRODUCERS)


def collect_run(connection, url, name, location):
    """Collect everything into a run, which is gone on with where its collector died."""
    with AnalysisStore(location) as store:
        left = live_runs(store)
        origin = Provenance(origin="synthetic", note="made by a test")
        datastore = resume(store, left[0].uid) if left else RunDataStore(store, {}, origin)
        connection.send("open")
        with datastore, Collector(url, name, datastore) as collector:
            collector.run(PRODUCERS)
    connection.send("done")
