"""Which results of a pipeline are there already, step by step, and why others are not; nothing is computed."""

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
    """What would become of one step."""

    step: str
    state: str
    """``there``, ``missing``, or ``refused`` for an input that cannot be one."""
    run: str | None
    """The uid of the result that would be reused."""
    reasons: list[str]
    text: str
    """All of it, for a person."""

    @classmethod
    def of(cls, step: str, found: Explanation) -> Planned:
        """Return what an explanation says of a step."""
        run = found.run.uid if found.hit and found.run is not None else None
        return cls(step, "there" if found.hit else "missing", run, list(found.reasons), repr(found))

    def to_document(self) -> Document:
        """Return it as JSON has it."""
        return {"step": self.step, "hit": self.run is not None, "run": self.run, "reasons": self.reasons}

    def row(self, name: str) -> list[str]:
        """Return the row of a table with `COLUMNS`."""
        return [name, self.step, self.run or self.state, "; ".join(self.reasons)]


def planned(store: AnalysisStore, pipeline: Pipeline, inputs: InputsLike) -> Iterator[Planned]:
    """Yield what would become of each step; one whose input is still to be computed cannot be looked up."""
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
