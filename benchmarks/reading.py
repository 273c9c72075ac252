"""Reading: a large array whole and in slices, compressed frames; beside h5py reading the same bytes raw."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from analysis_store import AnalysisStore
from benchmarks.measure import Row, bound, interleaved, ratio
from benchmarks.saving import BIG, FRAMES, ORIGIN


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
        yield ratio("read the frames whole", times["ours"], times["h5py"], "h5py reading them raw", 1.6)


def _read(path: Path, name: str, part: object = ()) -> np.ndarray:
    with h5py.File(path) as file:
        found: np.ndarray = file[name][part]
        return found
