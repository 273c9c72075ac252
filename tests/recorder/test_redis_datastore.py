"""Recording through a real Redis server: many producers, one collector, each value once."""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid

import numpy as np
import pytest
import redis

from analysis_store.errors import (
    InvalidDataError,
    KeyNotFoundError,
    RunClosedError,
    StoreBusyError,
    StoreClosedError,
    StoreWriteError,
)
from analysis_store.recorder import Collector, HDF5DataStore, InMemoryDataStore, Recorder, RedisDataStore
from analysis_store.recorder.redis.connection import Link
from tests.faults.children import wait_for


@pytest.fixture
def name() -> str:
    """The name of a recording that no other test has."""
    return uuid.uuid4().hex


@pytest.fixture
def client(redis_server):
    """The plain client."""
    with redis.Redis.from_url(redis_server.url) as plain:
        yield plain


def collected(redis_server, name, producers=1) -> InMemoryDataStore:
    """Return what a collector finds when all have ended."""
    datastore = InMemoryDataStore()
    with Collector(redis_server.url, name, datastore) as collector:
        collector.run(producers)
    return datastore


# ------------------------------------------------------------------------------------------ through the collector


def test_every_kind_of_value_arrives(redis_server, name):
    """Numbers, arrays, text, ragged arrays, objects and what is set are in the datastore as they were recorded."""
    stamps = np.array(["2020-01-01", "NaT"], "M8[ns]")
    with Recorder(RedisDataStore(redis_server.url, name)) as recorder:
        recorder.declare("cut", ragged=True, dtype="f4", units="mm")
        for index in range(3):
            recorder.record("loss", index / 3)
            recorder.record("count", index)
            recorder.record("image", np.full((2, 3), index, ">u2"))
            recorder.record("cut", np.arange(index, dtype="f4").reshape(1, -1))
            recorder.record("note/text", f"ä {index}\n\0")
            recorder.record("stamp", stamps)
            recorder.record("name", np.array(["a", "bcd"]))
            recorder.record("fit", {"index": index, "x": np.arange(index)})
            recorder.set("phase", {"index": index})
    found = collected(redis_server, name)

    assert found.keys() == ["loss", "count", "image", "cut", "note/text", "stamp", "name", "fit", "phase"]
    assert np.array_equal(found.get_all("loss")[:], [0.0, 1 / 3, 2 / 3])
    assert found.get_all("count").dtype == np.int64
    assert found.get_all("image").dtype == np.dtype(">u2")
    assert np.array_equal(found.get_all("image")[:, 0, 0], [0, 1, 2])
    assert [value.shape for value in found.get_all("cut")] == [(1, 0), (1, 1), (1, 2)]
    assert found.get_all("cut").attrs == {"units": "mm"}
    assert list(found.get_all("note")["text"]) == ["ä 0\n\0", "ä 1\n\0", "ä 2\n\0"]
    assert np.array_equal(found.get_all("stamp")[1], stamps, equal_nan=True)
    assert list(found.get("name")) == ["a", "bcd"]
    assert found.get("fit")["index"] == 2
    assert found.get("phase") == {"index": 2}


def test_times_are_those_of_the_record(redis_server, name):
    """The time of a value is when it was recorded, whenever it is collected, to the last bit."""
    times = [1.1, np.float64(1 / 3), 1e9 + 1e-7]
    with RedisDataStore(redis_server.url, name) as datastore:
        for when in times:
            datastore.append("x", 1, when)

    assert list(collected(redis_server, name).times("x")[:]) == times


def test_nothing_stays_behind(redis_server, name, client):
    """When all have ended and everything is written, Redis holds nothing of the recording."""
    with RedisDataStore(redis_server.url, name) as datastore:
        datastore.append("x", 1.5, 0.0)
        datastore.set("y", 1, 0.0)
        datastore.flush()
        assert client.keys(f"{name}:*")
    collected(redis_server, name)

    assert client.keys(f"{name}:*") == []


def test_name_can_be_used_again(redis_server, name):
    """A second recording under a name goes behind the first, into the same datastore and by the same collector."""
    datastore = InMemoryDataStore()
    with Collector(redis_server.url, name, datastore) as collector:
        for part in range(2):
            with RedisDataStore(redis_server.url, name) as producer:
                producer.append("x", part, 0.0)
            collector.run()
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 2, 0.0)
    with Collector(redis_server.url, name, datastore) as collector:
        collector.run()

    assert list(datastore.get_all("x")) == [0, 1, 2]


