"""A processor: a plain function that has an id, a version and parameters with a schema."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Concatenate, Generic

from typing_extensions import ParamSpec, TypeVar

from analysis_store.errors import ParameterError, ProcessorError
from analysis_store.processing.model.parameters import Parameters

if TYPE_CHECKING:
    from analysis_store.processing.code.source import Source
    from analysis_store.processing.model.pipeline import Pipeline, PipelineLike
    from analysis_store.processing.model.preset import Preset

# With defaults, which typing supports from Python 3.13: `Processor` alone has any parameters and any result.
P = ParamSpec("P", default=...)
R = TypeVar("R", default=Any)
Q = ParamSpec("Q")
S = TypeVar("S")

_ID = re.compile(r"[a-z][a-z0-9_]*")
_VERSION = re.compile(r"[^\s@]+")


@dataclass(frozen=True, eq=False)
class Processor(Generic[P, R]):
    """A function that analyses inputs, with the id and version under which its results are kept.

    Calling it calls the function without checks and without storage. Editors and type checkers know its
    parameters and result as those of the function.

    Examples
    --------
    >>> from analysis_store.processing import processor  # doctest: +SKIP
    >>> @processor(id="centre", version="1")  # doctest: +SKIP
    ... def centre(inputs, *, threshold: float = 0.5):
    ...     values = inputs["primary"]["counts"][0]
    ...     return {"centre": float(values.argmax())}
    """

    id: str
    version: str
    function: Callable[Concatenate[Any, P], R]
    descriptor_md: Mapping[str, Any] | None = None
    """Metadata of the streams and keys it returns: units, dims …; as for `insert_analysis`."""
    only_version: bool = False
    """True if the version alone identifies the code, which is then not inspected."""
    parameters: Parameters = field(init=False)
    """The parameters, with their schema and defaults."""

    def __post_init__(self) -> None:
        if not _ID.fullmatch(str(self.id)):
            raise ProcessorError(f"id: Got {self.id!r}; expected small letters, digits and '_', a letter first.")
        if not _VERSION.fullmatch(str(self.version)) or str(self.version) != self.version:
            raise ProcessorError(
                f"processor {self.id!r}: Got version {self.version!r}; expected text without space and '@': '1.0'."
            )
        object.__setattr__(self, "parameters", Parameters.of(self.function, self.id))
        self.__dict__["__doc__"] = self.function.__doc__

    @property
    def description(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().partition("\n")[0]

    @property
    def entry_point(self) -> str:
        """Location of the function: ``module:name``."""
        return f"{self.function.__module__}:{self.function.__qualname__}"

    @property
    def source(self) -> Source:
        """Return the code of the function and all user code and data that it uses, as they are now.

        Raises
        ------
        ProcessorError
            The running code differs from its text, since a file or something in memory was changed; or the code looks
            up other code by a computed name, so that the code that runs cannot be known.
        """
        from analysis_store.processing.code.source import ONLY_VERSION, source_of

        if self.only_version:
            return ONLY_VERSION
        kept: Source | None = self.__dict__.get("_source")
        if kept is None or not kept.holds:
            kept = self.__dict__["_source"] = source_of(self.function)
        return kept

    def __call__(self, inputs: Any, /, *args: P.args, **parameters: P.kwargs) -> R:
        """Call the function."""
        return self.function(inputs, *args, **parameters)

    def preset(self, /, *args: P.args, **parameters: P.kwargs) -> Preset:
        """Return this processor with parameters; those not given have their defaults.

        Raises
        ------
        ParameterError
            The message names every wrong parameter, its value and its rule; or an argument has no name.
        """
        from analysis_store.processing.model.preset import Preset

        if args:
            raise ParameterError(
                f"processor {self.id!r}: Got {args!r:.200} without names; expected parameters by name. Write "
                f"{self.id}.preset(name=value)."
            )
        return Preset(self, parameters)

    def __or__(self, other: PipelineLike) -> Pipeline:
        from analysis_store.processing.model.preset import Preset

        return Preset(self) | other

    def __and__(self, other: PipelineLike) -> Pipeline:
        from analysis_store.processing.model.preset import Preset

        return Preset(self) & other

    def __reduce__(self) -> tuple[object, ...]:
        from analysis_store.processing.model.registry import revived

        return revived, (self.entry_point, self.id, self.version, self.descriptor_md, self.only_version)

    def __repr__(self) -> str:
        return f"<Processor {self.id} {self.version}: {self.description}>"


def processor(
    *, id: str, version: str, descriptor_md: Mapping[str, object] | None = None, only_version: bool = False
) -> Callable[[Callable[Concatenate[Any, Q], S]], Processor[Q, S]]:
    """Register a function as a processor.

    The function is called with the inputs and its parameters by name. It returns ``{stream: {key: value}}``, or
    ``{key: value}`` for the stream "primary": one event of each; or a list of such events; a stream may also be an
    `xarray.Dataset` or a DataFrame, whose rows are the events.

    Parameters
    ----------
    id : str
        Small letters, digits and ``_``.
    version : str
        Change it whenever the results change their meaning.
    descriptor_md : mapping, optional
        Units, dims, hints of the results; as for `insert_analysis`.
    only_version : bool
        True if the version alone identifies the code. For code that the store cannot follow, because it
        looks up other code by a computed name; every change of the code then needs a new version.

    Raises
    ------
    ProcessorError
        A lambda, or a function that no other process can import; or the id and version are in use.
    """

    def register(function: Callable[Concatenate[Any, Q], S]) -> Processor[Q, S]:
        from analysis_store.processing.model.registry import register_processor

        return register_processor(
            function, id=id, version=version, descriptor_md=descriptor_md, only_version=only_version
        )

    return register
