"""Forms of a key's values: arrays of one dtype and shape, arrays of many shapes, text, or objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import orjson

from analysis_store.core.text import to_utf8
from analysis_store.dtypes import AnyArray, parse_array
from analysis_store.errors import DamagedFileError, InvalidDataError
from analysis_store.exact import exact_text
from analysis_store.layout import DTYPE, FORM
from analysis_store.recorder.core.numeric import PLAIN, as_array, is_same
from analysis_store.recorder.core.object_bytes import packed

if TYPE_CHECKING:
    from analysis_store.documents import Document

Kind = Literal["array", "ragged", "text", "object"]

MOST_AXES = 31
"""Largest number of axes of a value: HDF5 has 32, the first of which counts the values."""
MOST_RAGGED_AXES = 8
"""Largest number of axes of a value whose shape may change."""

_FLOAT = np.dtype(np.float64)
ROW = "live_row"
"""Attribute of a growing dataset: the index of its number of rows in the counts."""

_LONGEST_NAME = 255
_OURS = {DTYPE, FORM, ROW}

# Conversions between kinds: always exact if the dtype is wider, or checked for each value.
_WIDER = {"bb", "ii", "ui", "uu", "ff", "cc", "fc", "SS", "UU"}
_MIXED = {"ii", "iu", "ui", "uu", "if", "uf", "ic", "uc", "mm", "MM"}


@dataclass(frozen=True, slots=True)
class Declared:
    """A user's declaration of a key; None means: as the first value."""

    ragged: bool = False
    """True if values may differ in shape."""

    dtype: str | None = None
    """Dtype of every value, as NumPy writes it."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """``units`` and other attributes of the values."""


@dataclass(frozen=True, slots=True)
class Form:
    """The form of all values of a key."""

    kind: Kind
    """``"array"``: fixed dtype and shape; ``"ragged"``: fixed dtype, any shape; ``"text"``: str; ``"object"``:
    any object that a codec knows."""

    dtype: np.dtype = field(default_factory=lambda: np.dtype(object))
    """Dtype of arrays."""

    shape: tuple[int, ...] = ()
    """Shape of each value; ``()`` is a number."""

    attrs: Mapping[str, Any] = field(default_factory=dict)
    """``units`` and other attributes of the values."""

    @property
    def array_dtype(self) -> np.dtype:
        """Dtype of an array of the values; object for values of separate types."""
        return self.dtype if self.kind == "array" else np.dtype(object)

    def fitted(self, value: Any, key: str) -> Any:
        """Return a value in stored form: a copied array, a str, or the bytes of `packed` for an object.

        Raises
        ------
        InvalidDataError
            The value has another kind, or the conversion would not be exact.
        """
        kind = type(value)
        if (kind is float or kind is np.float64) and self.dtype == _FLOAT and self.kind == "array" and not self.shape:
            return np.float64(value)  # the most common value, on the fast path
        if kind is np.ndarray and self.kind == "array" and value.dtype == self.dtype and value.shape == self.shape:
            return value.copy()
        if self.kind == "object":
            if kind is np.ndarray:
                check_axes(value, key, MOST_AXES)
            return packed(value, key)
        if self.kind == "text":
            return _text(value, key)
        found = self.as_array(value)
        if found is None:
            raise InvalidDataError(_refusal(key, value, f"{self.dtype} of shape {self.shape}"))
        if found.dtype != self.dtype:
            found = self._converted(found, key)
        if self.kind == "array" and found.shape != self.shape:
            raise InvalidDataError(
                f"{key!r}: got a value of shape {found.shape}; expected {self.shape}, as for earlier values. "
                "Use another key, or declare it beforehand: recorder.declare(key, ragged=True)."
            )
        if self.kind == "ragged":
            check_axes(found, key, MOST_RAGGED_AXES)
        return np.array(found, dtype=self.dtype, copy=True)

    def as_array(self, value: Any) -> AnyArray | None:
        """Return a value as an array; an empty list gets the dtype of the key, and text is accepted among text."""
        if type(value) is list and not value:
            return np.empty(0, self.dtype)
        if self.dtype.kind == "U" and type(value) in {str, np.str_} and not value.endswith("\0"):
            return as_array(np.array(value, f"U{max(1, len(value))}"))
        if self.dtype.kind == "S" and type(value) in {bytes, np.bytes_} and not value.endswith(b"\0"):
            return np.array(value, f"S{max(1, len(value))}")
        return as_array(value)

    def _converted(self, found: AnyArray, key: str) -> AnyArray:
        """Return an array in this dtype, if the conversion is exact."""
        kinds = found.dtype.kind + self.dtype.kind
        if kinds in _WIDER and np.can_cast(found.dtype, self.dtype, "safe"):
            return found.astype(self.dtype)
        if kinds in _MIXED:
            with np.errstate(all="ignore"), suppress(OverflowError):  # a date that nanoseconds cannot hold
                made = found.astype(self.dtype)
                if is_same(found, made):
                    return made
        raise InvalidDataError(
            f"{key!r}: got a value of dtype {found.dtype}; expected {self.dtype}, which cannot hold it; "
            "convert it, use another key, or declare the wider one beforehand: recorder.declare(key, dtype='f8')."
        )


def form_said(told: Document) -> Form:
    """Return the form that a file or a server names; it may be untrusted.

    Raises
    ------
    DamagedFileError
        It is invalid.
    """
    kind: Any = told.get("kind")
    shape, attrs = told.get("shape", ()), told.get("attrs")
    sizes = isinstance(shape, (list, tuple)) and all(type(size) is int and size >= 0 for size in shape)
    if kind not in get_args(Kind) or not sizes or not isinstance(attrs, Mapping):
        raise DamagedFileError(f"Got the kind {kind!r:.60} of shape {shape!r:.60}; expected one of {get_args(Kind)}.")
    if kind in {"text", "object"}:
        return Form(kind, attrs=attrs)
    return Form(kind, parse_array(told.get("dtype")), tuple(shape), attrs)


def form_of(value: object, key: str, declared: Declared | None = None, *, is_set: bool = False) -> Form:
    """Return the form of a key from its first value; a key used with `set` may have values of any kind.

    Raises
    ------
    InvalidDataError
        The value contradicts the declaration.
    """
    told = declared or Declared()
    if is_set:
        return Form("object", attrs=told.attrs)
    if told.dtype is None and not told.ragged:
        return _form_told_by(value, told, key)
    kind: Kind = "ragged" if told.ragged else "array"
    dtype = np.dtype(np.float64 if told.dtype is None else told.dtype)  # an empty list has floats, as in NumPy
    found = Form(kind, dtype).as_array(value)
    if found is None:
        raise InvalidDataError(_refusal(key, value, "an array, as was declared"))
    check_axes(found, key, MOST_RAGGED_AXES if told.ragged else MOST_AXES)
    return Form(kind, dtype if told.dtype is not None else found.dtype, () if told.ragged else found.shape, told.attrs)


def _form_told_by(value: Any, told: Declared, key: str) -> Form:
    if type(value) in {str, np.str_}:
        return Form("text", attrs=told.attrs)
    found = as_array(value)
    if found is None:
        return Form("object", attrs=told.attrs)
    check_axes(found, key, MOST_AXES)
    return Form("array", found.dtype, found.shape, told.attrs)


def check_axes(found: AnyArray, key: str, most: int) -> None:
    """Refuse an array that some datastore could not store: a collector may copy it from any datastore to any other."""
    if found.ndim > most:
        raise InvalidDataError(f"{key!r}: got an array of {found.ndim} axes; expected at most {most}. Reshape it.")


def checked_declared(declared: Declared) -> Declared:
    """Return the declaration, if it is valid.

    Raises
    ------
    InvalidDataError
        The dtype is not that of a number, a time, or text of fixed width; or a datastore cannot store an attribute.
    """
    try:
        dtype = np.dtype(np.float64 if declared.dtype is None else declared.dtype)
        json.dumps(dict(declared.attrs), allow_nan=False)  # refuses NaN, which orjson writes as null
        orjson.dumps(dict(declared.attrs))  # checks that names are text, integers have 64 bits, text is UTF-8
    except (TypeError, ValueError) as error:
        raise InvalidDataError(
            f"The key cannot be declared: {error}. Expected a dtype such as 'f8', and attributes that JSON can hold."
        ) from error
    for name, value in declared.attrs.items():
        _check_attribute(name, value)
    if dtype.kind not in f"{PLAIN}US" or dtype.itemsize == 0:
        raise InvalidDataError(
            f"dtype={declared.dtype!r} cannot be declared; expected a number, a time, or text of a width, like 'U20'."
        )
    return declared


def _check_attribute(name: str, value: Any) -> None:
    """Refuse attributes that HDF5 cannot hold, and names that the files use themselves."""
    if not name or "\0" in name or len(name.encode()) > _LONGEST_NAME or name in _OURS:
        raise InvalidDataError(
            f"Got an attribute named {name[:80]!r}, which cannot be declared; expected 1 to {_LONGEST_NAME} bytes "
            f"without NUL, and none of {', '.join(sorted(_OURS))}. Use another name."
        )
    if isinstance(value, str) and "\0" in value:
        raise InvalidDataError(
            f"Got the attribute {name}={value[:80]!r}, which cannot be declared; expected text without NUL. "
            "Leave it out."
        )


def _text(value: Any, key: str) -> str:
    if type(value) not in {str, np.str_}:
        raise InvalidDataError(_refusal(key, value, "text"))
    to_utf8(value, repr(key))
    return exact_text(value)


def _refusal(key: str, value: Any, expected: str) -> str:
    return (
        f"{key!r}: got a value of type {type(value).__name__}; expected {expected}; all values of a key have "
        "one kind. Convert it, or use another key."
    )
