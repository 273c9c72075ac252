"""Computation or reuse of a result: all steps from the inputs to the run in the store."""

from __future__ import annotations

import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from analysis_store.errors import InvalidMetadataError, ProcessorError, StoreWriteError
from analysis_store.processing.code.source import unchanged
from analysis_store.processing.engine.cache_lookup import stored
from analysis_store.processing.engine.compute_lock import claimed
from analysis_store.processing.engine.results import Result, Results
from analysis_store.processing.identity.result_key import Identity, digest_of
from analysis_store.processing.inputs.in_memory import FreshInput, SavedInput
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.processing.inputs.returned import blaming, gather_returned
from analysis_store.processing.inputs.stored import RunInput
from analysis_store.processing.model.pipeline import Pipeline
from analysis_store.runs.write.save import new_draft

if TYPE_CHECKING:
    from analysis_store.processing.code.source import Source
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.processing.model.pipeline import PipelineLike, Step
    from analysis_store.processing.model.preset import Preset
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.values.stream_data import StreamData

logger: logging.Logger = logging.getLogger(__name__)

REUSE = "reuse"
"""Kind of the notes that record who requested an existing result."""


def compute(
    store: RunStore, preset: PipelineLike, inputs: InputsLike, *, md: Mapping[str, object] | None = None
) -> Run:
    """Return the result of a processor on inputs: its stored run, or one that is computed and stored now.

    Of several processes and threads that request one result, one computes it. A result that failed, was retracted or
    is damaged is not reused.

    Parameters
    ----------
    store : AnalysisStore
        Store in which the result is searched and kept.
    preset : Preset, Processor, str or Pipeline
        The computation: a processor or its id uses its defaults; a pipeline must have one last step, whose result
        is returned.
    inputs
        A run of any library, a uid, a `pathlib.Path`, or a list of these.
    md : mapping, optional
        Metadata of the run if one is computed. They do not affect the search.

    Raises
    ------
    ParameterError, UnknownProcessorError, ProcessorError
        The preset is invalid; or the function returned an invalid result.
    InputError
        An input is invalid.
    InvalidDataError
        A value that the function returned cannot be stored; the message has its path.
    ProvenanceError
        The provenance of the result does not satisfy the policy of the store.
    StoreWriteError
        The disk or the database failed; nothing was kept.
    """
    pipeline = Pipeline.of(preset)
    if len(pipeline.leaves) > 1:
        names = [pipeline.name_of(leaf) for leaf in pipeline.leaves]
        raise ProcessorError(
            f"Got a pipeline that ends in {len(names)} steps, {', '.join(names)}; expected one, since compute returns "
            "one run. "
            "Use pipeline.run(inputs, store=store), which returns the result of every step."
        )
    results = run_pipeline(pipeline, Inputs.of(inputs, store), store, md=md)
    return cast("Run", results[pipeline.name_of(pipeline.leaves[0])].run)  # with a store every result has a run


def run_pipeline(
    pipeline: Pipeline,
    inputs: Inputs,
    store: RunStore | None,
    *,
    md: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
    failed: Callable[[str, BaseException], None] | None = None,
) -> Results:
    """Run every step of a pipeline, parents first, passing the result of each step unchanged to the next.

    Parameters
    ----------
    pipeline : Pipeline
        Pipeline to run.
    inputs : Inputs
        Inputs of the first steps.
    store : AnalysisStore or None
        Store in which results are searched and kept; without one nothing is written.
    md : mapping, optional
        Metadata of every computed run.
    extra : mapping, optional
        Further entries for ``start["processing"]``.
    failed : callable, optional
        ``failed(step, error)`` is called for each step that fails; steps that need its result are skipped, the
        others continue. Without it the first error is raised.

    Returns
    -------
    Results
        Results of the steps that succeeded.

    Raises
    ------
    InputError
        An input is invalid.
    """
    inputs.check(store)
    work = _Work(pipeline, inputs, store, _metadata(pipeline, md), extra or {})
    for name, step in pipeline.names.items():
        if step in work.tried or not work.is_possible(step):
            continue
        try:
            work.do(step)
        except (Exception, SystemExit) as error:
            if failed is None:
                raise
            failed(name, error)
    return Results({name: work.done[step] for name, step in pipeline.names.items() if step in work.done})


def _metadata(pipeline: Pipeline, md: Mapping[str, Any] | None) -> dict[str, Any]:
    if md is not None and not isinstance(md, Mapping):
        raise InvalidMetadataError(f"md: Got {type(md).__name__}; expected a mapping. Use {{}} for no metadata.")
    if "processing" in (md or {}):
        raise InvalidMetadataError('md["processing"]: Got a key that the store sets. Leave it out.')
    if "uid" in (md or {}) and len(pipeline) > 1:
        raise InvalidMetadataError(f'md["uid"]: Got one uid for {len(pipeline)} runs. Leave it out.')
    return dict(md or {})