def test_what_the_datastore_had_stays(redis_server, name):
    """Values that a datastore had before the recording are no reason to leave out new ones."""
    datastore = InMemoryDataStore()
    datastore.append("x", 0, 0.0)
    datastore.append("x", 1, 0.0)
    for number in (2, 3):
        with RedisDataStore(redis_server.url, name, producer="p") as producer:
            producer.append("x", number, 0.0)
        with Collector(redis_server.url, name, datastore) as collector:
            while collector.step():
                pass

    assert list(datastore.get_all("x")) == [0, 1, 2, 3]


def test_order_of_each_producer(redis_server, name):
    """Of many producers at once nothing is lost, and what each recorded under a key is in its order."""

    def record(number):
        with RedisDataStore(redis_server.url, name, producer=f"p{number}", maxlen=300) as datastore:
            for index in range(1000):
                datastore.append(f"k{index % 3}", number * 1000 + index, 0.0)

    threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    found = collected(redis_server, name, producers=4)
    for thread in threads:
        thread.join()

    for key in range(3):
        values = found.get_all(f"k{key}")[:]
        for number in range(4):
            assert list(values[values // 1000 == number] - number * 1000) == list(range(key, 1000, 3))


# ---------------------------------------------------------------------------------------------- exactly once


def test_collector_dies_between_write_and_leave(redis_server, name, monkeypatch):
    """Values that were written, but had not left Redis when the collector died, are not written again."""
    datastore = InMemoryDataStore()
    with RedisDataStore(redis_server.url, name) as producer:
        for index in range(10):
            producer.append("x", index, 0.0)
    first = Collector(redis_server.url, name, datastore)
    monkeypatch.setattr(first, "flush", lambda: None)
    assert first.step() == 10
    Link(redis_server.url, name, 1.0).client.delete(f"{name}:collector")  # its lease has run out
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 10, 0.0)
    with Collector(redis_server.url, name, datastore) as second:
        second.run()

    assert list(datastore.get_all("x")) == list(range(11))


def test_collector_dies_before_the_write(redis_server, name, monkeypatch):
    """Values that a collector had read, and not written, are there for the next one."""
    with RedisDataStore(redis_server.url, name) as producer:
        for index in range(10):
            producer.append("x", index, 0.0)
    first = Collector(redis_server.url, name, InMemoryDataStore())
    monkeypatch.setattr(first, "flush", lambda: None)
    first.step()
    Link(redis_server.url, name, 1.0).client.delete(f"{name}:collector")

    assert list(collected(redis_server, name).get_all("x")) == list(range(10))


def test_failed_write_is_done_again(redis_server, name, monkeypatch):
    """An error of the datastore comes from `run`; when it works again, the next one goes on where that stood."""
    datastore = InMemoryDataStore()
    with RedisDataStore(redis_server.url, name) as producer:
        for index in range(10):
            producer.append("x", index, 0.0)
    with Collector(redis_server.url, name, datastore) as collector:
        with monkeypatch.context() as patch:
            write = datastore._append

            def full(key, form, value, when):
                if value == 5:
                    raise StoreWriteError("disk full")
                write(key, form, value, when)

            patch.setattr(datastore, "_append", full)
            with pytest.raises(StoreWriteError, match="disk full"):
                collector.run()
        collector.run()

    assert list(datastore.get_all("x")) == list(range(10))


def test_nothing_leaves_before_it_is_safe(redis_server, name, client, monkeypatch):
    """What a datastore could not flush stays in Redis."""
    datastore = InMemoryDataStore()
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 1, 0.0)

    def full():
        raise StoreWriteError("disk full")

    with Collector(redis_server.url, name, datastore) as collector:
        with monkeypatch.context() as patch:
            patch.setattr(datastore, "flush", full)
            with pytest.raises(StoreWriteError, match="disk full"):
                collector.run()
        assert client.xlen(f"{name}:values") == 1
        collector.run()
        assert client.xlen(f"{name}:values") == 0

    assert list(datastore.get_all("x")) == [1]


