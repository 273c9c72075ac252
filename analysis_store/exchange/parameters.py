"""A set of parameters: it distinguishes results of one input, with a name that is the same in every process."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from analysis_store.core.jsonable import rebuilt
from analysis_store.digests import ALGORITHM

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run

_ABSENT = object()
_SHOWN = 80
"""Length of the readable part of a name."""

_DIGITS = 16
"""Number of hexadecimal digits of the digest in a name."""

_AWKWARD = re.compile(r"[^\w.,=+%()\[\]-]+")
"""Characters that have a meaning in HDF5 paths or in a shell."""

_EXACT = 2**53


@dataclass(frozen=True, slots=True)
class Parameters:
    """One set of parameters."""

    values: Mapping[str, Any]
    """Values by dotted key, without keys that the run does not have."""

    canonical: str
    """The values as JSON: keys sorted, no blanks, whole numbers as integers."""

    digest: str
    """``blake3:<hex>`` of the JSON text."""

    name: str
    """A readable name, made unique by the digest."""

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Parameters:
        """Return the parameter set of these values."""
        text = canonical(values)
        digest = blake3(text.encode()).hexdigest()
        shown = _AWKWARD.sub("_", ",".join(f"{_short(key)}={_shown(value)}" for key, value in _flat(values)))
        return cls(values, text, f"{ALGORITHM}:{digest}", f"{shown[:_SHOWN] or 'no-parameters'}-{digest[:_DIGITS]}")

    def flat(self) -> Iterator[tuple[str, object]]:
        """Yield each value that is not a mapping, with its dotted key."""
        return _flat(self.values)


def parameters_of(run: Run, by: Sequence[str] | None) -> Parameters:
    """Return the values that distinguish a run: those of dotted keys, or all parameters and the version of the code."""
    provenance = run.provenance.to_document()
    if by is None:
        places: list[Mapping[str, Any]] = [provenance]
        by = ("parameters", "code.name", "code.version")
    else:
        places = [run.start, provenance, provenance.get("parameters") or {}]
    found = {key: next((value for place in places if (value := _at(place, key)) is not _ABSENT), _ABSENT) for key in by}
    return Parameters.of({key: value for key, value in found.items() if value is not _ABSENT})


def _at(place: Any, key: str) -> Any:
    for word in key.split("."):
        if not isinstance(place, Mapping) or word not in place:
            return _ABSENT
        place = place[word]
    return place


def canonical(value: object) -> str:
    """Return JSON that is the same for equal values: 3 and 3.0, or a mapping in another order."""
    return json.dumps(rebuilt(value, _whole), sort_keys=True, separators=(",", ":"))


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT else value


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the leaves, the parameters first."""
    for key in sorted(values, key=lambda key: (not f"{prefix}{key}".startswith("parameters"), key)):
        value = values[key]
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short(key: str) -> str:
    return key.removeprefix("provenance.").removeprefix("parameters.")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)
