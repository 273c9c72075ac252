"""What a store offers and may not import, because it stands on higher floors: found by entry points."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from analysis_store.errors import MissingDependencyError

if TYPE_CHECKING:
    from analysis_store.runs.run import Run

_GROUP = "analysis_store.services"
_EXTRAS = {"broker": "server", "client": "server", "server_app": "server"}


@cache  # looking through the entry points of an environment takes milliseconds
def service(name: str) -> Callable[..., Any]:
    """Return the function behind ``store.<name>()``.

    Raises
    ------
    MissingDependencyError
        The package is importable, but not installed; or what the function needs is not. Says what to install.
    """
    found = list(entry_points(group=_GROUP, name=name))
    extra = _EXTRAS.get(name)
    wanted = f"pip install 'analysis_store[{extra}]'" if extra else "pip install analysis_store"
    if not found:
        raise MissingDependencyError(
            f"store.{name}() is not installed; analysis_store must be installed, not only be importable: {wanted}."
        )
    try:
        function: Callable[..., Any] = found[0].load()
    except ImportError as error:
        raise MissingDependencyError(f"store.{name}() needs {error.name or error}: {wanted}.") from error
    return function


class Services(ABC):
    """The methods of a store that the rooms above it provide."""

    @abstractmethod
    def _alive(self) -> None:
        """Refuse to be used when closed."""

    def compute(self, preset: Any, inputs: Any, *, md: Mapping[str, Any] | None = None) -> Run:
        """Return the result of an analysis: the stored one where there is one, else it is made and stored.

        Parameters
        ----------
        preset : Preset, Pipeline, Processor or str
            What to do; a processor or its id stands for its defaults. Of a pipeline with one end, that end's result.
        inputs : Run, str, path, Input, Inputs or list of these
            A run, the uid of one in this store or its sources, a file.
        md : mapping, optional
            Metadata for the start document, if it is made.

        Returns
        -------
        Run
            Never one that failed, was retracted, or does not verify.

        Raises
        ------
        UnknownProcessorError, ParameterError
            There is no such analysis; a parameter breaks its schema.
        InputError
            A run or file cannot be an input.
        InvalidDataError
            The processor returned what cannot be stored; names the path of the value.

        Examples
        --------
        >>> store.compute("image_statistics", run.uid)  # doctest: +SKIP
        """
        computed: Run = self._service("compute", preset, inputs, md=md)
        return computed

    def explain(self, preset: Any, inputs: Any) -> Any:
        """Return whether `compute` would find a stored result, else what differs from the nearest one.

        Parameters
        ----------
        preset, inputs
            As for `compute`.

        Returns
        -------
        Explanation
            ``.hit``, ``.run``, ``.reasons``; shown as text.

        Raises
        ------
        UnknownProcessorError, ParameterError, InputError
            As `compute` does.
        """
        return self._service("explain", preset, inputs)

    def rerun(self, uid: str, **overrides: Any) -> Run:
        """Make a computed run anew, always, and store it as a run of its own that is linked to the first.

        Parameters
        ----------
        uid : str
            A run that a processor made; its start document tells which, of what, with which parameters.
        **overrides
            Parameters that shall have other values.

        Returns
        -------
        Run
            Its ``start["processing"]["rerun_of"]`` is ``uid``.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        ProcessorError
            No processor made it.
        UnknownProcessorError, ParameterError
            The processor is not registered any more; an override breaks its schema.
        InputError
            An input is gone, or is a file that changed.

        Examples
        --------
        >>> again = store.rerun(run.uid)  # doctest: +SKIP
        >>> bool(store.compare(run.uid, again))  # doctest: +SKIP
        True
        """
        made: Run = self._service("rerun", uid, **overrides)
        return made

    def compare(self, a: str | Run, b: str | Run, *, rtol: float = 1e-5, atol: float = 0.0) -> Any:
        """Return how the values of two runs differ, by stream and key.

        Parameters
        ----------
        a, b : str or Run
            Runs, or uids of this store.
        rtol, atol : float
            Numbers are close where ``|a - b| <= atol + rtol * |b|``; ``atol`` in the units of each key. With both 0
            they must be equal. NaN equals NaN.

        Returns
        -------
        Comparison
            True when all is identical or close; iterates one row per stream and key; shown as a table.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        ValueError
            A tolerance is negative or no number.

        Examples
        --------
        >>> print(store.compare(run, other, rtol=1e-9))  # doctest: +SKIP
        """
        return self._service("compare", a, b, rtol=rtol, atol=atol)

    def broker(self) -> Any:
        """Return the store as a databroker (v1) Broker."""
        return self._service("broker")

    def client(self) -> Any:
        """Return the store as a Tiled client, in this process."""
        return self._service("client")

    def server_app(self, **options: Any) -> Any:
        """Return the store as an ASGI app: Tiled's own server; see `analysis_store.server.server_app`."""
        return self._service("server_app", **options)

    def _service(self, name: str, *arguments: Any, **options: Any) -> Any:
        """Call what stands above the store and may not be imported from here."""
        self._alive()
        return service(name)(self, *arguments, **options)
