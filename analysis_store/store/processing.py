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
        from analysis_store.processing.engine.computation import compute

        self._alive()
        return compute(self, preset, inputs, md=md)

    def explain(self, preset: PipelineLike, inputs: InputsLike) -> Explanation:
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
        from analysis_store.processing.engine.explanation import explain

        self._alive()
        return explain(self, preset, inputs)

    def rerun(self, uid: str, /, **overrides: object) -> Run:
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
        from analysis_store.processing.engine.rerun import rerun

        self._alive()
        return rerun(self, uid, **overrides)

    def compare(self, a: str | Run, b: str | Run, *, rtol: float = 1e-5, atol: float = 0.0) -> Comparison:
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
        from analysis_store.processing.engine.comparison import compare

        self._alive()
        return compare(self, a, b, rtol=rtol, atol=atol)
