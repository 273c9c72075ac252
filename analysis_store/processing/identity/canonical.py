"""The encoding of values of which identities are taken: one value, one sequence of bytes.

Every value begins with a letter that says its kind, and says its length before its bytes, so that no value's bytes
begin another's, and no two values run together. Equal values have equal bytes, whatever the order of a dict, the
memory layout of an array, or whether two places hold the same object or copies. ``docs/reference/result-identity.md``
has the whole of it.
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
# The bits of a NaN come from the processor that made it, and mean nothing.
_NAN = b"d" + bytes.fromhex("000000000000f87f")
# NumPy's other scalars (datetime64, long double …) become another thing, or stay what they are, as Python values.
_SCALAR_KINDS = "biufUS"


class Hasher(Protocol):
    """Takes bytes."""

    def update(self, data: Any, /) -> Any:
        """Take more."""
        ...


class _RefusedError(Exception):
    """What was refused and the way to it, which grows while the error goes up."""

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
        It holds something else, or itself; the message says where.
    """
    written = _Pieces(hasher)
    try:
        _encode(value, written, set())
    except _RefusedError as refusal:
        raise ProcessorError(f"value{refusal.path}: {refusal}") from refusal
    except RecursionError as error:
        raise ProcessorError("a value that is nested too deeply came; expected some hundred levels at most.") from error
    written.flush()


def encoded(value: object) -> bytes:
    """Return the whole encoding of a value; see `feed`."""
    collected = _Collected()
    feed(collected, value)
    return bytes(collected.data)


class _Collected:
    """Keeps what a hasher would take."""

    def __init__(self) -> None:
        self.data = bytearray()

    def update(self, data: Any, /) -> None:
        self.data.extend(data)


class _Pieces:
    """Small pieces are joined before the hasher gets them; arrays go to it as they are, uncopied."""

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
    """Encode what a list or dict holds: the bytes that come before each member, its index or key, the member."""
    if id(whole) in within:
        raise _RefusedError("it holds itself; expected values that end somewhere.")
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
        raise _RefusedError(f"the key {key!r:.80} of type {type(key).__name__} came; expected keys of type str.")
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
        f"{value!r:.80} of type {type(value).__name__} came; expected None, bool, int, float, str, bytes, list, tuple, "
        "dict or ndarray."
    )
