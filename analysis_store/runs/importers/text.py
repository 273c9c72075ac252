"""Columns out of tables in plain text, with units in the header row."""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING

import numpy as np

from analysis_store.errors import InvalidDataError
from analysis_store.runs.importers.units import is_units

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_UNIT = re.compile(r"^(?P<name>.*?\S)\s*(?:\((?P<round>[^()]*)\)|\[(?P<square>[^\[\]]*)\])$")
_GAPS = frozenset({"", "nan", "na", "n/a", "none", "null"})
_BOOLEANS = {"true": True, "false": False}
_INT64 = np.iinfo(np.int64)


def read_table(path: Path, separator: str) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """Return columns by name, units by name and the comments above the table.

    Lines with ``#`` may stand above the header row, or the header row may be the last of them, as `numpy.savetxt`
    writes it. What stands in brackets behind a name is its units, or a comment like the others. A column is of int64,
    float64, bool or text, the first that holds all its cells; floats are exact to the last bit (unlike with
    `pandas.read_csv`). An empty cell or ``nan`` among numbers is NaN.

    Raises
    ------
    InvalidDataError
        The file is not text in UTF-8, has no header row, or its rows do not fit it.
    """
    comments, rows = _split(path, separator)
    header, comments, rows = _header(comments, rows, path, separator)
    split = {name: _split_unit(name) for name in header}
    comments = comments + [name for name, (_, unit) in split.items() if unit and not is_units(unit)]
    columns = {
        split[name][0]: _values(cells)
        for name, cells in zip(header, zip(*_even(rows, header, path), strict=True), strict=True)
    }
    if len(columns) != len(header):
        raise InvalidDataError(f"{path}: two of the columns {', '.join(header)} have the same name; rename one.")
    return columns, {name: unit for name, unit in split.values() if is_units(unit)}, comments


def _split(path: Path, separator: str) -> tuple[list[str], list[list[str]]]:
    """Return the comments above the table and its rows, the header row among them."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            lines = stream.read().splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise InvalidDataError(f"{path} is not text in UTF-8: {error}.") from error
    first = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), len(lines))
    comments = [text for line in lines[:first] if (text := line.lstrip("#").strip())]
    try:
        rows = [row for row in csv.reader(lines[first:], delimiter=separator, strict=True) if row]
    except csv.Error as error:
        raise InvalidDataError(f"{path} is not a table: {error}.") from error
    if not rows:
        raise InvalidDataError(f"Got an empty file {path}; expected a header row and rows of data.")
    return comments, rows


def _header(
    comments: list[str], rows: list[list[str]], path: Path, separator: str
) -> tuple[list[str], list[str], list[list[str]]]:
    """Return the names of the columns, the comments that are left, and the rows that are left."""
    first = rows[0]
    if _numbers(first) is None:
        names, rows = [cell.strip() for cell in first], rows[1:]
    elif comments and comments[-1].count(separator) == len(first) - 1:
        names, comments = [cell.strip() for cell in comments[-1].split(separator)], comments[:-1]
    else:
        raise InvalidDataError(f"{path} has no header row; its first line must name the columns, e.g. 'energy (eV)'.")
    if "" in names or len(set(names)) != len(names):
        raise InvalidDataError(f"{path}: in the header row {names} a column has no name, or two have the same.")
    if not rows:
        raise InvalidDataError(f"{path} has a header row and no rows of data.")
    return names, comments, rows


def _even(rows: list[list[str]], header: list[str], path: Path) -> list[list[str]]:
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise InvalidDataError(
                f"{path}: row {number} of the data has {len(row)} cells, the header row names {len(header)} columns: "
                f"{', '.join(header)}."
            )
    return rows


def _split_unit(name: str) -> tuple[str, str]:
    found = _UNIT.match(name)
    return (found["name"], (found["round"] or found["square"] or "").strip()) if found else (name, "")


def _values(cells: Iterable[str]) -> np.ndarray:
    words = [cell.strip() for cell in cells]
    numbers = _numbers(words)
    if numbers is not None:
        return numbers
    flags = [_BOOLEANS.get(word.lower()) for word in words]
    return np.array(words if None in flags else flags)


def _numbers(words: list[str]) -> np.ndarray | None:
    """Return int64 or float64, or None if a cell is not a number."""
    if any("_" in word for word in words):  # Python's numbers may have them, those of a table have not
        return None
    try:
        whole = list(map(int, words))
        if min(whole) >= _INT64.min and max(whole) <= _INT64.max:
            return np.array(whole, dtype=np.int64)
    except ValueError:
        pass
    try:
        return np.array([np.nan if word.lower() in _GAPS else float(word) for word in words], dtype=np.float64)
    except ValueError:
        return None
