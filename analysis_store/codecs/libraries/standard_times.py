"""Codecs of dates, times, spans of time and zones: ISO 8601 text if that is complete."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect, parts
from analysis_store.errors import InvalidDataError

_ZONE = re.compile(r"[A-Za-z0-9_+-]{1,40}(/[A-Za-z0-9_+-]{1,40}){0,3}")


def _clock_state(value: datetime | time) -> Any:
    """Return ISO 8601 text, or if that lacks the zone, a mapping with the text and the zone."""
    zone = value.tzinfo
    if not value.fold and (zone is None or zone is UTC or (type(zone) is timezone and _is_told(zone))):
        return value.isoformat()
    return {"time": value.isoformat(), "zone": zone, "fold": value.fold}


def _clock(kind: type[datetime | time], state: Any) -> datetime | time:
    if type(state) is str:
        return kind.fromisoformat(state)
    text, zone, fold = parts(state, time=str, zone=object, fold=int)
    # The offset in the text is for readers: zone rules change, and the value is the local time.
    return kind.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def _is_told(zone: timezone) -> bool:
    """Return True if the text holds an offset; Python reads an offset of less than a second as UTC."""
    return _zone_name(zone) is None and not zone.utcoffset(None).microseconds


def _zone_name(zone: timezone) -> str | None:
    """Return the name of an offset, if it has one that does not follow from the offset."""
    name = zone.tzname(None)
    return None if name == timezone(zone.utcoffset(None)).tzname(None) else name


def _offset(state: Any) -> timezone:
    offset, name = parts(state, offset=timedelta, name=object)
    return timezone(offset) if name is None else timezone(offset, expect(str, name))


def _zone_key(zone: ZoneInfo) -> str:
    if not _ZONE.fullmatch(zone.key or ""):
        raise InvalidDataError(
            f"Got a ZoneInfo with the key {zone.key!r}; expected the key of a zone that other machines find too, "
            'e.g. ZoneInfo("Europe/Berlin").'
        )
    return zone.key


def _zone(state: Any) -> ZoneInfo:
    # Keys become names of files and of modules of the package tzdata: only valid keys may reach them.
    if not _ZONE.fullmatch(expect(str, state)):
        raise InvalidDataError(f'Got {state!r:.100} as the key of a time zone; expected e.g. "Europe/Berlin".')
    try:
        return ZoneInfo(state)
    except KeyError as error:
        raise InvalidDataError(
            f"This machine does not know the time zone {state!r}. Install the package tzdata."
        ) from error


TIMES = (
    Codec("datetime.datetime", datetime, _clock_state, lambda state: _clock(datetime, state), shared=False),
    Codec("datetime.time", time, _clock_state, lambda state: _clock(time, state), shared=False),
    Codec("datetime.date", date, date.isoformat, lambda state: date.fromisoformat(expect(str, state)), shared=False),
    Codec(
        "datetime.timedelta",
        timedelta,
        lambda value: {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds},
        lambda state: timedelta(*parts(state, days=int, seconds=int, microseconds=int)),
        shared=False,
    ),
    Codec(
        "datetime.timezone",
        timezone,
        lambda value: {"offset": value.utcoffset(None), "name": _zone_name(value)},
        _offset,
        shared=False,
    ),
    Codec("zoneinfo.ZoneInfo", ZoneInfo, _zone_key, _zone, shared=False),
)
