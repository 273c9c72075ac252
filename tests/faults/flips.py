"""Flips one byte of a run file after the other, and tells what became of each: ``python -m tests.faults.flips``.

A process of its own, because a damaged file may take the library that reads it down.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from analysis_store.runs.read.reader import RunFile
from analysis_store.runs.read.run import Run

OFTEN = 8
"""One in so many flips that were found is read with `read_checked`, too."""


def seen(run: Run) -> list[Any]:
    """Return all that is read of a run, bit for bit."""
    found: list[Any] = [[name, json.dumps(doc, default=repr)] for name, doc in run.documents()]
    for name, stream in run.items():
        found.append([name, stream.times.tobytes().hex(), json.dumps(stream.descriptors)])
        found += [[key, repr(bits(column.read()))] for key, column in stream.items()]
    return found


def bits(values: Any) -> Any:
    """Return values as what two of them can be told apart by."""
    if isinstance(values, np.ndarray) and values.dtype.kind != "O":
        return values.dtype.str, values.shape, values.tobytes()
    return [bits(value) for value in values] if isinstance(values, (list, np.ndarray)) else repr(values)


def checked(store: AnalysisStore, uid: str) -> Any:
    """Return what `read_checked` hands out, or None where it refuses."""
    try:
        read = store.read_checked(uid)
    except AnalysisStoreError:
        return None
    return {name: (dict(array.attrs), bits(array.values)) for name, array in read.variables.items()}


class Flips:
    """One run file, of which bytes are flipped, and what was read of it when it was whole."""

    def __init__(self, folder: Path) -> None:
        self.store = AnalysisStore(folder)
        self.run = self.store[-1]
        self.path = self.run.record.path
        self.whole, self.checked = seen(self.run), checked(self.store, self.run.uid)
        self.found = 0

    def became(self) -> str:
        """Say what became of the flip that was just made; the file alone is asked, as where the catalog is lost."""
        run = None
        try:
            run = Run(RunFile(self.run.file).record(self.path), self.run.context)
            if seen(run) == self.whole:
                return "harmless"
        except AnalysisStoreError:
            pass
        if run is not None and run.verify():
            return "wrong"
        self.found += 1
        if self.found % OFTEN == 0 and checked(self.store, self.run.uid) not in (None, self.checked):
            return "handed out"
        return "found"


def main(folder: str, first: int, step: int) -> None:
    """Flip every ``step``-th byte from ``first`` on, the bits in turn, and print for each what became of it."""
    flips = Flips(Path(folder))
    flips.run.file.chmod(0o644)
    content = flips.run.file.read_bytes()
    with flips.run.file.open("r+b", buffering=0) as file:
        for place in range(first, len(content), step):
            os.pwrite(file.fileno(), bytes([content[place] ^ 1 << place % 8]), place)
            print(place, flush=True, end=" ")
            try:
                print(flips.became())
            finally:
                os.pwrite(file.fileno(), content[place : place + 1], place)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
