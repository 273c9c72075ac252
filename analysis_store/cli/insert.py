"""``analysis-store insert``: a file becomes a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from analysis_store.cli.console import print_json, say, working
from analysis_store.cli.options import JsonOption, StoreOption, open_store, pairs
from analysis_store.errors import InvalidMetadataError, ProvenanceError

if TYPE_CHECKING:
    from analysis_store import Code, Parent, Provenance


def insert(
    file: Annotated[Path, typer.Argument(help="An HDF5, npz, csv, tsv or xdi file.")],
    store: StoreOption = None,
    md: Annotated[list[str] | None, typer.Option(help="key=value, any number of times; a value may be JSON.")] = None,
    md_file: Annotated[Path | None, typer.Option(help="Metadata as a JSON object.")] = None,
    parent: Annotated[
        list[str] | None, typer.Option(help="Uid of a run it came from; UID@CATALOG for one that is elsewhere.")
    ] = None,
    chunk: Annotated[int | None, typer.Option(min=1, help="Make an event of each so many rows.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Take this dataset, group or column only.")] = None,
    no_copy: Annotated[bool, typer.Option("--no-copy", help="Leave the data where they are (HDF5).")] = False,
    code_name: Annotated[str | None, typer.Option(help="Name of the code that made the file.")] = None,
    code_version: Annotated[str | None, typer.Option(help="Its version.")] = None,
    code_commit: Annotated[str | None, typer.Option(help="Its commit.")] = None,
    code_url: Annotated[str | None, typer.Option(help="Where it is published.")] = None,
    parameter: Annotated[list[str] | None, typer.Option(help="key=value: a parameter of the analysis.")] = None,
    note: Annotated[str | None, typer.Option(help="A remark on how the file came to be.")] = None,
    waiver: Annotated[str | None, typer.Option(help="Why the code is unknown, where the store allows it.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Save the columns of a file as a run.

    The file with its digest, and the code that made it, become the provenance of the run.
    """
    code = {"name": code_name, "version": code_version, "commit": code_commit, "url": code_url}
    provenance = _provenance(
        parent or [], {key: value for key, value in code.items() if value}, parameter or [], note=note, waiver=waiver
    )
    with open_store(store) as opened, working(f"inserting {file.name}"):
        run = opened.insert_file(
            file, _metadata(md or [], md_file), copy=not no_copy, chunk=chunk, dataset=dataset, provenance=provenance
        )
        told = {"uid": run.uid, "file": run.file, "streams": {name: run[name].num_events for name in run}}
    if as_json:
        print_json(told)
    else:
        say(run.uid)


def _metadata(words: list[str], file: Path | None) -> dict[str, Any]:
    found: Any = {}
    if file:
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidMetadataError(f"--md-file {file} is not a JSON file that can be read: {error}.") from error
        if not isinstance(found, dict):
            raise InvalidMetadataError(f"--md-file {file} holds a {type(found).__name__}; expected a JSON object.")
    return {**found, **pairs(words, "--md")}


def _provenance(
    parents: list[str], code: dict[str, str], parameters: list[str], *, note: str | None, waiver: str | None
) -> Provenance:
    """Return what the options tell."""
    from analysis_store import Provenance

    return Provenance(
        parents=[_parent(word) for word in parents],
        code=_code(code),
        parameters=pairs(parameters, "--parameter") or None,
        note=note,
        waiver=waiver,
    )


def _code(given: dict[str, str]) -> Code | None:
    """Return the code that the options name; where they name none, the one that is known to be at work: this.

    Raises
    ------
    ProvenanceError
        They name it in part. The rest would be filled in from this program, which is another.
    """
    from analysis_store import Code, Provenance

    if not given:
        return Provenance.capture(insert).code
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
