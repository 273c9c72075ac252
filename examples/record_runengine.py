"""Analyse a scan while it runs: each event adds to a run of its own, whose parent is the scan.

    python examples/record_runengine.py --store analysis
    analysis-store tail --store analysis                                # in another terminal

The devices are simulated, and nobody keeps the raw runs; at a beamline, ``catalog`` names the one where they are.
"""

import argparse

import numpy as np
from bluesky import RunEngine
from bluesky.callbacks import CallbackBase
from bluesky.plans import scan
from ophyd.sim import det, motor

from analysis_store import AnalysisStore, Code, Parent, Provenance
from analysis_store.recorder import Recorder, RunDataStore

# Where this script can be had. Name and commit of its checkout are found out; without one its text is kept.
CODE = Code(url="https://github.com/bluesky/analysis_store/blob/main/examples/record_runengine.py")


class RecordCenter(CallbackBase):
    """Records centre and width of a peak, as they are known after each point of a scan."""

    def __init__(self, store, x, y, catalog):
        super().__init__()
        self.store, self.x, self.y, self.catalog = store, x, y, catalog
        self.uids = []
        """Of the runs that were recorded."""

    def start(self, doc):
        """Begin a run. The scan is declared as its parent: it has begun, and is in its catalog when it ends."""
        origin = Provenance(parents=Parent(doc["uid"], catalog=self.catalog), code=CODE)
        self.live = RunDataStore(self.store, {"analysis_stage": "center", "raw_scan_id": doc["scan_id"]}, origin)
        self.recorder, self.points = Recorder(self.live), []
        self.recorder.declare("peak/center", units="mm")
        self.recorder.declare("peak/width", units="mm")
        self.uids.append(self.live.uid)

    def event(self, doc):
        """Record what the points so far tell."""
        self.points.append((doc["data"][self.x], doc["data"][self.y]))
        x, y = np.transpose(self.points)
        center = np.average(x, weights=y)
        self.recorder.record("peak/center", center)
        self.recorder.record("peak/width", np.sqrt(np.average((x - center) ** 2, weights=y)))

    def stop(self, doc):
        """End the run as the scan ended."""
        self.recorder.set("raw_exit_status", doc["exit_status"])
        if doc["exit_status"] == "success":
            self.recorder.close()
        else:
            self.live.fail(f"the scan ended with {doc['exit_status']}: {doc.get('reason', '')}")


def main():
    """Scan, and read back what was recorded beside it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="analysis", help="folder of the store (default: %(default)s)")
    arguments = parser.parse_args()

    with AnalysisStore(arguments.store) as store:
        recorded = RecordCenter(store, x="motor", y="det", catalog="raw")
        engine = RunEngine({"beamline_id": "simulated"})
        engine.subscribe(recorded)
        (scanned,) = engine(scan([det], motor, -5, 5, 21))

        run = store[recorded.uids[-1]]
        print(f"scan {scanned[:8]} is the parent: {run.parents == [scanned]}")
        print(f"run {run.uid[:8]}: {', '.join(f'{name} {run[name].num_events}' for name in run)}")


if __name__ == "__main__":
    main()
