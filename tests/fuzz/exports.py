"""Mutated exports on their way back: refused by an error of ours, or read as a run, in bounds of time and memory."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path

import numpy as np

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from analysis_store.exchange import export, read_export
from tests.faults.on_disk import ORIGIN
from tests.fuzz.mutation import bent
from tests.fuzz.trial import Attempt

SUFFIXES = {"json": ".json", "yaml": ".yaml", "xml": ".xml", "npz": ".npz", "hdf5": ".h5", "nexus": ".nxs"}
"""The formats that are read back."""


def target(folder: Path) -> Attempt:
    """Export a run of numbers, texts, arrays and an object in every format."""
    event = {"n": 1.5, "text": "é<&>", "x": np.arange(50.0), "object": {"a": {1, 2}, "b": [None, b"x"]}}
    whole = {}
    with AnalysisStore(folder / "store") as store:
        run = store.insert([{"primary": event}, {"primary": event}], {"sample_name": "Fe"}, provenance=ORIGIN)
        for name, suffix in SUFFIXES.items():
            path = folder / f"whole{suffix}"
            export(run, path, format=name)
            read_export(path)
            whole[suffix] = path.read_bytes()

    def attempt(chance: random.Random) -> None:
        suffix = chance.choice(list(whole))
        path = folder / f"bent{suffix}"
        path.write_bytes(bent(whole[suffix], chance))
        with suppress(AnalysisStoreError):
            read_export(path)

    return attempt
