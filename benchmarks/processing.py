"""Processing: a result that is there already, what `compute` adds, many inputs through a pipeline, the callback."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from analysis_store import AnalysisStore, Provenance, insert_analysis
from analysis_store.processing import AutoAnalysis, Pipeline, Selection, Task, processor
from benchmarks.measure import Row, bound, interleaved
from benchmarks.search import build, start_document

STORED = 100_000
TURNS = 20
EACH = 10
"""How often in a turn: a collection of garbage comes before each, and leaves the caches of the processor cold."""
CORES = os.cpu_count() or 1
EVENTS = 500
CURVE = 1000
ORIGIN = Provenance(origin="synthetic", note="benchmark")


def busy(values: np.ndarray, rounds: int) -> np.ndarray:
    """Return values after some work on one core: real numbers, shape (n,)."""
    for _ in range(rounds):
        values = np.abs(np.fft.irfft(np.fft.rfft(values), values.size))
    return values


@processor(id="bench_first", version="1")
def first(inputs: Any, *, rounds: int = 1) -> dict[str, Any]:
    """Work on a curve."""
    return {"curve": busy(inputs["primary"]["curve"][0], rounds)}


@processor(id="bench_second", version="1")
def second(inputs: Any, *, rounds: int = 1) -> dict[str, Any]:
    """Work on it once more."""
    return {"curve": busy(inputs["primary"]["curve"][0], rounds)}


@processor(id="bench_third", version="1")
def third(inputs: Any, *, rounds: int = 1) -> dict[str, Any]:
    """Work on it, and say something of it."""
    curve = busy(inputs["primary"]["curve"][0], rounds)
    return {"curve": curve, "height": float(curve.max()), "at": int(curve.argmax())}


def rows() -> Iterator[Row]:
    """Yield every row about processing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield _hit(folder / "hits")
        yield from _overhead(folder / "overhead")
        yield from _batch(folder / "batch", 10, 1000)
        yield from _batch(folder / "short", 1, 1000)
        yield from _batch(folder / "long", 30, 300)
        yield from _callback(folder / "callback")


def _curves(store: AnalysisStore, n: int) -> list[Any]:
    """Return new runs of one curve each."""
    rng = np.random.default_rng(0)
    return [
        insert_analysis([{"primary": {"curve": rng.random(CURVE)}}], {}, store=store, provenance=ORIGIN)
        for _ in range(n)
    ]


def _result_document(number: int) -> dict[str, Any]:
    """Return the start document of a result as `compute` writes it, the same for the same number."""
    start = start_document(number)
    digest = f"blake3:{number:064x}"
    start["processing"] = {
        "processor": "bench_first", "version": "1", "key": digest, "source": f"blake3:{0:064x}",
        "functions": ["benchmarks.processing:first 0123456789abcdef"], "parameters": f"blake3:{1:064x}",
        "inputs": [digest],
    }  # fmt: skip
    return start


def _hit(folder: Path) -> Row:
    AnalysisStore(folder).close()
    build(STORED, folder / "catalog.sqlite", _result_document)
    with AnalysisStore(folder) as store:
        runs = _curves(store, TURNS * EACH)
        for run in runs:
            store.compute(first, run)
        uids = itertools.cycle([run.uid for run in runs])
        taken = interleaved({"hit": _often(lambda: store.compute(first, next(uids)))}, TURNS)["hit"] / EACH
    return bound(f"a result that is there, of {STORED:,}", taken * 1e3, 3, "ms")


