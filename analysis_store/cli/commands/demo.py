"""``analysis-store demo``: save a synthetic result, find it and read it back, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from analysis_store.cli.console import print_json, say
from analysis_store.cli.options import JsonOption

if TYPE_CHECKING:
    import numpy as np

    from analysis_store import AnalysisStore
    from analysis_store.runs.read.run import Run

_EDGE = 7112.0


def demo(
    folder: Annotated[Path, typer.Argument(help="Folder of the store; created if missing.")] = Path("demo-store"),
    as_json: JsonOption = False,
) -> None:
    """Save a result, find it and read it back.

    Writes an X-ray absorption scan, normalises it and saves it with its provenance.
    """
    from analysis_store import AnalysisStore

    with AnalysisStore(str(folder)) as store:
        measured = write_scan(folder.absolute() / "measured" / "fe_foil.xdi")
        run = _analyse(measured, store)
        found = store.search(sample_name="Fe foil")[0]
        energy, norm = (found["primary"][key][0] for key in ("energy", "norm"))
        intact = bool(found.verify())
        if as_json:
            print_json({"uid": run.uid, "file": run.file, "input": measured, "intact": intact})
            return
        _tell(run, found, measured, energy, norm, intact=intact)
    _tell_next(folder, run)


def _analyse(measured: Path, store: AnalysisStore) -> Run:
    from analysis_store import Provenance, insert_analysis
    from analysis_store.runs.importers.files import read_columns

    scan = read_columns(measured)
    energy, mu = scan.columns["energy"], scan.columns["mutrans"]
    parameters = {"e0": _EDGE, "pre": [-150.0, -30.0], "post": [50.0, 400.0]}
    step, norm = normalise(energy, mu, parameters["e0"], parameters["pre"], parameters["post"])  # type: ignore[arg-type]
    return insert_analysis(
        [{"primary": {"energy": energy, "mu": mu, "norm": norm, "edge_step": step}}],
        md={"sample_name": "Fe foil", "plan_name": "analysis", "analysis_stage": "normalised", **scan.metadata},
        provenance=Provenance(files=[measured], code=Provenance.capture(normalise).code, parameters=parameters),
        descriptor_md={
            "primary": {
                "data_keys": {"energy": {"units": "eV", "dims": ["energy"]}, "norm": {"dims": ["energy"]}},
                "hints": {"analysis": {"fields": ["norm"]}},
            }
        },
        store=store,
    )


def _tell(run: Run, found: Run, measured: Path, energy: np.ndarray, norm: np.ndarray, *, intact: bool) -> None:
    from analysis_store.cli.canvas import sparkline

    provenance = found.start["provenance"]
    code, file = provenance["code"], provenance["files"][0]
    say(
        f"measured     {measured}",
        f"saved        run {run.uid}",
        f"             file {run.file}",
        f"came from    {Path(file['path']).name}, {file['size']} bytes, {file['digest'][:23]}…",
        f"made by      {code['name']} {code.get('version') or code['commit'][:10]}, {code.get('entry_point', '')}",
        f"found        by sample_name=Fe foil: run {found.uid[:8]}",
        f"read back    {energy.size} points, {energy[0]:.0f} to {energy[-1]:.0f} eV",
        f"             {sparkline(norm, 60)}",
        f"verified     {'every value equals the saved one' if intact else 'DAMAGED'}",
    )


def _tell_next(folder: Path, run: Run) -> None:
    uid = run.uid[:8]
    say(
        "",
        "Try next (where analysis-store is installed, e.g. after: source .venv/bin/activate):",
        f"  export ANALYSIS_STORE={folder}",
        "  analysis-store ls",
        f"  analysis-store show {uid}",
        f"  analysis-store plot {uid}",
        "  analysis-store search sample_name='Fe foil' --json",
    )


def write_scan(path: Path) -> Path:
    """Write a synthetic transmission scan of an iron foil as an XDI file, unless the file exists; return its path."""
    import numpy as np

    if path.exists():
        return path
    energy = np.concatenate([np.arange(-150, -20, 5), np.arange(-20, 50, 0.5), np.arange(50, 600, 3)]) + _EDGE
    wave_number = np.sqrt(np.clip(energy - _EDGE, 0, None) * 0.2625)  # in 1/Å
    fine_structure = (
        0.4 * np.sin(2 * 2.48 * wave_number) * np.exp(-((wave_number / 8) ** 2)) / np.maximum(wave_number, 1)
    )
    edge = 0.5 + np.arctan((energy - _EDGE) / 1.5) / np.pi
    mu = -0.4 - 2.5e-4 * (energy - _EDGE) + 1.2 * edge * (1 + fine_structure)
    mu += np.random.default_rng(26).normal(scale=5e-4, size=mu.size)
    i0 = 1.5e5 * (1 - 1e-4 * (energy - energy[0]))
    header = (
        "# XDI/1.0\n# Column.1: energy eV\n# Column.2: i0 counts\n# Column.3: mutrans\n# Element.symbol: Fe\n"
        "# Element.edge: K\n# Sample.name: Fe foil\n# Facility.name: none, this scan is computed\n#----\n"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"{e:.2f} {i:.1f} {m:.8f}\n" for e, i, m in zip(energy, i0, mu, strict=True))
    path.write_text(header + "".join(rows), encoding="utf-8")
    return path


def normalise(
    energy: np.ndarray, mu: np.ndarray, e0: float, pre: tuple[float, float], post: tuple[float, float]
) -> tuple[float, np.ndarray]:
    """Return the edge step and the normalised absorption.

    The step is the difference, at the edge, of a line fitted before the edge and a parabola fitted after it.

    Parameters
    ----------
    energy : numpy.ndarray
        In eV, shape (n,).
    mu : numpy.ndarray
        Absorption, no unit, shape (n,).
    e0 : float
        Energy of the edge, eV.
    pre, post : tuple of float
        Where to fit, eV from the edge.
    """
    import numpy as np

    offset = energy - e0

    def fitted(window: tuple[float, float], degree: int) -> np.ndarray:
        within = (offset >= window[0]) & (offset <= window[1])
        return np.polynomial.Polynomial.fit(offset[within], mu[within], degree)(np.append(offset, 0.0))

    before, behind = fitted(pre, 1), fitted(post, 2)
    step = float(behind[-1] - before[-1])
    return step, (mu - before[:-1]) / step
