"""A preset: a processor and the values of all its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_store.errors import ProcessorError
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.model.processor import Processor

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.processing.model.pipeline import Pipeline, PipelineLike


@dataclass(frozen=True, init=False, eq=False)
class Preset:
    """A processor with its parameters, checked and complete; equal to any preset with the same values.

    Parameters
    ----------
    processor : Processor or str
        The processor, or its id; ``"id@version"`` selects a version, by default the newest.
    parameters : mapping, optional
        Parameters that differ from their defaults.

    Raises
    ------
    ProcessorError
        The value is not a processor: a function that is not decorated, for instance.
    UnknownProcessorError
        There is no such id and version; the nearest are named.
    ParameterError
        A parameter is not known, is missing or breaks its schema.
    """

    processor: Processor
    _told: dict[str, Any] = field(repr=False)

    def __init__(self, processor: Processor | str, parameters: Mapping[str, object] | None = None) -> None:
        found: Any = processor
        if isinstance(processor, str):
            from analysis_store.processing.model.registry import get_processor

            found = get_processor(processor)
        if not isinstance(found, Processor):
            hint = " Decorate it with @processor(id=…, version=…)." if callable(found) else ""
            raise ProcessorError(f"Got {found!r:.200}; expected a processor or its id.{hint}")
        given = {} if parameters is None else parameters
        object.__setattr__(self, "processor", found)
        object.__setattr__(self, "_told", found.parameters.to_json(found.parameters.validate(given)))

    @property
    def parameters(self) -> Document:
        """All parameters as JSON; a copy, since the preset does not change."""
        return deepcopy(self._told)

    @property
    def values(self) -> dict[str, Any]:
        """All parameters as the function receives them: new objects each time, so that no call affects the next."""
        return self.processor.parameters.validate(self._told)

    @cached_property
    def digest(self) -> str:
        """Digest of id, version and parameters, without the code."""
        return digest_of([self.processor.id, self.processor.version, self._told])

    def to_document(self) -> Document:
        """Return the preset as JSON."""
        return {"processor": self.processor.id, "version": self.processor.version, "parameters": self.parameters}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Preset) and other.digest == self.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __or__(self, other: PipelineLike) -> Pipeline:
        from analysis_store.processing.model.pipeline import Pipeline

        return Pipeline.of(self) | other

    def __and__(self, other: PipelineLike) -> Pipeline:
        from analysis_store.processing.model.pipeline import Pipeline

        return Pipeline.of(self) & other

    def __reduce__(self) -> tuple[object, ...]:
        return Preset, (self.processor, self._told)

    def __repr__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self._told.items())
        return f"<Preset {self.processor.id} {self.processor.version}({told})>"


PresetLike: TypeAlias = Preset | Processor | str
"""A preset, or a processor or its id with its defaults."""
