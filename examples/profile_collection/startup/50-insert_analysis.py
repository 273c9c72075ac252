"""A beamline profile: every scan is followed by a fit of its peak, saved with the scan as its parent.

    ANALYSIS_STORE=analysis ipython --profile-dir examples/profile_collection
    In [1]: RE(scan([det], motor, -5, 5, 41))
    In [2]: store[-1]["primary"].read()

The devices are simulated and the raw runs live in memory; at a beamline, ``raw`` is the databroker or Tiled
catalog of the place, and the rest stays as it is.
"""

import os

import numpy as np
from bluesky import RunEngine
from bluesky.callbacks import CollectThenCompute
from bluesky.plans import scan  # noqa: F401 - for whoever sits at the prompt
from databroker.mongo_normalized import MongoAdapter
from ophyd.sim import det, motor  # noqa: F401
from scipy.optimize import curve_fit
from tiled.client import Context, from_context
from tiled.server.app import build_app

from analysis_store import AnalysisStore, Code, Provenance, insert_analysis

# Where this profile can be had. Name and commit of its checkout are found out; without one its text is kept.
PROFILE = Code(url="https://github.com/bluesky/analysis_store/tree/main/examples")


def gaussian(x, height, center, width):
    """Return a Gaussian of standard deviation ``width``."""
    return height * np.exp(-((x - center) ** 2) / (2 * width**2))


def fit_peak(x, y):
    """Return height, center and width of the peak in ``y``, and their standard errors."""
    guess = (y.max(), x[y.argmax()], (x.max() - x.min()) / 10)
    best, covariance = curve_fit(gaussian, x, y, p0=guess)
    return np.abs(best), np.sqrt(np.diag(covariance))  # the sign of the width means nothing


class InsertPeak(CollectThenCompute):
    """Fits a Gaussian to a one-dimensional scan when it stops, and inserts the result."""

    def __init__(self, store, x, y):
        super().__init__()
        self.store, self.x, self.y = store, x, y

    def start(self, doc):
        """Forget the scan before; the base class would go on collecting."""
        self.reset()
        super().start(doc)

    def compute(self):
        """Fit and insert; called when the run has stopped. A scan of anything else passes by."""
        events = [event["data"] for event in self._events]
        if len(events) < 4 or not all({self.x, self.y} <= set(data) for data in events):
            return
        x, y = (np.array([data[key] for data in events]) for key in (self.x, self.y))
        (height, center, width), errors = fit_peak(x, y)
        insert_analysis(
            [
                {
                    "primary": {
                        self.x: x,
                        self.y: y,
                        "fit": gaussian(x, height, center, width),
                        "height": height,
                        "center": center,
                        "width": width,
                        "errors": errors,
                    }
                }
            ],
            {"analysis_stage": "peak", "raw_scan_id": self._start_doc["scan_id"]},
            provenance=Provenance(parents=self._start_doc["uid"], code=PROFILE, parameters={"model": "gaussian"}),
            descriptor_md={
                "primary": {
                    "data_keys": {self.x: {"units": "mm"}, "center": {"units": "mm"}, "width": {"units": "mm"}},
                    "hints": {"analysis": {"fields": [self.y]}},
                }
            },
            store=self.store,
        )


tree = MongoAdapter.from_mongomock()
raw = from_context(Context.from_app(build_app(tree)).__enter__())
store = AnalysisStore(os.environ.get("ANALYSIS_STORE", "analysis"), sources=[raw])

RE = RunEngine({"beamline_id": "simulated"})
RE.subscribe(tree.get_serializer())  # first, so that the raw run is there when its result names it
RE.subscribe(InsertPeak(store, x="motor", y="det"))