def test_power_cuts_of_the_server(redis_server, name, client):
    """A producer promises what the server promises."""
    with RedisDataStore(redis_server.url, name, maxlen=None) as producer:
        producer.append("x", 1, 0.0)
        producer.flush(durable=True)
        try:
            for setting, value in (("appendfsync", "everysec"), ("appendonly", "no")):
                client.config_set(setting, value)
                with pytest.raises(
                    StoreWriteError, match="Start the server with --appendonly yes --appendfsync always"
                ):
                    producer.flush(durable=True)
        finally:
            client.config_set("appendonly", "yes")
            client.config_set("appendfsync", "always")


def test_what_leaves_is_durable(redis_server, name, tmp_path, monkeypatch):
    """A collector lets a value leave Redis when a power cut would not take it from the file."""
    asked = []
    with HDF5DataStore(tmp_path / "all.h5", durable_every=None) as datastore:
        flush = datastore.flush
        monkeypatch.setattr(datastore, "flush", lambda **given: (asked.append(given), flush(**given)))
        with RedisDataStore(redis_server.url, name) as producer:
            producer.append("x", 1, 0.0)
        with Collector(redis_server.url, name, datastore) as collector:
            collector.run()
    assert asked
    assert all(given == {"durable": True} for given in asked)


def test_batch_that_is_sent_twice(redis_server, name):
    """What the server has already is not taken again, when its answer was lost and everything is sent once more."""
    producer = RedisDataStore(redis_server.url, name, producer="p")
    sender = producer._sender
    for index in range(5):
        producer.append("x", index, 0.0)
    batch = [("+", "x", 0.0, np.int64(index).tobytes()) for index in range(5)]
    producer.flush()
    with sender._changed:
        sender.taken = 0
        sender._waiting.extend(batch)
        sender._size = 40
    producer.append("x", 5, 0.0)
    producer.close()

    assert list(collected(redis_server, name).get_all("x")) == list(range(6))


def test_other_datastore_is_refused(redis_server, name):
    """A second collector with another datastore, which lacks what the first wrote, is told to use that one."""
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 0, 0.0)
        producer.flush()
        with Collector(redis_server.url, name, InMemoryDataStore()) as collector:
            collector.step()
            collector.flush()
        producer.append("x", 1, 0.0)
        producer.flush()
        collector = Collector(redis_server.url, name, InMemoryDataStore())
        with pytest.raises(StoreWriteError, match=r"got value 1 of 'x'; expected .* another datastore"):
            collector.step()
        collector.close()


def test_server_that_forgot(redis_server, name, client):
    """A server that lost what it had acknowledged is noticed by the producer, and by the collector."""
    datastore = InMemoryDataStore()
    producer = RedisDataStore(redis_server.url, name, producer="p")
    collector = Collector(redis_server.url, name, datastore)
    for _ in range(3):
        producer.append("x", 1, 0.0)
    producer.flush()
    collector.step()
    client.delete(f"{name}:owners", f"{name}:sequences", f"{name}:counts", f"{name}:values")
    producer.append("x", 2, 0.0)
    with pytest.raises(StoreWriteError, match="has lost acknowledged values: 3 values of 'p'"):
        producer.flush()
    with pytest.raises(StoreWriteError, match="has lost acknowledged values"):
        producer.close()

    with RedisDataStore(redis_server.url, name, producer="p") as producer:
        producer.append("x", 2, 0.0)
        producer.flush()
        with pytest.raises(StoreWriteError, match=r"lost values of 'x' .* from 0 again; expected 3"):
            collector.step()


# ---------------------------------------------------------------------------------------------- producers


def test_restarted_producer_goes_on(redis_server, name):
    """A producer that comes back under its name knows how much of it the server has."""
    first = RedisDataStore(redis_server.url, name, producer="p")
    for index in range(7):
        first.append("x", index, 0.0)
    first.flush()
    with RedisDataStore(redis_server.url, name, producer="p") as second:
        assert second.taken == 7
        for index in range(second.taken, 10):
            second.append("x", index, 0.0)

    assert list(collected(redis_server, name).get_all("x")) == list(range(10))


def test_two_of_one_name(redis_server, name):
    """Of two processes that record under one name the second goes on, and the first is told."""
    first = RedisDataStore(redis_server.url, name, producer="p")
    first.append("x", 0, 0.0)
    first.flush()
    with RedisDataStore(redis_server.url, name, producer="p"):
        first.append("x", 1, 0.0)
        with pytest.raises(StoreBusyError, match=r"another process records into .* as 'p'"):
            first.flush()
        with pytest.raises(StoreBusyError, match="another process"):
            first.append("x", 2, 0.0)


