"""Streams: the two forms in which data arrive, brought to one: columns of equal length, by stream and key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from analysis_store.documents import clean_metadata
from analysis_store.errors import InvalidDataError
from analysis_store.runs import columns
from analysis_store.runs.columns import Column, Place
from analysis_store.runs.labels import checked_units

_WRITER_OPTIONS = ("writer", "resource", "root", "spec", "compression")
_FIXED_BY_DATA = ("dtype", "shape", "dtype_numpy", "external")


@dataclass(slots=True)
class StreamData:
    """One stream of a run before it is written."""

    name: str
    columns: dict[str, Column]
    length: int
    """The number of events."""

    extra: dict[str, Any] = field(default_factory=dict)
    """What the caller adds to the descriptor: hints, configuration."""


def gather(
    data: Any,
    writers_dict: Mapping[str, Any] | None = None,
    descriptor_md: Mapping[str, Any] | None = None,
) -> dict[str, StreamData]:
    """Return the streams in ``data``, which is either form of section "Public face" and is not modified.

    A stream that was gathered before, `StreamData`, passes through.

    Raises
    ------
    InvalidDataError
        Names the place of the value, e.g. ``data[3]["primary"]["image"]``, before anything is written.
    """
    foreign = check_writers(writers_dict)
    if isinstance(data, Mapping):
        streams = {str(name): _columnar(name, table, foreign) for name, table in data.items()}
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        streams = _by_event(data, foreign)
    else:
        raise InvalidDataError(
            f"data: {type(data).__name__} came where a list of events [{{stream: {{key: value}}}}] or a mapping "
            "{stream: {key: column}} was expected."
        )
    add_descriptor_md(streams, descriptor_md)
    return streams


def mapping_or_none(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping as it is and an empty one for None; refuse anything else."""
    if value is not None and not isinstance(value, Mapping):
        raise InvalidDataError(f"{where}: {type(value).__name__} came where a mapping was expected.")
    return value or {}


def check_writers(writers_dict: Mapping[str, Any] | None) -> frozenset[str]:
    """Return the keys that the caller's own writers store; refuse entries that cannot work."""
    for key, entry in mapping_or_none(writers_dict, "writers_dict").items():
        where = f'writers_dict["{key}"]'
        if not isinstance(entry, Mapping) or not callable(entry.get("writer")):
            raise InvalidDataError(
                f'{where}: {entry!r} names no writer; expected {{"writer": class, "resource": {{"func": f, '
                '"kwargs": {}}}, "root": path, "spec": str}.'
            )
        unknown = [option for option in entry if option not in _WRITER_OPTIONS]
        if unknown:
            raise InvalidDataError(f"{where}: unknown options {unknown}; known: {', '.join(_WRITER_OPTIONS)}.")
        resource = entry.get("resource")
        if resource is not None and not (isinstance(resource, Mapping) and callable(resource.get("func"))):
            raise InvalidDataError(f'{where}["resource"]: {resource!r} came; expected {{"func": f, "kwargs": {{}}}}.')
        if not isinstance(entry.get("spec", getattr(entry["writer"], "spec", None)), str):
            raise InvalidDataError(f'{where}: a writer without a spec of its own needs one here: "spec": "NAME".')
    return frozenset(writers_dict or ())


# ---------------------------------------------------------------------------------------------- event by event


def _by_event(data: Sequence[Any], foreign: frozenset[str]) -> dict[str, StreamData]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    numbers: dict[str, list[int]] = {}
    for number, event in enumerate(data):
        if not isinstance(event, Mapping):
            raise InvalidDataError(
                f"data[{number}]: {type(event).__name__} came where a mapping {{stream: {{key: value}}}} was expected."
            )
        for stream, row in event.items():
            rows.setdefault(stream, []).append(row)
            numbers.setdefault(stream, []).append(number)
    return {stream: _stream_of_rows(stream, rows[stream], numbers[stream], foreign) for stream in rows}


def _stream_of_rows(
    stream: str, rows: list[Mapping[str, Any]], numbers: list[int], foreign: frozenset[str]
) -> StreamData:
    check_name(stream, f"data[{numbers[0]}]")
    for row, number in zip(rows, numbers, strict=True):
        if not isinstance(row, Mapping):
            raise InvalidDataError(
                f'data[{number}]["{stream}"]: {type(row).__name__} came where a mapping {{key: value}} was expected.'
            )
    keys = rows[0].keys()
    for row, number in zip(rows, numbers, strict=True):
        if row.keys() != keys:
            raise InvalidDataError(_differing(stream, number, numbers[0], row.keys(), keys))
    found = {}
    for key in keys:
        check_name(key, f'data[{numbers[0]}]["{stream}"]')
        where = Place("data[", f']["{stream}"]["{key}"]', numbers)
        values = [row[key] for row in rows]
        found[key] = columns.foreign(values, where) if key in foreign else columns.of_values(values, where)
    return StreamData(stream, found, len(rows))


def _differing(stream: str, number: int, first: int, keys: Any, expected: Any) -> str:
    missing = sorted(map(str, set(expected) - set(keys)))
    surplus = sorted(map(str, set(keys) - set(expected)))
    parts = [f"lacks {missing}"] * bool(missing) + [f"adds {surplus}"] * bool(surplus)
    return (
        f'data[{number}]["{stream}"] {" and ".join(parts)}, compared with data[{first}]; all events of a stream have '
        "the same keys. Give the missing ones (NaN for a missing number), or use another stream."
    )


# ---------------------------------------------------------------------------------------------- by columns


