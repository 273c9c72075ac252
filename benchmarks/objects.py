"""Objects and exports: beside pickle in an HDF5 file, h5py, pandas with PyTables, orjson."""

from __future__ import annotations

import io
import itertools
import pickle
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import orjson
import pandas as pd

from analysis_store import AnalysisStore
from analysis_store.codecs import dump, load
from analysis_store.exchange import export
from benchmarks.measure import Row, interleaved, ratio
from benchmarks.saving import BIG, ORIGIN, durable

FITS = 400
ROWS = 1_000_000


def rows() -> Iterator[Row]:
    """Yield every row about objects and exports."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _small(folder)
        yield from _array(folder)
        yield from _frame(folder)
        yield _json(folder)


def _fits() -> dict[str, Any]:
    """Return what a series of fits leaves: 10 000 values, five deep."""
    fits = [
        {
            "name": f"peak {number}",
            "center": 7112.0 + number,
            "converged": number % 7 > 0,
            "evaluations": number,
            "window": [number - 20.5, number + 20.5],
            "parameters": {
                kind: {"value": number * 0.5, "stderr": None if number % 5 else 0.1, "vary": True, "expr": ""}
                for kind in ("amplitude", "center", "sigma", "offset")
            },
            "history": [number * 0.1, number * 0.2, number * 0.3],
        }
        for number in range(FITS)
    ]
    return {"model": "pseudo-Voigt", "fits": fits}


def _small(folder: Path) -> Iterator[Row]:
    fits, paths = _fits(), fresh_paths(folder)
    file, pickled = folder / "fits.h5", folder / "pickled.h5"
    durable(file, lambda opened: dump(fits, opened, "fits"))
    durable(pickled, lambda opened: _put(opened, pickle.dumps(fits)))
    times = interleaved(
        {
            "ours": lambda: durable(next(paths), lambda opened: dump(fits, opened, "fits")),
            "pickle": lambda: durable(next(paths), lambda opened: _put(opened, pickle.dumps(fits))),
        },
        41,
    )
    yield ratio("dump 10 000 nested small values", times["ours"], times["pickle"], "pickle in an HDF5 file", 3)
    times = interleaved(
        {"ours": lambda: _loaded(file, "fits"), "pickle": lambda: pickle.loads(_got(pickled))},
        41,
    )
    yield ratio("load 10 000 nested small values", times["ours"], times["pickle"], "pickle in an HDF5 file", 3)


def _array(folder: Path) -> Iterator[Row]:
    image, paths = np.random.default_rng(0).random(BIG), fresh_paths(folder)
    ours, theirs = folder / "image.h5", folder / "raw.h5"
    durable(ours, lambda opened: dump({"image": image, "scale": 0.5}, opened, "result"))
    durable(theirs, lambda opened: opened.create_dataset("image", data=image))
    times = interleaved(
        {
            "ours": lambda: durable(next(paths), lambda opened: dump({"image": image}, opened, "result")),
            "h5py": lambda: durable(next(paths), lambda opened: opened.create_dataset("image", data=image)),
        },
        7,
    )
    yield ratio("dump a dict with 128 MiB", times["ours"], times["h5py"], "h5py + fsync + rename", 1.1)
    times = interleaved({"ours": lambda: _loaded(ours, "result"), "h5py": lambda: _read(theirs)}, 15)
    yield ratio("load a dict with 128 MiB", times["ours"], times["h5py"], "h5py", 1.1)


def _frame(folder: Path) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({name: rng.random(ROWS) for name in "abcde"})
    frame = frame.assign(
        n=np.arange(ROWS), good=rng.random(ROWS) > 0.5, time=pd.date_range("2026-01-01", periods=ROWS, freq="ms")
    )
    paths, ours, theirs = fresh_paths(folder), folder / "frame.h5", folder / "pandas.h5"
    durable(ours, lambda opened: dump(frame, opened, "frame"))
    frame.to_hdf(theirs, key="frame")
    times = interleaved(
        {"ours": lambda: _plain(next(paths), frame), "pandas": lambda: frame.to_hdf(next(paths), key="frame")},
        7,
    )
    yield ratio("dump a DataFrame, 10⁶ × 8", times["ours"], times["pandas"], "to_hdf", 1)
    times = interleaved({"ours": lambda: _loaded(ours, "frame"), "pandas": lambda: pd.read_hdf(theirs)}, 7)
    yield ratio("load a DataFrame, 10⁶ × 8", times["ours"], times["pandas"], "read_hdf", 1)


def _json(folder: Path) -> Row:
    numbers = np.random.default_rng(0).random(1_000_000)
    with AnalysisStore(folder / "store") as store:
        run = store.insert([{"primary": {"signal": numbers}}], {}, provenance=ORIGIN)
        stream = run["primary"]

        def alone() -> None:
            io.BytesIO().write(orjson.dumps(stream["signal"].read(), option=orjson.OPT_SERIALIZE_NUMPY))

        times = interleaved({"ours": lambda: export(run, io.BytesIO(), format="json"), "orjson": alone}, 7)
    return ratio("export 10⁶ numbers as JSON", times["ours"], times["orjson"], "orjson of the same array", 2)


def fresh_paths(folder: Path) -> Iterator[Path]:
    """Yield a fresh path at each turn; the file of the turn before is removed."""
    last: Path | None = None
    for number in itertools.count():
        if last is not None:
            last.unlink(missing_ok=True)
        last = folder / f"turn-{number}.h5"
        yield last


def _plain(path: Path, obj: Any) -> None:
    """Write a file as `pandas.DataFrame.to_hdf` does, which leaves it to the system when it reaches the disk."""
    with h5py.File(path, "w") as file:
        dump(obj, file, "frame")


def _put(file: h5py.File, data: bytes) -> None:
    file.create_dataset("pickled", data=np.frombuffer(data, np.uint8))


def _got(path: Path) -> bytes:
    with h5py.File(path) as file:
        found: bytes = file["pickled"][()].tobytes()
        return found


def _read(path: Path) -> Any:
    with h5py.File(path) as file:
        return file["image"][()]


def _loaded(path: Path, name: str) -> Any:
    with h5py.File(path) as file:
        return load(file[name])
