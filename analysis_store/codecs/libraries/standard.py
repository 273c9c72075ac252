"""Codecs of the standard library: containers, times, paths and exact numbers; exactly these types, no subclasses."""

from __future__ import annotations

import os
from decimal import Decimal
from fractions import Fraction
from pathlib import PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any
from uuid import UUID, SafeUUID

from analysis_store.codecs.libraries.standard_containers import CONTAINERS
from analysis_store.codecs.libraries.standard_times import TIMES
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect, parts
from analysis_store.errors import InvalidDataError

_MAX_BITS = 1 << 20
_WINDOWS = os.name == "nt"


def _path(name: str, cls: type, here: type) -> Codec:
    return Codec(f"pathlib.{name}", cls, str, lambda state: here(expect(str, state)), shared=False)


def _uuid_state(value: UUID) -> Any:
    known = value.is_safe is not SafeUUID.unknown
    return {"uuid": str(value), "is_safe": value.is_safe.name} if known else str(value)


def _uuid(state: Any) -> UUID:
    if type(state) is str:
        return UUID(state)
    text, safety = parts(state, uuid=str, is_safe=str)
    return UUID(text, is_safe=SafeUUID[safety])


def _integers(state: Any, *keys: str) -> list[int]:
    return parts(state, **dict.fromkeys(keys, int))


def _ratio_state(value: Fraction) -> dict[str, int]:
    return {"numerator": _limited(value.numerator), "denominator": _limited(value.denominator)}


def _ratio(state: Any) -> Fraction:
    """Return a fraction of integers; text such as ``"1e999999999"`` would be computed."""
    return Fraction(*map(_limited, _integers(state, "numerator", "denominator")))


def _limited(value: int) -> int:
    """Raise for large integers, since reducing those of a crafted file could take hours."""
    if value.bit_length() > _MAX_BITS:
        raise InvalidDataError(
            f"Got a Fraction of integers of {value.bit_length()} bits; expected at most {_MAX_BITS}. Store numerator "
            "and denominator separately."
        )
    return value


def _constant(name: str, value: Any) -> Codec:
    def from_state(state: Any) -> Any:
        expect(type(None), state)
        return value

    return Codec(name, type(value), lambda _: None, from_state, shared=False)


_VALUES = (
    _path("PurePosixPath", PurePosixPath, PurePosixPath),
    _path("PureWindowsPath", PureWindowsPath, PureWindowsPath),
    # A file of the other system cannot be opened here, but its path can be read.
    _path("PosixPath", PosixPath, PurePosixPath if _WINDOWS else PosixPath),
    _path("WindowsPath", WindowsPath, WindowsPath if _WINDOWS else PureWindowsPath),
    Codec("uuid.UUID", UUID, _uuid_state, _uuid, shared=False),
    Codec("decimal.Decimal", Decimal, str, lambda state: Decimal(expect(str, state)), shared=False),
    Codec("fractions.Fraction", Fraction, _ratio_state, _ratio, shared=False),
    Codec(
        "range",
        range,
        lambda value: {"start": int(value.start), "stop": int(value.stop), "step": int(value.step)},
        lambda state: range(*_integers(state, "start", "stop", "step")),
        shared=False,
    ),
    Codec(
        "slice",
        slice,
        lambda value: {"start": value.start, "stop": value.stop, "step": value.step},
        lambda state: slice(*parts(state, start=object, stop=object, step=object)),
        fields=True,
    ),
    _constant("ellipsis", Ellipsis),
    _constant("NotImplemented", NotImplemented),
)

CODECS: tuple[Codec, ...] = (*CONTAINERS, *TIMES, *_VALUES)
