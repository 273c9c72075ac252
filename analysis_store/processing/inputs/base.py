"""One input of a processor, of any kind: read-only streams of columns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from analysis_store.core.text import counted
from analysis_store.errors import InputError, KeyNotFoundError, StreamNotFoundError
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.inputs.memory_columns import ReadOnly
from analysis_store.runs.notes.notes import retraction_of, retraction_text
from analysis_store.runs.read.lazy import LazyArray
from analysis_store.runs.read.stream import Keys, dataset_of

if TYPE_CHECKING:
    from pathlib import Path

    import xarray

    from analysis_store.core.lazy import Source
    from analysis_store.documents import Document
    from analysis_store.provenance.parts import InputFile, Parent
    from analysis_store.run_store import RunStore


class InputStream(Mapping[str, LazyArray]):
    """The events of one stream of an input, by data key; axis 0 of each is the event. Its arrays are read-only.

    Examples
    --------
    >>> inputs["primary"]["mu"][0, :5]  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str,
        label: str,
        data_keys: Mapping[str, Document],
        column: Callable[[str], Source],
        times: Callable[[], np.ndarray],
    ) -> None:
        self.name = name
        self.data_keys = data_keys
        self._label = label
        self._column = column
        self._times = times

    @cached_property
    def times(self) -> np.ndarray:
        """Times of the events: float64 ``(n,)``, s since 1970."""
        times = np.array(self._times(), dtype=float)
        times.flags.writeable = False
        return times

    @property
    def num_events(self) -> int:
        """Number of events in the stream."""
        return len(self.times)

    def __iter__(self) -> Iterator[str]:
        return iter(self.data_keys)

    def __len__(self) -> int:
        return len(self.data_keys)

    def __contains__(self, key: object) -> bool:
        return key in self.data_keys

    def __getitem__(self, key: str) -> LazyArray:
        if key not in self.data_keys:
            raise KeyNotFoundError(f"stream {self.name!r} of {self._label} has no key {key!r}; it has {list(self)}.")
        return LazyArray(key, ReadOnly(self._column(key)), self.data_keys[key])

    def read(self, keys: Keys = None) -> xarray.Dataset:
        """Return the stream, or some keys of it, in memory; as `analysis_store.runs.read.stream.Stream.read`."""
        return dataset_of(self, keys)

    def __repr__(self) -> str:
        return f"<InputStream {self.name!r} of {self._label}, {counted(self.num_events, 'event')}: {', '.join(self)}>"


class Input(Mapping[str, InputStream]):
    """One input, as a mapping from stream name to `InputStream`."""

    uid: str | None = None
    """Uid of the run; None for a file, and for an unsaved result."""

    path: Path | None = None
    """Path of the file; None for a run."""

    label: str
    """Name in messages."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """Digest of the content: the same for equal inputs in any location."""

    @property
    def start(self) -> Document:
        """A copy of the start document; empty for a file."""
        return {}

    @property
    def parents(self) -> list[Parent]:
        """The run, for the provenance of a result."""
        return []

    @property
    def files(self) -> list[InputFile]:
        """The file, for the provenance of a result."""
        return []

    def check(self, store: RunStore | None) -> None:
        """Raise for an input whose state allows no result.

        Raises
        ------
        InputError
            The run has not ended or was retracted, or is a result that failed.
        """

    def check_readable(self) -> None:
        """Raise for an input that cannot be read, before any work is done.

        Raises
        ------
        InputError
            The message names the input and its fault.
        """

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(iter(self))

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Input) and other.digest == self.digest

    def __repr__(self) -> str:
        return f"<Input {self.label}{': ' if len(self) else ''}{', '.join(self)}>"

    def _no_stream(self, name: str) -> StreamNotFoundError:
        return StreamNotFoundError(f"{self.label} has no stream {name!r}; it has {list(self)}.")


class DocumentedInput(Input):
    """An input that has Bluesky documents: a run."""

    @property
    @abstractmethod
    def stop(self) -> Document | None:
        """The stop document."""

    def check(self, store: RunStore | None) -> None:
        """Raise for a run that has not ended, a computed one that failed, and one that was retracted."""
        start = self.start
        if self.stop is None:
            raise InputError(f"{self.label} has not ended. Wait for its stop document, or end it.")
        status = self.stop.get("exit_status")
        if "processing" in start and status != "success":
            raise InputError(f"{self.label} is a result that ended as {status!r}. Compute it again first.")
        note = retraction_of(store.catalog, self.uid) if store is not None and self.uid else None
        if note is not None:
            raise InputError(f"{self.label} was retracted: {retraction_text(note)}. Use a replacement.")


def run_digest(uid: str, digests: Iterable[Document]) -> str:
    """Return the digest of a run as an input: its uid, and the digests of its values."""
    told = [[entry["stream"], entry["data_key"], f"{entry['algorithm']}:{entry['digest']}"] for entry in digests]
    return digest_of(["run", uid, told])
