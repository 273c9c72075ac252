"""Inputs in storage: a run of a store, a file."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_store.errors import AnalysisStoreError, InputError, StreamNotFoundError
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.inputs.base import DocumentedInput, Input, InputStream, run_digest
from analysis_store.provenance.inputs import inspect_files
from analysis_store.provenance.parts import InputFile, Parent

if TYPE_CHECKING:
    from analysis_store.documents import Document
    from analysis_store.runs.read.run import Run


class RunInput(DocumentedInput):
    """A run of a store."""

    def __init__(self, run: Run, home: str | None = None) -> None:
        self.run = run
        self._home = home
        self.uid: str = run.uid
        self.label: str = f"run {run.uid[:8]}"

    @cached_property
    def digest(self) -> str:
        """Digest of its uid and the digests of its values."""
        return run_digest(self.run.uid, self.run.digests)

    @property
    def start(self) -> Document:
        """A copy of the start document."""
        return copy.deepcopy(self.run.start)

    @property
    def stop(self) -> Document | None:
        """The stop document."""
        return self.run.stop

    @property
    def parents(self) -> list[Parent]:
        """The run."""
        return [Parent(self.run.uid, self._home, resolved=True, seen=True)]

    def check_readable(self) -> None:
        """Raise for a run whose file is missing or was changed."""
        try:
            _ = self.run.content
        except AnalysisStoreError as error:
            raise InputError(f"{self.label} cannot be read: {error}") from error

    def __iter__(self) -> Iterator[str]:
        return iter(self.run)

    def __getitem__(self, name: str) -> InputStream:
        if name not in self.run:
            raise self._no_stream(name)
        stream = self.run[name]
        return InputStream(name, self.label, stream.data_keys, stream.__getitem__, lambda: stream.times)


class FileInput(Input):
    """A file, identified by its content in any location."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        problems: list[str] = []
        self.path: Path = Path(path).expanduser().absolute()
        self.label: str = str(self.path)
        (self._file,) = inspect_files([InputFile.of(self.path)], problems, trusted=False)
        if problems:
            raise InputError(f"inputs: {problems[0].removeprefix('files: ')}")

    @property
    def digest(self) -> str:
        """Digest of its bytes."""
        return digest_of(["file", self._file.digest])

    @property
    def files(self) -> list[InputFile]:
        """The file."""
        return [self._file]

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __getitem__(self, name: str) -> InputStream:
        raise StreamNotFoundError(
            f"{self.label} is a file and has no stream {name!r}. Read it from inputs.path, or save it as a run with "
            "store.insert_file and use that."
        )
