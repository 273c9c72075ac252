"""XDI, the XAFS Data Interchange format: a header of ``# Family.member: value``, then columns of numbers.

Files of version 1.0 and of older scan programs ("XDI/1.1 Epics StepScan File") are read in the same way:
names of fields are taken without regard to case, as the format says, and the older names of three fields are also
given under their present ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import InvalidDataError
from analysis_store.runs.importers.units import split_units

if TYPE_CHECKING:
    from pathlib import Path

    from analysis_store.documents import Document

_VERSION = re.compile(r"#\s*XDI/(?P<version>\S+)\s*(?P<application>.*)")
_FIELD = re.compile(r"(?P<family>[A-Za-z]\w*)\.(?P<member>\w+):\s*(?P<value>.*)")
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(?P<fraction>\.\d*)?(?P<exponent>[eE][+-]?\d+)?")
_FORMER = {
    ("scan", "element"): ("element", "symbol"),
    ("scan", "edge"): ("element", "edge"),
    ("mono", "dspacing"): ("mono", "d_spacing"),
}


def read_xdi(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], Document]:
    """Return columns by name, units by name and metadata of an XDI file.

    Returns
    -------
    tuple
        float64 columns of shape (points,); their units, if the header has them;
        ``{"xdi": {"version": ..., <family>: {<member>: value}, "comments": ...}}``, names in lower case. What the
        header says of a column besides its name and units is in the family ``column``, under the number of the column.

    Raises
    ------
    InvalidDataError
        The file does not begin with ``# XDI/``, or its numbers do not fit its header.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InvalidDataError(f"{path} is not text in UTF-8: {error}.") from error
    first = _VERSION.match(lines[0]) if lines else None
    if first is None:
        raise InvalidDataError(f"{path} is not an XDI file: its first line must begin with '# XDI/1.0'.")
    header = [line.lstrip("#").strip() for line in lines if line.startswith("#")][1:]
    values = _values([line for line in lines if line.strip() and not line.startswith("#")], path)
    fields, comments, label = _parse(header)
    declared = _declared(fields)
    names = _names(declared, label, len(values), path)
    units, remarks = _described(declared)
    xdi: dict[str, Any] = {"version": first["version"], "application": first["application"].strip()}
    xdi |= _metadata(fields) | ({"column": remarks} if remarks else {})
    if comments:
        xdi["comments"] = comments
    columns = dict(zip(names, values, strict=True))
    named = {name: units[number] for number, name in enumerate(names, 1) if number in units}
    return columns, named, {"xdi": {key: value for key, value in xdi.items() if value != ""}}


def _values(rows: list[str], path: Path) -> np.ndarray:
    try:
        table = np.loadtxt(rows, ndmin=2, dtype=np.float64) if rows else np.empty((0, 0))
    except ValueError as error:
        raise InvalidDataError(f"{path}: the data are not a table of numbers: {error}.") from error
    if not table.size:
        raise InvalidDataError(f"{path} holds no data below its header.")
    return np.ascontiguousarray(table.T)


def _parse(header: list[str]) -> tuple[list[tuple[str, str, str]], str, list[str]]:
    """Return the fields as (family, member, value), the user's comments, and the labels above the data."""
    fields: list[tuple[str, str, str]] = []
    comments: list[str] = []
    label: list[str] = []
    part = "fields"
    for line in header:
        if line.startswith("///"):
            part = "comments"
        elif line.startswith("---"):
            part = "label"
        elif part == "comments":
            comments.append(line)
        elif part == "label":
            label = line.split()
        elif found := _FIELD.match(line):
            fields.append((found["family"].lower(), found["member"], found["value"].strip()))
        elif line:
            comments.append(line)
    return fields, "\n".join(comments).strip(), label


def _declared(fields: list[tuple[str, str, str]]) -> dict[int, str]:
    """Return by number the description of each column in the header, without the source of its values."""
    told = {
        int(member): value.partition("||")[0].strip()
        for family, member, value in fields
        if family == "column" and member.isdigit()
    }
    return {number: told[number] for number in sorted(told) if told[number]}


def _names(declared: dict[int, str], label: list[str], count: int, path: Path) -> list[str]:
    """Return the names of the columns: those in the fields of the header, else the labels above the data."""
    names = [text.split()[0] for text in declared.values()]
    for found in (names, label):
        if len(found) == count == len(set(found)):
            return found
    raise InvalidDataError(f"{path}: the header names the columns {names or label}, and the data have {count}.")


def _described(declared: dict[int, str]) -> tuple[dict[int, str], dict[str, str]]:
    """Return by number the units of columns, and the whole text if it has more than name and units."""
    units: dict[int, str] = {}
    remarks: dict[str, str] = {}
    for number, text in declared.items():
        found, rest = split_units(text.removeprefix(text.split()[0]))
        if found:
            units[number] = found
        if rest:
            remarks[str(number)] = text
    return units, remarks


def _metadata(fields: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Return the fields as nested mappings: a member given twice is a list, the source of a value is in ``pv``."""
    framed = {family for family, member, _ in fields if member == "End"}  # marks the end of a part of the header
    found: dict[str, Any] = {}
    for family, member, text in fields:
        if family == "column" or (family in framed and member in ("Start", "End")):
            continue
        value, _, source = (part.strip() for part in text.partition("||"))
        _add(found.setdefault(family, {}), member.lower(), _number(value))
        if source:
            _add(found.setdefault("pv", {}).setdefault(family, {}), member.lower(), source)
    for (family, member), (present, name) in _FORMER.items():
        if member in found.get(family, {}):
            found.setdefault(present, {}).setdefault(name, found[family][member])
    return found


def _add(members: dict[str, Any], name: str, value: Any) -> None:
    if name not in members:
        members[name] = value
    elif isinstance(members[name], list):
        members[name].append(value)
    else:
        members[name] = [members[name], value]


def _number(text: str) -> str | int | float:
    found = _NUMBER.fullmatch(text)
    if found is None:
        return text
    return float(text) if found["fraction"] or found["exponent"] else int(text)