def test_producers_agree(redis_server, name):
    """The first value of any producer says what a key is; others are converted, or refused at once."""
    with RedisDataStore(redis_server.url, name) as one, RedisDataStore(redis_server.url, name) as other:
        one.append("x", 0.5, 0.0)
        other.append("x", 3, 0.0)
        with pytest.raises(InvalidDataError, match="'x': got a value of shape"):
            other.append("x", np.zeros(2), 0.0)
        with pytest.raises(InvalidDataError, match="was recorded before, and is set now"):
            other.set("x", 1, 0.0)
        with pytest.raises(InvalidDataError, match="cannot be recorded with 'x'"):
            other.append("x/y", 1, 0.0)

    assert sorted(collected(redis_server, name).get_all("x")) == [0.5, 3.0]


def test_producers_agree_in_a_race(redis_server, name, monkeypatch):
    """So it is when another producer is first between the look and the word."""
    with RedisDataStore(redis_server.url, name) as one, RedisDataStore(redis_server.url, name) as other:
        for key, value in (("x", 0.5), ("y", "text"), ("z/a", 1)):
            one.append(key, value, 0.0)
        look = other._refresh
        monkeypatch.setattr(other, "_refresh", lambda: monkeypatch.setattr(other, "_refresh", look))
        other.append("x", 3, 0.0)
        other._forms.clear()
        monkeypatch.setattr(other, "_refresh", lambda: monkeypatch.setattr(other, "_refresh", look))
        with pytest.raises(InvalidDataError, match="'y': got a value of type int"):
            other.append("y", 3, 0.0)
        other._forms.clear()
        monkeypatch.setattr(other, "_refresh", lambda: monkeypatch.setattr(other, "_refresh", look))
        with pytest.raises(InvalidDataError, match="'z' cannot be recorded with 'z/a'"):
            other.append("z", 3, 0.0)
    found = collected(redis_server, name)

    assert sorted(found.get_all("x")) == [0.5, 3.0]
    assert sorted(found.keys()) == ["x", "y", "z/a"]


def test_producers_that_declare_the_same(redis_server, name):
    """Processes that run one program may all declare; something else is refused."""
    with Recorder(RedisDataStore(redis_server.url, name)) as one:
        one.declare("x", ragged=True, dtype="f8")
        one.record("x", [1.5])
        with Recorder(RedisDataStore(redis_server.url, name)) as other:
            other.declare("x", ragged=True, dtype="f8")
            other.record("x", [1.5, 2.5])
            with pytest.raises(InvalidDataError, match="has values already"):
                other.declare("x", ragged=True)
        with Recorder(RedisDataStore(redis_server.url, name)) as third:
            with pytest.raises(InvalidDataError, match=r"'x' is declared as .* for other producers it is"):
                third.declare("x", ragged=True, dtype="i4")
            with pytest.raises(InvalidDataError, match="'x' is declared as"):
                third.declare("x", dtype="f8")

    assert sorted(len(value) for value in collected(redis_server, name, 3).get_all("x")) == [1, 2]


def _record_in_child(datastore, answers):
    try:
        datastore.append("x", 1, 0.0)
    except StoreClosedError as error:
        answers.put(str(error))


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")  # what a fork brings is what is tested
def test_fork_is_refused(redis_server, name):
    """A datastore that came over a fork, without its thread, says so instead of losing what it is given."""
    processes = multiprocessing.get_context("fork")
    with RedisDataStore(redis_server.url, name) as datastore:
        answers = processes.Queue()
        child = processes.Process(target=_record_in_child, args=(datastore, answers))
        child.start()

        assert "belongs to process" in answers.get(timeout=100)
        child.kill()  # a fork of a process with threads may wait for them at its end
        child.join()


# ------------------------------------------------------------------------------------------------- bounds


@pytest.mark.slow
def test_room_is_bounded(redis_server, name, client):
    """Never more values wait in Redis than said; a producer that is ahead waits, and loses nothing."""
    longest, done = 0, threading.Event()

    def watch():
        nonlocal longest
        while not done.is_set():
            longest = max(longest, client.xlen(f"{name}:values"))

    def record():
        with RedisDataStore(redis_server.url, name, maxlen=50) as datastore:
            for index in range(3000):
                datastore.append("x", index, 0.0)

    threads = [threading.Thread(target=record), threading.Thread(target=watch)]
    for thread in threads:
        thread.start()
    found = collected(redis_server, name)
    done.set()
    for thread in threads:
        thread.join()

    assert list(found.get_all("x")) == list(range(3000))
    assert 0 < longest <= 50