def _overhead(folder: Path) -> Iterator[Row]:
    with AnalysisStore(folder) as store:
        runs = iter(_curves(store, 2 * (TURNS + 1) * EACH))

        def by_hand() -> None:
            run = next(runs)
            insert_analysis(
                [{"primary": third(run, rounds=1)}], {}, store=store,
                provenance=Provenance(parents=[run], parameters={"rounds": 1}),
            )  # fmt: skip

        preset = third.preset(rounds=1)
        ours = _often(lambda: store.compute(preset, next(runs)))
        times = interleaved({"ours": ours, "by hand": _often(by_hand)}, TURNS)
    yield bound(
        f"compute, over the function and insert_analysis ({times['by hand'] / EACH * 1e3:.2f} ms)",
        (times["ours"] - times["by hand"]) / EACH * 1e3, 1, "ms",
    )  # fmt: skip


def _often(work: Callable[[], object]) -> Callable[[], None]:
    """Return what does some work several times."""

    def often() -> None:
        for _ in range(EACH):
            work()

    return often


def _rounds(milliseconds: float) -> int:
    """Return how many rounds of `busy` take so long here."""
    values = np.random.default_rng(0).random(CURVE)
    taken = min(_seconds(lambda: busy(values, 500)) for _ in range(5))
    return max(1, round(milliseconds / 1e3 / taken * 500))


def _bare(values: np.ndarray, rounds: int) -> tuple[float, int]:
    """Return what the three functions return, with nothing around them."""
    for step in (first, second, third):
        result = step({"primary": {"curve": [values]}}, rounds=rounds)
        values = result["curve"]
    return result["height"], result["at"]


def _batch(folder: Path, milliseconds: float, inputs: int) -> Iterator[Row]:
    rounds = _rounds(milliseconds)
    pipeline = first.preset(rounds=rounds) | second.preset(rounds=rounds) | third.preset(rounds=rounds)
    with AnalysisStore(folder) as store:
        runs = _curves(store, inputs)
        curves = [run["primary"]["curve"][0] for run in runs]
        task = Task(pipeline, Selection(*(run.uid for run in runs)), store=store)
        before = _seconds(lambda: _mapped(curves, rounds))
        ours = _seconds(lambda: task.run(CORES, progress=False))
        bare = (before + _seconds(lambda: _mapped(curves, rounds))) / 2
        if task.status != "done":
            raise RuntimeError(f"the task ended as {task.status}: {task.outcomes!r}")
    part, asked = 100 * bare / ours, milliseconds == 10
    work = f"{inputs} inputs × 3 steps of {milliseconds:g} ms, {CORES} processes"
    measured = f"{part:.0f} % of the bare functions ({inputs / ours:.0f} : {inputs / bare:.0f} inputs/s)"
    yield Row(work, measured, "≥ 70 %" if asked else "", part >= 70 or not asked)


def _mapped(curves: list[np.ndarray], rounds: int) -> None:
    """Work on curves in as many processes, as somebody does who keeps nothing."""
    with ProcessPoolExecutor(CORES, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_bare, curves, itertools.repeat(rounds), chunksize=4))


def _seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _callback(folder: Path) -> Iterator[Row]:
    with AnalysisStore(folder) as store, AutoAnalysis(store, Pipeline.of(first)) as callback:
        taken: dict[str, list[float]] = {}
        for run in _curves(store, 20):
            for name, doc in _scan(run):
                begin = time.perf_counter()
                callback(name, doc)
                taken.setdefault(name, []).append(time.perf_counter() - begin)
        worst = max(taken, key=lambda name: median(taken[name]))
    yield bound(f"AutoAnalysis, the slowest kind of document ({worst})", median(taken[worst]) * 1e3, 1, "ms")
    slowest = max(itertools.chain.from_iterable(taken.values())) * 1e3
    yield Row("", f"{slowest:.2f} ms the slowest of {sum(map(len, taken.values()))} documents", "", True)


def _scan(run: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the documents of a stored run as a RunEngine would emit them: with many events."""
    documents = dict(run.documents())
    yield "start", documents["start"]
    yield "descriptor", documents["descriptor"]
    for number in range(EVENTS):
        yield "event", {**documents["event"], "seq_num": number + 1, "uid": str(uuid.uuid4())}
    yield "stop", documents["stop"]
