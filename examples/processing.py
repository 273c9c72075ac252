"""Normalise X-ray absorption scans as a task: what is done already is not done again.

    python examples/processing.py --store analysis cu_metal_rt.xdi fe3c_rt.xdi

Each ``.xdi`` file gives a run with its normalised spectrum, and one with the energy of its white line. A second call
finds both. Change a window with ``--post``, and the spectra are made anew, beside the old ones.
"""

import argparse
from pathlib import Path

from analysis_store import AnalysisStore
from analysis_store.processing import Selection, Task, get_processor


def white_lines(post):
    """Return the pipeline: a spectrum, then its highest point."""
    normalise = get_processor("normalise_absorption").preset(post=(post, None))
    return normalise | get_processor("peak_statistics").preset(x="energy", y="flat")


def main():
    """Analyse every file that is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.xdi")
    parser.add_argument("--store", default="analysis", help="folder of the store (default: %(default)s)")
    parser.add_argument("--post", type=float, default=100.0, help="where the fit behind the edge begins, eV from it")
    arguments = parser.parse_args()
    with AnalysisStore(arguments.store) as store:
        pipeline = white_lines(arguments.post)
        print(Task(pipeline, Selection(arguments.files), store=store).run())
        for path in arguments.files:
            peak = store.compute(pipeline, path)
            position, height = (float(peak["primary"][key][0]) for key in ("position", "maximum"))
            print(f"{path.name:20} run {peak.uid[:8]}  white line {position:.1f} eV, {height:.2f} of the step")


if __name__ == "__main__":
    main()
