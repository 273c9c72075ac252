"""Values that have a codec as trees of JSON types, and back: the common part of JSON, YAML and XML files.

Plain values are themselves. Other values are dicts that have a key that begins with ``$``; a user's dict with such
keys, or with keys that are not text, is a ``$map``. See ``docs/reference/exchange``.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from analysis_store.codecs.model import Codec, Plain, type_name
from analysis_store.codecs.registry import for_name, for_type, revive
from analysis_store.core.text import is_utf8
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    InvalidDataError,
    MissingDependencyError,
    UnknownTypeError,
)
from analysis_store.exchange.arrays import Tree, array_of, array_tree, is_plain

Missing = Literal["error", "plain"]

_DEEPEST = 110
"""Metadata may be nested 100 deep."""
_INTEGER = re.compile(r"-?0x[0-9a-f]+")
_FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def to_tree(value: object, where: str = "value") -> Tree:
    """Return the tree of a value; an object that occurs twice is copied.

    Raises
    ------
    InvalidDataError
        A type has no codec, a value contains itself, or is nested too deep; the message has its path.
    """
    try:
        return _Encoder(where).tree(value)
    except RecursionError as error:
        raise InvalidDataError(f"{where} is nested too deep for a text format. Export it as hdf5.") from error


class _Encoder:
    def __init__(self, where: str) -> None:
        self._path = [where]
        self._inside: dict[int, Any] = {}

    def tree(self, value: Any) -> Tree:
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind in _PRIMITIVE:
            return _PRIMITIVE[kind](value)
        if id(value) in self._inside or len(self._path) > _DEEPEST:
            what = "contains itself" if id(value) in self._inside else "is nested too deep"
            raise InvalidDataError(
                f"{self._where()} {what}, which a text format cannot hold; expected a tree of values. Export it as "
                "hdf5."
            )
        self._inside[id(value)] = value
        try:
            return self._compound(value, kind)
        finally:
            del self._inside[id(value)]

    def _compound(self, value: Any, kind: type) -> Tree:
        if kind is list:
            return [self._at(f"[{index}]", item) for index, item in enumerate(value)]
        if kind is dict:
            return self._mapping(value)
        if kind is np.ndarray and is_plain(value.dtype):
            return {"$array": array_tree(value, lambda item: self._at("[…]", item))}
        if kind is Plain:
            return {"$type": value.type, "$version": value.version, "$state": self._at("", value.state)}
        codec = for_type(kind)
        if codec is None:
            raise InvalidDataError(
                f"{self._where()} is a {type_name(kind)}, which has no codec; expected numbers, text, arrays, tables "
                "or objects that have one. Register a codec with register_codec."
            )
        return {"$type": codec.name, "$version": codec.version, "$state": self._at("", self._state(codec, value))}

    def _state(self, codec: Codec, value: Any) -> Any:
        try:
            return codec.to_state(value)
        except AnalysisStoreError:
            raise
        except Exception as error:
            raise InvalidDataError(
                f"{self._where()}: the codec {codec.name!r} cannot return its state: {type(error).__name__}: {error}."
            ) from error

    def _mapping(self, value: dict[Any, Any]) -> Tree:
        if all(type(key) is str and not key.startswith("$") and is_utf8(key) for key in value):
            return {key: self._at(f"[{key!r}]", item) for key, item in value.items()}
        pairs = [[self._at(".keys()", key), self._at(f"[{key!r}]", item)] for key, item in value.items()]
        return {"$map": pairs}

    def _at(self, step: str, value: Any) -> Tree:
        self._path.append(step)
        try:
            return self.tree(value)
        finally:
            self._path.pop()

    def _where(self) -> str:
        path = "".join(self._path)
        return path if len(path) < 200 else f"{path[:100]}…{path[-100:]}"


def _integer(value: int) -> Tree:
    return value if -(2**63) <= value < 2**64 else {"$int": hex(value)}


def _float(value: float) -> Tree:
    return value if math.isfinite(value) else {"$float": str(value)}


def _str(value: str) -> Tree:
    return value if is_utf8(value) else {"$text": _base64(value.encode("utf-8", "surrogatepass"))}


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_PRIMITIVE: dict[type, Callable[[Any], Tree]] = {
    int: _integer,
    float: _float,
    str: _str,
    complex: lambda value: {"$complex": [_float(value.real), _float(value.imag)]},
    bytes: lambda value: {"$bytes": _base64(value)},
}


# ------------------------------------------------------------------------------------------------- reading


def from_tree(tree: Tree, missing: Missing = "error") -> Any:
    """Return the value of a tree that was read from a file; a name in it selects a registered codec and nothing else.

    Parameters
    ----------
    tree
        A tree of `to_tree`, with lists in place of arrays.
    missing : "error" or "plain"
        Result for a type that is not known here: an error, or a `Plain` with its state.

    Raises
    ------
    DamagedFileError
        The tree is invalid.
    UnknownTypeError, MissingDependencyError
        A type has no codec here.
    CodecError
        A state has a version that the codec does not know.
    """
    try:
        return _Decoder(missing).value(tree, 0)
    except AnalysisStoreError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise DamagedFileError(
            f"A value in the file does not match its declared type: {type(error).__name__}: {str(error)[:200]}. The "
            "file was "
            "changed, or something else wrote it."
        ) from error


class _Decoder:
    def __init__(self, missing: Missing) -> None:
        self._missing = missing

    def value(self, tree: Tree, depth: int) -> Any:
        if depth > _DEEPEST:
            raise DamagedFileError(f"Got values nested more than {_DEEPEST} deep; exports are not.")
        if isinstance(tree, list):
            return [self.value(item, depth + 1) for item in tree]
        if not isinstance(tree, dict):
            return tree
        form = next((key for key in tree if key.startswith("$")), None)
        if form is None:
            return {key: self.value(item, depth + 1) for key, item in tree.items()}
        return self._form(form, tree, depth)

    def _form(self, form: str, tree: dict[str, Any], depth: int) -> Any:
        if set(tree) == {"$type", "$version", "$state"}:
            return self._typed(tree["$type"], tree["$version"], self.value(tree["$state"], depth + 1))
        if len(tree) != 1:
            raise DamagedFileError(f"Got {sorted(tree)[:5]} as the form of a value; expected one of {_FORMS}.")
        told = tree[form]
        if form == "$map":
            return {self.value(key, depth + 1): self.value(item, depth + 1) for key, item in told}
        if form == "$array":
            return array_of(told, lambda item: self.value(item, depth + 1))
        if form == "$complex":
            return complex(*(float(self.value(part, depth + 1)) for part in told))
        return _simple(form, told)

    def _typed(self, name: Any, version: Any, state: Any) -> Any:
        if type(name) is not str or type(version) is not int:
            raise DamagedFileError(f"Got {name!r} and {version!r} as type and version; expected text and an integer.")
        try:
            codec = for_name(name)
        except (UnknownTypeError, MissingDependencyError):
            if self._missing == "error":
                raise
            return Plain(name, version, state)
        return revive(codec, version, state)


_FORMS = "$map, $array, $complex, $int, $float, $text, $bytes; or $type, $version and $state"


def _simple(form: str, told: Any) -> Any:
    if form == "$int" and _INTEGER.fullmatch(told):
        return int(told, 16)
    if form == "$float":
        return _FLOATS[told]
    if form in ("$text", "$bytes"):
        raw = base64.b64decode(told, validate=True)
        return raw if form == "$bytes" else raw.decode("utf-8", "surrogatepass")
    raise DamagedFileError(f"Got {form[:60]!r} as the form of a value; expected one of {_FORMS}.")
