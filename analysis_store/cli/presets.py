"""Words by which a command is told what to compute: presets by id or in a file, parameters, modules of one's own."""

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
        "of several, each gets the results of the one before.",
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
        help="A parameter, any number of times; a value may be JSON. Of several presets: ID.NAME=VALUE.",
    ),
]
ImportOption = Annotated[
    list[str] | None,
    typer.Option(
        "--import",
        metavar="MODULE",
        help="Import this module first, for the processors in it; the current folder is looked in too.",
    ),
]

_FILES = {".json", ".yaml", ".yml"}


def import_modules(names: Sequence[str] | None) -> None:
    """Import modules whose processors are wanted; one in the current folder counts.

    Raises
    ------
    ProcessorError
        A module is not there, or fails.
    """
    if not names:
        return
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)  # worker processes are given this path, too
    for name in names:
        try:
            import_module(name)
        except ProcessorError:
            raise
        except Exception as error:  # whatever somebody's module does
            raise ProcessorError(
                f"--import {name}: {type(error).__name__}: {error}; expected a module in {here} or an installed one."
            ) from error


def pipeline_of(words: Sequence[str], parameters: Sequence[str] | None) -> Pipeline:
    """Return the pipeline that words mean, with the parameters of its presets.

    Raises
    ------
    ProcessorError
        A file tells of none; a parameter belongs to none of several.
    UnknownProcessorError
        No processor has this id and version.
    ParameterError
        A parameter is not known, or its value breaks its schema.
    """
    from analysis_store.processing import Pipeline

    files = [word for word in words if Path(word).suffix.lower() in _FILES]
    given = pairs(parameters or [], "--parameter")
    if files and given:
        raise ProcessorError(f"--parameter came with the file {files[0]}; expected the parameters in the file.")
    told = _told(words, given)
    found = [_from_file(Path(word)) if word in files else _preset(word, told[word]) for word in words]
    pipeline = Pipeline.of(found[0])
    for then in found[1:]:
        pipeline |= then
    return pipeline


def _told(words: Sequence[str], given: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of each id; of several ids the name of a parameter says whose it is."""
    if len(words) == 1:
        return {words[0]: dict(given)}
    told: dict[str, dict[str, Any]] = {word: {} for word in words}
    for name, value in given.items():
        whose, _, parameter = name.rpartition(".")  # a version may have dots, the name of a parameter has none
        meant = [word for word in told if whose in {word, word.partition("@")[0]}]
        if len(meant) != 1:
            raise ProcessorError(
                f"--parameter {name}: of which preset? Expected ID.NAME=VALUE with an ID of {', '.join(told)}."
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
        document = yaml.safe_load(path.read_text(encoding="utf-8"))  # which JSON is, too
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ProcessorError(f"{path} is not a JSON or YAML file that can be read: {error}.") from error
    if isinstance(document, dict) and "processor" in document:
        document = {"steps": {path.stem: document}}
    return Pipeline.from_document(document)
