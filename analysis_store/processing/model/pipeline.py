"""A pipeline: presets in a graph, in which equal steps are one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_store.core.text import counted
from analysis_store.errors import ProcessorError
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.model.preset import Preset, PresetLike
from analysis_store.processing.model.processor import Processor

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.processing.engine.results import Results
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.run_store import RunStore


@dataclass(frozen=True, slots=True)
class Step:
    """A preset in a pipeline, with the steps whose results are its inputs; equal steps are one."""

    preset: Preset
    parents: tuple[Step, ...] = ()
    """Steps in the order of the function's inputs; empty for a step that uses the pipeline's inputs."""
    digest: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        digest = digest_of([self.preset.digest, [parent.digest for parent in self.parents]])
        object.__setattr__(self, "digest", digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class Pipeline:
    """Presets in a graph: ``a | b`` gives b the results of a; ``(a & b) | c`` gives c those of both.

    Parameters
    ----------
    steps : mapping
        Name of each step -> its preset (a processor or its id uses its defaults), or ``(preset, [names of the
        steps whose results it gets])``. A step without parents uses the inputs of the pipeline.

    Raises
    ------
    ProcessorError
        There is no step, or an invalid name; a parent that does not exist; a cycle, which is named.

    Examples
    --------
    >>> Pipeline({"norm": "normalise", "fit": ("fit_peak", ["norm"])})  # doctest: +SKIP
    """

    def __init__(self, steps: Mapping[str, object]) -> None:
        if not isinstance(steps, Mapping):
            raise ProcessorError(f"Got {steps!r:.200}; expected the steps by name, {{name: (preset, [parents])}}.")
        told = {name: _told(name, entry) for name, entry in steps.items()}
        made: dict[str, Step] = {}
        for name in _ordered({name: parents for name, (_, parents) in told.items()}):
            preset, parents = told[name]
            made[name] = Step(preset, tuple(made[parent] for parent in parents))
        self._set(made)

    def _set(self, names: Mapping[str, Step]) -> None:
        """Add steps by their names, parents first; one step may have several."""
        if not names:
            raise ProcessorError("Got a pipeline without steps; expected at least one.")
        self.names: dict[str, Step] = dict(names)
        self.steps: tuple[Step, ...] = tuple(dict.fromkeys(names.values()))

    @classmethod
    def of(cls, value: PipelineLike) -> Pipeline:
        """Return a pipeline unchanged; a preset, a processor or its id as a pipeline of one step.

        Raises
        ------
        ProcessorError
            The value has another type.
        """
        if isinstance(value, cls):
            return value
        return cls._from(dict.fromkeys([Step(as_preset(value))]), {})

    @classmethod
    def _from(cls, steps: Iterable[Step], names: Mapping[Step, str]) -> Pipeline:
        """Return the pipeline of these steps, parents first, with the given names for some of them."""
        named: dict[str, Step] = {}
        for step in dict.fromkeys(steps):
            named[_free(names.get(step, step.preset.processor.id), named)] = step
        return cls._named(named)

    @classmethod
    def _named(cls, names: Mapping[str, Step]) -> Pipeline:
        made = cls.__new__(cls)
        made._set(names)  # noqa: SLF001 - it is one of ours
        return made

    @cached_property
    def leaves(self) -> tuple[Step, ...]:
        """Steps whose results no other step gets."""
        used = {parent for step in self.steps for parent in step.parents}
        return tuple(step for step in self.steps if step not in used)

    @cached_property
    def digest(self) -> str:
        """Digest of the graph: the same for pipelines that do the same, regardless of names."""
        return digest_of(sorted(step.digest for step in self.steps))

    def name_of(self, step: Step) -> str:
        """Return the name of a step in this pipeline."""
        return next(name for name, one in self.names.items() if one == step)

    def __or__(self, other: PipelineLike) -> Pipeline:
        """Pass the results of the last steps to the first steps of the other pipeline."""
        then = Pipeline.of(other)
        moved: dict[Step, Step] = {}
        for step in then.steps:
            moved[step] = Step(step.preset, tuple(moved[parent] for parent in step.parents) or self.leaves)
        return Pipeline._from([*self.steps, *moved.values()], _merged(self._names(), _renamed(then, moved)))

    def __and__(self, other: PipelineLike) -> Pipeline:
        """Combine the other pipeline in parallel; equal steps are one."""
        beside = Pipeline.of(other)
        return Pipeline._from([*self.steps, *beside.steps], _merged(self._names(), beside._names()))

    def _names(self) -> dict[Step, str]:
        return {step: name for name, step in self.names.items()}

    def run(self, inputs: InputsLike, *, store: RunStore | None = None) -> Results:
        """Run the pipeline on these inputs; results are saved if a store is given, or `get_autosaving` is True.

        Returns
        -------
        Results
            The result of each step, by its name.
        """
        from analysis_store.processing.engine.interactive import run

        return run(self, inputs, store)

    def to_document(self) -> Document:
        """Return the pipeline as JSON for `from_document`."""
        names = self._names()
        return {
            "steps": {
                name: {**step.preset.to_document(), "parents": [names[parent] for parent in step.parents]}
                for name, step in self.names.items()
            }
        }

    @classmethod
    def from_document(cls, document: object) -> Pipeline:
        """Return the pipeline for a document of `to_document`.

        Raises
        ------
        ProcessorError
            The document is invalid; or a step, a parent or a parameter is wrong.
        UnknownProcessorError
            A processor is not registered.
        """
        steps = document.get("steps") if isinstance(document, Mapping) else None
        if not isinstance(steps, Mapping):
            raise ProcessorError(f'Got {document!r:.200}; expected {{"steps": {{name: {{"processor": id, …}}}}}}.')
        return cls({name: (_preset_in(name, entry), entry.get("parents", ())) for name, entry in steps.items()})

    def __reduce__(self) -> tuple[object, ...]:
        return Pipeline._named, (self.names,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pipeline) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __len__(self) -> int:
        return len(self.steps)

    def __repr__(self) -> str:
        names = self._names()
        lines = [f"<Pipeline of {counted(len(self), 'step')}>"]
        for name, step in self.names.items():
            source = ", ".join(names[parent] for parent in step.parents) or "inputs"
            lines.append(f"  {name}: {step.preset!r} of {source}")
        return "\n".join(lines)


PipelineLike: TypeAlias = Pipeline | PresetLike
"""A pipeline, a preset, or a processor or its id with its defaults."""


def as_preset(value: object) -> Preset:
    """Return a preset unchanged, and a processor or its id with its defaults.

    Raises
    ------
    ProcessorError
        The value has another type.
    """
    if isinstance(value, Preset):
        return value
    if isinstance(value, (Processor, str)):
        return Preset(value)
    hint = " Decorate it with @processor(id=…, version=…)." if callable(value) else ""
    raise ProcessorError(f"Got {value!r:.200}; expected a processor, its id, a Preset or a Pipeline.{hint}")


def _told(name: str, entry: Any) -> tuple[Preset, tuple[str, ...]]:
    if not isinstance(name, str):
        raise ProcessorError(f"step {name!r}: Got {type(name).__name__}; expected a text as the name of a step.")
    preset, parents = entry if isinstance(entry, tuple) and len(entry) == 2 else (entry, ())
    if isinstance(parents, str) or not isinstance(parents, Sequence) or not all(isinstance(it, str) for it in parents):
        raise ProcessorError(f"step {name!r}: Got parents {parents!r}; expected a list of names of steps.")
    return as_preset(preset), tuple(parents)


def _ordered(parents: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the names with parents before children, otherwise in the given order."""
    for name, its in parents.items():
        for parent in its:
            if parent not in parents:
                near = get_close_matches(str(parent), list(parents), 3)
                hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else f"; there are {list(parents)}."
                raise ProcessorError(f"step {name!r}: its parent {parent!r} is not a step of the pipeline{hint}")
    try:
        return list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        circle = " -> ".join(map(str, reversed(error.args[1])))
        raise ProcessorError(f"Got steps in a circle, {circle}. Remove one of these links.") from error


