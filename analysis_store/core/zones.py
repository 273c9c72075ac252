"""Time zones by name, as pandas creates them; no name makes pandas open a file."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from analysis_store.errors import InvalidDataError

# pandas would open any file that `dateutil/...` names.
_ZONE = re.compile(r"UTC([+-]\d\d:\d\d(:\d\d)?)?|(?!dateutil)[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*")


def zone_name(zone: Any) -> str | None:
    """Return the name of a time zone, ``Europe/Berlin`` or ``UTC+01:00``; None for None.

    Raises
    ------
    InvalidDataError
        The zone has no name by which pandas finds it.
    """
    if zone is None:
        return None
    try:
        if pd.DatetimeTZDtype("ns", restore_zone(str(zone))) == pd.DatetimeTZDtype("ns", zone):
            return str(zone)
    except (TypeError, ValueError, LookupError):
        pass
    raise InvalidDataError(
        f"The time zone {zone!r} has no name; expected one like 'Europe/Berlin' or 'UTC+01:00'. Use .tz_convert(...)."
    )


def restore_zone(name: object) -> Any:
    """Return the time zone of a name, as this version of pandas creates it.

    Raises
    ------
    ValueError
        It is not the name of a zone.
    """
    if name is None:
        return None
    if not isinstance(name, str) or not _ZONE.fullmatch(name):
        raise ValueError(f"{name!r:.60} is not the name of a time zone")
    return pd.DatetimeTZDtype("ns", name).tz
