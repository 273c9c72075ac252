"""A file that another program wrote, as a run: its columns are keys, the file itself is provenance."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.documents import MAX_INLINE_SIZE, clean_metadata, compose_datum, compose_resource, validate
from analysis_store.errors import InvalidDataError
from analysis_store.handlers.rows import RowsHandler
from analysis_store.layout import ROWS_SPEC
from analysis_store.provenance import Provenance
from analysis_store.runs.importers.file_rows import FileRows
from analysis_store.runs.importers.files import FileColumns, read_columns

if TYPE_CHECKING:
    from analysis_store.provenance.model import ProvenanceLike
    from analysis_store.runs.values.gather import DataLike, WriterEntry
    from analysis_store.runs.write.draft import Draft

_STREAM = "primary"


@dataclass(slots=True)
class Measured:
    """Content of a file, for a run."""

    file: Path
    md: dict[str, Any]
    data: DataLike
    provenance: Provenance
    descriptor_md: dict[str, Any]
    datasets: dict[str, str] | None
    """For data that stay in their file: the dataset of each key."""

    chunk: int | None

    @property
    def writers(self) -> dict[str, WriterEntry]:
        """The keys that are not to be copied, as `gather` wants to know them."""
        return {key: {"writer": RowsHandler, "spec": ROWS_SPEC} for key in self.datasets or ()}

    def refer(self, draft: Draft) -> None:
        """Make the documents of keys that are not copied refer to the file."""
        for stream in draft.streams:
            for key, dataset in (self.datasets or {}).items():
                column = stream.data.columns[key]
                rows = self.chunk or max((len(value) for value in column.values), default=1) or 1
                kwargs = {"dataset": dataset, "rows": rows}
                resource = compose_resource(draft.uid, ROWS_SPEC, str(self.file.parent), self.file.name, kwargs)
                validate("resource", resource)
                datums = [compose_datum(resource["uid"], i, {"point_number": i}) for i in range(len(column))]
                stream.documents.foreign[key] = ([resource], datums)


def measured_run(
    path: str | os.PathLike[str],
    md: Mapping[str, object],
    *,
    copy: bool,
    chunk: object,
    dataset: str | None,
    provenance: ProvenanceLike | None,
) -> Measured:
    """Return the data that `AnalysisStore.insert_file` saves."""
    file = Path(path).expanduser().absolute()
    if chunk is not None and (isinstance(chunk, bool) or not isinstance(chunk, int) or chunk < 1):
        raise InvalidDataError(f"chunk: Got {chunk!r}; expected a number of rows, 1 or more.")
    found = read_columns(file, dataset, lazy=True)
    if not copy:
        _check_stays(found, file)
    told = {"file_metadata": clean_metadata(found.metadata, str(file))} if found.metadata else {}
    units = {key: {"units": unit} for key, unit in found.units.items() if key in found.columns}
    return Measured(
        file,
        {"plan_name": "insert_file", **told, **md},
        _events(found, chunk, file),
        _with_file(provenance, file),
        {_STREAM: {"data_keys": units}} if units else {},
        None if copy else found.datasets,
        chunk,
    )


def _check_stays(found: FileColumns, file: Path) -> None:
    """Raise for data that cannot be read in their file."""
    if found.datasets is None:
        raise InvalidDataError(f"{file}: copy=False leaves data in an HDF5 file, which this is not; leave copy out.")
    scalars = [key for key, column in found.columns.items() if not np.ndim(column)]
    if scalars:
        raise InvalidDataError(
            f"{file}: copy=False refers to rows of datasets, and {scalars} are single values; name one dataset, or "
            "leave copy out."
        )


def _events(found: FileColumns, chunk: int | None, file: Path) -> list[dict[str, Any]]:
    if chunk is None:
        return [{_STREAM: dict(found.columns)}]
    lengths = {key: np.shape(column)[:1] for key, column in found.columns.items()}
    if len(set(lengths.values())) != 1 or () in lengths.values():
        raise InvalidDataError(
            f"{file}: chunk={chunk} needs columns of equal length, they have {lengths}; leave chunk out, or name one "
            "dataset."
        )
    rows = next(iter(lengths.values()))[0]
    columns = {key: _rows_of(column, chunk) for key, column in found.columns.items()}
    return [
        {_STREAM: {key: some(first, first + chunk) for key, some in columns.items()}} for first in range(0, rows, chunk)
    ]


def _rows_of(column: Any, chunk: int) -> Callable[[int, int], Any]:
    """Return a function for some rows of a column; inline values are read now."""
    if not isinstance(column, FileRows):
        return lambda first, last: column[first:last]
    if chunk * math.prod(column.shape[1:]) > MAX_INLINE_SIZE:
        return column.rows
    values = np.asarray(column)
    return lambda first, last: values[first:last]


def _with_file(provenance: ProvenanceLike | None, file: Path) -> Provenance:
    stated = Provenance.parse(provenance)
    kept = {entry.name: getattr(stated, entry.name) for entry in fields(stated)}
    return Provenance(**{**kept, "files": (*stated.files, str(file))})
