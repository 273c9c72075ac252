"""Recording: many small values, what another process sees, slices of what is large; beside h5py by itself."""

from __future__ import annotations

import itertools
import json
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import redis

from analysis_store.recorder import HDF5DataStore, Recorder, RedisDataStore
from benchmarks.measure import Row, bound, faster, interleaved, ratio
from benchmarks.objects import fresh_paths
from benchmarks.saving import durable
from tests.redis_server import RedisServer

ARRAYS, WIDTH = 10_000, 256
SCALARS, KEYS = 100_000, 10
SAMPLE = 10  # the slow way is measured on one value in so many
STEPS = 100
SENT = 50_000
LARGE = (10, 10_000 if os.environ.get("ANALYSIS_STORE_BENCH_FULL") else 500, 200)
"""Of each step; the full size, 16 GB in all, if $ANALYSIS_STORE_BENCH_FULL is set."""

_FOLLOW = """
import sys, time
from analysis_store.recorder import HDF5DataStore
with HDF5DataStore(sys.argv[1], mode="r") as followed:
    print("ready", flush=True)
    seen, until = 0, time.monotonic() + 60
    while seen < 5 and time.monotonic() < until:
        time.sleep(0.005)
        if (found := int(followed.get("step"))) > seen:
            seen = found
            print(time.time(), flush=True)
"""
_SLICES = """
import json, resource, sys
import numpy as np
from analysis_store.recorder import HDF5DataStore
with HDF5DataStore(sys.argv[1], mode="r") as kept:
    found = kept.get_all("large")
    np.asarray(found[:2, 0, 0, :])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for block, row in json.loads(sys.argv[2]):
        found[:50, block, row, :]
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


def rows() -> Iterator[Row]:
    """Yield every row about recording."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _small(folder)
        yield _seen(folder)
        yield from _slices(folder)
        yield from _producer()


def _producer() -> Iterator[Row]:
    """Yield how fast a producer sends numbers to Redis, beside a bare client that sends as many in pipelines."""
    server = RedisServer(fsync="everysec")
    values = [float(value) for value in np.random.default_rng(0).random(SENT)]
    client, names = redis.Redis.from_url(server.url), map(str, itertools.count())
    try:
        times = interleaved(
            {"ours": lambda: _send(server.url, next(names), values), "bare": lambda: _pipelined(client, values)}, 7
        )
    finally:
        client.close()
        server.close()
    yield ratio(f"send {SENT} numbers to Redis", times["ours"], times["bare"], "a bare pipelined client", 2)


def _send(url: str, name: str, values: list[float]) -> None:
    with Recorder(RedisDataStore(url, name)) as recorder:
        for value in values:
            recorder.record("loss", value)


def _pipelined(client: redis.Redis, values: list[float]) -> None:
    for begin in range(0, len(values), 500):
        with client.pipeline(transaction=False) as pipeline:
            for value in values[begin : begin + 500]:
                pipeline.xadd("bare", {"k": "loss", "v": struct.pack("<d", value), "t": time.time()})
            pipeline.execute()
    client.delete("bare")


def _small(folder: Path) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    arrays, scalars, paths = rng.random((ARRAYS, WIDTH)), rng.random(SCALARS), fresh_paths(folder)
    work = f"{ARRAYS} × float64[{WIDTH}] and {SCALARS} numbers under {KEYS} keys"
    times = interleaved(
        {
            "ours": lambda: _record(next(paths), arrays, scalars),
            "at once": lambda: durable(next(paths), lambda file: _at_once(file, arrays, scalars)),
            "collected": lambda: _collected(next(paths), arrays, scalars),
        },
        5,
    )
    part = interleaved(
        {"each": lambda: _one_by_one(next(paths), arrays[::SAMPLE], scalars[::SAMPLE])},
        1,
    )
    yield faster(work, times["ours"], part["each"] * SAMPLE, "resize + write of each", 10)
    yield ratio(work, times["ours"], times["at once"], "h5py, durable, of two arrays", 3)
    yield Row("", f"{times['ours'] / times['collected']:.2f} × that, with the values collected in lists", "", True)


def _record(path: Path, arrays: np.ndarray, scalars: np.ndarray) -> None:
    with Recorder(HDF5DataStore(path)) as recorder:
        for value in arrays:
            recorder.record("curve", value)
        names = itertools.cycle([f"number/{key}" for key in range(KEYS)])
        for name, value in zip(names, scalars, strict=False):
            recorder.record(name, value)


def _at_once(file: h5py.File, arrays: np.ndarray, scalars: np.ndarray) -> None:
    file["curve"] = arrays
    for key in range(KEYS):
        file[f"number/{key}"] = scalars[key::KEYS]


