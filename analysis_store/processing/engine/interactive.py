"""Pipelines run interactively: whether and where their results are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis_store.errors import InputError, NoDefaultStoreError
from analysis_store.insertion import default_store, get_working_dir, set_working_dir
from analysis_store.processing.engine.computation import run_pipeline
from analysis_store.processing.inputs.inputs import Inputs

__all__ = ["get_autosaving", "get_working_dir", "run", "set_autosaving", "set_working_dir"]

if TYPE_CHECKING:
    from analysis_store.processing.engine.results import Results
    from analysis_store.processing.inputs.inputs import InputsLike
    from analysis_store.processing.model.pipeline import Pipeline
    from analysis_store.run_store import RunStore


class _Autosaving:
    """Settings of this process."""

    on = True


def set_autosaving(on: bool) -> None:
    """Set whether pipelines run without a store save to the default store of this process.

    Parameters
    ----------
    on : bool
        False keeps the results in memory only.
    """
    _Autosaving.on = bool(on)


def get_autosaving() -> bool:
    """Return True if pipelines run without a store save to the default store, unless `set_autosaving` disabled it."""
    return _Autosaving.on


def run(pipeline: Pipeline, inputs: InputsLike, store: RunStore | None = None) -> Results:
    """Run a pipeline interactively; see `analysis_store.processing.Pipeline.run`.

    Parameters
    ----------
    inputs
        As in `analysis_store.processing.Inputs.of`; if nothing is saved, also plain data,
        ``{stream: {key: value}}`` or a list of such events.
    store : AnalysisStore, optional
        Store that keeps the results. Default: the default store if `get_autosaving`, else none.

    Raises
    ------
    NoDefaultStoreError
        The results are to be saved, but there is no default store.
    """
    if store is None and _Autosaving.on:
        store = _default()
    return run_pipeline(pipeline, _inputs(inputs, store), store)


def _default() -> RunStore:
    try:
        return default_store()
    except NoDefaultStoreError as error:
        raise NoDefaultStoreError(f"{str(error).removesuffix('.')}, or set_autosaving(False).") from error


def _inputs(inputs: Any, store: RunStore | None) -> Inputs:
    if not _is_data(inputs):
        return Inputs.of(inputs, store)
    if store is None:
        return Inputs.of_data(inputs)
    raise InputError(
        "Got plain data as the input of results to be saved, whose origin would then be unknown. "
        "Save the data first, run = insert_analysis(data, md), and pass the run; or set_autosaving(False)."
    )


def _is_data(inputs: Any) -> bool:
    return type(inputs) is dict or (isinstance(inputs, list) and bool(inputs) and type(inputs[0]) is dict)
