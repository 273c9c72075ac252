"""Methods of a store for analyses that are computed once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from analysis_store.run_store import RunStore

if TYPE_CHECKING:
    from analysis_store.processing.engine.comparison import Comparison
    from analysis_store.processing.engine.explanation import Explanation
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.processing.model.pipeline import PipelineLike
    from analysis_store.runs.read.run import Run


class ProcessingMethods(RunStore):
    """Methods of a store for analyses that are computed once."""

    def compute(self, preset: PipelineLike, inputs: InputsLike, *, md: Mapping[str, object] | None = None) -> Run:
        """Return the result of an analysis: the stored result if there is one, else a new result, which is saved.

        Parameters
        ----------
        preset : Preset, Pipeline, Processor or str
            The analysis; a processor or its id stands for its defaults. A pipeline gives the result of its one end.
        inputs : Run, str, path, Input, Inputs or list of these
            A run, the uid of one in this store or its sources, a file.
        md : mapping, optional
            Metadata for the start document of a new result.

        Returns
        -------
        Run
            A run that succeeded, is not retracted, and verifies.

        Raises
        ------
        UnknownProcessorError, ParameterError
            There is no such analysis; a parameter violates its schema.
        InputError
            A run or file cannot be an input.
        InvalidDataError
            The processor returned a value that cannot be stored; the message has its path.

        Examples
        --------
        >>> store.compute("image_statistics", run.uid)  # doctest: +SKIP
        """
        from analysis_store.processing.engine.computation import compute

        self._alive()
        return compute(self, preset, inputs, md=md)

    def explain(self, preset: PipelineLike, inputs: InputsLike) -> Explanation:
        """Return if `compute` would find a stored result, and if not, the differences from the nearest result.

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
            As in `compute`.
        """
        from analysis_store.processing.engine.explanation import explain

        self._alive()
        return explain(self, preset, inputs)

    def rerun(self, uid: str, /, **overrides: object) -> Run:
        """Compute a result again and save it as a new run that is linked to the first.

        Parameters
        ----------
        uid : str
            A run made by a processor; its start document names processor, inputs and parameters.
        **overrides
            Parameters with new values.

        Returns
        -------
        Run
            Its ``start["processing"]["rerun_of"]`` is ``uid``.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        ProcessorError
            The run was not made by a processor.
        UnknownProcessorError, ParameterError
            The processor is not registered any more; an override violates its schema.
        InputError
            An input is missing, or is a file that changed.

        Examples
        --------
        >>> again = store.rerun(run.uid)  # doctest: +SKIP
        >>> bool(store.compare(run.uid, again))  # doctest: +SKIP
        True
        """
        from analysis_store.processing.engine.rerun import rerun

        self._alive()
        return rerun(self, uid, **overrides)

    def compare(self, a: str | Run, b: str | Run, *, rtol: float = 1e-5, atol: float = 0.0) -> Comparison:
        """Return the differences between the values of two runs, by stream and key.

        Parameters
        ----------
        a, b : str or Run
            Runs, or uids of this store.
        rtol, atol : float
            Numbers are close if ``|a - b| <= atol + rtol * |b|``; ``atol`` in the units of each key. With both 0
            they must be equal. NaN equals NaN.

        Returns
        -------
        Comparison
            True if all values are identical or close; iterates one row per stream and key; shown as a table.

        Raises
        ------
        RunNotFoundError
            The store has no such run.
        ValueError
            A tolerance is negative or not a number.

        Examples
        --------
        >>> print(store.compare(run, other, rtol=1e-9))  # doctest: +SKIP
        """
        from analysis_store.processing.engine.comparison import compare

        self._alive()
        return compare(self, a, b, rtol=rtol, atol=atol)
