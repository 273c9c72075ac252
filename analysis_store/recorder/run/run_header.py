"""The header of a live file: the start document and the attachments of the future run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from analysis_store.documents import dumps, loads
from analysis_store.errors import DamagedFileError
from analysis_store.hdf5.making import write_string
from analysis_store.hdf5.opening import find_dataset
from analysis_store.runs.read.reader import read_scalar
from analysis_store.runs.write.draft import Attachments

if TYPE_CHECKING:
    import h5py
    from h5py import h5f

    from analysis_store.documents import Document

HEAD = ".run"
"""A dataset of JSON in a live file of a run; the finished run does not have it."""


def write_head(start: Document, attachments: Attachments, file: h5py.File) -> None:
    """Write the header of a new file."""
    told = {"start": start, "patch": attachments.patch, "source": attachments.source}
    write_string(file.id, HEAD, dumps(told))


def read_head(file: h5f.FileID) -> tuple[Document, Attachments] | None:
    """Return start document and attachments; None for a file without a header.

    Raises
    ------
    DamagedFileError
        The header is damaged.
    """
    if HEAD.encode() not in file:
        return None
    try:
        told = loads(read_scalar(find_dataset(file, f"/{HEAD}"), "the head of a recording"))
        return dict(told["start"]), Attachments(told["patch"], told["source"])
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DamagedFileError(
            f"The header of the recording cannot be read: {error!r}. The file was changed."
        ) from error
