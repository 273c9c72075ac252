"""Inputs for the processors of the library, made of what is in memory."""

from __future__ import annotations

import numpy as np
import xarray as xr

from analysis_store.processing.inputs.in_memory import FreshInput
from analysis_store.processing.inputs.inputs import FileInput, Inputs
from analysis_store.processing.inputs.returned import gather_returned


class Scan(FreshInput):
    """Data that say what was moved."""

    motors: tuple[str, ...] = ()

    @property
    def start(self):
        """As the run engine writes it."""
        return {"motors": list(self.motors)}


def run(units=None, motors=(), **columns):
    """A run whose stream "primary" has these columns, axis 0 = event; a list of arrays of many lengths is ragged."""
    dims = {key: ["event", *(f"{key}_{axis}" for axis in range(1, np.ndim(values)))] for key, values in columns.items()}
    units = units or {}
    table = {key: (dims[key], values, {"units": units[key]} if key in units else {}) for key, values in columns.items()}
    made = Scan(gather_returned({"primary": xr.Dataset(table)}, "a test"), "run 1a2b3c4d")
    made.motors = tuple(motors)
    return made


def file(path):
    """A file."""
    return FileInput(path)


def inputs(*ones):
    """What a processor gets."""
    return Inputs(ones)
