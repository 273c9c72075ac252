"""Selection of a part of a stream for an export: its keys, its events, or its only table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis_store.core.text import counted
from analysis_store.errors import ExportError, KeyNotFoundError

if TYPE_CHECKING:
    import pandas

    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.stream import Stream


def chosen_keys(stream: Stream, options: Options) -> list[str]:
    """Return the keys that the options name, or all keys.

    Raises
    ------
    KeyNotFoundError
        The stream has no such key.
    """
    unknown = [key for key in options.keys if key not in stream]
    if unknown:
        raise KeyNotFoundError(f"stream {stream.name!r} has no key {unknown[0]!r}; it has {', '.join(stream)}.")
    return list(options.keys) or list(stream)


def chosen_events(stream: Stream, options: Options) -> range:
    """Return the position of the event that the options name, or of all events.

    Raises
    ------
    ExportError
        The stream has no such event.
    """
    if options.event is None:
        return range(stream.num_events)
    count = stream.num_events
    if not -count <= options.event < count:
        raise ExportError(
            f"stream {stream.name!r} has {counted(count, 'event')}; there is no event {options.event}. "
            "Events are counted from 0."
        )
    position = options.event % count
    return range(position, position + 1)


def chosen_table(stream: Stream, options: Options) -> pandas.DataFrame | None:
    """Return the table that the options name, or the only one of the stream; None if they name none.

    Raises
    ------
    ExportError
        Several events hold a table, and the options name no event.
    """
    keys = chosen_keys(stream, options)
    events = chosen_events(stream, options)
    if len(keys) != 1 or not events or stream[keys[0]].dtype.kind != "O":
        return None
    first = stream[keys[0]][events[0]]
    if not _is_table(first):
        return None
    if len(events) > 1:
        raise ExportError(
            f"{keys[0]!r} of stream {stream.name!r} is a table in each of {len(events)} events. Choose one event with "
            "event=."
        )
    table: pandas.DataFrame = first
    return table


def _is_table(value: Any) -> bool:
    import pandas

    return isinstance(value, pandas.DataFrame)
