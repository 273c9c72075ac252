"""A pipeline applied to inputs one after another: the work of a worker, in any process."""

from __future__ import annotations

import pickle
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.processing.engine.computation import run_pipeline
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.processing.task.outcomes import Failure, Outcome, Success

if TYPE_CHECKING:
    from analysis_store.processing.engine.results import Results
    from analysis_store.processing.model.pipeline import Pipeline
    from analysis_store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Batch:
    """A pipeline, the store that keeps its results, and the task for which it runs."""

    pipeline: Pipeline
    store: RunStore
    task: str

    def outcome(self, item: str | Path) -> Outcome:
        """Run the pipeline on one input; return its outcome, also after an error."""
        began = time.perf_counter()
        failures: list[Failure] = []
        results: Results | dict[str, Any] = {}
        try:
            inputs = Inputs.of(item, self.store)
            results = run_pipeline(
                self.pipeline,
                inputs,
                self.store,
                extra={"task": self.task},
                failed=lambda step, error: failures.append(Failure.of(step, error)),
            )
        except (Exception, SystemExit) as error:  # noqa: BLE001 - it may raise anything, the input fails alone
            failures.append(Failure.of(None, error))
        made = {
            name: Success(one.run.uid, one.reused, one.seconds) for name, one in results.items() if one.run is not None
        }
        ended = made.keys() | {failure.step for failure in failures}
        skipped = tuple(name for name in self.pipeline.names if name not in ended)
        return Outcome(str(item), made, tuple(failures), skipped, time.perf_counter() - began)

    def outcomes(self, items: Sequence[str | Path]) -> list[Outcome]:
        """Return the outcome of each of several inputs."""
        return [self.outcome(item) for item in items]


def sent(batch: Batch) -> bytes:
    """Return a batch in the form that is sent to workers."""
    return pickle.dumps(batch)


@lru_cache(maxsize=8)
def received(data: bytes) -> Batch:
    """Return the batch that was sent; a process opens its store once."""
    batch: Batch = pickle.loads(data)  # noqa: S301 - comes from the process that started this one, or its cluster
    return batch


def work(data: bytes, items: Sequence[str | Path]) -> list[Outcome]:
    """Return the outcome of each of several inputs; for a worker, which receives the batch with them."""
    return received(data).outcomes(items)
