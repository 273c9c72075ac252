"""Which results of a pipeline exist, step by step, and why others are missing; nothing is computed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis_store.errors import InputError

if TYPE_CHECKING:
    from analysis_store import AnalysisStore
    from analysis_store.documents import Document
    from analysis_store.processing import Explanation, Pipeline
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.runs.read.run import Run

COLUMNS = ("input", "step", "result", "why")


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run of the pipeline would do with one step."""

    step: str
    state: str
    """``there``, ``missing``, or ``refused`` for an invalid input."""
    run: str | None
    """The uid of the result that would be reused."""
    reasons: list[str]
    text: str
    """The whole explanation, as text."""

    @classmethod
    def of(cls, step: str, found: Explanation) -> Planned:
        """Return the plan of a step from its explanation."""
        run = found.run.uid if found.hit and found.run is not None else None
        return cls(step, "there" if found.hit else "missing", run, list(found.reasons), repr(found))

    def to_document(self) -> Document:
        """Return the plan as JSON values."""
        return {"step": self.step, "hit": self.run is not None, "run": self.run, "reasons": self.reasons}

    def row(self, name: str) -> list[str]:
        """Return the row of a table with `COLUMNS`."""
        return [name, self.step, self.run or self.state, "; ".join(self.reasons)]


def planned(store: AnalysisStore, pipeline: Pipeline, inputs: InputsLike) -> Iterator[Planned]:
    """Yield the plan of each step; a step whose input is not computed yet cannot be looked up."""
    there: dict[Any, Run] = {}
    for step in pipeline.steps:
        name = pipeline.name_of(step)
        missing = [pipeline.name_of(parent) for parent in step.parents if parent not in there]
        if missing:
            reason = f"needs the result of {', '.join(missing)}"
            yield Planned(name, "missing", None, [reason], reason)
            continue
        try:
            found = store.explain(step.preset, [there[parent] for parent in step.parents] or inputs)
        except InputError as error:
            yield Planned(name, "refused", None, [str(error)], str(error))
            continue
        if found.hit and found.run is not None:
            there[step] = found.run
        yield Planned.of(name, found)
