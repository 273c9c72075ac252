"""Writes `reference.json` beside this file: what Larch makes of spectra; see README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

MEASURED = ("cu_metal_rt", "fe3c_rt", "feo_rt1", "ni_metal_rt", "v_foil")
ENDS = {
    "long": (-200.0, 1000.0, 1.0),
    "short": (-60.0, 80.0, 0.5),
    "xanes": (-30.0, 45.0, 0.5),
    "coarse": (-90.0, 300.0, 6.0),
}
E0 = 7112.0
KEPT = 25


def made(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return energy, eV, and absorption of a spectrum that is made: an edge, a white line and EXAFS on a line."""
    low, high, step = ENDS[name]
    offset = np.arange(low, high + step / 2, step)
    behind = np.clip(offset, 0.0, None)
    edge = 1.3 * (0.5 + np.arctan(offset / 1.5) / np.pi) + 0.4 * np.exp(-(((offset - 6) / 4) ** 2))
    exafs = 0.08 * np.sin(2.2 * np.sqrt(0.2625 * behind)) * np.exp(-behind / 300)
    return E0 + offset, 0.7 - 4e-4 * offset + 1e-7 * offset**2 + edge * (1 - 2e-4 * behind) + exafs


def told(energy: np.ndarray, mu: np.ndarray, **given: float) -> dict[str, object]:
    """Return what Larch makes of a spectrum; of its curves some points."""
    from larch import Group
    from larch.xafs import pre_edge

    group = Group(energy=energy, mu=mu)
    pre_edge(group, **given)
    details, at = group.pre_edge_details, np.linspace(0, len(energy) - 1, KEPT).astype(int)
    return {
        "e0": group.e0,
        "edge_step": group.edge_step,
        "pre": [details.pre1, details.pre2],
        "post": [details.norm1, details.norm2],
        "degree": details.nnorm,
        "at": at.tolist(),
        "norm": group.norm[at].round(9).tolist(),
        "flat": group.flat[at].round(9).tolist(),
    }


def measured(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return energy and absorption of a file."""
    from larch.io import read_xdi

    found = read_xdi(str(path))
    return found.energy, found.mutrans if hasattr(found, "mutrans") else np.log(found.i0 / found.i1)


def main(folder: str) -> None:
    """Write the reference; ``folder`` holds the measured spectra."""
    import larch

    reference = {name: told(*made(name), e0=E0) for name in ENDS}
    reference |= {name: told(*measured(Path(folder) / f"{name}.xdi")) for name in MEASURED}
    version = {"larch": larch.__release_version__}
    Path(__file__).with_name("reference.json").write_text(json.dumps(version | reference, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