def test_bytes_are_bounded(redis_server, name, client, monkeypatch):
    """Few large values fill the room as many small ones do."""
    monkeypatch.setattr("analysis_store.recorder.redis.datastore.ROOM_IN_BYTES", 1 << 20)
    datastore = RedisDataStore(redis_server.url, name, wait=0.3)
    for _ in range(20):
        datastore.append("x", np.zeros(16384), 0.0)
    with pytest.raises(StoreBusyError, match="no process collects"):
        datastore.flush()
    assert client.xlen(f"{name}:values") == 8
    assert int(client.get(f"{name}:waiting")) == 1 << 20
    with Collector(redis_server.url, name, InMemoryDataStore()) as collector:
        thread = threading.Thread(target=datastore.close)
        collector.step()
        collector.flush()
        thread.start()
        assert collector.run() == 12
        thread.join()
        assert len(collector.datastore.get_all("x")) == 20


def patiently(work):
    """Do it again until it is taken: on a busy machine the collector may take longer than a datastore waits."""
    while True:
        try:
            return work()
        except StoreBusyError:
            time.sleep(0.01)


def test_nobody_collects(redis_server, name):
    """A record that finds no room fails after the wait, says what to do, and was not taken; then it works again."""
    datastore = RedisDataStore(redis_server.url, name, maxlen=1000, wait=0.3)
    taken = 0

    def record():
        nonlocal taken
        while True:
            datastore.append("x", taken, 0.0)
            taken += 1

    with pytest.raises(StoreBusyError, match=r"no process collects it\. Start a Collector, or .* maxlen=None"):
        record()

    def end():
        patiently(lambda: datastore.append("x", taken, 0.0))
        patiently(datastore.flush)
        datastore.close()

    thread = threading.Thread(target=end)
    with Collector(redis_server.url, name, InMemoryDataStore()) as collector:
        thread.start()
        collector.run()
        thread.join()
        assert list(collector.datastore.get_all("x")) == list(range(taken + 1))


def test_server_goes_away(redis_server):
    """Without a server the error comes from the flush, names the address, and nothing is lost when it is back."""
    from tests.redis_server import RedisServer

    server = RedisServer()
    try:
        datastore = RedisDataStore(server.url, "run", wait=0.3)
        datastore.append("x", 1, 0.0)
        datastore.flush()
        server.kill()
        datastore.append("x", 2, 0.0)
        with pytest.raises(StoreWriteError, match=r"Redis at unix://.* does not accept values of 'run'"):
            datastore.flush()
        with pytest.raises(StoreWriteError, match="does not accept"):
            RedisDataStore(server.url, "run", wait=0.1)
        server.start()
        datastore.close()
        assert list(collected(server, "run").get_all("x")) == [1, 2]
    finally:
        server.close()


def test_value_is_sent_without_a_flush(redis_server, name, client):
    """A single value is on the server within a second."""
    with RedisDataStore(redis_server.url, name) as datastore:
        datastore.append("x", 1, 0.0)
        end = time.monotonic() + 1
        while not client.xlen(f"{name}:values"):
            assert time.monotonic() < end


# ------------------------------------------------------------------------------------------------ one collector


def test_second_collector_is_refused(redis_server, name):
    """One process collects; another is told which."""
    refusal = pytest.raises(StoreBusyError, match=r"process \d+ on .* collects .*; only one can")
    with Collector(redis_server.url, name, InMemoryDataStore()), refusal:
        Collector(redis_server.url, name, InMemoryDataStore(), wait=0.2)


def test_collector_that_lost_its_lease(redis_server, name, client):
    """A collector that slept while another took over may not take anything out of Redis."""
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 1, 0.0)
    slow = Collector(redis_server.url, name, InMemoryDataStore(), wait=0.2)
    slow._write(slow._read(1.0)[0])
    client.delete(f"{name}:collector")
    with Collector(redis_server.url, name, InMemoryDataStore()) as other:
        with pytest.raises(StoreBusyError, match="another process collects"):
            slow.flush()
        with pytest.raises(StoreBusyError, match="only one can"):
            slow.step()
        other.run()
        assert list(other.datastore.get_all("x")) == [1]


