"""Codecs of the data objects of the package `neo`: signals, spikes, events, and views of them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import neo
import numpy as np
from neo.core import regionofinterest, spiketrainlist
from neo.core.dataobject import ArrayDict

from analysis_store.codecs.libraries.quantities import tell_units, with_units
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError


def _same(*names: str) -> dict[str, str]:
    return dict(zip(names, names, strict=True))


COMMON = _same("name", "description", "file_origin", "annotations")
"""Common properties of neo objects, with their attributes."""

_ARRAYS: Mapping[type, tuple[int, Mapping[str, str]]] = {
    neo.AnalogSignal: (2, {"t_start": "_t_start", "sampling_rate": "_sampling_rate"}),
    neo.IrregularlySampledSignal: (2, {"times": "times"}),
    neo.ImageSequence: (3, {"t_start": "_t_start"} | _same("spatial_scale", "sampling_rate")),
    neo.SpikeTrain: (1, _same("t_start", "t_stop", "waveforms", "left_sweep", "sampling_rate")),
    neo.Event: (1, {"labels": "_labels"}),
    neo.Epoch: (1, {"durations": "_durations", "labels": "_labels"}),
}

_VIEWS: Mapping[type, Mapping[str, str]] = {
    neo.ChannelView: _same("obj", "index"),
    regionofinterest.CircularRegionOfInterest: {name: name for name in ("image_sequence", "x", "y", "radius")},
    regionofinterest.RectangularRegionOfInterest: {
        name: name for name in ("image_sequence", "x", "y", "width", "height")
    },
    regionofinterest.PolygonRegionOfInterest: {name: name for name in ("image_sequence", "vertices")},
}

_LINKS = {"segment", "block", "group", "unit"}

_TRAINS = {
    "spike_times": "_spike_time_array",
    "channel_ids": "_channel_id_array",
    "all_channel_ids": "_all_channel_ids",
    "metadata": "_spiketrain_metadata",
    "annotations": "_annotations",
}

# ------------------------------------------------------------------------------------------------ attributes


def tell(value: object, names: Mapping[str, str], told: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return attributes of an object by their names in files, including those that its user added.

    Links to its container are left out, since the container restores them. ``told`` are attributes
    that the caller saves.
    """
    there = vars(value)
    state = {name: there[attribute] for name, attribute in names.items()}
    own = {name: it for name, it in there.items() if name not in {*names.values(), *_LINKS, *told}}
    return state | ({"attributes": own} if own else {})


def give(value: Any, state: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Set the attributes of an object from a state of `tell`.

    Raises
    ------
    InvalidDataError
        An attribute hides one of the class.
    """
    if not isinstance(state["annotations"], dict | None):
        raise InvalidDataError(f"Got a {type(state['annotations']).__name__} as annotations; expected a mapping.")
    own = dict(state.get("attributes", {}))
    hidden = [name for name in own if type(name) is not str or hasattr(type(value), name) or name in names.values()]
    if hidden:
        raise InvalidDataError(f"Got {hidden!r:.200} as attributes; expected names that {type(value).__name__} lacks.")
    vars(value).update({attribute: state[name] for name, attribute in names.items()}, **own)


def _checked(annotations: Any, length: int) -> ArrayDict:
    if not all(type(name) is str and isinstance(it, np.ndarray) for name, it in annotations.items()):
        raise InvalidDataError(
            "Got array annotations that are not a mapping of arrays; expected one array for each name."
        )
    kept = ArrayDict(length)
    dict.update(kept, annotations)  # its own method would convert the arrays
    return kept


# ------------------------------------------------------------------------------------------------ codecs


def _array_state(names: Mapping[str, str], value: Any) -> dict[str, Any]:
    head = {"magnitude": value.magnitude, "units": tell_units(value.dimensionality)}
    known = frozenset({"_dimensionality", "array_annotations"})
    return head | tell(value, names, known) | {"array_annotations": dict(value.array_annotations)}


def _array(cls: type, ndim: int, names: Mapping[str, str], state: dict[str, Any]) -> Any:
    value = with_units(state["magnitude"], state["units"], cls)
    if value.ndim != ndim:
        raise InvalidDataError(f"Got a {cls.__name__} of {value.ndim} axes; expected {ndim}.")
    odd = [
        name for name in names if name not in COMMON and not isinstance(state[name], np.ndarray | float | int | None)
    ]
    if odd:
        raise InvalidDataError(f"Got {odd} of a {cls.__name__} with another type; expected quantities or arrays.")
    give(value, state, names)
    vars(value).update(dict.fromkeys(("segment", "unit") if cls is neo.SpikeTrain else ("segment",)))
    length = value._get_arr_ann_length()  # noqa: SLF001 - neo has no public name for it
    value.array_annotations = _checked(state["array_annotations"], length)
    return value


def _view_state(names: Mapping[str, str], value: Any) -> dict[str, Any]:
    state = tell(value, names, frozenset({"array_annotations"}))
    return state | ({"array_annotations": dict(value.array_annotations)} if type(value) is neo.ChannelView else {})


def _view(cls: type, names: Mapping[str, str], state: dict[str, Any]) -> Any:
    seen = state["obj" if cls is neo.ChannelView else "image_sequence"]
    wanted = (neo.AnalogSignal, neo.IrregularlySampledSignal) if cls is neo.ChannelView else neo.ImageSequence
    if not isinstance(seen, wanted):
        raise InvalidDataError(f"Got a {type(seen).__name__} as what a {cls.__name__} shows; expected a signal.")
    value: Any = object.__new__(cls)
    give(value, state, names)
    value.group = None
    if cls is neo.ChannelView:
        value.array_annotations = _checked(state["array_annotations"], value.index.size)
    return value


def _trains_state(trains: Any) -> dict[str, Any]:
    if trains._items is None and trains._spike_time_array is not None:  # noqa: SLF001 - looking would take it apart
        return {name: vars(trains)[attribute] for name, attribute in _TRAINS.items()}
    return {"items": list(trains)}


def _trains(state: dict[str, Any]) -> Any:
    if "items" in expect(dict, state):
        return spiketrainlist.SpikeTrainList(items=expect(list, state["items"]))
    trains = spiketrainlist.SpikeTrainList()
    vars(trains).update({attribute: state[name] for name, attribute in _TRAINS.items()})
    return trains


def _array_codec(cls: type, ndim: int, own: Mapping[str, str]) -> Codec:
    names = {**own, **COMMON}
    return Codec(
        f"neo.{cls.__name__}", cls, partial(_array_state, names), partial(_array, cls, ndim, names), fields=True
    )


def _view_codec(cls: type, own: Mapping[str, str]) -> Codec:
    names = {**own, **COMMON}
    return Codec(f"neo.{cls.__name__}", cls, partial(_view_state, names), partial(_view, cls, names), fields=True)


CODECS = (
    *(_array_codec(cls, ndim, own) for cls, (ndim, own) in _ARRAYS.items()),
    *(_view_codec(cls, own) for cls, own in _VIEWS.items()),
    Codec("neo.SpikeTrainList", spiketrainlist.SpikeTrainList, _trains_state, _trains, fields=True),
)