def _collected(path: Path, arrays: np.ndarray, scalars: np.ndarray) -> None:
    """Write as somebody does who gets the values one by one, with their times, and has memory for all of them."""
    found: dict[str, list[Any]] = {}
    times: dict[str, list[float]] = {}
    names = [f"number/{key}" for key in range(KEYS)]
    for name, value in zip(
        itertools.chain(["curve"] * ARRAYS, itertools.cycle(names)), [*arrays, *scalars], strict=False
    ):
        found.setdefault(name, []).append(np.array(value))
        times.setdefault(name, []).append(time.time())

    def write(file: h5py.File) -> None:
        for name, values in found.items():
            file[name], file[f"times/{name}"] = np.array(values), np.array(times[name])

    durable(path, write)


def _one_by_one(path: Path, arrays: np.ndarray, scalars: np.ndarray) -> None:
    """Write as somebody does who has no recorder: make room for one more, put it there."""
    with h5py.File(path, "w", libver="latest") as file:
        curve = file.create_dataset("curve", (0, WIDTH), "f8", maxshape=(None, WIDTH), chunks=(64, WIDTH))
        numbers = [
            file.create_dataset(f"number/{key}", (0,), "f8", maxshape=(None,), chunks=(8192,)) for key in range(KEYS)
        ]
        for value in arrays:
            _grow(curve, value)
        for number, value in zip(itertools.cycle(numbers), scalars, strict=False):
            _grow(number, value)


def _grow(dataset: h5py.Dataset, value: object) -> None:
    dataset.resize(len(dataset) + 1, axis=0)
    dataset[-1] = value


def _seen(folder: Path) -> Row:
    """Return how long a value takes to be seen by a second process, with nobody flushing: the worst of five."""
    path = folder / "seen.h5"
    with HDF5DataStore(path) as kept:
        recorder = Recorder(kept)
        recorder.record("step", 0)
        recorder.flush()
        with _child(_FOLLOW, str(path)) as follower:
            follower.stdout.readline()
            taken = []
            for step in range(1, 6):
                time.sleep(0.2)
                begin = time.time()
                recorder.record("step", step)
                taken.append(float(follower.stdout.readline()) - begin)
            follower.wait()
    return bound("until a second process sees a value", max(taken), 1.05, "s")


def _slices(folder: Path) -> Iterator[Row]:
    ours, raw = folder / "large.h5", folder / "raw.h5"
    rng = np.random.default_rng(0)
    work = f"20 slices [:50, b, s, :] of {STEPS * int(np.prod(LARGE)) * 8 / 1e9:.1f} GB"
    places = [(int(rng.integers(LARGE[0])), int(rng.integers(LARGE[1]))) for _ in range(20)]
    with HDF5DataStore(ours) as kept:
        recorder, step = Recorder(kept), rng.random(LARGE)
        for number in range(STEPS):
            step[0, 0] = number
            recorder.record("large", step)
        recorder.flush()
        _same_chunks(ours, raw, step)
        large = recorder.get_all("large")
        with h5py.File(raw) as file:
            times = interleaved(
                {"ours": lambda: _cut(large, places), "h5py": lambda: _cut(file["large"], places)},
                9,
            )
        yield ratio(f"{work}, where it is recorded", times["ours"], times["h5py"], "h5py, same chunks", 1.2)
    with HDF5DataStore(ours, mode="r") as kept:
        large = kept.get_all("large")
        times = interleaved({"ours": lambda: _cut(large, places), "h5py": lambda: _cut_anew(raw, places)}, 9)
    yield ratio(f"{work}, by a reader", times["ours"], times["h5py"], "h5py opening the file for each", 1.2)
    with _child(_SLICES, str(ours), json.dumps(places)) as reader:
        yield bound("memory that takes", float(reader.stdout.read()), 64, "MiB")


def _same_chunks(ours: Path, raw: Path, step: np.ndarray) -> None:
    """Write the same values with h5py alone, in chunks as ours has them."""
    with h5py.File(ours, swmr=True) as file:
        chunks = file["large"].chunks
    with h5py.File(raw, "w", libver="latest") as file:
        dataset = file.create_dataset("large", (STEPS, *LARGE), "f8", chunks=chunks, maxshape=(None, *LARGE))
        for begin in range(0, STEPS, chunks[0]):
            block = np.repeat(step[None], min(chunks[0], STEPS - begin), axis=0)
            block[:, 0, 0] = np.arange(begin, begin + len(block))[:, None]
            dataset[begin : begin + len(block)] = block


def _cut(found: object, places: list[tuple[int, int]]) -> None:
    for block, row in places:
        found[:50, block, row, :]  # type: ignore[index]


def _cut_anew(path: Path, places: list[tuple[int, int]]) -> None:
    for place in places:
        with h5py.File(path) as file:
            _cut(file["large"], [place])


def _child(code: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
