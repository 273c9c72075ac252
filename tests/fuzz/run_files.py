"""Damages run files and recordings in every way that is cheap to think of: ``python -m tests.fuzz.run_files 1000 1``.

Whatever was done to a file, whoever reads it, verifies it or checks its store gets the right data, or an error of ours,
within a limit of time and of memory. A mutation is a number: what it does follows from it, and can be done again alone.
The files are damaged in processes of their own, because a damaged file may take the library that reads it down.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.errors import AnalysisStoreError
from analysis_store.recorder import RunDataStore
from analysis_store.recorder.run.live_runs import live_runs
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.run import Run
from tests.faults.flips import seen

ORIGIN = Provenance(origin="synthetic", note="to be damaged")
SECONDS = 20
"""Of a processor, for one mutation; and six times as many of the clock."""
MEMORY = 4 << 30
"""Bytes of addresses that a process may have."""
BATCH = 50
"""Mutations that a process does."""


# ---------------------------------------------------------------------------------------------- what is damaged


def ours(store: AnalysisStore, folder: Path) -> Path:
    """Save a run with values of every form."""
    random = np.random.default_rng(0)
    data = [
        {
            "primary": {
                "n": 1.5 + event,
                "flat": random.random(300),
                "packed": random.poisson(1, (64, 200, 50)).astype("u2"),
                "ragged": np.arange(20.0 + event),
                "when": np.array(["2026-01-01"] * 20, "M8[ns]"),
                "table": pd.DataFrame({"x": [1.5, 2.5], "name": ["a", "b"]}),
                "text": np.array(["a" * size for size in range(20)], object),
                "object": {"a": {1, 2}, "b": [np.arange(3), None, "x"]},
            }
        }
        for event in range(2)
    ]
    return store.insert(data, {"sample_name": "foil"}, provenance=ORIGIN).file


def foreign(store: AnalysisStore, folder: Path) -> Path:
    """Keep the documents of somebody else, with arrays in them."""
    key = {"source": "a test", "dtype": "array", "shape": [200]}
    store("start", {"uid": "foreign", "time": 1.0})
    store("descriptor", {"uid": "d", "time": 2.0, "run_start": "foreign", "name": "primary", "data_keys": {"x": key}})
    for number in range(1, 4):
        values, times = {"x": np.arange(200.0) * number}, {"x": 3.0}
        event = {"uid": f"e{number}", "time": 3.0, "descriptor": "d", "seq_num": number, "filled": {}}
        store("event", {**event, "data": values, "timestamps": times})
    store("stop", {"uid": "s", "time": 4.0, "run_start": "foreign", "exit_status": "success"})
    return store["foreign"].file


def linked(store: AnalysisStore, folder: Path) -> Path:
    """Leave data in a file of another program, which has HDF5's old form: without checksums."""
    path = folder / "measured.h5"
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset(
            "entry/counts", data=np.arange(6000.0).reshape(60, 100), chunks=(5, 100), compression="gzip"
        )
        file["entry/energy"] = np.arange(60.0)
    store.insert_file(path, {}, copy=False, chunk=5)
    return path


def recording(store: AnalysisStore, folder: Path) -> Path:
    """Leave a recording whose writer died."""
    code = f"from tests.fuzz.run_files import die; die({str(folder)!r})"
    subprocess.run([sys.executable, "-c", code], check=True)
    return next(store.root.rglob("*.live"))


def die(folder: str) -> None:
    """Record, and end without a word."""
    made = RunDataStore(AnalysisStore(folder), {}, provenance=ORIGIN)
    for number in range(60):
        made.append("x", float(number), 1.0 + number)
        made.append("y", np.arange(20.0) * number, 1.0 + number)
        made.append("t", "text" * number, 1.0 + number)
    made.flush()
    os._exit(0)


MAKERS: dict[str, Callable[[AnalysisStore, Path], Path]] = {
    "ours": ours, "foreign": foreign, "linked": linked, "recording": recording,
}  # fmt: skip


def made(kind: str, folder: Path) -> Path:
    """Make the store of a kind in a folder; return the file that is going to be damaged."""
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(folder, policy=policy) as store:
        path = MAKERS[kind](store, folder)
    path.chmod(0o644)
    return path


# ---------------------------------------------------------------------------------------------- how it is damaged


def mutated(content: bytes, number: int) -> bytes:
    """Return a content with the damage of a number."""
    random = np.random.default_rng(number)
    act = ACTS[random.integers(len(ACTS))]
    bad = bytearray(content)
    for _ in range(random.integers(1, 4) if act in (flip, overwrite) else 1):
        # half of all damage goes where the structure of a small file is, and values are not
        place = int(random.integers(len(bad)) if random.random() < 0.5 else random.integers(min(len(bad), 8192)))
        act(bad, place, random)
    return bytes(bad)


