"""XDI, the XAFS Data Interchange format: a header of ``# Family.member: value``, then columns of numbers.

Files of version 1.0 and of the scan programs that came before its end ("XDI/1.1 Epics StepScan File") are read alike:
names of fields are taken without regard to case, as the format says, and the older names of three fields are also
given under their present ones.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from pathlib import Path

_VERSION = re.compile(r"#\s*XDI/(?P<version>\S+)\s*(?P<application>.*)")
_FIELD = re.compile(r"(?P<family>[A-Za-z]\w*)\.(?P<member>\w+):\s*(?P<value>.*)")
_NUMBER = re.compile(r"[+-]?(0|[1-9]\d*)(?P<fraction>\.\d*)?(?P<exponent>[eE][+-]?\d+)?")
_FORMER = {
    ("scan", "element"): ("element", "symbol"),
    ("scan", "edge"): ("element", "edge"),
    ("mono", "dspacing"): ("mono", "d_spacing"),
}


def read_xdi(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str], dict[str, Any]]:
    """Return columns by name, units by name and metadata of an XDI file.

    Returns
    -------
    tuple
        float64 columns of shape (points,); their units, where the header has them;
        ``{"xdi": {"version": ..., <family>: {<member>: value}, "comments": ...}}``, names in lower case.

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
        raise InvalidDataError(f"{path} is no XDI file: its first line must begin with '# XDI/1.0'.")
    header = [line.lstrip("#").strip() for line in lines if line.startswith("#")][1:]
    values = _values([line for line in lines if line.strip() and not line.startswith("#")], path)
    fields, comments, label = _parse(header)
    names, units = _columns(fields, label, len(values), path)
    xdi: dict[str, Any] = {"version": first["version"], "application": first["application"].strip()}
    xdi |= _metadata(fields)
    if comments:
        xdi["comments"] = comments
    columns = dict(zip(names, values, strict=True))
    return columns, units, {"xdi": {key: value for key, value in xdi.items() if value != ""}}


def _values(rows: list[str], path: Path) -> np.ndarray:
    try:
        table = np.loadtxt(rows, ndmin=2, dtype=np.float64) if rows else np.empty((0, 0))
    except ValueError as error:
        raise InvalidDataError(f"{path}: the data are no table of numbers: {error}.") from error
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


def _columns(
    fields: list[tuple[str, str, str]], label: list[str], count: int, path: Path
) -> tuple[list[str], dict[str, str]]:
    declared = {
        int(member): value.partition("||")[0].split(maxsplit=1)
        for family, member, value in fields
        if family == "column" and member.isdigit() and value
    }
    names = [declared[number][0] for number in sorted(declared)] or label
    if len(names) != count or len(set(names)) != count:
        raise InvalidDataError(f"{path}: the header names the columns {names}, and the data have {count}.")
    return names, {words[0]: words[1].strip() for words in declared.values() if len(words) > 1}


def _metadata(fields: list[tuple[str, str, str]]) -> dict[str, Any]:
    """Return the fields as nested mappings: a member given twice is a list, the source of a value is in ``pv``."""
    framed = {family for family, member, _ in fields if member == "End"}  # only marks where a part of the header ends
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
