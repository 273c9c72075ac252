"""Pipelines that are run by hand: whether and where their results are kept."""

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
    """What this process is set to."""

    on = True


def set_autosaving(on: bool) -> None:
    """Say whether pipelines that are run by hand, without a store, save to the default store of this process.

    Parameters
    ----------
    on : bool
        False keeps the results in memory only.
    """
    _Autosaving.on = bool(on)


def get_autosaving() -> bool:
    """Return whether pipelines that are run by hand save to the default store; True unless `set_autosaving` said."""
    return _Autosaving.on


def run(pipeline: Pipeline, inputs: InputsLike, store: RunStore | None = None) -> Results:
    """Run a pipeline by hand; see `analysis_store.processing.Pipeline.run`.

    Parameters
    ----------
    inputs
        As `analysis_store.processing.Inputs.of` takes them; where nothing is saved also plain data,
        ``{stream: {key: value}}`` or a list of such events.
    store : AnalysisStore, optional
        Where the results are kept. Default: the default store if `get_autosaving`, else nowhere.

    Raises
    ------
    NoDefaultStoreError
        The results are to be saved, and no store is set.
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
        "plain data came as the input of results that are to be saved, and the origin of these would not be known; "
        "save the data first, run = insert_analysis(data, md), and give the run; or set_autosaving(False)."
    )


def _is_data(inputs: Any) -> bool:
    return type(inputs) is dict or (isinstance(inputs, list) and bool(inputs) and type(inputs[0]) is dict)