def flip(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Flip a bit."""
    bad[place] ^= 1 << random.integers(8)


def overwrite(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Put another number in the place of one."""
    size = int(random.choice([1, 2, 4, 8]))
    value = int(random.choice([0, 1, 255, 2**15, 2**31 - 1, 2**31, 2**63 - 1, 2**64 - 1, len(bad)])) % 256**size
    bad[place : place + size] = value.to_bytes(size, "little")


def zeros(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Lose a stretch, as a disk does: a sector or a few pages."""
    if random.random() < 0.5:
        place -= place % 512
    size = int(random.choice([16, 512, 2048, 4096, 16384]))
    bad[place : place + size] = bytes(len(bad[place : place + size]))


def noise(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Write a stretch of anything."""
    size = len(bad[place : place + int(random.integers(2, 600))])
    bad[place : place + size] = random.bytes(size)


def copied(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Write a stretch of the file to another place of it."""
    source, size = int(random.integers(len(bad))), int(random.choice([8, 24, 512, 4096]))
    part = bytes(bad[source : source + size])[: len(bad) - place]
    bad[place : place + len(part)] = part


def cut(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Cut the file short."""
    del bad[place:]


def lengthened(bad: bytearray, place: int, random: np.random.Generator) -> None:
    """Put something in, and move what is behind it."""
    bad[place:place] = random.bytes(int(random.integers(1, 600)))


ACTS = [flip, flip, overwrite, overwrite, zeros, zeros, noise, copied, cut, lengthened]


# ---------------------------------------------------------------------------------------------- what becomes of it


class Victim:
    """A store of which one file is damaged again and again."""

    def __init__(self, kind: str, folder: Path, path: Path) -> None:
        self.path = path
        self.content = path.read_bytes()
        self.store = AnalysisStore(folder)
        self.looks = LIVE_LOOKS if kind == "recording" else LOOKS
        self.whole = {look.__name__: look(self.store) for look in self.looks}

    def became(self, number: int) -> str:
        """Say what became of a mutation: ``found``, ``harmless``, or what is wrong with us."""
        self.path.write_bytes(mutated(self.content, number))
        found = False
        for look in self.looks:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    seen_now = look(self.store)
            except AnalysisStoreError:
                found = True
                continue
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                return f"{look.__name__}: {error!r} in {Path(where.filename).name}:{where.lineno}"
            if seen_now != self.whole[look.__name__]:
                if look.__name__ not in TELLING:
                    return f"{look.__name__}: wrong data"
                found = True
        return "found" if found else "harmless"


def checked(store: AnalysisStore) -> Any:
    """Check the whole store; it never ends in an error."""
    try:
        return bool(store.check(workers=1).faults), str(store.check(workers=1).remarks)
    except AnalysisStoreError as error:
        raise RuntimeError(f"the check was stopped by {error!r}") from error


def verified(store: AnalysisStore) -> Any:
    """Verify every run."""
    return [bool(run.verify()) for run in store]


def read_unchecked(store: AnalysisStore) -> Any:
    """Read all that there is of every run, without asking whether it is right."""
    for run in store:
        seen(run)
        list(run.documents(fill=True))
        for name in run:
            run[name].read()


def read_checked(store: AnalysisStore) -> Any:
    """Read all that there is, compared with the digests."""
    told = []
    for run in store:
        for name, dataset in store.read_checked(run.uid, None).items():
            told.append([name, {key: repr(array.values.tolist()) for key, array in dataset.variables.items()}])
    return json.dumps(told)


def documents(store: AnalysisStore) -> Any:
    """Make the record of the catalog anew, as a reindex does."""
    for run in store:
        content = RunFile(run.file)
        Run(content.record(run.record.path), run.context)
        list(content.documents())


def recordings(store: AnalysisStore) -> Any:
    """List the recordings, and read what is in them."""
    for live in live_runs(store):
        for key in live.keys:
            list(live.recorded(key)[:])


LOOKS: list[Callable[[AnalysisStore], Any]] = [documents, read_unchecked, verified, read_checked, checked]
LIVE_LOOKS: list[Callable[[AnalysisStore], Any]] = [recordings, checked]
TELLING = {"verified", "checked"}
"""What tells of a damage by its answer."""


# ---------------------------------------------------------------------------------------------- processes


def work(kind: str, folder: str, path: str, first: int, count: int) -> None:
    """Do some mutations, and print what became of each; the system ends what takes too long."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    victim = Victim(kind, Path(folder), Path(path))
    for number in range(first, first + count):
        print(number, flush=True, end=" ")
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        signal.setitimer(signal.ITIMER_REAL, 6 * SECONDS)
        print(victim.became(number), flush=True)
    os._exit(0)  # nothing is left to be said, and a library that was hurt may not end well


def outcomes(kind: str, first: int, count: int) -> Iterator[tuple[int, str]]:
    """Yield what became of each mutation of a file; one that kills its process is told, and the others go on."""
    with tempfile.TemporaryDirectory() as folder:
        path = made(kind, Path(folder) / "store")
        whole, last = path.read_bytes(), first + count
        while first < last:
            path.write_bytes(whole)
            batch = min(BATCH, last - first)
            command = [sys.executable, "-m", "tests.fuzz.run_files", "--work", kind]
            command += [str(Path(folder) / "store"), str(path), str(first), str(batch)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [line.split(" ", 1) for line in done.stdout.splitlines()]
            yield from ((int(line[0]), line[1]) for line in lines if len(line) == 2 and line[1])
            first += len(lines)
            if done.returncode:
                number = int(lines[-1][0]) if lines else first
                how = signal.Signals(-done.returncode).name if done.returncode < 0 else done.stderr[-600:]
                yield number, f"the process ended: {how}"
                first = number + 1


def main(count: int, first: int, kinds: list[str]) -> int:
    """Damage each kind of file so many times; print what is wrong, and return how often it was."""
    wrong = 0
    for kind in kinds:
        total: Counter[str] = Counter()
        for number, became in outcomes(kind, first, count):
            known = became in ("found", "harmless")
            total[became if known else "wrong"] += 1
            if not known:
                wrong += 1
                print(f"{kind} {number}: {became}", flush=True)
        print(f"{kind}: {dict(total)}", flush=True)
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "--work":
        shutil.rmtree  # noqa: B018
        work(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), int(sys.argv[6]))
    number, seed = (int(each) for each in (*sys.argv[1:3], "1000", "1")[:2])
    sys.exit(min(1, main(number, seed * 1_000_000, sys.argv[3:] or list(MAKERS))))
