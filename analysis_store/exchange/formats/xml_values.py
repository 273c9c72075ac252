"""Values as XML elements and back: ``<int>``, ``<text>``, ``<list>``, ``<map>``, ``<array>``, ``<object>`` …"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from analysis_store.errors import DamagedFileError
from analysis_store.exchange.formats.json import dumps, loads

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from analysis_store.exchange.arrays import Tree

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold."""

_CODED = ("$int", "$float", "$text", "$bytes")
_AT_ONCE = 1 << 16


# ------------------------------------------------------------------------------------------------- writing


def attributes(values: Mapping[str, str]) -> str:
    """Return attributes; a value that XML cannot hold is base64, and its name ends in ``64``."""
    told = []
    for name, value in values.items():
        if _ILLEGAL.search(value):
            name, value = f"{name}64", base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()
        told.append(f" {name}={quoteattr(value)}")
    return "".join(told)


def elements(tree: Tree) -> Iterator[str]:
    """Yield the element of a tree, in pieces."""
    if tree is None or isinstance(tree, bool):
        yield "<null/>" if tree is None else f"<{str(tree).lower()}/>"
    elif isinstance(tree, str):
        yield _text(tree)
    elif isinstance(tree, (int, float)):
        yield f"<{type(tree).__name__}>{tree!r}</{type(tree).__name__}>"
    elif isinstance(tree, list):
        yield from _around("list", tree)
    else:
        yield from _dict(tree)


def _around(name: str, items: list[Tree], **attrs: str) -> Iterator[str]:
    yield f"<{name}{attributes(attrs)}>"
    for item in items:
        yield from elements(item)
    yield f"</{name}>"


def _text(text: str) -> str:
    if _ILLEGAL.search(text):
        return f'<coded form="text">{base64.b64encode(text.encode()).decode()}</coded>'
    return f"<text>{escape(text, _ENTITIES)}</text>"


_ENTITIES = {"\r": "&#13;"}
"""Carriage return, which XML readers turn into ``
n``."""


def _dict(tree: dict[str, Tree]) -> Iterator[str]:
    form = next(iter(tree), "")
    if not form.startswith("$"):
        yield "<map>"
        for key, item in tree.items():
            yield from _around("item", [item], key=key)
        yield "</map>"
    elif form in _CODED:
        yield f'<coded form="{form[1:]}">{tree[form]}</coded>'
    elif form == "$complex":
        yield from _around("complex", tree[form])
    elif form == "$map":
        yield "<pairs>"
        for pair in tree[form]:
            yield from _around("pair", pair)
        yield "</pairs>"
    elif form == "$array":
        yield from _array(tree[form])
    else:
        yield from _around("object", [tree["$state"]], type=tree["$type"], version=str(tree["$version"]))


def _array(body: dict[str, Any]) -> Iterator[str]:
    dtype = body["dtype"] if isinstance(body["dtype"], str) else dumps(body["dtype"]).decode()
    told = {"dtype": dtype, "shape": " ".join(map(str, body["shape"]))}
    if "order" in body:
        told["order"] = body["order"]
    told |= {name: " ".join(map(str, where.tolist())) for name, where in _nonfinite(body)}
    yield f"<array{attributes(told)}>"
    if "fields" in body:
        for name, field in body["fields"].items():
            yield f"<field{attributes({'name': name})}>"
            yield from _array(field)
            yield "</field>"
    elif isinstance(body["data"], np.ndarray):
        yield from _numbers(body["data"].reshape(-1))
    else:
        for item in body["data"] if dtype == "object" else _leaves(body["data"]):
            yield from elements(item)
    yield "</array>"


def _nonfinite(body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the positions of NaN and infinities under valid attribute names."""
    for name, where in body.get("nonfinite", {}).items():
        yield name.replace("-", "minus_"), where


def _numbers(flat: np.ndarray) -> Iterator[str]:
    for begin in range(0, len(flat), _AT_ONCE):
        yield dumps(flat[begin : begin + _AT_ONCE])[1:-1].replace(b",", b" ").decode() + "\n"


def _leaves(data: Tree) -> Iterator[Tree]:
    if not isinstance(data, list):
        yield data
        return
    for item in data:
        yield from _leaves(item)


# ------------------------------------------------------------------------------------------------- reading


def attribute(element: Element, name: str) -> str | None:
    """Return an attribute written by `attributes`, or None."""
    coded = element.get(f"{name}64")
    if coded is None:
        return element.get(name)
    return base64.b64decode(coded, validate=True).decode("utf-8", "surrogatepass")


def only(element: Element) -> Element:
    """Return the only child of an element.

    Raises
    ------
    DamagedFileError
        There is no child, or there are several.
    """
    if len(element) != 1:
        raise DamagedFileError(f"<{element.tag}> has {len(element)} elements; expected one. Restore the file.")
    return element[0]


def tree_of(element: Element) -> Tree:
    """Return the tree of an element.

    Raises
    ------
    DamagedFileError, ValueError, TypeError
        The element was not written by `elements`.
    """
    tag, text = element.tag, element.text or ""
    if tag in _SIMPLE:
        return _SIMPLE[tag](text)
    if tag == "coded":
        return {f"${element.get('form')}": text}
    if tag == "list":
        return [tree_of(item) for item in element]
    if tag == "map":
        return {_key(item): tree_of(only(item)) for item in element}
    if tag == "complex":
        return {"$complex": [tree_of(part) for part in element]}
    if tag == "pairs":
        return {"$map": [[tree_of(part) for part in pair] for pair in element]}
    if tag == "object":
        told = {"$type": attribute(element, "type"), "$version": int(element.get("version", ""))}
        return told | {"$state": tree_of(only(element))}
    if tag == "array":
        return {"$array": _body(element)}
    raise DamagedFileError(f"Got <{tag[:60]}> as a value; exports do not contain it. The file was changed; restore it.")


_SIMPLE: dict[str, Any] = {
    "null": lambda _: None,
    "true": lambda _: True,
    "false": lambda _: False,
    "int": int,
    "float": float,
    "text": str,
}


def _key(item: Element) -> str:
    key = attribute(item, "key")
    if key is None:
        raise DamagedFileError("An <item> has no key. The file was changed; restore it.")
    return key


def _body(element: Element) -> Tree:
    dtype = attribute(element, "dtype") or ""
    body: dict[str, Any] = {
        "dtype": loads(dtype.encode(), "A dtype") if dtype.startswith("{") else dtype,
        "shape": _integers(element.get("shape", "")),
        "order": element.get("order"),
        "nonfinite": {name: _integers(element.get(name.replace("-", "minus_"), "")) for name in ("inf", "-inf")},
    }
    if element.find("field") is not None:
        fields = {attribute(field, "name"): _body(only(field)) for field in element}
        return body | {"fields": fields}
    words = (element.text or "").split()
    data = loads(f"[{','.join(words)}]".encode(), "An array") if words else [tree_of(item) for item in element]
    return body | {"data": data}


def _integers(text: str) -> list[int]:
    return [int(word) for word in text.split()]
