"""Mutations of bytes and of documents; the same for the same generator."""

from __future__ import annotations

import copy
import math
import random
from typing import Any

ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 0.5, 1e308, math.nan, -math.inf),
    *("", " ", "\0", "a\0b", "\ud800", "../../x", "/etc/passwd", "é" * 300, "x" * 5000, "NaN", "1", "__class__", "."),
    *([], {}, [[]], [None], [1, "a", None], {"": 1}, {"a": {"b": {}}}, {"$gt": 1}, ["x"] * 300),
)  # fmt: skip


def _nested(depth: int) -> list[Any]:
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


ODD += (_nested(90), _nested(250))


def bent(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to three changes: a bit, a byte, a range, an end."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if not found:
            return bytes(found)
        at, size = chance.randrange(len(found)), min(len(found), 1 << chance.randrange(10))
        match chance.randrange(7):
            case 0 | 1:
                found[at] ^= 1 << chance.randrange(8)
            case 2:
                found[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
            case 3:
                found[at : at + size] = bytes(len(found[at : at + size]))
            case 4:
                found[at : at + size] = chance.randbytes(len(found[at : at + size]))
            case 5:
                del found[at:]
            case 6:
                found[at:at] = found[at : at + size]
    return bytes(found)


def twisted(tree: Any, chance: random.Random) -> Any:
    """Return a copy of a tree of mappings and lists with one to three changes: a value, a name, a place."""
    found = copy.deepcopy(tree)
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(found))
        if not places:
            return found
        holder, key = chance.choice(places)
        match chance.randrange(6):
            case 0 | 1 | 2:
                holder[key] = copy.deepcopy(chance.choice(ODD))
            case 3:
                del holder[key]
            case 4:
                other, name = chance.choice(places)
                holder[key] = copy.deepcopy(other.get(name) if isinstance(other, dict) else other[name : name + 1])
            case 5:
                _renamed(holder, key, chance)
    return found


def _places(tree: Any) -> Any:
    """Yield every place in a tree as what holds it, and its key or index."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def _renamed(holder: Any, key: Any, chance: random.Random) -> None:
    if isinstance(holder, dict):
        holder[chance.choice([text for text in ODD if isinstance(text, str)] + [f"{key}_"])] = holder.pop(key)
    else:
        holder.insert(key, copy.deepcopy(holder[key]))
