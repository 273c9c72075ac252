"""Reading: a large array whole and in slices, compressed frames; beside h5py reading the same bytes raw."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from analysis_store import AnalysisStore
from benchmarks.measure import Row, bound, interleaved, ratio
from benchmarks.saving import BIG, FRAMES, ORIGIN

if TYPE_CHECKING:
    from analysis_store.runs.read.stream import Stream


def rows() -> Iterator[Row]:
    """Yield every row about reading."""
    with tempfile.TemporaryDirectory() as name, AnalysisStore(Path(name) / "store") as store:
        rng = np.random.default_rng(0)
        big, frames = rng.random(BIG), rng.poisson(2, FRAMES).astype(np.uint16)
        image = store.insert([{"primary": {"image": big}}], {}, provenance=ORIGIN)["primary"]["image"]
        frame = store.insert({"primary": {"frame": frames}}, {}, provenance=ORIGIN)["primary"]["frame"]
        raw = Path(name) / "raw.h5"
        with h5py.File(raw, "w") as file:
            file["image"], file["frame"] = big[None], frames
        times = interleaved({"ours": image.read, "h5py": lambda: _read(raw, "image")}, 9)
        yield ratio("read the 128 MiB whole", times["ours"], times["h5py"], "h5py", 0.8)
        part = (0, slice(None), slice(100, 110))
        times = interleaved({"ours": lambda: image[part], "h5py": lambda: _read(raw, "image", part)}, 25)
        extra = (times["ours"] - times["h5py"]) * 1e3
        yield bound("read a slice of it, more than h5py takes", extra, 1, "ms")
        times = interleaved({"ours": frame.read, "h5py": lambda: _read(raw, "frame")}, 9)
        few, many = (_keys(store, count) for count in (500, 5000))
        keys = interleaved({"few": few.read, "many": many.read}, 3)
        yield ratio("read a stream of 5000 keys, per key", keys["many"] / 5000, keys["few"] / 500, "of one of 500", 1.5)
        yield ratio("read the frames whole", times["ours"], times["h5py"], "h5py reading them raw", 1.6)


def _keys(store: AnalysisStore, count: int) -> Stream:
    data = {"primary": {f"key_{number}": np.arange(3.0) + number for number in range(count)}}
    return store.insert(data, {}, provenance=ORIGIN)["primary"]


def _read(path: Path, name: str, part: object = ()) -> np.ndarray:
    with h5py.File(path) as file:
        found: np.ndarray = file[name][part]
        return found
