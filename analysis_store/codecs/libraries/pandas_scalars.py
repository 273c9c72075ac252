"""Codecs of single values of pandas: times, spans, periods, intervals, missing values, and calendar offsets.

States::

    Timestamp           time (UTC, datetime64 in its unit), zone (its name, or None), fold (1: the second of two equal
                        hours, without a zone; a zone determines it)
    Timedelta           the span, timedelta64 in its unit
    Period              ordinal (since 1970, in steps of freq), freq
    Interval            left, right, closed
    NaT, NA             nothing
    offsets.*           n, normalize, and other arguments of the class

A zone is restored as pandas creates it from the name: by `zoneinfo` from pandas 3 on, by `pytz` before.
"""

from __future__ import annotations

import datetime
import string
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis_store.codecs.libraries.arrays import array
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.core.zones import restore_zone, zone_name
from analysis_store.errors import InvalidDataError

State = dict[str, Any]


# ------------------------------------------------------------------------------------------------ times


def _timestamp_state(value: pd.Timestamp) -> State:
    # A zone determines the fold; without a zone it has no effect, but belongs to the value.
    zone = zone_name(value.tz)
    return {"time": np.asarray(value.asm8), "zone": zone, "fold": value.fold if zone is None else 0}


def _timestamp(state: State) -> pd.Timestamp:
    time: Any = array(state["time"], "M")
    if time.shape != () or np.isnat(time):
        raise ValueError(f"got {time.dtype} {time.shape} for a time")
    made: pd.Timestamp = pd.Timestamp(time[()])
    if state["zone"] is not None:
        return made.tz_localize("UTC").tz_convert(restore_zone(state["zone"]))
    return made.replace(fold=1) if state["fold"] else made


def _timedelta(state: Any) -> pd.Timedelta:
    if array(state, "m").shape != () or np.isnat(state):
        raise ValueError(f"got {state.dtype} {state.shape} for a span of time")
    return pd.Timedelta(state[()])


def _period_state(value: pd.Period) -> State:
    return {"ordinal": value.ordinal, "freq": value.freqstr}


def _period(state: State) -> Any:
    return pd.Period(ordinal=expect(int, state["ordinal"]), freq=expect(str, state["freq"]))


def _interval_state(value: Any) -> State:
    return {"left": value.left, "right": value.right, "closed": value.closed}


def _interval(state: State) -> Any:
    closed: Any = expect(str, state["closed"])
    return pd.Interval(state["left"], state["right"], closed=closed)


# ------------------------------------------------------------------------------------------------ steps of calendars


def _offset_state(value: Any) -> State:
    state = {"n": value.n, "normalize": value.normalize, **value.kwds}
    if _offset(type(value), dict(state)) != value:
        raise InvalidDataError(
            f"Got the frequency {value!r}, which its attributes do not define. Use one of pandas.offsets."
        )
    return state


def _offset(cls: type[Any], state: State) -> Any:
    odd = [value for value in expect(dict, state).values() if type(value) not in _TOLD_BY]
    if odd:
        raise TypeError(f"got {type(odd[0]).__name__} in a frequency, expected a number or text")
    return cls(**state)


_TOLD_BY = (type(None), bool, int, float, str, datetime.timedelta)

_OFFSETS = {
    getattr(pd.offsets, name)
    for name in dir(pd.offsets)
    # Custom calendar offsets contain the calendar, business hours a list of them; two others are only bases.
    if name[0] in string.ascii_uppercase and not name.startswith(("C", "BusinessHour", "BaseOffset", "Tick"))
}

CODECS: tuple[Codec, ...] = (
    Codec("pandas.Timestamp", pd.Timestamp, _timestamp_state, _timestamp, shared=False),
    Codec("pandas.Timedelta", pd.Timedelta, lambda value: np.asarray(value.asm8), _timedelta, shared=False),
    Codec("pandas.Period", pd.Period, _period_state, _period, shared=False),
    Codec("pandas.Interval", pd.Interval, _interval_state, _interval, shared=False),
    Codec("pandas.NaT", type(pd.NaT), lambda _: None, lambda _: pd.NaT, shared=False),
    Codec("pandas.NA", type(pd.NA), lambda _: None, lambda _: pd.NA, shared=False),
    *(
        Codec(f"pandas.offsets.{cls.__name__}", cls, _offset_state, partial(_offset, cls), shared=False)
        for cls in _OFFSETS
    ),
)
