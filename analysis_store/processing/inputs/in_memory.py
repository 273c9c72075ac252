"""A result in memory as an input: for the next step it equals its stored run, without reading it back."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.inputs.base import Input, InputStream
from analysis_store.processing.inputs.memory_columns import held
from analysis_store.processing.inputs.stored import RunInput

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run
    from analysis_store.runs.values.stream_data import StreamData


def _columns(streams: Mapping[str, StreamData]) -> dict[str, dict[str, Any]]:
    return {name: {key: held(column) for key, column in stream.columns.items()} for name, stream in streams.items()}


class FreshInput(Input):
    """Data that are not saved."""

    def __init__(self, streams: Mapping[str, StreamData], label: str) -> None:
        self.label = label
        self._columns = _columns(streams)
        self._data_keys = {
            name: {key: column.data_key for key, column in stream.columns.items()} for name, stream in streams.items()
        }
        self._lengths = {name: stream.length for name, stream in streams.items()}
        self._time = time.time()

    @cached_property
    def digest(self) -> str:
        """Digest of the values."""
        return digest_of(["data", [[name, key, self[name][key].digest()] for name in self for key in self[name]]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __getitem__(self, name: str) -> InputStream:
        if name not in self._columns:
            raise self._no_stream(name)
        times = np.full(self._lengths[name], self._time)
        return InputStream(name, self.label, self._data_keys[name], self._columns[name].__getitem__, lambda: times)


class SavedInput(RunInput):
    """A run that was just saved, with its values still in memory."""

    def __init__(self, run: Run, streams: Mapping[str, StreamData], home: str | None = None) -> None:
        super().__init__(run, home)
        self._columns = _columns(streams)

    def check_readable(self) -> None:
        """Do nothing: the values are in memory."""

    def __getitem__(self, name: str) -> InputStream:
        if name not in self._columns:
            raise self._no_stream(name)
        data_keys = next(doc["data_keys"] for doc in self.run.descriptors if doc["name"] == name)
        return InputStream(name, self.label, data_keys, self._columns[name].__getitem__, lambda: self.run[name].times)
