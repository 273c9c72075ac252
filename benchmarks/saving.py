"""Saving: arrays, frames, small results, many events; beside h5py, SQLite, TiledWriter, event-model and suitcase."""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import event_model
import h5py
import numpy as np

from analysis_store import AnalysisStore, Provenance, analysis_documents
from benchmarks.measure import Row, bound, faster, interleaved, ratio

ORIGIN = Provenance(origin="synthetic", note="benchmark")
BIG = (16, 1024, 1024)
FRAMES = (200, 512, 512)
EVENTS = 100_000
KEYS = ("a", "b", "c", "d", "e")


def durable(path: Path, write: Callable[[h5py.File], object]) -> None:
    """Write a file with h5py as somebody would who wants it durable: scratch name, fsync, rename."""
    scratch = path.with_suffix(".part")
    with h5py.File(scratch, "w") as file:
        write(file)
    descriptor = os.open(scratch, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    scratch.rename(path)


class Folder:
    """A scratch folder with a store in it; what a turn has written is removed when the next begins."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = AnalysisStore(folder / "store")
        self._numbers = itertools.count()
        self._last: Path | None = None

    def path(self) -> Path:
        """Return a fresh path; the file of the turn before is removed."""
        self._remove()
        self._last = self.folder / f"{next(self._numbers)}.h5"
        return self._last

    def insert(self, data: Any) -> None:
        """Save; the file of the turn before is removed."""
        self._remove()
        self._last = self.store.insert(data, {}, provenance=ORIGIN).file

    def _remove(self) -> None:
        if self._last is not None:
            self._last.unlink(missing_ok=True)


def rows() -> Iterator[Row]:
    """Yield every row about saving."""
    with tempfile.TemporaryDirectory() as name:
        folder = Folder(Path(name))
        yield from _arrays(folder)
        yield from _small(folder)
        yield from _many(folder)
        folder.store.close()


def _arrays(folder: Folder) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    big = rng.random(BIG)
    times = interleaved(
        {
            "ours": lambda: folder.insert([{"primary": {"image": big}}]),
            "h5py": lambda: durable(folder.path(), lambda file: file.create_dataset("image", data=big)),
        },
        7,
    )
    yield ratio("save 128 MiB, incompressible", times["ours"], times["h5py"], "h5py + fsync + rename", 1.1)
    frames = rng.poisson(2, FRAMES).astype(np.uint16)
    times = interleaved(
        {
            "ours": lambda: folder.insert({"primary": {"frame": frames}}),
            "h5py": lambda: durable(folder.path(), lambda file: file.create_dataset("frame", data=frames)),
        },
        7,
    )
    yield ratio(
        "save detector frames, losslessly compressed", times["ours"], times["h5py"], "h5py raw + fsync + rename", 0.6
    )


def _small(folder: Folder) -> Iterator[Row]:
    curve = np.random.default_rng(0).random(1000)
    result = {"a": 1.5, "b": 2, "c": "Fe K", "d": True, "e": 7112.3, "curve": curve}
    connection = sqlite3.connect(folder.folder / "bare.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE run (uid TEXT PRIMARY KEY, start TEXT)")

    def bare() -> None:
        durable(folder.path(), lambda file: [file.create_dataset(key, data=value) for key, value in result.items()])
        connection.execute("INSERT INTO run VALUES (?, ?)", (str(uuid.uuid4()), json.dumps({"time": time.time()})))

    jsonl = _suitcase(folder.folder / "jsonl", result)
    times = interleaved(
        {
            "ours": lambda: folder.store.insert([{"primary": result}], {}, provenance=ORIGIN),
            "bare": bare,
            "jsonl": jsonl,
        },
        200,
    )
    yield ratio("save a small result", times["ours"], times["bare"], "h5py + fsync + rename + SQLite", 1.2)
    yield Row("", f"{times['ours'] / times['jsonl']:.2f} × suitcase-jsonl + h5py, not durable", "", True)
    tiled = _tiled(folder.folder / "tiled", result)
    yield faster("save a small result", times["ours"], tiled, "TiledWriter", 100)


def _suitcase(folder: Path, result: dict[str, Any]) -> Callable[[], object]:
    from suitcase.jsonl import export

    folder.mkdir()

    def write() -> None:
        export(analysis_documents([{"primary": result}], {}, root=folder / "files", provenance=ORIGIN), folder)

    return write


def _tiled(folder: Path, result: dict[str, Any]) -> float:
    """Return how long TiledWriter takes for the same documents, s, into an embedded catalog."""
    from bluesky_tiled_plugins import TiledWriter
    from tiled.catalog import from_uri
    from tiled.client import Context, from_context
    from tiled.server.app import build_app

    (folder / "data").mkdir(parents=True)
    tree = from_uri(
        f"{folder}/catalog.db",
        init_if_not_exists=True,
        specs=[{"name": "CatalogOfBlueskyRuns", "version": "3.0"}],
        writable_storage=[str(folder / "data"), f"sqlite:///{folder}/tables.db"],
        readable_storage=[str(folder)],
    )
    with Context.from_app(build_app(tree)) as context:
        write = TiledWriter(from_context(context), max_array_size=0)

        def one() -> None:
            for name, doc in analysis_documents([{"primary": result}], {}, root=folder / "files", provenance=ORIGIN):
                write(name, doc)

        return interleaved({"tiled": one}, 5)["tiled"]


def _many(folder: Folder) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    columns = {key: rng.random(EVENTS) for key in KEYS}
    times = interleaved(
        {
            "ours": lambda: folder.insert({"primary": columns}),
            "h5py": lambda: durable(
                folder.path(), lambda file: [file.create_dataset(key, data=column) for key, column in columns.items()]
            ),
        },
        15,
    )
    yield ratio("100 000 events × 5 scalars, columns", times["ours"], times["h5py"], "h5py, five columns, durable", 2)
    yield faster("100 000 events × 5 scalars, columns", times["ours"], _event_model(), "event-model, validated", 300)
    dicts = [{"primary": {key: float(column[i]) for key, column in columns.items()}} for i in range(EVENTS)]
    taken = interleaved({"ours": lambda: folder.insert(dicts)}, 3)["ours"]
    yield bound("100 000 events × 5 scalars, data_dicts", taken / EVENTS / len(KEYS) * 1e6, 2, "µs per event and key")


def _event_model(sample: int = 2000) -> float:
    """Return how long event-model takes to compose and validate as many events, s, from a sample of them."""
    run = event_model.compose_run()
    keys = {key: {"dtype": "number", "shape": [], "source": "benchmark"} for key in KEYS}
    described = run.compose_descriptor(name="primary", data_keys=keys)
    data, stamps = dict.fromkeys(KEYS, 1.0), dict.fromkeys(KEYS, 0.0)
    begin = time.perf_counter()
    for _ in range(sample):
        described.compose_event(data=data, timestamps=stamps)
    return (time.perf_counter() - begin) / sample * EVENTS
