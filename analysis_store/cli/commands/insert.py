"""``analysis-store insert``: save a file as a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis_store.cli.console import print_json, say, warned, working
from analysis_store.cli.options import JsonOption, StoreOption, open_store
from analysis_store.cli.provenance_options import (
    CodeCommitOption,
    CodeNameOption,
    CodeUrlOption,
    CodeVersionOption,
    MdFileOption,
    MdOption,
    NoteOption,
    ParameterOption,
    ParentOption,
    WaiverOption,
    metadata,
    provenance,
)


def insert(
    file: Annotated[Path, typer.Argument(help="An HDF5, npz, csv, tsv or xdi file.")],
    store: StoreOption = None,
    md: MdOption = None,
    md_file: MdFileOption = None,
    parent: ParentOption = None,
    chunk: Annotated[int | None, typer.Option(min=1, help="Write one event per N rows.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Insert only this dataset, group or column.")] = None,
    no_copy: Annotated[
        bool, typer.Option("--no-copy", help="Leave the data in the file, and refer to it (HDF5 only).")
    ] = False,
    code_name: CodeNameOption = None,
    code_version: CodeVersionOption = None,
    code_commit: CodeCommitOption = None,
    code_url: CodeUrlOption = None,
    parameter: ParameterOption = None,
    note: NoteOption = None,
    waiver: WaiverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Save the columns of a file as a run.

    The provenance names the file with its digest, and the code that made the file.
    """
    code = {"name": code_name, "version": code_version, "commit": code_commit, "url": code_url}
    origin = provenance(insert, parent, code, parameter, note=note, waiver=waiver)
    with open_store(store) as opened, warned(), working(f"inserting {file.name}"):
        run = opened.insert_file(
            file, metadata(md, md_file), copy=not no_copy, chunk=chunk, dataset=dataset, provenance=origin
        )
        told = {"uid": run.uid, "file": run.file, "streams": {name: run[name].num_events for name in run}}
    if as_json:
        print_json(told)
    else:
        say(run.uid)
