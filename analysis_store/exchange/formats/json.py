"""Runs as JSON: one object with the documents and the columns of each stream, written column by column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import orjson

from analysis_store.errors import DamagedFileError, ExportError
from analysis_store.exchange.skeleton import MARK, VERSION, check_held, export_of, metadata_tree, stream_parts

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray
    from analysis_store.exchange.arrays import Tree
    from analysis_store.exchange.content import Export
    from analysis_store.exchange.registry import Options
    from analysis_store.exchange.tree import Missing
    from analysis_store.runs.read.run import Run

_AT_ONCE = 4 << 20
"""Bytes of numbers converted to text at once, giving about 12 MiB of text."""
_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def write(run: Run, file: BinaryIO, options: Options) -> None:
    """Write a run; at most one column and a small part of its text are in memory."""
    file.writelines(_text(run, options))


def read(file: BinaryIO, missing: Missing = "error") -> Export:
    """Return the contents of a file.

    Raises
    ------
    DamagedFileError
        The file is not JSON, or not an export.
    """
    check_held(file)
    return export_of(loads(file.read(), file.name), file.name, missing)


def _text(run: Run, options: Options) -> Iterator[bytes | memoryview]:
    """Yield the text: the head, then each stream, open until the next begins."""
    yield b'{"%s":%d,"metadata":%s,"streams":{' % (MARK.encode(), VERSION, dumps(metadata_tree(run)))
    for number, stream in enumerate(stream_parts(run, options)):
        name, time, seq_num = dumps(stream.name), dumps(stream.time), dumps(stream.seq_num)
        yield (b"," if number else b"") + b'\n%s:{"time":%s,"seq_num":%s,"data":{' % (name, time, seq_num)
        for place, column in enumerate(stream.columns):
            about = dumps({"units": column.units, "dims": column.dims})[:-1]
            yield (b"," if place else b"") + b'\n%s:%s,"values":' % (dumps(column.key), about)
            yield from _values(column.values)
            yield b"}"
        yield b"}}"
    yield b"}}\n"


def _values(tree: Tree) -> Iterator[bytes | memoryview]:
    """Yield the text of values, large numeric arrays in pieces."""
    body = tree.get("$array") if isinstance(tree, dict) else None
    data = None if body is None else body.get("data")
    if body is None or not isinstance(data, np.ndarray) or data.ndim == 0 or data.nbytes <= _AT_ONCE:
        yield dumps(tree)
        return
    before = {name: item for name, item in body.items() if name in ("dtype", "shape", "order")}
    yield b'{"$array":%s,"data":' % dumps(before)[:-1]
    yield from _numbers(data)
    if "nonfinite" in body:
        yield b',"nonfinite":' + dumps(body["nonfinite"])
    yield b"}}"


def _numbers(data: AnyArray) -> Iterator[bytes | memoryview]:
    """Yield the text of numbers, in blocks of rows of limited size."""
    if data.nbytes <= _AT_ONCE:
        yield dumps(data)
        return
    yield b"["
    rows = max(1, _AT_ONCE * len(data) // data.nbytes)
    for begin in range(0, len(data), rows):
        yield b"," if begin else b""
        if data.ndim > 1 and rows == 1:
            yield from _numbers(data[begin])
        else:
            yield memoryview(dumps(data[begin : begin + rows]))[1:-1]
    yield b"]"


def dumps(tree: Tree) -> bytes:
    """Return the text of a tree.

    Raises
    ------
    ExportError
        The tree is nested too deep, or has names that are not valid Unicode.
    """
    try:
        return orjson.dumps(tree, option=_OPTIONS)
    except TypeError as error:
        raise ExportError(f"the run cannot be written as JSON: {error}. Export it as hdf5.") from error


def loads(text: bytes, name: str) -> Tree:
    """Return the tree of a text; ``name`` is the name of the file, for messages.

    Raises
    ------
    DamagedFileError
        The text is not JSON.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise DamagedFileError(
            f"{name} is not valid JSON: {error}. Restore it from a copy, or export again."
        ) from error
