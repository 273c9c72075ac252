"""Canonical encoding of values for identities: equal values have equal bytes.

Every value begins with a letter for its kind and its length, so that the bytes of no value are a prefix of
another's, and values in sequence stay separate. Equal values have equal bytes, regardless of the order of a dict, the
memory layout of an array, or sharing of objects. ``docs/reference/result-identity.md``
describes it completely.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from analysis_store.core.text import to_utf8
from analysis_store.digests import ValueDigest
from analysis_store.errors import InvalidDataError, ProcessorError

if TYPE_CHECKING:
    from blake3 import blake3

_LENGTH = struct.Struct("<cQ")
_FLOAT = struct.Struct("<cd")
# The bits of a NaN depend on the CPU, and have no meaning.
_NAN = b"d" + bytes.fromhex("000000000000f87f")
# NumPy's other scalars (datetime64, long double …) change or stay the same as Python values.
_SCALAR_KINDS = "biufUS"


class Hasher(Protocol):
    """Consumer of bytes."""

    def update(self, data: Any, /) -> Any:
        """Receive further bytes."""
        ...


class _RefusedError(Exception):
    """A refused value and the path to it, which grows as the error propagates."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path = ""


def feed(hasher: Hasher, value: object) -> None:
    """Feed a value to a hasher.

    Parameters
    ----------
    hasher : Hasher
        Such as `blake3.blake3`.
    value : object
        None, bool, int, float, str, bytes; lists and tuples (which are the same) and dicts by str of such values;
        NumPy's numbers, as the Python numbers that they are; arrays of any shape and dtype.

    Raises
    ------
    ProcessorError
        The value contains something else, or itself; the message has the path.
    """
    written = _Pieces(hasher)
    try:
        _encode(value, written, set())
    except _RefusedError as refusal:
        raise ProcessorError(f"value{refusal.path}: {refusal}") from refusal
    except RecursionError as error:
        raise ProcessorError("Got a value that is nested too deeply; expected some hundred levels at most.") from error
    written.flush()


def encoded(value: object) -> bytes:
    """Return the whole encoding of a value; see `feed`."""
    collected = _Collected()
    feed(collected, value)
    return bytes(collected.data)


class _Collected:
    """Collects the bytes instead of hashing them."""

    def __init__(self) -> None:
        self.data = bytearray()

    def update(self, data: Any, /) -> None:
        self.data.extend(data)


class _Pieces:
    """Joins small pieces before hashing; arrays are passed on without a copy."""

    def __init__(self, hasher: Hasher) -> None:
        self.hasher = hasher
        self.pieces: list[bytes] = []
        self.add = self.pieces.append

    def flush(self) -> None:
        self.hasher.update(b"".join(self.pieces))
        self.pieces.clear()

    def add_array(self, values: np.ndarray[Any, Any]) -> None:
        self.add(b"a")
        self.flush()
        try:
            digest = ValueDigest(values.shape, values.dtype, cast("blake3", self.hasher))
            digest.update(values)
        except InvalidDataError as error:
            raise _RefusedError(str(error)) from error


def _encode(value: Any, to: _Pieces, within: set[int]) -> None:
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        value, encoder = _as_known(value)
    encoder(value, to, within)


def _none(_value: None, to: _Pieces, _within: set[int]) -> None:
    to.add(b"n")


def _bool(value: bool, to: _Pieces, _within: set[int]) -> None:
    to.add(b"t" if value else b"f")


def _int(value: int, to: _Pieces, _within: set[int]) -> None:
    digits = b"%x" % value  # decimal digits of a long int take quadratic time, and Python refuses beyond 4300
    to.add(_LENGTH.pack(b"i", len(digits)) + digits)


def _float(value: float, to: _Pieces, _within: set[int]) -> None:
    to.add(_NAN if math.isnan(value) else _FLOAT.pack(b"d", value))


def _str(value: str, to: _Pieces, _within: set[int]) -> None:
    to.add(_text(value))


def _bytes(value: bytes, to: _Pieces, _within: set[int]) -> None:
    to.add(_LENGTH.pack(b"b", len(value)) + value)


def _array(value: np.ndarray[Any, Any], to: _Pieces, _within: set[int]) -> None:
    to.add_array(value)


def _list(value: list[Any] | tuple[Any, ...], to: _Pieces, within: set[int]) -> None:
    to.add(_LENGTH.pack(b"l", len(value)))
    _encode_members(value, ((b"", index, member) for index, member in enumerate(value)), to, within)


def _dict(value: Mapping[Any, Any], to: _Pieces, within: set[int]) -> None:
    to.add(_LENGTH.pack(b"m", len(value)))
    by_key = sorted((_key(key), key) for key in value)
    _encode_members(value, ((code, key, value[key]) for code, key in by_key), to, within)


def _encode_members(whole: Any, members: Iterable[tuple[bytes, Any, Any]], to: _Pieces, within: set[int]) -> None:
    """Encode the items of a list or dict: the bytes before each item, its index or key, the item."""
    if id(whole) in within:
        raise _RefusedError("it contains itself; expected a finite value.")
    within.add(id(whole))
    for before, name, member in members:
        to.add(before)
        try:
            _encode(member, to, within)
        except _RefusedError as refusal:
            refusal.path = f"[{name!r}]{refusal.path}"
            raise
    within.discard(id(whole))


def _key(key: Any) -> bytes:
    if not isinstance(key, str):
        raise _RefusedError(f"Got the key {key!r:.80} of type {type(key).__name__}; expected keys of type str.")
    return _text(key)


def _text(value: str) -> bytes:
    raw = to_utf8(value, refused=_RefusedError)
    return _LENGTH.pack(b"s", len(raw)) + raw


_Encoder = Callable[[Any, _Pieces, set[int]], None]

_ENCODERS: dict[type, _Encoder] = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    bytes: _bytes,
    list: _list,
    tuple: _list,
    dict: _dict,
    np.ndarray: _array,
    np.memmap: _array,
}


def _as_known(value: Any) -> tuple[Any, _Encoder]:
    if isinstance(value, np.generic) and value.dtype.kind in _SCALAR_KINDS:
        item = value.item()
        if type(item) in _ENCODERS:
            return item, _ENCODERS[type(item)]
    if isinstance(value, Mapping):
        return value, _dict
    raise _RefusedError(
        f"Got {value!r:.80} of type {type(value).__name__}; expected None, bool, int, float, str, bytes, list, tuple, "
        "dict or ndarray."
    )
