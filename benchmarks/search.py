"""How long a search takes in catalogs of growing size: the first ten hits of any key, and opening the newest run.

Run it with ``python -m benchmarks.search [RUNS ...]``.
"""

from __future__ import annotations

import json
import random
import sqlite3
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from analysis_store import AnalysisStore
from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.base import RunRecord
from analysis_store.catalogs.query.query import Query
from analysis_store.catalogs.query.terms import run_terms
from benchmarks.measure import Row, bound, faster, interleaved, ratio

SIZES = (10_000, 1_000_000)
BATCH = 20_000

QUERIES: dict[str, Any] = {
    "equality, 1 run in 10": {"element": "Fe"},
    "equality, 1 run in 1000": {"sample.name": "sample 17"},
    "equality, one run": {"scan_id": 4321},
    "two equalities": {"element": "Fe", "operator": "anna"},
    "no run": {"element": "Uuo"},
    "range over a tenth": {"temperature": {"$gte": 450}},
    "range over half": {"temperature": {"$lt": 275}},
    "narrow range": {"scan_id": {"$gte": 4000, "$lt": 4100}},
    "full text": "foil annealed",
    "member of a list": {"detectors": {"$contains": "eiger"}},
    "regular expression": {"sample.name": {"$regex": "7$"}},
    "not": {"element": {"$ne": "Fe"}},
}

MANY = 100_000
"""Runs of the store whose lists are measured through the public call."""

