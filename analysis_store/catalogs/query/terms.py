"""Every value of a run's documents as a short key that sorts like the value: the index of any catalog.

A term is ``(place, value)``. ``place`` is a 64-bit number for a key of the start or stop document (or for
the full text); ``value`` is bytes. Bytes sort the same way in every database, so one encoding gives every catalog
the same equality and the same order, for integers of any size next to floats, too:

========  ======================================================================================
first     then
========  ======================================================================================
``=``     a value at the key: ``z`` null, ``b`` bool, ``n`` number, ``N`` NaN, ``s`` string, ``l`` list, ``d`` mapping
``@``     a member of a list at the key, encoded likewise
``+``     the key has several values, from the mappings in a list
``*``     the key has more values than are indexed: this run is a candidate for every search on the key
========  ======================================================================================
"""

from __future__ import annotations

import math
import struct
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from analysis_store.catalogs.query.values import texts, words

if TYPE_CHECKING:
    from analysis_store.catalogs.query.nodes import Key

VALUE, MEMBER, SEVERAL, MANY = b"=", b"@", b"+", b"*"
MAPPING = b"d"
"""The one term of all mappings. A term for each would cost a page per insert; their values have terms already."""

AFTER_VALUES = b">"
"""Sorts after every term that begins with `VALUE`, and before every `MEMBER`."""

LONG = 100
"""Longer strings are indexed by this number of bytes, and a digest of the whole."""

MOST = 256
"""Largest number of distinct values that are indexed at one key of one run."""

MOST_WORDS = 4096
"""Largest number of distinct words that are indexed of one run."""

_EXACT = 2**53
_LARGEST = int(math.ldexp(1 - 2**-53, 1024))
_DOUBLE = struct.Struct(">d")
_BITS = struct.Struct(">Q")


def _number(digest: bytes) -> int:
    return int.from_bytes(digest, "big", signed=True)


def place(key: Key) -> int:
    """Return the number of a key of a document: 64 bits, so two keys never share one."""
    return _place(key.document, key.path)


@lru_cache(maxsize=65536)
def _place(document: str, path: str) -> int:
    return _number(blake2b(f"{document}\0{path}".encode("utf-8", "surrogatepass"), digest_size=8).digest())


WORDS = _number(blake2b(b"words", digest_size=8).digest())
"""The place of the words of the full text, which no key has."""


def number_term(value: int | float) -> bytes:  # noqa: PYI041 - they are told apart
    """Return bytes that sort exactly as numbers do: a double, and for big integers the rest that the double lacks."""
    if isinstance(value, float):
        return b"N" if math.isnan(value) else b"n" + _double(value)
    if -_EXACT <= value <= _EXACT:
        return b"n" + _double(float(value))
    if abs(value) > _LARGEST:
        return b"n" + _beyond(value)
    below = float(value)
    if int(below) > value:
        below = math.nextafter(below, -math.inf)
    return b"n" + (_raw(below) + _sized(value - int(below)) if value != int(below) else _double(below))


def _raw(value: float) -> bytes:
    (bits,) = _BITS.unpack(_DOUBLE.pack(value + 0.0))  # + 0.0: -0.0 becomes 0.0
    return _BITS.pack(bits ^ 0xFFFFFFFFFFFFFFFF if bits >> 63 else bits | 0x8000000000000000)


def _double(value: float) -> bytes:
    raw = _raw(value)
    return raw.rstrip(b"\0") if value >= 0 else raw  # negative numbers are complemented, so their zeros matter


def _sized(rest: int) -> bytes:
    size = (rest.bit_length() + 7) // 8
    return bytes([size]) + rest.to_bytes(size, "big")


def _beyond(value: int) -> bytes:
    """Return the place of an integer beyond all doubles, between the last double and infinity."""
    size = (value.bit_length() + 7) // 8
    body = abs(value).to_bytes(size, "big")
    if value > 0:
        return _raw(float(_LARGEST)) + struct.pack(">H", size) + body
    return _raw(-math.inf) + struct.pack(">H", 0xFFFF - size) + bytes(byte ^ 0xFF for byte in body)


def text_term(text: str) -> bytes:
    """Return bytes that sort by code point; only the first `LONG` bytes of a long string do."""
    encoded = text.encode("utf-8", "surrogatepass")
    if len(encoded) <= LONG:
        return b"s" + encoded
    return b"s" + encoded[:LONG] + blake2b(encoded, digest_size=16).digest()


def is_cut(term: bytes) -> bool:
    """Return True if the term of a string holds only its beginning."""
    return len(term) > 1 + LONG


def text_of(term: bytes) -> str:
    """Return the string of a term that holds all of it."""
    return term[1:].decode("utf-8", "surrogatepass")


def scalar_term(value: object) -> bytes:
    """Return the term of a value that is neither list nor mapping."""
    if isinstance(value, str):
        return text_term(value)
    if value is None:
        return b"z"
    if isinstance(value, bool):
        return b"b1" if value else b"b0"
    if isinstance(value, (int, float)):
        return number_term(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} is not a JSON value")


def value_term(value: object) -> bytes:
    """Return the term of any JSON value: equal values have equal terms, and unless `is_vague`, only those."""
    if isinstance(value, str):
        return text_term(value)
    if isinstance(value, (list, tuple)):
        return list_term([value_term(item) for item in value])
    return MAPPING if isinstance(value, Mapping) else scalar_term(value)


def is_vague(value: object) -> bool:
    """Return True if other values may have the same term: mappings, and lists that hold one."""
    return isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and any(map(is_vague, value)))


def list_term(items: list[bytes]) -> bytes:
    """Return the term of a list from the terms of its members."""
    framed = b"".join(b"%d:%b" % (len(item), item) for item in items)
    return b"l" + blake2b(framed, digest_size=16).digest()


def run_terms(start: Mapping[str, object], stop: Mapping[str, object] | None) -> list[tuple[int, bytes]]:
    """Return every term of a run, in the order of the index.

    Raises
    ------
    TypeError
        A value is not JSON.
    """
    found: dict[int, set[bytes]] = defaultdict(set)
    _mapping(found, "start", "", start)
    if stop is not None:
        _mapping(found, "stop", "", stop)
    found[WORDS] = {VALUE + text_term(word) for word in words(" ".join(texts(start)))}
    for name, values in found.items():
        if len(values) > (MOST_WORDS if name == WORDS else MOST):
            found[name] = {MANY}
    return sorted((name, value) for name, values in found.items() for value in values)


def _mapping(found: dict[int, set[bytes]], document: str, prefix: str, node: Mapping[str, Any]) -> bytes:
    """Collect the terms below a mapping; return its own."""
    for key, value in node.items():
        path = prefix + key
        term = VALUE + (text_term(value) if type(value) is str else _value(found, document, path, value))
        here = found[_place(document, path)]
        if here and any(other[:1] == VALUE and other != term for other in here):
            here.add(SEVERAL)
        here.add(term)
    return MAPPING


def _value(found: dict[int, set[bytes]], document: str, path: str, value: Any) -> bytes:
    kind = type(value)  # a check for plain dicts and lists is ten times faster than one for abstract classes
    if kind is dict or (kind is not list and isinstance(value, Mapping)):
        return _mapping(found, document, path + ".", value)
    if kind is list or kind is tuple:
        # the keys of mappings in a list are reached through the list; a list in a list is a value only
        items = [_mapping(found, document, path + ".", v) if isinstance(v, Mapping) else value_term(v) for v in value]
        found[_place(document, path)].update(MEMBER + item for item in items)
        return list_term(items)
    return scalar_term(value)
