"""Lines of text as keys and values: ``key value``, or a JSON object of them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from analysis_store.errors import InvalidDataError

if TYPE_CHECKING:
    from analysis_store.documents import Document

# Numbers that printf, awk and bc print and that are not JSON: nan, -inf, .5, 1., +3
_NUMBER = re.compile(r"[+-]?(nan|inf|infinity|(\d+\.?|\d*\.\d+)(e[+-]?\d+)?)", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[+-]?0\d")


def parse_line(line: bytes) -> Document:
    """Return the values of a line, by key; an empty line has no values.

    Raises
    ------
    InvalidDataError
        The line is not a key and its value, nor a JSON object.
    """
    try:
        text = line.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise InvalidDataError(f"{line[:40]!r} is not UTF-8; expected a key and its value.") from error
    if not text:
        return {}
    if text.startswith("{"):
        return _object(text)
    key, *rest = text.split(maxsplit=1)
    if not rest:
        raise InvalidDataError(f"got {text[:40]!r}; expected a key and its value, e.g. 'train/loss 0.5'.")
    return {key: parse_value(rest[0])}


def parse_value(text: str) -> Any:
    """Return the value of JSON, a number as other programs print it, or the text itself."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InvalidDataError(f"{text[:40]!r} … has too many nested lists; expected fewer.") from error
    except ValueError:
        # 007 is more likely a name than a number
        return float(text) if _NUMBER.fullmatch(text) and not _LEADING_ZERO.match(text) else text


def _object(text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text, object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise InvalidDataError(
            f'{text[:40]!r} is not JSON: {error}. Expected an object on one line, e.g. {{"train/loss": 0.5}}.'
        ) from error
    return found


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key occurs twice")
    return found
