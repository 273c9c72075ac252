"""Record a fit as it goes: in a run of the store, and in an HDF5 file, which others may read meanwhile.

python examples/record_loop.py --store analysis --file fit.h5
analysis-store tail fit.h5                                          # in another terminal
"""

import argparse

import numpy as np

from analysis_store import AnalysisStore, Code, Provenance
from analysis_store.recorder import HDF5DataStore, Recorder, RunDataStore

# Where this script can be had. Name and commit of its checkout are found out; without one its text is kept.
CODE = Code(url="https://github.com/bluesky/analysis_store/blob/main/examples/record_loop.py")
TRUE, START, STEPS, RATE = (3.0, 0.5, 1.5), (1.0, 0.0, 1.0), 400, 0.1


def gaussian(x, height, center, width):
    """Return a Gaussian of standard deviation ``width``."""
    return height * np.exp(-((x - center) ** 2) / (2 * width**2))


def slope(x, parameters, step=1e-6):
    """Return how the curve changes with each parameter, shape (3, n)."""
    return np.array(
        [
            (gaussian(x, *(parameters + step * unit)) - gaussian(x, *(parameters - step * unit))) / (2 * step)
            for unit in np.eye(3)
        ]
    )


def fit(x, y, recorder):
    """Go down the slope of the squared residual, and record every step."""
    parameters = np.array(START)
    for _ in range(STEPS):
        residual = gaussian(x, *parameters) - y
        recorder.record("fit/loss", np.mean(residual**2))
        recorder.record("fit/parameters", parameters)  # a copy is taken: it may be changed in place
        parameters -= RATE * 2 * slope(x, parameters) @ residual / len(x)
    recorder.set("curve", gaussian(x, *parameters))


def main():
    """Fit, then read back what was recorded, from both places."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", default="analysis", help="folder of the store (default: %(default)s)")
    parser.add_argument("--file", default="fit.h5", help="HDF5 file (default: %(default)s)")
    arguments = parser.parse_args()
    x = np.linspace(-5, 5, 101)
    y = gaussian(x, *TRUE)
    origin = Provenance(origin="synthetic", note="a Gaussian", code=CODE, parameters={"rate": RATE, "steps": STEPS})

    with AnalysisStore(arguments.store) as store:
        live = RunDataStore(store, {"analysis_stage": "fit"}, origin)
        with Recorder(live, HDF5DataStore(arguments.file)) as recorder:
            recorder.declare("fit/loss", units="1")
            fit(x, y, recorder)

        with HDF5DataStore(arguments.file, mode="r") as kept:
            loss = kept.get_all("fit/loss")
            print(f"file {arguments.file}: {len(loss)} steps, loss {loss[0]:.2g} to {loss[-1]:.2g}")
        run = store[live.uid]
        print(f"run {run.uid[:8]}: {', '.join(f'{name} {run[name].num_events}' for name in run)}")


if __name__ == "__main__":
    main()
