"""Reading with verification: values are compared with their digests, and damaged ones are never returned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, overload

from analysis_store.errors import DamagedFileError
from analysis_store.runs.read.stream import Keys, Stream, dataset_of
from analysis_store.runs.read.verify import faults_of

if TYPE_CHECKING:
    import numpy as np
    import xarray

    from analysis_store.documents import Document
    from analysis_store.runs.read.lazy import LazyArray
    from analysis_store.runs.read.run import Run


class CheckedStream:
    """The columns of a stream; each is read whole, and refused if it was changed.

    Parameters
    ----------
    stream : Stream
        The stream.

    Raises
    ------
    DamagedFileError
        A value does not match its digest, or has none; the message names run, stream and key.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.name: str = stream.name
        self._digests = {
            entry["data_key"]: f"{entry['algorithm']}:{entry['digest']}"
            for entry in stream.run.digests
            if entry["stream"] == stream.name
        }

    @property
    def data_keys(self) -> Mapping[str, Document]:
        """Entries of the descriptors for each data key."""
        return self._stream.data_keys

    @property
    def attrs(self) -> dict[str, Any]:
        """Stream metadata in the descriptors."""
        return self._stream.attrs

    @property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        return self._stream.times

    def __iter__(self) -> Iterator[str]:
        return iter(self._stream)

    def __getitem__(self, key: str) -> LazyArray:
        column = self._stream[key]
        loaded = column.loaded()
        expected, found = self._digests.get(key), column.digest_of(loaded.read())
        where = f"run {self._stream.run.uid}, stream {self.name!r}, key {key!r}"
        if expected is None:
            raise DamagedFileError(f"{where}: it has no digest, so changes cannot be detected. Read it unchecked.")
        if found != expected:
            raise DamagedFileError(
                f"{where}: the values have the digest {found}, not {expected}: they were changed. Restore "
                f"{self._stream.run.file} from a backup."
            )
        return loaded


@overload
def read_checked(run: Run, stream: str, keys: Keys) -> xarray.Dataset: ...
@overload
def read_checked(run: Run, stream: None, keys: Keys) -> dict[str, xarray.Dataset]: ...
@overload
def read_checked(run: Run, stream: str | None, keys: Keys) -> xarray.Dataset | dict[str, xarray.Dataset]: ...
def read_checked(run: Run, stream: str | None, keys: Keys) -> xarray.Dataset | dict[str, xarray.Dataset]:
    """Return one stream of a run, or all of them, checked; see `AnalysisStore.read_checked`."""
    for fault in faults_of(run, values=False):
        raise DamagedFileError(fault.of(run.uid).rstrip(".") + "; nothing of it was read.")
    if stream is not None:
        return dataset_of(CheckedStream(run[stream]), keys)
    return {name: dataset_of(CheckedStream(run[name]), keys) for name in run}
