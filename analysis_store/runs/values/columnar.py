"""Tables of xarray and pandas as a mapping of columns; labels that would be lost are refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.documents import clean_metadata
from analysis_store.errors import InvalidDataError
from analysis_store.exact import exact_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas


@dataclass(slots=True)
class Table:
    """The columns of a stream, by key."""

    columns: Mapping[Any, Any]

    roles: dict[str, str] = field(default_factory=dict)
    """Which of them are coordinates."""

    attrs: dict[str, Any] = field(default_factory=dict)
    """Metadata of a Dataset or a DataFrame, as JSON."""


def as_table(given: Any, where: str) -> Table:
    """Return the columns of a Dataset, a DataFrame or a mapping.

    Raises
    ------
    InvalidDataError
        The data have another type, or labels that would be lost: an index or coordinates that are not columns.
    """
    kind = type(given).__name__
    if kind == "Dataset" and hasattr(given, "data_vars"):
        attrs = {name: value for name, value in given.attrs.items() if name != "stream_name"}  # we add that one
        return Table(*_of_dataset(given, where), clean_metadata(attrs, f"{where}.attrs"))
    if kind == "DataFrame" and hasattr(given, "iloc"):
        return Table(_of_frame(given, where), {}, clean_metadata(given.attrs, f"{where}.attrs"))
    if not isinstance(given, Mapping):
        raise InvalidDataError(
            f"{where}: Got {kind}; expected a mapping {{key: column}}, an xarray.Dataset or a DataFrame."
        )
    for key, column in given.items():
        for name, labels in _labels(column):
            if name not in given or not _equal(given[name], labels):
                raise InvalidDataError(
                    f'{where}["{key}"]: its labels {name or "(an index without a name)"!r} would be lost. Give them as '
                    f"a column of their own, {{{name or 'name'!r}: labels}}, or give its values alone, .to_numpy()."
                )
    return Table(given)


def _of_dataset(dataset: Any, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the columns of a Dataset whose first dimension is the event; coordinates become keys, too."""
    variables = list(dataset.data_vars.values()) or list(dataset.coords.values())
    if not variables or not variables[0].dims:
        raise InvalidDataError(f"{where}: a Dataset without an event dimension; its first dimension is the event.")
    event = variables[0].dims[0]
    alien = [str(name) for name, variable in dataset.data_vars.items() if event not in variable.dims]
    if alien:
        raise InvalidDataError(f"{where}: {alien} lack the event dimension {event!r}, the first of the first variable.")
    table, roles = {}, {}
    for name, variable in {**dataset.coords, **dataset.data_vars}.items():
        key = _key(name)
        if event in variable.dims:
            table[key] = variable.transpose(event, ...)
        else:  # the same for every event
            table[key] = variable.expand_dims({event: dataset.sizes[event]})
        if name in dataset.coords:
            roles[key] = "coordinate"
    return table, roles


def _of_frame(frame: Any, where: str) -> dict[str, Any]:
    table = {_key(name): series for name, series in frame.items()}
    if len(table) != frame.shape[1]:
        raise InvalidDataError(f"{where}: Got a DataFrame with two columns of one name. Rename one.")
    found = {}
    for name, level in _levels(frame.index):
        if name is None or (_key(name) in table and not _equal(table[_key(name)], level)):
            raise InvalidDataError(
                f"{where}: the index {name or 'without a name'!r} of the DataFrame would be lost. Give it a name that "
                "no column has (frame.rename_axis('energy')), or leave it out (frame.reset_index(drop=True))."
            )
        found[_key(name)] = level.to_series()
    return {**found, **table}


def _key(name: Any) -> str:
    return exact_text(name) if isinstance(name, str) else str(name)


def _labels(column: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the labels of a column by name: coordinates of a DataArray, the index of a Series."""
    if hasattr(column, "coords") and hasattr(column, "variable"):
        yield from column.coords.items()
    elif hasattr(column, "array") and hasattr(column, "index"):
        yield from _levels(column.index)


def _levels(index: Any) -> Iterator[tuple[Any, pandas.Index[Any]]]:
    """Yield the levels of an index by name; integers without a name only count the rows."""
    for number, name in enumerate(index.names):
        level = index.get_level_values(number)
        if name is not None or (len(level) and level.dtype.kind not in "iu"):
            yield name, level


def _equal(column: Any, labels: Any) -> bool:
    """Return True if a column has the values that another has as labels; NaN equals itself here."""
    one, other = np.asarray(column), np.asarray(labels)
    return one.shape == other.shape and bool(np.all((one == other) | ((one != one) & (other != other))))  # noqa: PLR0124
