"""CSV: a stream as a table that pandas and spreadsheets open.

One row per event; where keys hold one-dimensional arrays, one row per point, numbers and text of the event repeated.
The header row names each column, with its unit as in ``energy [eV]``, which is how `insert_file` reads it, too.
"""

from __future__ import annotations

import csv
import io
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from analysis_store import layout
from analysis_store.errors import ExportError
from analysis_store.exchange.cells import Column, as_array, cells_of
from analysis_store.exchange.choose import chosen_events, chosen_keys, chosen_table
from analysis_store.exchange.content import one_stream

if TYPE_CHECKING:
    import pandas

    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.read.stream import Stream

_ROWS = 10_000
"""Number of events read at a time."""

_ELEMENTS = 1 << 20
"""Number of array elements read at a time, unless one event has more."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_OTHERS = "parquet, json, npz or hdf5"


def write_csv(run: Run, file: BinaryIO, options: Options) -> None:
    """Write one stream of a run, or one key of it, as CSV.

    Numbers are written so that they come back exactly. Text is written as it is; where a spreadsheet would take it
    for a formula, a warning says so.

    Raises
    ------
    ExportError
        The selection has a key that a table cannot hold; the message names the key and formats that can.
    """
    stream = one_stream(run, options)
    frame = chosen_table(stream, options)
    if frame is not None:
        _write_frame(frame, file)
        return
    columns = [Column(stream, key, chosen_events(stream, options)) for key in chosen_keys(stream, options)]
    _check(stream, columns)
    header, rows = _table(stream, columns, options)
    texts = [text for column in columns for text in column.texts()]
    _warn_of_formulas([*header, *texts])
    _write_rows(file, [header], rows, mark=not all(map(str.isascii, [*header, *texts])))


def _check(stream: Stream, columns: Sequence[Column]) -> None:
    """Raise one error for all keys that a table cannot hold."""
    refused = [f"{column.key!r} ({_what(column)})" for column in columns if column.ndim not in (0, 1)]
    if refused:
        raise ExportError(
            f"csv holds numbers, text and one-dimensional arrays (one row per point); in stream "
            f"{stream.name!r} it cannot hold {', '.join(refused)}. Export to {_OTHERS}, or one key of them with key=."
        )


def _what(column: Column) -> str:
    if column.ndim is None:
        return "structured" if column.dtype.names else "objects"
    return f"{column.ndim}-d"


def _table(
    stream: Stream, columns: Sequence[Column], options: Options
) -> tuple[list[str], Iterator[Iterable[Sequence[Any]]]]:
    """Return the header row, and blocks of rows."""
    events = chosen_events(stream, options)
    long = any(column.ndim for column in columns)
    alone = long and len(events) == 1
    names = layout.stored_names([column.key for column in columns], () if alone else layout.RESERVED_KEYS)
    header = [] if alone else [layout.SEQ_NUM, f"{layout.TIME} [s]"]
    header += [title for column in columns for title in column.names(names[column.key])]
    twice = [title for title, count in Counter(header).items() if count > 1]
    if twice:
        raise ExportError(f"two columns of stream {stream.name!r} would be called {twice[0]!r}; export to {_OTHERS}.")
    blocks = _points(stream, columns, events, alone=alone) if long else _events(stream, columns, events)
    return header, _counted(blocks, len(events), _ROWS if not long else 1, options)


def _counted(
    blocks: Iterator[Iterable[Sequence[Any]]], total: int, step: int, options: Options
) -> Iterator[Iterable[Sequence[Any]]]:
    for number, block in enumerate(blocks, 1):
        yield block
        options.progress(min(number * step, total), total)


def _events(stream: Stream, columns: Sequence[Column], events: range) -> Iterator[Iterable[Sequence[Any]]]:
    """Yield blocks of rows, one row per event."""
    for first in range(events.start, events.stop, _ROWS):
        part = slice(first, min(first + _ROWS, events.stop))
        cells = [stream.seq_nums[part].tolist(), stream.times[part].tolist()]
        for column in columns:
            cells += cells_of(column.values[part])
        yield zip(*cells, strict=True)


def _points(
    stream: Stream, columns: Sequence[Column], events: range, *, alone: bool
) -> Iterator[Iterable[Sequence[Any]]]:
    """Yield blocks of rows, one block per event and one row per point of its arrays."""
    for index, values in _values(columns, events):
        arrays = [np.atleast_1d(as_array(value)) for value in values]
        lengths = {column.key: len(array) for column, array in zip(columns, arrays, strict=True) if column.ndim}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{key!r} has {length}" for key, length in lengths.items())
            raise ExportError(
                f"csv has one row per point, but in event {index} of stream {stream.name!r} the arrays differ in "
                f"length: {found}. Export one with key=, or to {_OTHERS}."
            )
        count = max(lengths.values())
        told = [] if alone else [stream.seq_nums[index].item(), stream.times[index].item()]
        cells: list[Iterable[Any]] = [repeat(value, count) for value in told]
        for column, array in zip(columns, arrays, strict=True):
            cells += cells_of(array) if column.ndim else [repeat(cell[0], count) for cell in cells_of(array)]
        yield zip(*cells, strict=True)


def _values(columns: Sequence[Column], events: range) -> Iterator[tuple[int, tuple[Any, ...]]]:
    """Yield each event with its values, many read at a time."""
    row = sum(int(np.prod(column.values.shape[1:], dtype=np.int64)) for column in columns)
    step = max(1, _ELEMENTS // max(row, 1))
    for first in range(events.start, events.stop, step):
        part = slice(first, min(first + step, events.stop))
        yield from enumerate(zip(*(column.values[part] for column in columns), strict=True), first)


def _warn_of_formulas(texts: Iterable[str]) -> None:
    """Warn of text that a spreadsheet would run. It is written unchanged: quoting would change the data for all."""
    for text in texts:
        if text.startswith(_FORMULA) and not _is_number(text):
            warnings.warn(
                f"a spreadsheet may take the text {text!r:.60} for a formula; it is written as it is. "
                "Import such a file with its columns set to text.",
                stacklevel=2,
            )
            return


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _write_frame(frame: pandas.DataFrame, file: BinaryIO) -> None:
    """Write a table as pandas does, with its index only if it holds information."""
    import pandas

    default = isinstance(frame.index, pandas.RangeIndex) and frame.index.name is None
    text = frame.to_csv(index=not default, lineterminator="\n")
    _warn_of_formulas(_strings(frame))
    file.write(text.encode("utf-8" if text.isascii() else "utf-8-sig"))


def _strings(frame: pandas.DataFrame) -> Iterator[str]:
    yield from (str(label) for label in frame.columns)
    for position in range(frame.shape[1]):
        yield from (cell for cell in frame.iloc[:, position].tolist() if isinstance(cell, str))


def _write_rows(
    file: BinaryIO, header: Iterable[Sequence[str]], blocks: Iterable[Iterable[Sequence[Any]]], *, mark: bool
) -> None:
    """Write rows; start with a byte-order mark for spreadsheets if there is text beyond ASCII."""
    encoding = "utf-8-sig" if mark else "utf-8"
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows(header)
        for block in blocks:
            writer.writerows(block)
    finally:
        text.detach()
