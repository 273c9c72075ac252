"""Options by which a command is told what a run is and where it came from; `insert` and `record` have them."""

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

MdOption = Annotated[
    list[str] | None, typer.Option("--md", help="key=value, any number of times; a value may be JSON.")
]
MdFileOption = Annotated[Path | None, typer.Option(help="Metadata as a JSON object.")]
ParentOption = Annotated[
    list[str] | None,
    typer.Option("--parent", help="Uid of a run it came from; UID@CATALOG for one that is elsewhere."),
]
CodeNameOption = Annotated[str | None, typer.Option(help="Name of the code that made the data.")]
CodeVersionOption = Annotated[str | None, typer.Option(help="Its version.")]
CodeCommitOption = Annotated[str | None, typer.Option(help="Its commit.")]
CodeUrlOption = Annotated[str | None, typer.Option(help="Where it is published.")]
ParameterOption = Annotated[
    list[str] | None, typer.Option("--parameter", help="key=value: a parameter of the analysis.")
]
NoteOption = Annotated[str | None, typer.Option(help="A remark on how they came to be.")]
WaiverOption = Annotated[str | None, typer.Option(help="Why the code is unknown, where the store allows it.")]


def metadata(words: Sequence[str] | None, file: Path | None) -> Document:
    """Return what ``--md-file`` and ``--md`` tell; the latter wins.

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
            raise InvalidMetadataError(f"--md-file {file} is not a JSON file that can be read: {error}.") from error
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
    """Return what the options tell; where they name no code, it is that of the command.

    Raises
    ------
    ProvenanceError
        They contradict each other, or tell a part of what must be whole.
    """
    from analysis_store import Provenance

    return Provenance(
        parents=[_parent(word) for word in parents or []],
        code=_code(command, {key: value for key, value in code.items() if value}),
        parameters=pairs(parameters or [], "--parameter") or None,
        **told,
    )


def _code(command: Callable[..., None], given: dict[str, str]) -> Code | None:
    """Return the code that the options name; where they name none, the one that is known to be at work: this.

    Raises
    ------
    ProvenanceError
        They name it in part. The rest would be filled in from this program, which is another.
    """
    from analysis_store import Code, Provenance

    if not given:
        return Provenance.capture(command).code
    if not ({"name", "url"} <= set(given) and set(given) & {"version", "commit"}):
        told = ", ".join(f"--code-{name} {value}" for name, value in given.items())
        raise ProvenanceError(
            f"the code is told in part ({told}); give --code-name, --code-url and --code-version or --code-commit, "
            "or none of them for code that is this program."
        )
    return Code.of(given)


def _parent(word: str) -> Parent:
    from analysis_store import Parent

    uid, _, catalog = word.partition("@")
    return Parent(uid, catalog=catalog or None)