def _columnar(stream: Any, table: Any, foreign: frozenset[str]) -> StreamData:
    check_name(stream, "data")
    if isinstance(table, StreamData):
        return _again(stream, table, foreign)
    where = f'data["{stream}"]'
    kind = type(table).__name__
    roles: dict[str, str] = {}
    if kind == "Dataset" and hasattr(table, "data_vars"):
        table, roles = _of_dataset(table, where)
    elif kind == "DataFrame" and hasattr(table, "iloc"):
        table = _of_frame(table)
    if not isinstance(table, Mapping):
        raise InvalidDataError(
            f"{where}: {kind} came where a mapping {{key: column}}, an xarray.Dataset or a DataFrame was expected."
        )
    found = {}
    for key, values in table.items():
        check_name(key, where)
        place = Place(f'{where}["{key}"][', "]")
        found[key] = columns.foreign(list(values), place) if key in foreign else columns.of_array(values, place)
        if key in roles:
            found[key].data_key["role"] = roles[key]
    lengths = {key: len(column) for key, column in found.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise InvalidDataError(f"{where}: the columns have different lengths ({told}); the first axis is the event.")
    return StreamData(stream, found, next(iter(lengths.values()), 0))


def _again(name: str, stream: StreamData, foreign: frozenset[str]) -> StreamData:
    """Return a gathered stream with descriptors of its own: what a caller adds is no business of other users."""
    found = {
        key: columns.foreign(list(column.values), column.where)
        if key in foreign
        else replace(column, data_key=dict(column.data_key))
        for key, column in stream.columns.items()
    }
    return StreamData(name, found, stream.length, dict(stream.extra))


def _of_dataset(dataset: Any, where: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the columns of a Dataset whose first dimension is the event; coordinates become keys, too."""
    variables = list(dataset.data_vars.values()) or list(dataset.coords.values())
    if not variables or not variables[0].dims:
        raise InvalidDataError(f"{where}: a Dataset without an event dimension; its first dimension is the event.")
    event = variables[0].dims[0]
    alien = [str(name) for name, variable in dataset.data_vars.items() if event not in variable.dims]
    if alien:
        raise InvalidDataError(f"{where}: {alien} lack the event dimension {event!r}, the first of the first variable.")
    table, roles = {}, {}
    for name, variable in {**dataset.coords, **dataset.data_vars}.items():
        if event in variable.dims:
            table[str(name)] = variable.transpose(event, ...)
        else:  # the same for every event
            table[str(name)] = variable.expand_dims({event: dataset.sizes[event]})
        if name in dataset.coords:
            roles[str(name)] = "coordinate"
    return table, roles


def _of_frame(frame: Any) -> dict[str, Any]:
    table = {str(name): series for name, series in frame.items()}
    if len(table) != frame.shape[1]:
        raise InvalidDataError("a DataFrame with two columns of one name; rename one.")
    named = [name for name in frame.index.names if name is not None]
    return {**{str(name): frame.index.get_level_values(name).to_series() for name in named}, **table}


# ----------------------------------------------------------------------------------------- names, descriptor


def check_name(name: Any, where: str) -> None:
    """Refuse the name of a stream or data key that event-model refuses, or that no file can hold."""
    if not isinstance(name, str) or not name:
        raise InvalidDataError(f"{where}: the name {name!r} is no text; streams and data keys have text names.")
    if "." in name or "/" in name or "\0" in name:
        plain = name.replace(".", "_").replace("/", "_").replace("\0", "_")
        raise InvalidDataError(f'{where}["{name}"]: names must not hold ".", "/" or NUL; rename it, e.g. {plain!r}.')
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidDataError(f"{where}[{name!r}]: the name is not valid Unicode ({error.reason}).") from error


def add_descriptor_md(streams: Mapping[str, StreamData], descriptor_md: Mapping[str, Any] | None) -> None:
    """Merge what the caller knows of streams and keys (units, dims, hints …) into them."""
    for stream, given in mapping_or_none(descriptor_md, "descriptor_md").items():
        where = f'descriptor_md["{stream}"]'
        if stream not in streams:
            raise InvalidDataError(f"{where}: the data have no such stream; they have {list(streams)}.")
        if not isinstance(given, Mapping):
            raise InvalidDataError(f"{where}: {type(given).__name__} came where a mapping was expected.")
        clean = clean_metadata(given, where)
        _add_data_keys(streams[stream], clean.pop("data_keys", {}), where)
        own = [key for key in ("uid", "run_start", "time", "name") if key in clean]
        if own:
            raise InvalidDataError(f"{where}: {own} are set by the store; leave them out.")
        streams[stream].extra.update(clean)


def _add_data_keys(stream: StreamData, data_keys: Any, where: str) -> None:
    if not isinstance(data_keys, Mapping):
        raise InvalidDataError(f'{where}["data_keys"]: {data_keys!r} came where a mapping was expected.')
    for key, given in data_keys.items():
        place = f'{where}["data_keys"]["{key}"]'
        if key not in stream.columns:
            raise InvalidDataError(f"{place}: the data have no such key; they have {list(stream.columns)}.")
        if not isinstance(given, Mapping):
            raise InvalidDataError(f"{place}: {given!r} came where a mapping like {{'units': 'eV'}} was expected.")
        known = stream.columns[key].data_key
        for option in _FIXED_BY_DATA:
            if option in given and option in known and given[option] != known[option]:
                raise InvalidDataError(
                    f'{place}["{option}"]: {given[option]!r} was declared, but the data have {known[option]!r}.'
                )
        dims, shape = given.get("dims"), known["shape"]
        if dims and len(dims) != len(shape):
            raise InvalidDataError(f"{place}: {len(dims)} dims were named for values of {len(shape)} dimensions.")
        if isinstance(given.get("units"), str):
            checked_units(given["units"], place)
        known.update(given)