def test_stop_ends_a_run(redis_server, name):
    """`stop` lets `run` return, with everything that came written."""
    datastore = InMemoryDataStore()
    with RedisDataStore(redis_server.url, name) as producer, Collector(redis_server.url, name, datastore) as collector:
        thread = threading.Thread(target=collector.run)
        thread.start()
        producer.append("x", 1, 0.0)
        wait_for(lambda: datastore.form("x"), "the value")
        collector.stop()
        thread.join(timeout=100)

        assert not thread.is_alive()
        assert list(datastore.get_all("x")) == [1]


def test_run_waits_for_all_producers(redis_server, name):
    """A recording is not complete before so many producers have been there as were said."""
    datastore = InMemoryDataStore()

    def late():
        time.sleep(0.5)
        with RedisDataStore(redis_server.url, name) as producer:
            producer.append("x", 2, 0.0)

    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 1, 0.0)
    thread = threading.Thread(target=late)
    thread.start()
    with Collector(redis_server.url, name, datastore) as collector:
        assert collector.run(producers=2) == 2
    thread.join()

    assert list(datastore.get_all("x")) == [1, 2]


def test_closed_collector(redis_server, name):
    """A collector that was closed says so; closing it again changes nothing."""
    collector = Collector(redis_server.url, name, InMemoryDataStore())
    collector.close()
    collector.close()

    assert repr(name) in repr(collector)
    with pytest.raises(RunClosedError, match="is closed; open a new one"):
        collector.step()


# ------------------------------------------------------------------------------------- what is still in Redis


def test_reading_what_waits(redis_server, name):
    """With a collector, what it has not taken yet can be read; then the error says where it is."""
    with RedisDataStore(redis_server.url, name) as producer:
        producer.append("x", 1.5, 0.0)
        producer.append("x", 2.5, 7.0)
        assert list(producer.get_all("x")) == [1.5, 2.5]
        assert producer.get("x") == 2.5
        assert list(producer.times("x")) == [0.0, 7.0]
        with Collector(redis_server.url, name, InMemoryDataStore()) as collector:
            collector.step()
            collector.flush()
        assert producer.get_all("x").shape == (0,)
        with pytest.raises(KeyNotFoundError, match=r"'x' has no value in Redis; .* were collected"):
            producer.get("x")


def test_recording_that_stays(redis_server, name):
    """Without a collector everything stays, and every process reads all of it, while it is recorded."""
    with (
        RedisDataStore(redis_server.url, name, maxlen=None) as one,
        RedisDataStore(redis_server.url, name, maxlen=None) as other,
    ):
        for index in range(20):
            one.append("a/x", index, float(index))
        one.set("b", [1, None], 0.0)
        one.set("b", [2, None], 0.0)
        one.flush()

        assert other.keys() == ["a/x", "b"]
        series = other.get_all("a")["x"]
        assert series.shape == (20,)
        assert list(series[-3:]) == [17, 18, 19]
        assert list(series[10:2:-4]) == [10, 6]
        assert series[5:5].shape == (0,)
        assert list(series[[1, 4]]) == [1, 4]
        with pytest.raises(IndexError, match="out of bounds"):
            series[20]
        other.append("a/x", 20, 0.0)
        other.flush()
        assert len(series) == 21
        assert other.get("b") == [2, None]
        with pytest.raises(KeyNotFoundError, match="'c' is not recorded; recorded keys: a/x, b"):
            other.get("c")


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("http://localhost", {}, "as the address of a server"),
        (None, {"name": ""}, "as the name of a recording"),
        (None, {"maxlen": 0}, "Got maxlen=0; expected at least 1"),
        (None, {"maxlen": 7}, "Got maxlen=7; expected 100000, as for the other producers"),
        (None, {"maxlen": None}, "Got maxlen=None; expected 100000, as for the other producers"),
    ],
)
def test_wrong_arguments(redis_server, name, url, options, message):
    """What cannot be is refused before anything is recorded."""
    with RedisDataStore(redis_server.url, name), pytest.raises(InvalidDataError, match=message):
        RedisDataStore(url or redis_server.url, **{"name": name, **options})


def test_password_is_not_shown():
    """No error, and no text of a datastore, tells the password."""
    with pytest.raises(StoreWriteError, match=r"redis://localhost:1/0") as raised:
        RedisDataStore("redis://me:secret@localhost:1/0", "run", wait=0.0)

    assert "secret" not in str(raised.value)
