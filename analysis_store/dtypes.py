"""Mapping of NumPy's dtypes to HDF5: stored directly, stored as another type, or refused."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.dtypes import StringDType

from analysis_store.errors import DamagedFileError, InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Mapping

AnyArray = np.ndarray[Any, np.dtype[Any]]

PLAIN_KINDS = "biufcSV"
TIME_KINDS = "mM"
TEXT_KINDS = "OT"

# Text of variable length has no width to name, so its dtypes have names of their own in the file.
VARIABLE_TEXT: Mapping[str, np.dtype] = {
    "object": np.dtype(object),
    "StringDType()": np.dtype(StringDType()),
    "StringDType(coerce=False)": np.dtype(StringDType(coerce=False)),
}

_CHARACTER = np.dtype("U1").itemsize

_TIME = re.compile(r"[<>][mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?")
_TEXT = re.compile(r"[<>]U\d{1,9}|\|S0")

_ARRAY = re.compile(rf"[<>|][biufc]\d{{1,2}}|{_TIME.pattern}|[<>]U\d{{1,9}}|\|S\d{{1,9}}")

_CF_UNITS = {
    "W": "weeks",
    "D": "days",
    "h": "hours",
    "m": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "ps": "picoseconds",
    "fs": "femtoseconds",
    "as": "attoseconds",
}


@lru_cache(maxsize=256)
def refuse(dtype: np.dtype) -> None:
    """Raise `InvalidDataError` if values of ``dtype`` cannot be stored; objects are checked one by one later."""
    if dtype.kind == "T" and dtype not in VARIABLE_TEXT.values():
        raise InvalidDataError(
            f"The dtype {dtype!r} marks missing text; expected StringDType(). Store a table (pandas.DataFrame) "
            "where text may be missing, or fill the gaps and use .astype(StringDType())."
        )
    if dtype.kind == "V" and not dtype.names:
        raise InvalidDataError(
            f"Raw bytes of dtype {dtype} have no defined meaning; expected numbers, text, times or a "
            "structured dtype. Use .view('u1') to store them as bytes."
        )
    for name in dtype.names or ():
        field = dtype[name].base
        if field.names is None and (field.kind not in PLAIN_KINDS or field.itemsize == 0 or field.kind == "V"):
            raise InvalidDataError(
                f"The field {name!r} of a structured array has dtype {field}; expected numbers, bool or fixed bytes. "
                "Store the field as a separate data key, or a table (pandas.DataFrame)."
            )
        refuse(field)


def named_in_file(dtype: np.dtype) -> str | None:
    """Return the attribute ``dtype_numpy`` of a dataset, or None if its HDF5 type is sufficient."""
    if dtype.kind in TEXT_KINDS:
        return next(name for name, known in VARIABLE_TEXT.items() if known == dtype)
    if dtype.kind in "mMU" or dtype.str == "|S0":
        return dtype.str
    return None


def cf_units(dtype: np.dtype) -> str | None:
    """Return the CF units of the stored integers of a time dtype, None if CF has no such unit."""
    unit, count = np.datetime_data(dtype)
    if count != 1 or unit not in _CF_UNITS:
        return None
    return _CF_UNITS[unit] + (" since 1970-01-01" if dtype.kind == "M" else "")


def units_of_time(dtype: np.dtype) -> str | None:
    """Return the unit of a time dtype's stored integers, in words: like CF, and ``"25 nanoseconds"``, ``"months"``.

    None if the dtype has no unit.
    """
    unit, count = np.datetime_data(dtype)
    word = {"Y": "years", "M": "months", **_CF_UNITS}.get(unit)
    if word is None:
        return None
    return (word if count == 1 else f"{count} {word}") + (" since 1970-01-01" if dtype.kind == "M" else "")


def parse_named(text: str, stored: np.dtype) -> np.dtype:
    """Return the dtype that a file names, if values of type ``stored`` can represent it.

    The text comes from an untrusted file: only the forms that `named_in_file` writes are
    passed to NumPy, and no dtype that needs more memory than the stored bytes.

    Raises
    ------
    DamagedFileError
        The text is not such a dtype, or the stored type cannot hold it.
    """
    if text in VARIABLE_TEXT and stored.kind == "O":
        return VARIABLE_TEXT[text]
    if _TIME.fullmatch(text) and stored.kind == "i" and stored.itemsize == 8:
        return np.dtype(text)
    if _TEXT.fullmatch(text) and stored.kind == "S" and int(text[2:]) <= stored.itemsize:
        return np.dtype(text)
    raise DamagedFileError(
        f"The attribute dtype_numpy says {text[:60]!r} of values stored as {stored}; expected a time unit, a text "
        "width or a text type that fits them. The file was changed, or written by another program."
    )


def parse_array(text: object) -> np.dtype:
    """Return the dtype of numbers, times or text of fixed width that an untrusted file names.

    Raises
    ------
    DamagedFileError
        The text is not such a dtype.
    """
    try:
        if isinstance(text, str) and _ARRAY.fullmatch(text):
            return np.dtype(text)
    except (TypeError, ValueError):  # a size that NumPy does not have
        pass
    raise DamagedFileError(f"Got the dtype {text!r:.60}; expected one of numbers, times or text, like '<f8' or '<U20'.")


def encode_text(values: AnyArray) -> AnyArray:
    """Return fixed-width text ``<U`` as fixed-width UTF-8 bytes ``S``: as wide as the text, or wider if needed.

    Raises
    ------
    InvalidDataError
        A string holds a lone surrogate.
    """
    try:
        encoded = values.astype("S") if values.dtype.itemsize else np.zeros(values.shape, "S1")
    except UnicodeEncodeError:
        try:
            encoded = np.asarray(np.strings.encode(values, "utf-8"))
        except UnicodeEncodeError as error:
            raise InvalidDataError(
                f"Got {error.object!r:.80}, which holds a lone surrogate; expected text that UTF-8 can hold. "
                "Correct it."
            ) from error
    width = max(1, encoded.dtype.itemsize, values.dtype.itemsize // _CHARACTER)
    return encoded if encoded.dtype.itemsize == width else encoded.astype(f"S{width}")


def decode_text(values: AnyArray, dtype: np.dtype) -> AnyArray:
    """Return fixed-width UTF-8 bytes as text of ``dtype``.

    Raises
    ------
    DamagedFileError
        The bytes are not UTF-8.
    """
    if dtype.kind == "S" or dtype.itemsize == 0 or values.size == 0:
        return np.zeros(values.shape, dtype)
    try:
        return values.astype(dtype)
    except UnicodeDecodeError:
        try:
            return np.asarray(np.strings.decode(values, "utf-8")).astype(dtype)
        except UnicodeDecodeError as error:
            raise DamagedFileError(f"Text in the file is not UTF-8: {error}.") from error
