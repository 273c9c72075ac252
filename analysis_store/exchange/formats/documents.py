"""JSON lines and msgpack: the documents of a run, written by the suitcases of Bluesky."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import suitcase.jsonl
import suitcase.msgpack

from analysis_store.errors import ExportError

if TYPE_CHECKING:
    from analysis_store.exchange.registry import Options
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.write.document_stream import NamedDocument

_UNWRITTEN = frozenset({"stream_resource", "stream_datum"})
"""Kinds of documents that suitcase-msgpack leaves out without an error."""


def write_jsonl(run: Run, file: BinaryIO, options: Options) -> None:
    """Write every document of a run as a line ``[name, document]``, as suitcase-jsonl does.

    Large values are not copied: resource and datum documents hold their location, as in any catalog.
    """
    _serialize(suitcase.jsonl.Serializer, run, file, options)


def write_msgpack(run: Run, file: BinaryIO, options: Options) -> None:
    """Write every document of a run as suitcase-msgpack does: events and datums as pages.

    Raises
    ------
    ExportError
        The run has documents that msgpack, or its suitcase, does not know.
    """
    unknown = sorted({name for name, _ in run.documents()} & _UNWRITTEN)
    if unknown:
        raise ExportError(
            f"run {run.uid} has documents of the kind {' and '.join(unknown)}, which suitcase-msgpack does not write; "
            "export to jsonl."
        )
    try:
        _serialize(suitcase.msgpack.Serializer, run, file, options)
    except OverflowError as error:
        raise ExportError(
            f"run {run.uid} holds an integer of more than 64 bits, which msgpack cannot hold; export to jsonl."
        ) from error


def _serialize(serializer: Any, run: Run, file: BinaryIO, options: Options) -> None:
    """Send the documents through a serializer that writes to the given file."""
    with serializer(_OneFile(file), file_prefix="") as write:
        for name, doc in _told(run, options):
            write(name, doc)


def _told(run: Run, options: Options) -> Iterator[NamedDocument]:
    total = sum(run[name].num_events for name in run)
    done = 0
    for name, doc in run.documents():
        yield name, doc
        if name in {"event", "event_page"}:
            done += 1 if name == "event" else len(doc["seq_num"])
            options.progress(done, total)


class _OneFile:
    """File manager of a suitcase that always returns the same file and leaves it open."""

    artifacts: ClassVar[dict[str, list[str]]] = {}

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._text: io.TextIOWrapper | None = None

    def open(self, label: str, postfix: str, mode: str) -> Any:
        """Return the file, as a text file if the mode says so."""
        if "t" not in mode:
            return self._file
        self._text = io.TextIOWrapper(self._file, encoding="utf-8", newline="\n")
        return self._text

    def close(self) -> None:
        """Flush the text; the caller closes the file."""
        if self._text is not None:
            self._text.detach()
            self._text = None
