"""Rerun of a computed run: the same analysis of the same inputs, or with other parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.errors import AnalysisStoreError, InputError, ProcessorError, UnknownProcessorError
from analysis_store.processing.engine.computation import made_anew
from analysis_store.processing.inputs.inputs import Input, Inputs, as_input
from analysis_store.processing.model.preset import Preset
from analysis_store.processing.model.registry import get_processor

if TYPE_CHECKING:
    from analysis_store.processing.model.processor import Processor
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

_OWN = {"uid", "time", "parent_uids", "provenance", "processing"}
"""Keys of a start document that belong to this run alone; the others are copied to the new run."""


def rerun(store: RunStore, uid: str, /, **overrides: object) -> Run:
    """Compute a run again, and store it as a run of its own; see `AnalysisStore.rerun`."""
    run = store[uid]
    told = run.start.get("processing")
    if not isinstance(told, Mapping) or not isinstance(told.get("processor"), str):
        raise ProcessorError(
            f"run {run.uid} was not computed by a processor, so it cannot be computed again. Write a processor from "
            "the code that "
            "produced it (@processor), then use store.compute(…)."
        )
    parameters = run.start["provenance"].get("parameters") or {}
    preset = Preset(_processor(told["processor"], told.get("version")), {**parameters, **overrides})
    inputs = _inputs(store, run, told.get("inputs", ()))
    inputs.check(store)
    md = {name: value for name, value in run.start.items() if name not in _OWN}
    made, _ = made_anew(store, preset, inputs, md, {"rerun_of": run.uid})
    return made


def _processor(id: str, version: str | None) -> Processor:
    """Return the processor in the version of the run, else the newest; the new run records which."""
    try:
        return get_processor(id, version)
    except UnknownProcessorError:
        return get_processor(id)


def _inputs(store: RunStore, run: Run, digests: Any) -> Inputs:
    """Return the inputs of a run, in the order in which its function received them.

    Provenance lists parents and files separately; the ordered digests restore their common order.
    """
    found: dict[str, Input] = {}
    wrong: list[str] = []
    for parent in run.provenance.parents:
        _enter(found, parent.uid, store, wrong)
    for file in run.provenance.files:
        there = _enter(found, Path(file.path), store, wrong)
        now = [one.digest for one in there.files] if there is not None else [file.digest]
        if now != [file.digest]:
            wrong.append(f"{file.path} has the digest {now[0]}, and had {file.digest}")
    missing = [digest for digest in digests if digest not in found]
    if missing:
        raise InputError(
            f"run {run.uid} cannot be computed again: {len(missing)} of its {len(digests)} inputs are missing or have "
            "changed: "
            f"{'; '.join(wrong) or f'no parent has the digest {missing[0]}'}. Restore them, or analyse the present "
            "inputs with store.compute(…)."
        )
    return Inputs(found[digest] for digest in digests)


def _enter(found: dict[str, Input], what: str | Path, store: RunStore, wrong: list[str]) -> Input | None:
    """Add an input under its digest; report a missing one as wrong."""
    try:
        one = as_input(what, store)
        found[one.digest] = one
    except AnalysisStoreError as error:
        wrong.append(str(error))
        return None
    return one
