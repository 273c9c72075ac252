"""Conversion of the values that a processor returns into streams, for the disk and for the next step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from analysis_store.errors import InvalidDataError, ProcessorError
from analysis_store.runs.values.descriptor_md import add_descriptor_md
from analysis_store.runs.values.gather import gather

if TYPE_CHECKING:
    from analysis_store.runs.values.stream_data import StreamData

_FORMS = (
    "{stream: {key: value}} of one event each, {key: value} for the stream 'primary', a list of such events, or "
    "{stream: Dataset or DataFrame} whose rows are the events"
)


def gather_returned(
    value: object, who: str, descriptor_md: Mapping[str, object] | None = None
) -> dict[str, StreamData]:
    """Return the streams of a result.

    Parameters
    ----------
    value : mapping or list
        ``{stream: {key: value}}``, one event of each stream, if all its values are mappings; a stream may also be a
        Dataset or DataFrame, whose rows are the events. Otherwise ``{key: value}``, one event of the stream
        "primary". A list has such streams event by event.
    who : str
        Origin of the value in messages.
    descriptor_md : mapping, optional
        Units, dims, hints; as for `insert_analysis`.

    Raises
    ------
    ProcessorError
        The value has another form.
    InvalidDataError
        A value cannot be stored; the message has its path in the returned value.
    """
    with blaming(who, value):
        streams = _streams(value, who)
        add_descriptor_md(streams, descriptor_md)
    return streams


@contextmanager
def blaming(who: str, value: object) -> Iterator[None]:
    """Add to errors about values their origin and their paths in the returned value."""
    try:
        yield
    except InvalidDataError as error:
        # it became one event: neither its number nor an unnamed stream comes from the caller
        made = 'data[0]["primary"]' if _is_plain(value) else "data" if isinstance(value, list) else "data[0]"
        raise InvalidDataError(f"{who} returned: {str(error).replace(made, 'data', 1)}", error.index) from error


def _streams(value: Any, who: str) -> dict[str, StreamData]:
    if isinstance(value, list) and value:
        return gather(value)
    if not isinstance(value, Mapping) or _is_table(value) or not value:
        empty = "empty " if isinstance(value, (list, Mapping)) and not _is_table(value) else ""
        raise ProcessorError(f"{who} returned {empty}{type(value).__name__}; expected {_FORMS}.")
    if _is_plain(value):
        return gather([{"primary": value}])
    found: dict[str, StreamData] = {}
    for stream, part in value.items():
        found |= gather({stream: part} if _is_table(part) else [{stream: part}])
    return found


def _is_plain(value: Any) -> bool:
    """Return True if these are the values of one event, not streams."""
    parts = value.values() if isinstance(value, Mapping) else ()
    return not all(isinstance(part, Mapping) or _is_table(part) for part in parts)


def _is_table(value: Any) -> bool:
    return type(value).__name__ in ("Dataset", "DataFrame") and hasattr(value, "to_dict")
