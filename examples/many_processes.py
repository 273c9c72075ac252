"""Fit the frames of a scan in many processes; what all of them find becomes one run, live from its first second.

redis-server --appendonly yes --appendfsync always
python examples/many_processes.py --redis redis://localhost:6379/0 --store analysis --processes 4

The processes may be on any hosts that reach the server. Any of them, the collector or the server may be killed, and
started again: every result is in the run once.
"""

import argparse
import multiprocessing
import uuid

import numpy as np

from analysis_store import AnalysisStore, Code, Provenance
from analysis_store.recorder import Collector, Recorder, RedisDataStore, RunDataStore, recorded

# Where this script can be had. Name and commit of its checkout are found out; without one its text is kept.
CODE = Code(url="https://github.com/bluesky/analysis_store/blob/main/examples/many_processes.py")
FRAMES = 200


def measured(frame):
    """Return a frame, (64, 64) counts: a spot that moves to the right."""
    y, x = np.mgrid[:64, :64]
    spot = 100 * np.exp(-((x - 10 - frame / 5) ** 2 + (y - 32) ** 2) / 18)
    return np.random.default_rng(frame).poisson(spot + 1)


def centre(image):
    """Return row and column (pixels) of the centre of mass above the background."""
    above = np.where(image > 10, image, 0)
    return [float(above.sum(axis=1 - axis) @ np.arange(64) / above.sum()) for axis in (0, 1)]


def work(url, name, number, processes):
    """Record the results for the frames that are this process's, one after the other."""
    frames = range(number, FRAMES, processes)
    datastore = RedisDataStore(url, name, producer=f"worker {number}")
    with Recorder(datastore) as recorder:
        recorder.declare("centre", units="pixel", columns=["frame", "row", "column"])
        for frame in frames[datastore.taken :]:  # one that was started again goes on where the server has it
            recorder.record("centre", [float(frame), *centre(measured(frame))])


def main():
    """Start the processes, and collect what they record into a run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--redis", default="redis://localhost:6379/0", help="the server (default: %(default)s)")
    parser.add_argument("--store", default="analysis", help="folder of the store (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=4)
    arguments = parser.parse_args()
    origin = Provenance(origin="synthetic", note="a spot that moves", code=CODE, parameters={"frames": FRAMES})
    name, context = str(uuid.uuid4()), multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(arguments.redis, name, number, arguments.processes))
        for number in range(arguments.processes)
    ]

    with AnalysisStore(arguments.store) as store:
        with (
            RunDataStore(store, {"analysis_stage": "centres"}, origin) as run,
            Collector(arguments.redis, name, run) as collector,
        ):
            for worker in workers:
                worker.start()
            collector.run(producers=len(workers))
        found = recorded(store[run.uid])["centre"][:]
        found = found[found[:, 0].argsort()]  # each process has its order; of all together there is none
        slope = np.polyfit(found[:, 0], found[:, 2], 1)[0]
        print(f"run {run.uid[:8]}: {len(found)} frames by {len(workers)} processes, {slope:.2f} pixels per frame")


if __name__ == "__main__":
    main()
