"""JSON values: None, bool, int, float (NaN and infinities too), text, lists, and dicts by text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from analysis_store.core.text import to_utf8

_SAME = frozenset({type(None), bool, int, float})
_MOST_BITS = 1024
# Python holds the values of NumPy's scalars of these kinds, too; `item` of a datetime64 varies with its unit.
SCALAR_KINDS = "biufU"


class NotPlainError(ValueError):
    """A value that JSON cannot hold; the message has its path and type."""


def plain(value: Any, path: str = "") -> Any:
    """Return a new copy of a JSON value; tuples become lists, NumPy's numbers Python's.

    Raises
    ------
    NotPlainError
        It contains anything else: an array, an object, a key that is not text.
    """
    kind = type(value)
    if kind is int and value.bit_length() > _MOST_BITS:
        raise NotPlainError(f"{path}: Got an int of {value.bit_length()} bits; expected one that a float can hold")
    if kind in _SAME:
        return value
    if kind is str:
        return _text(value, path)
    if kind is list or kind is tuple:
        return [plain(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if kind is dict:
        return {_key(key, path): plain(item, f"{path}[{key!r}]") for key, item in value.items()}
    if isinstance(value, np.generic) and value.dtype.kind in SCALAR_KINDS:
        item = value.item()
        if type(item) in _SAME or type(item) is str:
            return item
    raise NotPlainError(
        f"{path}: Got {value!r:.80} of type {kind.__name__}; expected what JSON can hold, "
        "numbers, text, lists and dicts; give arrays and objects as inputs"
    )


def told_in_json(value: object, path: str = "") -> Any:
    """Return a value that a type hint describes as JSON; sets are sorted, so that equal ones give equal JSON.

    Raises
    ------
    NotPlainError
        JSON cannot hold it.
    """
    if type(value) in _SAME or type(value) is str:
        return plain(value, path)
    if isinstance(value, Enum):
        return told_in_json(value.value, path)
    if isinstance(value, (list, tuple)):
        return [told_in_json(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted((told_in_json(item, path) for item in value), key=json.dumps)
    members = _members(value)
    if members is not None:
        return {_told_key(key, path): told_in_json(item, f"{path}[{key!r}]") for key, item in members.items()}
    return _jsonable(value, path)


def _members(value: Any) -> Mapping[Any, Any] | None:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return None


def _told_key(key: Any, path: str) -> str:
    """Return a key as JSON: numbers, dates and similar keys become text."""
    return _key(key if type(key) is str else next(iter(_jsonable({key: None}, path))), path)


def _jsonable(value: Any, path: str) -> Any:
    if isinstance(value, (str, np.generic)):
        return plain(value, path)
    try:
        return plain(to_jsonable_python(value), path)
    except (PydanticSerializationError, UnicodeDecodeError) as error:
        raise NotPlainError(f"{path}: {value!r:.80} of type {type(value).__name__}: {error}") from error


def _text(value: str, path: str) -> str:
    to_utf8(value, path, NotPlainError)
    return value


def _key(key: Any, path: str) -> str:
    if type(key) is not str:
        raise NotPlainError(f"{path}: Got the key {key!r:.80} of type {type(key).__name__}; JSON has keys of text only")
    return _text(key, path)
