"""The caller's metadata of streams and keys, merged into the descriptors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from analysis_store.documents import clean_metadata
from analysis_store.errors import InvalidDataError
from analysis_store.runs.values.labels import checked_units

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.runs.values.stream_data import StreamData

_OF_STREAM = ("data_keys", "hints", "configuration", "object_keys", "object_classes", "attrs")
_SET_BY_STORE = ("uid", "run_start", "time", "name")
_FIXED_BY_DATA = ("dtype", "shape", "dtype_numpy", "external")
_OF_EVENT_MODEL = ("choices", "dims", "limits", "object_name", "precision", "source", "units")
_OF_OPHYD = ("derived_from", "enum_strs", "lower_ctrl_limit", "upper_ctrl_limit")
_OF_STORE = ("role", "samplerate", "sample_rate", "sampling_rate", "attrs")
_OF_KEY = (*_OF_EVENT_MODEL, *_FIXED_BY_DATA, *_OF_OPHYD, *_OF_STORE)
_ELSE = 'Put any other metadata under "attrs".'
_LIMITS = {
    **dict.fromkeys(("alarm", "control", "display", "warning"), ("low", "high")),
    "rds": ("time_difference", "value_difference"),
    "hysteresis": (),
}


def checked_descriptor_md(descriptor_md: Mapping[str, object] | None) -> Document:
    """Return the caller's metadata in the form of documents, after all checks that need no data.

    Raises
    ------
    InvalidDataError
        An entry has no meaning; the message names its path and the entries that are known.
    """
    clean: dict[str, Any] = clean_metadata(mapping_or_none(descriptor_md, "descriptor_md"), "descriptor_md")
    for stream, given in clean.items():
        where = f'descriptor_md["{stream}"]'
        own = [key for key in _SET_BY_STORE if key in _mapping(given, where)]
        if own:
            raise InvalidDataError(f"{where}: Got {own}, which the store sets. Leave them out.")
        check_options(given, _OF_STREAM, where, _ELSE)
        _mapping(given.get("attrs", {}), f'{where}["attrs"]')
        for key, entry in _mapping(given.get("data_keys", {}), f'{where}["data_keys"]').items():
            _check_entry(_mapping(entry, f'{where}["data_keys"]["{key}"]'), f'{where}["data_keys"]["{key}"]')
    return clean


def add_descriptor_md(streams: Mapping[str, StreamData], descriptor_md: Mapping[str, object] | None) -> None:
    """Merge the caller's metadata of streams and keys (units, dims, hints …) into them.

    Raises
    ------
    InvalidDataError
        As in `checked_descriptor_md`; or an entry contradicts the data.
    """
    for stream, given in checked_descriptor_md(descriptor_md).items():
        where = f'descriptor_md["{stream}"]'
        if stream not in streams:
            raise InvalidDataError(f"{where}: the data have no such stream; they have {list(streams)}.")
        data, attrs = streams[stream], given.pop("attrs", {})
        for key, entry in given.pop("data_keys", {}).items():
            place = f'{where}["data_keys"]["{key}"]'
            if key not in data.columns:
                raise InvalidDataError(f"{place}: the data have no such key; they have {list(data.columns)}.")
            _add_entry(data.columns[key].data_key, entry, place)
        data.extra.update({**given, "attrs": {**data.extra.get("attrs", {}), **attrs}} if attrs else given)


def mapping_or_none(value: object, where: str) -> Mapping[str, Any]:
    """Return a mapping as it is and an empty one for None; refuse anything else."""
    return {} if value is None else _mapping(value, where)


def check_options(given: Mapping[str, object], known: Collection[str], where: str, advice: str = "") -> None:
    """Raise `InvalidDataError` for options that nothing would look at, such as misspelt ones."""
    unknown = [option for option in given if option not in known]
    if unknown:
        raise InvalidDataError(f"{where}: unknown options {unknown}; known: {', '.join(known)}. {advice}".rstrip())


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidDataError(f"{where}: Got {type(value).__name__}; expected a mapping.")
    return value


def _check_entry(given: Mapping[str, Any], where: str) -> None:
    check_options(given, _OF_KEY, where, _ELSE)
    if isinstance(given.get("units"), str):
        checked_units(given["units"], where)
    _mapping(given.get("attrs", {}), f'{where}["attrs"]')
    _check_limits(given.get("limits"), f'{where}["limits"]')


def _add_entry(known: dict[str, Any], given: Mapping[str, Any], where: str) -> None:
    for option in _FIXED_BY_DATA:
        if option in given and option in known and given[option] != known[option]:
            raise InvalidDataError(
                f'{where}["{option}"]: {given[option]!r} was declared, but the data have {known[option]!r}.'
            )
    dims, shape = given.get("dims"), known["shape"]
    if dims and len(dims) != len(shape):
        raise InvalidDataError(f"{where}: {len(dims)} dims were named for values of {len(shape)} dimensions.")
    attrs = {**known.get("attrs", {}), **given.get("attrs", {})}
    known.update({**given, "attrs": attrs} if attrs else given)


def _check_limits(limits: Any, where: str) -> None:
    if isinstance(limits, Mapping):  # else event-model's schema reports the fault
        check_options(limits, tuple(_LIMITS), where)
        for name, limit in limits.items():
            if isinstance(limit, Mapping):
                check_options(limit, _LIMITS[name], f'{where}["{name}"]')