FIRST_TEN: dict[str, tuple[Any, float]] = {
    "of half of them, not counted": ({"temperature": {"$lt": 250}}, 60),
    "that a pattern finds, of which each run has another value, not counted": ({"uid": {"$regex": "a"}}, 60),
    "that a pattern finds rarely, of 1000 values": ({"sample.name": {"$regex": "^sample 17$"}}, 60),
    "that the beginning of a pattern finds, of as many values": ({"uid": {"$regex": "^abcd"}}, 60),
    "that contain a rare text, in 194 values": ({"note": {"$contains": "powder annealed batch 13"}}, 60),
    "of two ranges, all of them old": ({"scan_id": {"$lt": MANY * 3 // 10}, "temperature": {"$lt": 450}}, 120),
    "of two alternatives": ({"$or": [{"scan_id": 17}, {"scan_id": 99}]}, 60),
    "of 3000 values, all of them old": ({"scan_id": {"$in": list(range(3000))}}, 120),
}
"""What is asked for the first ten hits, and the most ms that they take."""

RARE = {"uid": {"$regex": "abcde"}}
"""A pattern that two runs match, of which each has another value: it is tried on every value."""

EQUALITIES = (*(name for name in QUERIES if "equalit" in name), "no run", "member of a list", "full text")
OPENINGS = ("open the newest run", "look up a prefix", "get by uid")


def build(n: int, path: Path, document: Callable[[int], dict[str, Any]] | None = None) -> None:
    """Make a catalog of ``n`` runs at ``path``, by bulk load; `start_document`, or another, tells of each."""
    document = document or start_document
    open_catalog(f"sqlite:///{path}").close()
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-1000000")
    for first in range(0, n, BATCH):
        runs = [(number + 1, document(number)) for number in range(first, min(first + BATCH, n))]
        rows = [(id, s["uid"], s["time"], s["scan_id"], "p", json.dumps(s), None, "[]", "{}") for id, s in runs]
        terms = sorted((*term, start["time"], id) for id, start in runs for term in run_terms(start, None))
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO run (id,uid,time,scan_id,path,start,stop,descriptors,beside) VALUES (?,?,?,?,?,?,?,?,?)", rows
        )
        connection.executemany("INSERT INTO term (place, value, time, run) VALUES (?, ?, ?, ?)", terms)
        connection.execute("COMMIT")
    connection.close()


def start_document(number: int) -> dict[str, Any]:
    """Return the start document of run ``number``."""
    chance = random.Random(number)
    return {
        "uid": f"{chance.getrandbits(128):032x}",
        "time": 1.7e9 + number,
        "scan_id": number,
        "plan_name": "analysis",
        "element": chance.choice(["Fe", "Ni", "Cu", "Co", "Mn", "Cr", "V", "Ti", "Zn", "Pt"]),
        "temperature": chance.uniform(0, 500),
        "operator": chance.choice(["anna", "bert", "carla", "dora"]),
        "sample": {"name": f"sample {chance.randrange(1000)}", "thickness": chance.choice([1, 2, 5, 10])},
        "detectors": chance.sample(["pilatus", "eiger", "vortex", "ion chamber"], 2),
        "note": f"{chance.choice(['foil', 'powder'])} {chance.choice(['annealed', 'as received'])} batch {number % 97}",
        "parent_uids": [f"{chance.getrandbits(128):032x}"],
        "analysis_stage": "normalised",
        "fit": {
            "edge": chance.gauss(7112, 3),
            "chi": chance.random(),
            "converged": True,
            "steps": chance.randrange(50),
        },
        "provenance": {
            "parents": [{"uid": f"{chance.getrandbits(128):032x}", "catalog": "raw", "resolved": True}],
            "code": {
                "name": "xas",
                "version": "1.2.3",
                "commit": f"{number % 50:040x}",
                "url": "https://example.org/xas",
            },
            "parameters": {"kmin": 3.0, "kmax": chance.choice([10, 12, 14])},
            "environment": {"digest": "blake3:abc", "python": "3.12", "platform": "linux"},
        },
    }


def milliseconds(work: Callable[[], Any], times: int = 15) -> float:
    """Return the median duration of some work, once warm."""
    work()
    durations = []
    for _ in range(times):
        begin = time.perf_counter()
        work()
        durations.append(1000 * (time.perf_counter() - begin))
    return median(durations)


def measure(path: Path) -> dict[str, float]:
    """Return the times of every search in a catalog, in ms."""
    catalog = open_catalog(f"sqlite:///{path}")
    found = {}
    for name, asked in QUERIES.items():
        query = Query.parse(asked)
        found[name] = milliseconds(lambda query=query: catalog.search(query, limit=10))
    newest = catalog.search(Query(), limit=1)[0].uid
    found["open the newest run"] = milliseconds(lambda: catalog.search(Query(), limit=1))
    found["look up a prefix"] = milliseconds(lambda: catalog.with_prefix(newest[:8]))
    found["get by uid"] = milliseconds(lambda: catalog.get(newest))
    catalog.close()
    return found


def insertion(path: Path, times: int = 100) -> tuple[float, float]:
    """Return the median time of inserting a run and of a bare durable commit to the same file, in ms."""
    catalog = open_catalog(f"sqlite:///{path}")
    numbers = iter(range(10**9, 2 * 10**9))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (text TEXT)")
    insert = milliseconds(lambda: catalog.insert(RunRecord(start_document(next(numbers)), None, (), "p")), times)
    bare = milliseconds(lambda: connection.execute("INSERT INTO bare VALUES ('a run')"), times)
    connection.close()
    catalog.close()
    return insert, bare


def rows() -> Iterator[Row]:
    """Yield the rows of searches: the slowest equality at each size, its growth, and opening the newest run."""
    columns = [_column(size) for size in SIZES]
    first, last = (max(column[name] for name in EQUALITIES) for column in columns)
    yield bound(f"first 10 hits of any key among {SIZES[-1]:,} runs", last, 5, "ms")
    yield bound(f"… growing from {SIZES[0]:,} runs", last / first, 2, "×")
    yield bound("open the newest run", max(columns[-1][name] for name in OPENINGS), 3, "ms")
    yield from lists()


def lists() -> Iterator[Row]:
    """Yield the rows of lists of runs, through the public call."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "store"
        AnalysisStore(folder).close()
        build(MANY, folder / "catalog.sqlite")
        with AnalysisStore(folder) as store:
            for what, (asked, most) in FIRST_TEN.items():
                found = store.search(asked)
                yield bound(f"first 10 runs {what}", milliseconds(lambda found=found: list(found[:10]), 5), most, "ms")
            rare = Query.parse(RARE)
            times = interleaved(
                {"index": lambda: len(store.search(RARE)), "documents": lambda: _judged(store, rare)}, 3
            )
            what = "count what a pattern finds, of as many values"
            yield faster(what, times["index"], times["documents"], "judging every document", 4)
            half = store.search({"temperature": {"$lt": 250}})
            contenders = {"runs": lambda: _length(half), "records": lambda: _length(store.catalog.each(Query.parse()))}
            times = interleaved(contenders, 3)
            yield ratio("iterate over half of the runs", times["runs"], times["records"], "reading all records", 4)
            yield bound("memory to iterate over them", _peak(lambda: _length(half)), 24, "MiB")
            yield bound("memory of impact(commit), of 2000 runs", _peak(lambda: store.impact(f"{7:040x}")), 24, "MiB")


def _judged(store: AnalysisStore, query: Query) -> int:
    return sum(query.matches(record.start, record.stop) for record in store.catalog.each(Query.parse()))


def _length(several: Iterable[Any]) -> int:
    return sum(1 for _ in several)


def _peak(work: Callable[[], Any]) -> float:
    """Return the memory that some work takes at most, in MiB."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def _column(size: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        build(size, path)
        insert, bare = insertion(path)
        return {**measure(path), "insert": insert, "bare commit": bare}


def main(sizes: tuple[int, ...] = SIZES) -> None:
    """Print the times for each size, side by side, in ms."""
    columns = [_column(size) for size in sizes]
    print(f"{'ms':28}" + "".join(f"{size:>12,}" for size in sizes))
    for name in columns[0]:
        print(f"{name:28}" + "".join(f"{column[name]:12.2f}" for column in columns))


if __name__ == "__main__":
    main(tuple(map(int, sys.argv[1:])) or SIZES)