class _Work:
    """One execution of a pipeline."""

    def __init__(
        self,
        pipeline: Pipeline,
        inputs: Inputs,
        store: RunStore | None,
        md: dict[str, Any],
        extra: Mapping[str, Any],
    ) -> None:
        self.inputs, self.store, self.md = inputs, store, md
        self.extra = {**({"pipeline": pipeline.digest} if len(pipeline) > 1 else {}), **extra}
        self.done: dict[Step, Result] = {}
        self.tried: set[Step] = set()
        """Return True if a step is done or failed; a step with two names runs once."""
        self._wanted = Counter(parent for step in pipeline.steps for parent in set(step.parents))

    def is_possible(self, step: Step) -> bool:
        """Return True if the results exist that a step needs."""
        return all(parent in self.done for parent in step.parents)

    def do(self, step: Step) -> None:
        """Find or compute the result of a step."""
        began = time.perf_counter()
        self.tried.add(step)
        inputs = Inputs([self.done[parent].content for parent in step.parents]) if step.parents else self.inputs
        try:
            result = self._result(step, inputs)
        finally:
            self._let_go(step)
        result.seconds = time.perf_counter() - began
        self.done[step] = result

    def _result(self, step: Step, inputs: Inputs) -> Result:
        if self.store is None:
            streams, _ = called(step.preset, inputs)
            return Result(FreshInput(streams, f"the result of {step.preset.processor.id}"), None)
        # an inner result is durable once the last one is, which is saved after it
        run, made = found_or_made(self.store, step.preset, inputs, self.md, self.extra, durable=not self._wanted[step])
        home = self.store.location
        content = SavedInput(run, made, home) if made is not None and self._wanted[step] else RunInput(run, home)
        return Result(content, run, reused=made is None)

    def _let_go(self, step: Step) -> None:
        """Release values in memory that no further step needs and that are on disk."""
        for parent in set(step.parents):
            self._wanted[parent] -= 1
            run = self.done[parent].run
            if self.store is not None and run is not None and not self._wanted[parent]:
                self.done[parent].content = RunInput(run, self.store.location)


def identity_of(preset: Preset, inputs: Inputs, source: Source | None = None) -> Identity:
    """Return the identity of the result of a preset on inputs, with its code as it is now or as given."""
    processor = preset.processor
    code = processor.source if source is None else source
    return Identity(processor.id, processor.version, code.digest, digest_of(preset.parameters), inputs.digests)


def found_or_made(
    store: RunStore,
    preset: Preset,
    inputs: Inputs,
    md: Mapping[str, object],
    extra: Mapping[str, object],
    *,
    durable: bool = True,
) -> tuple[Run, dict[str, StreamData] | None]:
    """Return the stored run of a result, and its streams if they were computed now."""
    identity = identity_of(preset, inputs)
    spoilt: set[str] = set()
    run = _reused(store, identity.key, extra, spoilt)
    if run is not None:
        return run, None
    with claimed(store.root, identity.key, f"{preset.processor.id} of {inputs.label}"):
        run = _reused(store, identity.key, extra, spoilt)  # another process may have computed it before our claim
        if run is not None:
            return run, None
        return made_anew(store, preset, inputs, md, extra, durable=durable)


def made_anew(
    store: RunStore,
    preset: Preset,
    inputs: Inputs,
    md: Mapping[str, object],
    extra: Mapping[str, object],
    *,
    durable: bool = True,
) -> tuple[Run, dict[str, StreamData]]:
    """Compute and store a result, without a search for stored ones; return its run and its streams."""
    source = preset.processor.source
    identity = identity_of(preset, inputs, source)
    with unchanged(source, preset.processor.function):
        streams, value = called(preset, inputs)
    with blaming(preset.processor.id, value):
        said = {**md, "processing": {**_document(identity, source), **extra}}
        start, settled = store.intake.begin(said, _provenance(store, preset, inputs))
        return store.intake.save(new_draft(start, streams, settled), settled, durable=durable), streams


def _reused(store: RunStore, key: str, extra: Mapping[str, Any], spoilt: set[str]) -> Run | None:
    """Return the newest stored run of a result that can be reused, and add a note to it.

    Unusable ones are added to ``spoilt``, whose runs are not checked again.
    """
    for found in stored(store, key, spoilt):
        if not found.fault:
            _note_reuse(store, found.run, key, extra)
            return found.run
        spoilt.add(found.run.uid)
        if found.is_damaged:
            warnings.warn(f"{found.fault}. The result is computed again; the damaged run stays.", stacklevel=2)
    return None


def _note_reuse(store: RunStore, run: Run, key: str, extra: Mapping[str, Any]) -> None:
    try:
        store.catalog.check_writable()
    except StoreWriteError as refusal:  # read-only users get existing results, too
        logger.info("the reuse of run %s could not be noted: %s", run.uid, refusal)
        return
    how = {name: extra[name] for name in ("pipeline", "task") if name in extra}
    store.note(run.uid, REUSE, {"key": key, "how": how or "compute"}, durable=False)


def called(preset: Preset, inputs: Inputs) -> tuple[dict[str, StreamData], object]:
    """Return the result of a processor for inputs: gathered into streams, and as returned."""
    for one in inputs:
        one.check_readable()
    processor = preset.processor
    with _telling(f"in processor {processor.id} {processor.version} on {inputs.label}"):
        value = processor.function(inputs, **preset.values)
    return gather_returned(value, processor.id, processor.descriptor_md), value


@contextmanager
def _telling(where: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(where)
        raise


def _document(identity: Identity, source: Source) -> dict[str, Any]:
    """Return the part of a start document that describes the computation of a result."""
    functions = [f"{name} {digest.rpartition(':')[2][:16]}" for name, digest in source.parts]
    return {**identity.to_document(), "functions": functions}


def _provenance(store: RunStore, preset: Preset, inputs: Inputs) -> Any:
    from analysis_store.provenance import Provenance
    from analysis_store.provenance.code.capture import capture_code

    found = capture_code(preset.processor.function, patch=store.policy.dirty == "diff")
    return Provenance(
        [parent for one in inputs for parent in one.parents],
        [file for one in inputs for file in one.files],
        code=found.code,
        parameters=preset.parameters,
    )
