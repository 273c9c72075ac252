"""Common functions of provenance records: construction from mappings, checks, and conversion to mappings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import UnionType
from typing import TypeVar

from analysis_store.errors import ProvenanceError

T = TypeVar("T")


def build(cls: type[T], value: Mapping[str, object], what: str, *, hint: str = "", known: Iterable[str] = ()) -> T:
    """Return a record from a mapping whose keys must be its fields."""
    known = list(known) or [entry.name for entry in fields(cls) if entry.compare]  # type: ignore[arg-type]
    unknown = [repr(key) for key in value if key not in known]
    if unknown:
        raise ProvenanceError(f"{what}: unknown {', '.join(unknown)}; known: {', '.join(known)}{hint}.")
    try:
        return cls(**value)
    except TypeError as error:
        raise ProvenanceError(
            f"{what}: Got {dict(value)!r}, which is not complete; expected {', '.join(known)}."
        ) from error


def check(record: object, where: str, names: Iterable[str], kind: type | UnionType, expected: str) -> None:
    """Raise for fields of another type, since documents may hold any values."""
    for name in names:
        if not isinstance(getattr(record, name), kind):
            raise ProvenanceError(f"{where}: Got {name}={getattr(record, name)!r:.60}; expected {expected}.")


def known(record: object, names: Iterable[str]) -> dict[str, object]:
    """Return the fields that are set, in the order of the names."""
    pairs = ((name, getattr(record, name)) for name in names)
    return {name: value for name, value in pairs if value is not None}


def kind(value: object) -> str:
    """Return the type and value that were given, for a message."""
    return f"{type(value).__name__} {value!r:.60}"
