"""Options that select what to compute: presets by id or in a file, parameters, modules to import."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.options import pairs
from analysis_store.errors import ProcessorError

if TYPE_CHECKING:
    from analysis_store.processing import Pipeline, Preset

PresetsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PRESET",
        help="An id, id@version, or a JSON or YAML file with a preset or a pipeline; "
        "each of several presets gets the results of the previous one.",
    ),
]
PresetArgument = Annotated[
    str,
    typer.Argument(metavar="PRESET", help="An id, id@version, or a JSON or YAML file with a preset or a pipeline."),
]
ValueOption = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="NAME=VALUE",
        help="A parameter; may be repeated. VALUE may be JSON. With several presets: ID.NAME=VALUE.",
    ),
]
ImportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        help="Import this module first and use its processors; may be a module in the current folder.",
    ),
]

_FILES = {".json", ".yaml", ".yml"}


def import_modules(names: Sequence[str] | None) -> None:
    """Import modules with processors; modules in the current folder are found, too.

    Raises
    ------
    ProcessorError
        A module is missing, or fails to import.
    """
    if not names:
        return
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # worker processes get this path, too
    for name in names:
        try:
            import_module(name)
        except ProcessorError:
            raise
        except Exception as error:  # a user's module may raise any error
            raise ProcessorError(
                f"--import {name}: {type(error).__name__}: {error}; expected a module in {here} or an installed one."
            ) from error


def pipeline_of(words: Sequence[str], parameters: Sequence[str] | None) -> Pipeline:
    """Return the pipeline of some words, with the parameters of its presets.

    Raises
    ------
    ProcessorError
        A file holds no pipeline, or a parameter names none of several presets.
    UnknownProcessorError
        No processor has this id and version.
    ParameterError
        A parameter is unknown, or its value violates the schema.
    """
    from analysis_store.processing import Pipeline

    files = [word for word in words if Path(word).suffix.lower() in _FILES]
    given = pairs(parameters or [], "--parameter")
    if files and given:
        raise ProcessorError(f"got --parameter with the file {files[0]}; expected the parameters in the file.")
    told = _told(words, given)
    found = [_from_file(Path(word)) if word in files else _preset(word, told[word]) for word in words]
    pipeline = Pipeline.of(found[0])
    for then in found[1:]:
        pipeline |= then
    return pipeline


def _told(words: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each id; with several ids, a parameter's name begins with its id."""
    if len(words) == 1:
        return {words[0]: dict(given)}
    told: dict[str, dict[str, Any]] = {word: {} for word in words}
    for name, value in given.items():
        whose, _, parameter = name.rpartition(".")  # a version may contain dots, the name of a parameter does not
        meant = [word for word in told if whose in {word, word.partition("@")[0]}]
        if len(meant) != 1:
            raise ProcessorError(
                f"--parameter {name} names no preset. Expected ID.NAME=VALUE with an ID of {', '.join(told)}."
            )
        told[meant[0]][parameter] = value
    return told


def _preset(word: str, parameters: Mapping[str, Any]) -> Preset:
    from analysis_store.processing import Preset

    return Preset(word, parameters)


def _from_file(path: Path) -> Pipeline:
    """Return the pipeline in a file: ``{"steps": …}``, or one preset ``{"processor": …, "parameters": …}``."""
    import yaml

    from analysis_store.processing import Pipeline

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is valid YAML
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ProcessorError(f"{path} is not a readable JSON or YAML file: {error}.") from error
    if isinstance(document, dict) and "processor" in document:
        document = {"steps": {path.stem: document}}
    return Pipeline.from_document(document)