def _free(name: str, taken: Mapping[str, object]) -> str:
    """Return the name, or the first of ``name_2``, ``name_3`` … that is free."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free


def _merged(names: Mapping[Step, str], others: Mapping[Step, str]) -> dict[Step, str]:
    """Return the names of steps in two pipelines; the first name of each, unless it is only its processor's."""
    given = {step: name for step, name in names.items() if name != step.preset.processor.id}
    return {**names, **others, **given}


def _renamed(pipeline: Pipeline, moved: Mapping[Step, Step]) -> dict[Step, str]:
    return {moved[step]: name for name, step in pipeline.names.items()}


def _preset_in(name: str, entry: Any) -> Preset:
    if not isinstance(entry, Mapping) or not isinstance(entry.get("processor"), str):
        raise ProcessorError(f'step {name!r}: Got {entry!r:.200}; expected {{"processor": id, "parameters": {{}}}}.')
    surplus = sorted(set(entry) - {"processor", "version", "parameters", "parents"})
    if surplus:
        raise ProcessorError(f"step {name!r}: unknown keys {surplus}; known: processor, version, parameters, parents.")
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise ProcessorError(f"step {name!r}: Got parameters {parameters!r:.200}; expected {{name: value}}.")
    version = entry.get("version")
    return Preset(f"{entry['processor']}@{version}" if version else entry["processor"], parameters)
