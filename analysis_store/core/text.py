"""Text for messages and files: counts, times, persons, and checks for UTF-8."""

from __future__ import annotations

import datetime
from collections.abc import Mapping

from analysis_store.errors import InvalidDataError

PERSON_KEYS = ("user", "username", "operator", "owner", "login_id", "experimenter")
"""Keys of start documents for the person, in order of precedence."""


def counted(number: object, thing: str) -> str:
    """Return e.g. "1 event", "3 events"."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def is_utf8(text: str) -> bool:
    """Return True if UTF-8 can hold a text: it has no lone surrogates."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def to_utf8(text: str, where: str = "", refused: type[Exception] = InvalidDataError) -> bytes:
    """Return text as UTF-8.

    Parameters
    ----------
    text : str
        Text of any class.
    where : str
        The place in the message, e.g. ``md["sample"]``.
    refused : type
        The class of the error.

    Raises
    ------
    Exception
        ``refused``, for text with a lone surrogate.
    """
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        told = f"{where}: got" if where else "Got"
        shown = text[max(error.start - 20, 0) : error.end + 20]
        raise refused(
            f"{told} {shown!r}, which holds a lone surrogate; expected text that UTF-8 can hold. Correct it."
        ) from error


def utc_time(seconds: object, timespec: str = "auto") -> str | None:
    """Return seconds since 1970 as ISO 8601 in UTC; None for invalid times."""
    found = _moment(seconds)
    return None if found is None else found.isoformat(timespec=timespec)


def utc_or_1970(seconds: object, timespec: str = "auto") -> str:
    """Return as `utc_time`, and the beginning of 1970 for invalid times."""
    return utc_time(seconds, timespec) or "1970-01-01T00:00:00+00:00"


def local_time(seconds: object) -> datetime.datetime | None:
    """Return seconds since 1970 as local time; None for invalid times."""
    found = _moment(seconds)
    try:
        return None if found is None else found.astimezone()
    except (ValueError, OverflowError, OSError):
        return None


def _moment(seconds: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.fromtimestamp(float(seconds), datetime.UTC)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def person_of(start: Mapping[str, object]) -> str | None:
    """Return the person who made a run, from the keys that facilities use; the first of several."""
    for key in PERSON_KEYS:
        value = start.get(key)
        first = value[0] if isinstance(value, list) and value else value
        name = first.get("name") if isinstance(first, dict) else first
        if isinstance(name, str) and name.strip():
            return name
    return None
