"""Producers, the collector and Redis itself are killed, and come back: each value is there once, and in its order."""

from __future__ import annotations

import random
import signal
import threading
import time
import uuid
from functools import partial

import numpy as np
import pytest

from analysis_store import AnalysisStore
from analysis_store.recorder import Collector, HDF5DataStore, InMemoryDataStore, live_runs, recorded
from tests.faults.children import heard, start
from tests.faults.producers import PRODUCERS, VALUES, collect, collect_and_die, collect_run, record
from tests.redis_server import RedisServer
from tests.sweeps import some

TIMES = 5


@pytest.fixture(scope="module")
def server():
    """A server that keeps everything that it acknowledges."""
    found = RedisServer()
    yield found
    found.close()


@pytest.fixture
def name() -> str:
    """The name of a recording that no other test has."""
    return uuid.uuid4().hex


class Worker:
    """A process that is killed and started again until its work is done."""

    def __init__(self, work, *arguments) -> None:
        self._work, self._arguments = work, arguments
        self.said, self.kills = [], 0
        self.start()

    def start(self) -> None:
        """Start it."""
        self._process, self._connection = start(self._work, *self._arguments)

    def kill(self) -> None:
        """Kill it, and start another one unless it was done."""
        self._process.kill()
        self._process.join()
        self.said += heard(self._connection)
        if "done" not in self.said:
            self.kills += 1
            self.start()

    def is_open(self) -> bool:
        """Wait until it has begun; return whether it has not ended before."""
        try:
            self.said.append(self._connection.recv())
        except EOFError:
            return False
        return "done" not in self.said

    def finish(self) -> None:
        """Wait until it is done."""
        if "done" not in self.said:
            self._process.join(60)
            self.said += heard(self._connection)
        assert "done" in self.said, f"{self._work.__name__} ended with {self._process.exitcode}"


def check(datastore) -> None:
    """All values are there, once, and those of each producer in their order."""
    for odd, key in enumerate(("even", "odd")):
        values, times = datastore.get_all(key)[:], datastore.times(key)[:]
        assert len(values) == PRODUCERS * VALUES // 2
        assert np.array_equal(values % VALUES, times)
        for number in range(PRODUCERS):
            of_one = values[values // VALUES == number] - number * VALUES
            assert np.array_equal(of_one, np.arange(odd, VALUES, 2))


@pytest.mark.parametrize("seed", some(range(TIMES), 1))
def test_producers_are_killed(server, name, seed):
    """A producer that is killed and started again goes on where the server has it."""
    moments = random.Random(seed)
    datastore = InMemoryDataStore()
    workers = [Worker(record, server.url, name, number) for number in range(PRODUCERS)]
    with Collector(server.url, name, datastore) as collector:
        thread = threading.Thread(target=collector.run, args=(PRODUCERS,))
        thread.start()
        for _ in range(6):
            time.sleep(moments.uniform(0.02, 0.2))
            moments.choice(workers).kill()
        for worker in workers:
            worker.finish()
        thread.join(60)

    check(datastore)


@pytest.mark.parametrize("seed", some(range(TIMES), 1))
def test_collector_is_killed(server, name, seed, tmp_path):
    """What a killed collector had written is not written again by the next one, and what it had not is."""
    moments = random.Random(seed)
    path = tmp_path / "run.h5"
    workers = [Worker(record, server.url, name, number, 300) for number in range(PRODUCERS)]
    collector = Worker(collect, server.url, name, path)
    while collector.kills < 8 and collector.is_open():
        time.sleep(moments.uniform(0.0, 0.1))
        collector.kill()
    for worker in [*workers, collector]:
        worker.finish()

    with HDF5DataStore(path) as datastore:
        check(datastore)


@pytest.mark.parametrize("seed", some(range(3), 1))
def test_collector_of_a_run_is_killed(server, name, seed, tmp_path):
    """The next one goes on with the run, which in the end is one run of the store, with each value once."""
    moments = random.Random(seed)
    workers = [Worker(record, server.url, name, number, 300) for number in range(PRODUCERS)]
    collector = Worker(collect_run, server.url, name, tmp_path)
    while collector.kills < 4 and collector.is_open():
        time.sleep(moments.uniform(0.0, 0.3))
        collector.kill()
    for worker in [*workers, collector]:
        worker.finish()

    with AnalysisStore(tmp_path) as store:
        assert len(store) == 1
        assert store[-1].verify()
        assert not live_runs(store)
        found = recorded(store[-1])
        values = np.concatenate([found["even"][:], found["odd"][:]])
        assert sorted(values) == list(range(PRODUCERS * VALUES))
        assert store[-1].stop["exit_status"] == "success"


@pytest.mark.parametrize("when", ["before", "after"])
def test_collector_is_killed_around_the_leaving(server, name, when, tmp_path):
    """A collector that dies when values are in the datastore and still in Redis, or just no longer, spoils nothing."""
    path = tmp_path / "run.h5"
    workers = [Worker(record, server.url, name, number) for number in range(PRODUCERS)]
    for _ in range(3):
        process, _ = start(partial(collect_and_die, when=when), server.url, name, path)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    for worker in [*workers, Worker(collect, server.url, name, path)]:
        worker.finish()

    with HDF5DataStore(path) as datastore:
        check(datastore)


@pytest.mark.parametrize("seed", some(range(TIMES), 1))
def test_server_is_killed(name, seed):
    """Producers and the collector wait for a server that comes back, and go on with it."""
    moments = random.Random(seed)
    datastore = InMemoryDataStore()
    server = RedisServer()
    try:
        workers = [Worker(record, server.url, name, number) for number in range(PRODUCERS)]
        with Collector(server.url, name, datastore) as collector:
            while collector._link.ask("HLEN", "owners") < PRODUCERS:  # a producer does not start without a server
                time.sleep(0.01)
            thread = threading.Thread(target=collector.run, args=(PRODUCERS,))
            thread.start()
            for _ in range(3):
                time.sleep(moments.uniform(0.01, 0.15))
                server.kill()
                time.sleep(moments.uniform(0.0, 0.1))
                server.start()
            for worker in workers:
                worker.finish()
            thread.join(60)
    finally:
        server.close()

    check(datastore)
    for worker in workers:
        acknowledged = [said for said in worker.said if said != "done"]
        assert acknowledged == sorted(acknowledged)
        assert acknowledged[-1] == VALUES


def test_all_are_killed(name, tmp_path):
    """So it is when everything dies, one after the other, again and again."""
    moments = random.Random(7)
    server, path = RedisServer(), tmp_path / "run.h5"
    try:
        workers = [Worker(record, server.url, name, number) for number in range(PRODUCERS)]
        collector = Worker(collect, server.url, name, path)
        for turn in range(20):
            time.sleep(moments.uniform(0.02, 0.2))
            if turn % 3 == 0:
                server.kill()
                server.start()
            else:
                moments.choice([*workers, collector]).kill()
        for worker in [*workers, collector]:
            worker.finish()
    finally:
        server.close()

    with HDF5DataStore(path) as datastore:
        check(datastore)
