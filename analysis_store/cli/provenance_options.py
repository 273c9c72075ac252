"""Options for the metadata and the provenance of a new run, for `insert` and `record`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.options import pairs
from analysis_store.errors import InvalidMetadataError, ProvenanceError

if TYPE_CHECKING:
    from analysis_store import Code, Parent, Provenance
    from analysis_store.documents import Document

MdOption = Annotated[list[str] | None, typer.Option("--md", help="key=value; may be repeated. The value may be JSON.")]
MdFileOption = Annotated[Path | None, typer.Option(help="Metadata as a JSON object.")]
ParentOption = Annotated[
    list[str] | None,
    typer.Option("--parent", help="Uid of a parent run; UID@CATALOG for a run of another catalog."),
]
CodeNameOption = Annotated[str | None, typer.Option(help="Name of the code that produced the data.")]
CodeVersionOption = Annotated[str | None, typer.Option(help="Version of that code.")]
CodeCommitOption = Annotated[str | None, typer.Option(help="Commit of that code.")]
CodeUrlOption = Annotated[str | None, typer.Option(help="URL of that code.")]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", help="key=value: a parameter of the analysis; may be repeated.")
]
NoteOption = Annotated[str | None, typer.Option(help="A remark on the origin of the data.")]
WaiverOption = Annotated[
    str | None, typer.Option(help="Reason why the code is unknown, if the store's policy allows it.")
]


def metadata(words: Sequence[str] | None, file: Path | None) -> Document:
    """Return the metadata of ``--md-file`` and ``--md``; the latter takes precedence.

    Raises
    ------
    InvalidMetadataError
        The file is not a JSON object.
    """
    found: Any = {}
    if file:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidMetadataError(f"--md-file {file} is not a readable JSON file: {error}.") from error
        if not isinstance(found, dict):
            raise InvalidMetadataError(f"--md-file {file} holds a {type(found).__name__}; expected a JSON object.")
    return {**found, **pairs(words or [], "--md")}


def provenance(
    command: Callable[..., None],
    parents: Sequence[str] | None,
    code: Mapping[str, str | None],
    parameters: Sequence[str] | None,
    **told: Any,
) -> Provenance:
    """Return the provenance of the options; without a code option, the code is that of the command.

    Raises
    ------
    ProvenanceError
        The options contradict each other, or are incomplete.
    """
    from analysis_store import Provenance

    return Provenance(
        parents=[_parent(word) for word in parents or []],
        code=_code(command, {key: value for key, value in code.items() if value}),
        parameters=pairs(parameters or [], "--parameter") or None,
        **told,
    )


def _code(command: Callable[..., None], given: dict[str, str]) -> Code | None:
    """Return the code that the options name; without options, this program.

    Raises
    ------
    ProvenanceError
        The options are incomplete. The rest would be taken from this program, which is different code.
    """
    from analysis_store import Code, Provenance

    if not given:
        return Provenance.capture(command).code
    if not ({"name", "url"} <= set(given) and set(given) & {"version", "commit"}):
        told = ", ".join(f"--code-{name} {value}" for name, value in given.items())
        raise ProvenanceError(
            f"the code is incomplete ({told}); give --code-name, --code-url and --code-version or --code-commit, "
            "or none of them if the code is this program."
        )
    return Code.of(given)


def _parent(word: str) -> Parent:
    from analysis_store import Parent

    uid, _, catalog = word.partition("@")
    return Parent(uid, catalog=catalog or None)
