"""Codecs of the containers of the package `neo`; links from a part to its container are restored."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import neo
from neo.core.spiketrainlist import SpikeTrainList

from analysis_store.codecs.libraries import neo_data
from analysis_store.codecs.libraries.neo_data import COMMON, give, tell
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError

_TIMES = {name: name for name in ("file_datetime", "rec_datetime", "index")}

_DATA = (
    "analogsignals",
    "irregularlysampledsignals",
    "events",
    "epochs",
    "channelviews",
    "imagesequences",
)

_CONTAINERS: Mapping[type, tuple[tuple[str, ...], Mapping[str, str]]] = {
    neo.Block: (("segments", "groups"), _TIMES),
    neo.Segment: (_DATA, _TIMES),
    neo.Group: ((*_DATA, "regionsofinterest", "segments", "groups"), {}),
}

_KINDS = {codec.cls.__name__: codec.cls for codec in neo_data.CODECS} | {cls.__name__: cls for cls in _CONTAINERS}


def _container_state(lists: tuple[str, ...], names: Mapping[str, str], value: Any) -> dict[str, Any]:
    held = frozenset({"_spiketrains", "allowed_types", *(f"_{name}" for name in lists)})
    state = tell(value, names, held) | {name: list(getattr(value, name)) for name in lists}
    if type(value) is not neo.Block:
        state["spiketrains"] = value.spiketrains
    if type(value) is neo.Group and value.allowed_types is not None:
        state["allowed_types"] = [cls.__name__ for cls in value.allowed_types]
    return state


def _container(cls: type, lists: tuple[str, ...], names: Mapping[str, str], state: dict[str, Any]) -> Any:
    value: Any = cls()
    give(value, state, names)
    for name in lists:
        getattr(value, name).extend(
            expect(list, state[name])
        )  # creates the links of the parts, and refuses wrong parts
    if cls is not neo.Block:
        _give_trains(value, state["spiketrains"])
    if "allowed_types" in state:
        value.allowed_types = tuple(_KINDS[name] for name in state["allowed_types"])
    return value


def _give_trains(value: Any, trains: Any) -> None:
    if type(trains) is not SpikeTrainList:
        raise InvalidDataError(f"Got a {type(trains).__name__} as spike trains; expected a SpikeTrainList.")
    value.spiketrains = trains
    if type(value) is neo.Segment:
        trains.segment = value
        for train in trains._items or ():  # noqa: SLF001 - looking would take one apart that is kept as arrays
            train.segment = value


def _container_codec(cls: type, lists: tuple[str, ...], own: Mapping[str, str]) -> Codec:
    names = {**own, **COMMON}
    to_state, from_state = partial(_container_state, lists, names), partial(_container, cls, lists, names)
    return Codec(f"neo.{cls.__name__}", cls, to_state, from_state, fields=True)


def find(cls: type) -> Codec | None:
    """Return a codec that refuses data that neo has not read yet, by name; None for any other class."""
    if not hasattr(cls, "proxy_for"):
        return None
    return Codec(f"neo.{cls.__name__}", cls, _refuse, _refuse)


def _refuse(value: Any) -> Any:
    raise InvalidDataError(
        f"Got a {type(value).__name__}, which stands for data that are still in the file they were recorded in; "
        "expected the data. Replace it by the result of its load(), or read the block with lazy=False."
    )


CODECS = (*neo_data.CODECS, *(_container_codec(cls, lists, own) for cls, (lists, own) in _CONTAINERS.items()))
