"""Explanation why a result is found or not: its key, part by part, compared with that of the nearest stored result."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from analysis_store.errors import ProcessorError
from analysis_store.processing.engine.cache_lookup import stored
from analysis_store.processing.engine.computation import identity_of
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.processing.inputs.stored import RunInput
from analysis_store.processing.model.pipeline import Pipeline

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.processing.identity.result_key import Identity
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.processing.model.pipeline import PipelineLike, Step
    from analysis_store.processing.model.preset import Preset
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run

_OWN = ("version", "source", "parameters")


@dataclass(frozen=True, slots=True)
class Explanation:
    """Explanation whether a result exists, and why not; true if it exists."""

    hit: bool
    """True if `compute` would return a stored run."""

    run: Run | None
    """The stored run; else the nearest one, None if there is no result of this processor."""

    reasons: list[str] = field(default_factory=list)
    """Reasons to compute it: differences from the nearest stored result, or why one cannot be reused."""

    def to_dict(self) -> Document:
        """Return the explanation as JSON."""
        return {"hit": self.hit, "run": None if self.run is None else self.run.uid, "reasons": list(self.reasons)}

    def __bool__(self) -> bool:
        return self.hit

    def __repr__(self) -> str:
        if self.hit and self.run is not None:
            return f"hit: run {self.run.uid}"
        near = "" if self.run is None else f"; the nearest stored result is run {self.run.uid}"
        return "\n".join([f"miss{near}", *(f"  {reason}" for reason in self.reasons)])


def explain(store: RunStore, preset: PipelineLike, inputs: InputsLike) -> Explanation:
    """Return whether `compute` would find a result or compute it, and why. Nothing is computed or written.

    Parameters
    ----------
    store, preset, inputs
        As in `analysis_store.processing.compute`.

    Raises
    ------
    ProcessorError, InputError
        As in `compute`, before it computes.
    """
    pipeline = Pipeline.of(preset)
    if len(pipeline.leaves) > 1:
        raise ProcessorError("Got a pipeline that ends in several steps. Explain each: explain(preset, inputs).")
    given = Inputs.of(inputs, store)
    given.check(store)
    done: dict[Step, Explanation] = {}
    for step in pipeline.steps:
        done[step] = _of_step(store, pipeline, step, given, done)
    return done[pipeline.leaves[0]]


def _of_step(
    store: RunStore, pipeline: Pipeline, step: Step, given: Inputs, done: Mapping[Step, Explanation]
) -> Explanation:
    """Explain a step after its parents: without their results its own key is unknown."""
    missing = [parent for parent in dict.fromkeys(step.parents) if not done[parent].hit]
    if missing:
        reasons = [
            f"step {pipeline.name_of(parent)!r}, whose result it needs: {reason}"
            for parent in missing
            for reason in done[parent].reasons
        ]
        return Explanation(False, done[missing[0]].run, reasons)
    runs = [done[parent].run for parent in step.parents]
    inputs = Inputs([RunInput(run, store.location) for run in runs if run is not None]) if runs else given
    return _of_preset(store, step.preset, inputs)


def _of_preset(store: RunStore, preset: Preset, inputs: Inputs) -> Explanation:
    identity = identity_of(preset, inputs)
    spoilt = []
    for found in stored(store, identity.key):
        if not found.fault:
            return Explanation(True, found.run)
        spoilt.append(found)
    if spoilt:
        return Explanation(False, spoilt[0].run, [f"there is such a result, but {one.fault}" for one in spoilt])
    near = _nearest(store, identity)
    if near is None:
        return Explanation(False, None, [f"no result of {preset.processor.id} is stored"])
    return Explanation(False, near, list(_differences(near, preset, identity, inputs)))


def _nearest(store: RunStore, identity: Identity) -> Run | None:
    """Return the newest of the stored results whose identities have most parts in common with this one.

    Results of the same inputs come first, since other inputs are an obvious reason.
    """
    ours = {
        "version": identity.version,
        "source": identity.source,
        "parameters": identity.parameters,
        "inputs": {"$eq": list(identity.inputs)},
    }
    for same in (("inputs",), ()):
        for count in range(len(_OWN), -1, -1):
            found: list[Run] = []
            for parts in combinations(_OWN, count):
                query: dict[str, Any] = {"processing.processor": identity.processor}
                found += store.search(query | {f"processing.{part}": ours[part] for part in (*same, *parts)})[:1]
            if found:
                return max(found, key=lambda run: float(run.start["time"]))
    return None


def _differences(run: Run, preset: Preset, identity: Identity, inputs: Inputs) -> Iterator[str]:
    """Yield the differences of a stored result, for each part: old value -> new value."""
    was = run.start["processing"]
    if was.get("version") != identity.version:
        yield f"version: {was.get('version')} -> {identity.version}"
    if was.get("source") != identity.source:
        yield f"code: {_changed(was.get('functions') or [], preset)}"
    if was.get("parameters") != identity.parameters:
        before = (run.start.get("provenance") or {}).get("parameters") or {}
        yield from _changes(before, preset.parameters)
    if tuple(was.get("inputs") or ()) != identity.inputs:
        yield from _other_inputs(was.get("inputs") or [], run, identity, inputs)


def _changed(functions: Sequence[str], preset: Preset) -> str:
    """Return the names of the functions whose code has changed."""
    before = dict(entry.rsplit(" ", 1) for entry in functions if " " in entry)
    now = {name: digest.rpartition(":")[2][:16] for name, digest in preset.processor.source.parts}
    told = [f"{name} is new" for name in now if name not in before]
    told += [f"{name} is not used any more" for name in before if name not in now]
    told += [f"{name} has changed" for name in now if name in before and before[name] != now[name]]
    return ", ".join(sorted(told)) or "it is not the same any more"


def _changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    absent = object()
    for name in sorted({*before, *now}):
        old, new = before.get(name, absent), now.get(name, absent)
        if old is absent or new is absent or old != new:
            told = ["not there" if value is absent else f"{value!r:.200}" for value in (old, new)]
            yield f"parameter {name}: {told[0]} -> {told[1]}"


def _other_inputs(before: Sequence[str], run: Run, identity: Identity, inputs: Inputs) -> Iterator[str]:
    files = (run.start.get("provenance") or {}).get("files") or []
    had = [*(f"run {uid[:8]}" for uid in run.parents), *(file.get("path", "a file") for file in files)]
    if len(before) != len(identity.inputs):
        yield f"inputs: there were {len(before)}, now there are {len(identity.inputs)}"
    for number, (old, new) in enumerate(zip(before, identity.inputs, strict=False)):
        if old != new:
            yield f"inputs[{number}]: now it is {inputs[number].label}; that result is of {', '.join(had) or 'none'}"
