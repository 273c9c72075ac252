"""Trust: a store checked, made anew, carried away and brought in, beside the bare work on the same files."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
from blake3 import blake3

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.catalogs.base import RunRecord
from analysis_store.trust.reindexing.reindex import reindex
from benchmarks.measure import Row, bound, interleaved, ratio

ORIGIN = Provenance(origin="synthetic", note="benchmark")
BIG = (24, 512, 1024)
"""Shape of the one key of a big run: 96 MiB, which noise does not let compress."""
BIG_RUNS = 24
SMALL_RUNS = 2000
CHAIN = 1000


def rows() -> Iterator[Row]:
    """Yield every row about trust."""
    with tempfile.TemporaryDirectory() as name:
        yield from _big(Path(name))
    with tempfile.TemporaryDirectory() as name:
        yield _reindex(Path(name))
        yield _chain(Path(name))


def _hash(path: Path) -> None:
    hasher, buffer = blake3(), memoryview(bytearray(8 << 20))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])


def hash_all(files: list[Path]) -> None:
    """Hash files as fast as the cores allow: one thread per core, each with a file of its own."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(_hash, files))


def copy_all(files: list[Path], target: Path) -> None:
    """Copy files, and wait until they are on the disk, as a bundle and a store do."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for file in files:
        copied = shutil.copy(file, target / file.name)
        descriptor = os.open(copied, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


def _big(folder: Path) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    with AnalysisStore(folder / "store", policy=Policy(require_inputs=False)) as store:
        for _ in range(BIG_RUNS):
            store.insert({"primary": {"image": rng.random(BIG)}}, {}, provenance=ORIGIN)
        files, bundle = [run.file for run in store], folder / "runs.zip"

        def dump() -> None:
            bundle.unlink(missing_ok=True)
            store.dump(None, bundle)

        def load() -> None:
            shutil.rmtree(folder / "other", ignore_errors=True)
            with AnalysisStore(folder / "other", policy=store.policy) as other:
                other.load(bundle)

        times = interleaved({"check": store.check, "hash": lambda: hash_all(files)}, 5)
        yield ratio("check 2.25 GiB in 24 runs", times["check"], times["hash"], "hashing the files, same cores", 1.25)
        copy = {"cp": lambda: copy_all(files, folder / "copies")}
        times = interleaved({"dump": dump, **copy}, 3)
        yield ratio("dump them into a bundle", times["dump"], times["cp"], "cp + fsync", 1.5)
        times = interleaved({"load": load, **copy}, 3)
        yield ratio("load them from it", times["load"], times["cp"], "cp + fsync", 1.5)


def _reindex(folder: Path) -> Row:
    with AnalysisStore(folder / "many") as store:
        for number in range(SMALL_RUNS):
            store.insert([{"primary": {"energy": 7112.0, "number": number}}], {"scan_id": number}, provenance=ORIGIN)
    times = []
    for _ in range(3):
        (folder / "many" / "catalog.sqlite").unlink()
        begin = time.perf_counter()
        reindex(folder / "many")
        times.append(time.perf_counter() - begin)
    rate = SMALL_RUNS / median(times)
    return Row(f"make the catalog of {SMALL_RUNS:,} runs anew", f"{rate:.0f} runs/s", "≥ 500 runs/s", rate >= 500)


def _chain(folder: Path) -> Row:
    with AnalysisStore(folder / "chain") as store:
        uids = [f"run-{number}" for number in range(CHAIN)]
        starts = ({"uid": uid, "time": 1e9 + number, "plan_name": "link"} for number, uid in enumerate(uids))
        parents = [(), *((uid,) for uid in uids)]
        store.catalog.insert_many(
            RunRecord(start, None, (), "p", above) for start, above in zip(starts, parents, strict=False)
        )
        ways = {"up": store[uids[-1]].ancestors, "down": store[uids[0]].descendants}
        found = interleaved(ways, 9)
        lengths = [len(list(way())) for way in ways.values()]
    if lengths != [CHAIN - 1] * 2:
        raise ValueError(f"a chain of {CHAIN} runs gave {lengths} relatives")
    return bound(f"every ancestor, or descendant, in a chain of {CHAIN:,}", max(found.values()) * 1e3, 50, "ms")
