"""Normalise X-ray absorption scans and save the results, each with its measured file as provenance.

    python examples/xafs_normalise.py --store analysis cu_metal_rt.xdi fe3c_rt.xdi

Each ``.xdi`` file becomes one run: energy (eV), absorption, normalised absorption, edge energy and edge step.
"""

import argparse
from pathlib import Path

import numpy as np

from analysis_store import AnalysisStore, Code, Provenance, insert_analysis
from analysis_store.runs.importers.files import read_columns

PARAMETERS = {"pre": (-150.0, -30.0), "post": (60.0, 600.0)}  # windows of the fits, eV from the edge
# Where this script can be had. Name and commit of its checkout are found out; without one its text is kept.
CODE = Code(url="https://github.com/bluesky/analysis_store/blob/main/examples/xafs_normalise.py")


def absorption(columns):
    """Return the absorption (no unit), as measured or from the intensities before and behind the sample."""
    for name in ("mutrans", "mufluor", "mu"):
        if name in columns:
            return columns[name]
    behind = next(columns[name] for name in ("itrans", "i1") if name in columns)
    return -np.log(behind / columns["i0"])


def find_edge(energy, mu, expected=None):
    """Return the energy (eV) where the absorption rises fastest, within 50 eV of where it is expected."""
    slope = np.gradient(mu, energy)
    if expected is not None:
        slope = np.where(np.abs(energy - expected) < 50, slope, -np.inf)
    return float(energy[slope.argmax()])


def normalise(energy, mu, e0, pre, post):
    """Return the edge step and the normalised absorption: a line before the edge, a parabola behind it."""
    offset = energy - e0

    def fitted(window, degree):
        within = (offset >= window[0]) & (offset <= window[1])
        return np.polynomial.Polynomial.fit(offset[within], mu[within], degree)

    before, behind = fitted(pre, 1), fitted(post, 2)
    step = float(behind(0.0) - before(0.0))
    # Before the edge it is the measurement above the line; behind it, the step has the curvature of the parabola.
    flat = np.where(offset > 0, behind(offset) - before(offset) - step, 0.0)
    return step, (mu - before(offset) - flat) / step


def insert_scan(path, store):
    """Analyse one file and return the run it became."""
    scan = read_columns(path)
    header = scan.metadata["xdi"]
    energy, mu = scan.columns["energy"], absorption(scan.columns)
    e0 = find_edge(energy, mu, header.get("scan", {}).get("edge_energy"))
    step, norm = normalise(energy, mu, e0, **PARAMETERS)
    return insert_analysis(
        [{"primary": {"energy": energy, "mu": mu, "norm": norm, "e0": e0, "edge_step": step}}],
        {
            "sample_name": header.get("sample", {}).get("name", path.stem),
            "element": header["element"]["symbol"],
            "edge": header["element"]["edge"],
            "analysis_stage": "normalised",
            **scan.metadata,
        },
        provenance=Provenance(files=[path], code=CODE, parameters=PARAMETERS),
        descriptor_md={
            "primary": {
                "data_keys": {
                    "energy": {"units": scan.units["energy"], "dims": ["energy"]},
                    "mu": {"dims": ["energy"]},
                    "norm": {"dims": ["energy"]},
                    "e0": {"units": "eV"},
                },
                "hints": {"analysis": {"fields": ["norm"]}},
            }
        },
        store=store,
    )


def main():
    """Insert every file that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.xdi")
    parser.add_argument("--store", default="analysis", help="folder of the store (default: %(default)s)")
    arguments = parser.parse_args()
    with AnalysisStore(arguments.store) as store:
        for path in arguments.files:
            run = insert_scan(path, store)
            (event,) = run["primary"].read(["e0", "edge_step"]).to_dataframe().to_dict("records")
            print(f"{path.name:20} run {run.uid[:8]}  e0 {event['e0']:.1f} eV  step {event['edge_step']:.3f}")


if __name__ == "__main__":
    main()
