"""Streams: the two forms in which data arrive, brought to one: columns of equal length, by stream and key."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Required, TypeAlias, TypedDict

from analysis_store.core.text import to_utf8
from analysis_store.errors import InvalidDataError
from analysis_store.exact import exact_text
from analysis_store.runs.values import columns
from analysis_store.runs.values.column import Place
from analysis_store.runs.values.columnar import as_table
from analysis_store.runs.values.descriptor_md import add_descriptor_md, check_options, mapping_or_none
from analysis_store.runs.values.stream_data import StreamData

if TYPE_CHECKING:
    import pandas
    import xarray

    from analysis_store.hdf5.blocks import Compression


def gather(
    data: object,
    writers_dict: Mapping[str, WriterEntry] | None = None,
    descriptor_md: Mapping[str, object] | None = None,
) -> dict[str, StreamData]:
    """Return the streams in ``data`` in either form; ``data`` is not modified.

    A stream that was gathered before, `StreamData`, passes through.

    Raises
    ------
    InvalidDataError
        Names the place of the value, e.g. ``data[3]["primary"]["image"]``, before anything is written.
    """
    foreign = check_writers(writers_dict)
    if isinstance(data, Mapping):
        found = [_columnar(name, table, foreign) for name, table in data.items()]
        streams = {stream.name: stream for stream in found}
    elif isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        streams = _by_event(data, foreign)
    else:
        raise InvalidDataError(
            f"data: Got {type(data).__name__}; expected a list of events [{{stream: {{key: value}}}}] or a mapping "
            "{stream: {key: column}}."
        )
    add_descriptor_md(streams, descriptor_md)
    return streams


ColumnsLike: TypeAlias = "Mapping[str, object] | xarray.Dataset | pandas.DataFrame"
"""Columns by key; the first axis of each is the event."""

DataLike: TypeAlias = Sequence[Mapping[str, Mapping[str, object]]] | Mapping[str, "ColumnsLike | StreamData"]
"""Data to save: a list of events, each with its streams and their values; or the columns of each stream."""


class WriterResource(TypedDict, total=False):
    """Target of a custom writer, with its options."""

    func: Required[Callable[..., Mapping[str, Any]]]
    """``func(docs, data_key, **kwargs)`` returns the resource kwargs, ``path`` among them."""

    kwargs: Mapping[str, Any]


class WriterEntry(TypedDict, total=False):
    """Entry of ``writers_dict`` for a data key with a custom writer."""

    writer: Required[Callable[..., Any]]
    resource: WriterResource
    root: str | os.PathLike[str]
    spec: str
    """Needed if the writer has no ``spec``."""

    compression: Compression


def check_writers(writers_dict: Mapping[str, WriterEntry] | None) -> frozenset[str]:
    """Return the keys that the caller's own writers store; refuse entries that cannot work."""
    for key, entry in mapping_or_none(writers_dict, "writers_dict").items():
        where = f'writers_dict["{key}"]'
        if not isinstance(entry, Mapping) or not callable(entry.get("writer")):
            raise InvalidDataError(
                f'{where}: {entry!r} names no writer; expected {{"writer": class, "resource": {{"func": f, '
                '"kwargs": {}}}, "root": path, "spec": str}.'
            )
        check_options(entry, tuple(WriterEntry.__annotations__), where)
        resource = entry.get("resource")
        if resource is not None and not (isinstance(resource, Mapping) and callable(resource.get("func"))):
            raise InvalidDataError(f'{where}["resource"]: Got {resource!r}; expected {{"func": f, "kwargs": {{}}}}.')
        check_options(resource or {}, tuple(WriterResource.__annotations__), f'{where}["resource"]')
        if not isinstance(entry.get("spec", getattr(entry["writer"], "spec", None)), str):
            raise InvalidDataError(f'{where}: a writer without a spec of its own needs one here: "spec": "NAME".')
    return frozenset(writers_dict or ())


# ---------------------------------------------------------------------------------------------- event by event


def _by_event(data: Sequence[Any], foreign: frozenset[str]) -> dict[str, StreamData]:
    rows: dict[str, list[Mapping[str, Any]]] = {}
    numbers: dict[str, list[int]] = {}
    for number, event in enumerate(data):
        if type(event) is not dict and not isinstance(event, Mapping):
            raise InvalidDataError(
                f"data[{number}]: Got {type(event).__name__}; expected a mapping {{stream: {{key: value}}}}."
            )
        for stream, row in event.items():
            rows.setdefault(stream, []).append(row)
            numbers.setdefault(stream, []).append(number)
    found = [_stream_of_rows(stream, rows[stream], numbers[stream], foreign) for stream in rows]
    return {stream.name: stream for stream in found}


def _stream_of_rows(
    stream: str, rows: list[Mapping[str, Any]], numbers: list[int], foreign: frozenset[str]
) -> StreamData:
    stream = check_name(stream, f"data[{numbers[0]}]")
    for row, number in zip(rows, numbers, strict=True):
        if type(row) is not dict and not isinstance(row, Mapping):
            raise InvalidDataError(
                f'data[{number}]["{stream}"]: Got {type(row).__name__}; expected a mapping {{key: value}}.'
            )
    keys = rows[0].keys()
    for row, number in zip(rows, numbers, strict=True):
        if row.keys() != keys:
            raise InvalidDataError(_differing(stream, number, numbers[0], row.keys(), keys))
    found = {}
    for key in keys:
        name = check_name(key, f'data[{numbers[0]}]["{stream}"]')
        where = Place("data[", f']["{stream}"]["{name}"]', numbers)
        values = [row[key] for row in rows]
        found[name] = columns.foreign(values, where) if key in foreign else columns.of_values(values, where)
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


def _columnar(stream: Any, given: Any, foreign: frozenset[str]) -> StreamData:
    name = check_name(stream, "data")
    if isinstance(given, StreamData):
        return _again(name, given, foreign)
    where = f'data["{name}"]'
    table = as_table(given, where)
    found = {}
    for key, values in table.columns.items():
        key = check_name(key, where)
        place = Place(f'{where}["{key}"][', "]")
        found[key] = columns.foreign(list(values), place) if key in foreign else columns.of_array(values, place)
        if key in table.roles:
            found[key].data_key["role"] = table.roles[key]
    lengths = {key: len(column) for key, column in found.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key}: {length}" for key, length in lengths.items())
        raise InvalidDataError(f"{where}: the columns have different lengths ({told}); the first axis is the event.")
    length = next(iter(lengths.values()), 0)
    return StreamData(name, found, length, {"attrs": table.attrs} if table.attrs else {})


def _again(name: str, stream: StreamData, foreign: frozenset[str]) -> StreamData:
    """Return a gathered stream with a copy of its descriptors, so that additions do not affect other users."""
    found = {
        key: columns.foreign(list(column.values), column.where)
        if key in foreign
        else replace(column, data_key=dict(column.data_key))
        for key, column in stream.columns.items()
    }
    return StreamData(name, found, stream.length, dict(stream.extra))


# ------------------------------------------------------------------------------------------------- names


def check_name(name: object, where: str) -> str:
    """Return the name of a stream or data key; refuse one that event-model refuses, or that no file can hold."""
    if not isinstance(name, str) or not name:
        raise InvalidDataError(f"{where}: Got the name {name!r}; expected text for streams and data keys.")
    if "." in name or "/" in name or "\0" in name:
        plain = name.replace(".", "_").replace("/", "_").replace("\0", "_")
        raise InvalidDataError(f'{where}["{name}"]: names must not contain ".", "/" or NUL. Rename it, e.g. {plain!r}.')
    to_utf8(name, where)
    return exact_text(name)
