"""Common part of the text formats: the parts of an export to write, and an export from the tree of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from analysis_store import layout
from analysis_store.core.memory import check_fits
from analysis_store.errors import DamagedFileError, StoreVersionError
from analysis_store.exchange.content import Export, ExportedStream, metadata_of, streams_of, units_of
from analysis_store.exchange.tree import Missing, from_tree, to_tree

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.exchange.arrays import Tree
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run

VERSION = 1
MARK = "analysis_store_export"
"""Mark of an export, and its version."""

_UNUSUAL = re.compile(r"[\x00-\x1f\x7f%/\\]")
_SIZE_OF_TREE = 8
"""Bytes in memory for one byte of text, at most: a list of one-digit numbers."""


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """A column, as trees."""

    key: str
    units: str | None
    dims: list[str]
    values: Tree


@dataclass(frozen=True, slots=True)
class StreamPart:
    """A stream, as trees."""

    name: str

    time: Tree
    """Float64 ``(n,)``, s since 1970."""

    seq_num: Tree
    """Int64 ``(n,)``."""

    columns: Iterator[ColumnPart]
    """Each column is read only when it is reached."""


def metadata_tree(run: Run) -> Tree:
    """Return the tree of the documents that every export contains."""
    return to_tree(metadata_of(run), "metadata")


def stream_parts(run: Run, options: Options) -> Iterator[StreamPart]:
    """Yield the selected parts of a run, one stream after the other."""
    for stream, columns in streams_of(run, options):
        parts = (_column_part(stream.name, key, column) for key, column in columns)
        yield StreamPart(stream.name, to_tree(stream.times), to_tree(np.asarray(stream.seq_nums)), parts)


def stored_names(names: Iterable[str], reserved: Collection[str]) -> dict[str, str]:
    """Return the archive name of each stream or key, percent-encoded if needed."""
    safe = {name: _UNUSUAL.sub(lambda found: f"%{ord(found[0]):02X}", name) for name in names}
    return dict(zip(safe, layout.stored_names(safe.values(), reserved).values(), strict=True))


def _column_part(stream: str, key: str, column: LazyArray) -> ColumnPart:
    values = to_tree(np.asarray(column.read()), f"{stream}[{key!r}]")
    return ColumnPart(key, units_of(column), list(column.dims), values)


# ------------------------------------------------------------------------------------------------- reading


def export_of(whole: Tree, name: str, missing: Missing) -> Export:
    """Return the export described by the tree of a file.

    Raises
    ------
    DamagedFileError
        The tree is not an export.
    StoreVersionError
        The export is of a newer version than this package knows.
    """
    if not isinstance(whole, dict) or type(whole.get(MARK)) is not int:
        raise DamagedFileError(f"{name} is not an export; expected the mark {MARK!r}. Export the run again.")
    check_version(whole[MARK], name)
    try:
        metadata = from_tree(whole["metadata"], missing)
        descriptors = metadata["descriptors"]
        streams = {
            stream: _stream(stream, told, data_keys_of(descriptors, stream), missing)
            for stream, told in whole["streams"].items()
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{name} lacks a part of an export: {error}. It was changed, or cut short.") from error
    return Export(metadata, streams)


def check_version(version: int, name: str) -> None:
    """Raise for an export of a newer version."""
    if version > VERSION:
        raise StoreVersionError(
            f"{name} is an export of version {version}; this package knows up to {VERSION}. Install a newer version of "
            "it."
        )


def data_keys_of(descriptors: Iterable[Document], stream: str) -> dict[str, Document]:
    """Return the data keys that the descriptors of a stream declare."""
    ours = [each for each in descriptors if each.get("name", "primary") == stream]
    return {key: told for each in ours for key, told in each["data_keys"].items()}


def _stream(name: str, told: Tree, data_keys: dict[str, Any], missing: Missing) -> ExportedStream:
    values = {key: from_tree(column["values"], missing) for key, column in told["data"].items()}
    return checked(name, from_tree(told["time"]), from_tree(told["seq_num"]), values, data_keys)


def checked(
    name: str, time: Any, seq_num: Any, values: dict[str, Any], data_keys: dict[str, Document]
) -> ExportedStream:
    """Return a stream of an export; check that each column has one value per event.

    Raises
    ------
    DamagedFileError
        A column has another length or is not an array.
    """
    for key, column in {"time": time, "seq_num": seq_num, **values}.items():
        if not isinstance(column, np.ndarray) or column.shape[:1] != np.shape(time)[:1] or not column.ndim:
            raise DamagedFileError(
                f"{key!r} of stream {name!r} is not an array of one value per event. Restore the file."
            )
    return ExportedStream(name, time, seq_num, values, data_keys)


def check_held(file: BinaryIO) -> None:
    """Raise for a text file that would not fit into memory once it is read.

    Raises
    ------
    TooLargeError
        The message contains the size of the file and the free memory.
    """
    size = os.fstat(file.fileno()).st_size * _SIZE_OF_TREE
    check_fits(size, f"The text of {file.name} as a tree", "Export as hdf5 or npz instead.")
