"""Curves: the numbers of a scan, of a result or of a column file, one array per curve, and their return as results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from analysis_store.errors import InputError
from analysis_store.runs.importers.files import read_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    import xarray

    from analysis_store.processing.inputs.inputs import Input, Inputs
    from analysis_store.runs.read.lazy import LazyArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Columns:
    """The numeric keys of one stream, or the columns of one file."""

    label: str
    """Name of the input in messages."""

    values: Mapping[str, Any]
    """Key -> array, axis 0 = event."""

    units: Mapping[str, str]
    """Key -> units, if known."""

    motors: tuple[str, ...] = ()
    """Keys of the scanned axes, if the run has them."""

    setpoints: frozenset[str] = frozenset()
    """Other keys of the motors: their setpoints. Used only if named."""

    def curves(self, *keys: str) -> Iterator[tuple[Floats, ...]]:
        """Yield these keys, float64 of shape (points,) each, curve by curve.

        Keys with one number per event are one curve across the events; keys with one array per event are one curve per
        event.

        Raises
        ------
        InputError
            A key is missing or is not a curve; the curves have different lengths, or there are no curves.
        """
        found = [self._rows(key) for key in keys]
        if len({len(rows) for rows in found}) != 1 or not len(found[0]):
            told = ", ".join(f"{key}: {len(rows)}" for key, rows in zip(keys, found, strict=True))
            raise InputError(f"{self.label}: {told} curves came; expected as many of each, and one at least.")
        for rows in zip(*found, strict=True):
            curve = tuple(np.asarray(row, np.float64) for row in rows)
            if len({one.shape for one in curve}) > 1 or curve[0].ndim != 1 or not curve[0].size:
                told = ", ".join(f"{key}: {one.shape}" for key, one in zip(keys, curve, strict=True))
                raise InputError(
                    f"{self.label}: shapes {told} came; expected curves of one length, one point at least."
                )
            yield curve

    def _rows(self, key: str) -> Any:
        self.check(key)
        values = self.values[key]
        return [values] if len(values.shape) == 1 and values.dtype.kind != "O" else values

    def check(self, *keys: str) -> None:
        """Raise for missing keys.

        Raises
        ------
        InputError
            The message lists the existing keys.
        """
        for key in keys:
            if key not in self.values:
                raise InputError(f"{self.label}: no numbers {key!r}; name one of {list(self.values)}.")

    def only(self, parameter: str, *besides: str | None) -> str:
        """Return the only other numeric key.

        Raises
        ------
        InputError
            There is no such key, or there are several; `parameter` is named as the way to choose.
        """
        left = [key for key in self.values if key not in besides and key not in self.setpoints]
        if len(left) != 1:
            raise InputError(f"{self.label}: has the numbers {left}; name one, {parameter}=key.")
        return left[0]


def columns_of(inputs: Inputs, stream: str) -> Columns:
    """Return the numeric keys of a stream of the only input; of a file, its columns.

    Raises
    ------
    InputError
        There are several inputs, or the stream is missing.
    """
    (one,) = expected(inputs, "one input, a run or a column file")
    if one.path is not None:
        file = read_columns(one.path)
        return Columns(one.label, {key: it for key, it in file.columns.items() if it.dtype.kind in "iuf"}, file.units)
    found = numeric(one, stream)
    units = {key: str(values.attrs["units"]) for key, values in found.items() if values.attrs.get("units")}
    motors = tuple(key for key in one.start.get("motors") or () if key in found)
    device = {key: one[stream].data_keys[key].get("object_name") for key in found}
    moved = {device[key] for key in motors} - {None}
    return Columns(one.label, found, units, motors, frozenset(key for key in found if device[key] in moved) - {*motors})


Returned: TypeAlias = "list[dict[str, dict[str, xarray.Variable]]] | dict[str, xarray.Dataset]"
"""Events, or the columns of streams."""


def numeric(one: Input, stream: str) -> dict[str, LazyArray]:
    """Return the keys of a stream that hold real numbers, including arrays of them.

    Raises
    ------
    InputError
        The stream is missing.
    """
    if stream not in list(one):
        raise InputError(f"{one.label}: no stream {stream!r}; name one of {list(one)}, stream=name.")
    return {key: it for key, it in one[stream].items() if it.dtype.kind in "iufb" or it.form == "ragged"}


def expected(inputs: Inputs, what: str, number: int = 1) -> list[Input]:
    """Return the inputs after checking their number.

    Raises
    ------
    InputError
        There are more or fewer.
    """
    if len(inputs) != number:
        raise InputError(f"{len(inputs)} inputs came; expected {what}.")
    return list(inputs)


def returned(
    rows: Sequence[Mapping[str, object]], units: Mapping[str, str], dims: Mapping[str, Iterable[str]]
) -> Returned:
    """Return rows in the form that a processor returns: the events of stream "primary", whose keys have units and dims.

    Parameters
    ----------
    rows : sequence of mapping
        One for each event, with the same keys: numbers, or arrays.
    units : mapping
        Key -> units; an empty text means no units.
    dims : mapping
        Key -> names of the dimensions of one value.
    """
    import xarray

    def labelled(key: str, value: Any, *outer: str) -> Any:
        return ([*outer, *dims.get(key, ())], value, {"units": units[key]} if units.get(key) else {})

    found = {key: [np.asarray(row[key]) for row in rows] for key in rows[0]}
    if any(len({value.shape for value in values}) > 1 for values in found.values()):  # a Dataset cannot be ragged
        return [{"primary": {key: xarray.Variable(*labelled(key, row[key])) for key in row}} for row in rows]
    return {"primary": xarray.Dataset({key: labelled(key, np.stack(it), "event") for key, it in found.items()})}
