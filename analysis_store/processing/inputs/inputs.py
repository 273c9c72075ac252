"""The inputs of a processor, in order: allowed types, and their lookup."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, overload

import numpy as np

from analysis_store.errors import AmbiguousUidError, InputError, ProvenanceError, RunNotFoundError
from analysis_store.processing.inputs.base import Input, InputStream
from analysis_store.processing.inputs.in_memory import FreshInput
from analysis_store.processing.inputs.returned import gather_returned
from analysis_store.processing.inputs.stored import FileInput, RunInput
from analysis_store.provenance.sources import find_run, name_of, uid_of
from analysis_store.runs.read.run import Run, RunLike

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

__all__ = ["FileInput", "Input", "InputStream", "Inputs", "RunInput", "as_input"]


class Inputs:
    """The inputs of a processor, in order.

    A single input offers its streams, start document, uid and path here.

    Examples
    --------
    >>> inputs["primary"]["mu"][0], inputs.start["sample_name"]  # doctest: +SKIP
    >>> dark, bright = inputs  # doctest: +SKIP
    """

    def __init__(self, inputs: Iterable[Input]) -> None:
        self._inputs = tuple(inputs)

    @classmethod
    def of(cls, value: InputsLike, store: RunStore | None = None) -> Self:
        """Return inputs: a run of any library, a uid, a path, an `Input`, `Inputs`, or a list of these.

        Parameters
        ----------
        value
            A text is a uid: it is looked up in the store, then in its sources; a file needs a `pathlib.Path`.
        store : AnalysisStore, optional
            Store in which uids are looked up.

        Raises
        ------
        InputError
            There is no such run or file, or the value cannot be an input.
        """
        if isinstance(value, cls):
            return value
        several: Sequence[object] = [value]
        if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
            several = value
        return cls(as_input(one, store) for one in several)

    @classmethod
    def of_data(cls, data: object) -> Self:
        """Return plain data as the only input, in any form that a processor may return.

        Raises
        ------
        ProcessorError, InvalidDataError
            The data have another form; or a value could not be stored.
        """
        return cls([FreshInput(gather_returned(data, "inputs"), "plain data")])

    def check(self, store: RunStore | None) -> None:
        """Raise for inputs whose state allows no result; see `Input.check`."""
        for one in self:
            one.check(store)

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests of the inputs."""
        return tuple(one.digest for one in self)

    @property
    def label(self) -> str:
        """Name in messages."""
        named = [one.label for one in self._inputs[:3]]
        return ", ".join(named) + (f" and {len(self) - 3} more" if len(self) > 3 else "") or "no inputs"

    @property
    def only(self) -> Input:
        """The only input.

        Raises
        ------
        InputError
            There are several inputs, or no input.
        """
        return self._only("")

    @property
    def start(self) -> Document:
        """Start document of the only input."""
        return self._only(".start").start

    @property
    def uid(self) -> str | None:
        """Uid of the only input."""
        return self._only(".uid").uid

    @property
    def path(self) -> Path | None:
        """Path of the only input."""
        return self._only(".path").path

    def _only(self, asked: str) -> Input:
        if len(self._inputs) != 1:
            raise InputError(f"Got {len(self)} inputs. Choose one, inputs[0]{asked}, or loop over them.")
        return self._inputs[0]

    def __len__(self) -> int:
        return len(self._inputs)

    def __iter__(self) -> Iterator[Input]:
        return iter(self._inputs)

    def __contains__(self, name: object) -> bool:
        """Return True if the only input has a stream of this name."""
        return name in self._only("")

    @overload
    def __getitem__(self, key: int) -> Input: ...
    @overload
    def __getitem__(self, key: str) -> InputStream: ...
    def __getitem__(self, key: int | str) -> Input | InputStream:
        """Return the input of a number, or the stream of a name of the only input."""
        return self._only(f'["{key}"]')[key] if isinstance(key, str) else self._inputs[key]

    def __repr__(self) -> str:
        return f"<Inputs {self.label}>"


class ForeignRun(Protocol):
    """A run of databroker or Tiled."""

    @property
    def start(self) -> Mapping[str, Any]:
        """Start document."""


InputLike: TypeAlias = Input | RunLike | os.PathLike[str] | ForeignRun
InputsLike: TypeAlias = Inputs | InputLike | Sequence[InputLike]
"""A run of any library, its uid, a path or an input; or a list of these."""


def as_input(value: object, store: RunStore | None) -> Input:
    """Return one input; see `Inputs.of`."""
    if isinstance(value, Input):
        return value
    if isinstance(value, Run):
        return RunInput(value, store.location if store is not None and value.context is store.context else None)
    if isinstance(value, str):
        return _by_uid(value, store)
    if isinstance(value, os.PathLike):
        return FileInput(value)
    if not isinstance(value, dict) and uid_of(value) is not None:
        from analysis_store.processing.inputs.foreign import ForeignInput

        return ForeignInput(value)
    hint = " Save plain data first: insert_analysis(data, md)." if isinstance(value, (Mapping, np.ndarray)) else ""
    raise InputError(
        f"inputs: Got {type(value).__name__}; expected a run, the uid of one, a pathlib.Path, or a list of these.{hint}"
    )


def _by_uid(uid: str, store: RunStore | None) -> Input:
    if store is None:
        raise InputError(f"inputs: Got the uid {uid!r} and no store to look it up in. Give the run itself.")
    try:
        return RunInput(store[uid], store.location)
    except AmbiguousUidError as error:
        raise InputError(f"inputs: {error}") from error
    except RunNotFoundError as error:
        found = _in_sources(uid, store)
        if found is not None:
            return as_input(found, store)
        a_file = f' For the file of this name give Path("{uid}").' if Path(uid).is_file() else ""
        places = ", ".join([store.location, *map(name_of, store.sources)])
        raise InputError(f"inputs: the run {uid!r} was not found in {places}.{a_file}") from error


def _in_sources(uid: str, store: RunStore) -> Any:
    try:
        found = find_run(store.sources, uid)
    except ProvenanceError as error:
        raise InputError(f"inputs: {error}. Fix this, or give the run itself.") from error
    return None if found is None else found[1]
