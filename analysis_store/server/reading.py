"""How a Tiled client reads a dataset of ours, near or far: every dtype as it was stored, key by key.

Tiled finds the class by the first spec of the dataset, through the entry-point group ``tiled.special_client``; a
client on a machine without this package takes its own, by the second spec.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import xarray
from tiled.client.array import ArrayClient
from tiled.client.utils import ClientError
from tiled.client.xarray import DaskDatasetClient

Found = dict[str, tuple[Any, ...]]


class AnalysisDatasetClient(DaskDatasetClient):
    """Reads a dataset with every dtype as it was stored, and leaves out a variable that cannot be read.

    Tiled's own client fetches all one-dimensional variables at once, as an Arrow table through pandas. That is
    quick, and right for numbers; complex ones, strings, times and big-endian ones come back as something else.
    Those are fetched as the arrays they are.
    """

    def read(self, variables: Any = None, *, optimize_wide_table: bool = True) -> xarray.Dataset:
        """Return the dataset, or some of its variables; in memory, unless the client was made for dask."""
        dataset: xarray.Dataset = super().read(variables, optimize_wide_table=optimize_wide_table)
        in_memory = issubclass(self.structure_clients["array"], ArrayClient)
        return dataset.load() if in_memory else dataset

    def _build_arrays(self, variables: Any, optimize_wide_table: bool) -> tuple[Found, Found, set[str]]:
        names = [name for name in self if variables is None or name in variables]
        exact = {name for name in names if is_exact(self[name].dtype)}
        data, coordinates, direct = super()._build_arrays(exact, optimize_wide_table)
        for name in (name for name in names if name not in exact):
            try:
                found = super()._build_arrays({name}, False)
            except ClientError as error:
                warnings.warn(f"{name!r} is left out: {error}", stacklevel=3)
                continue
            data, coordinates, direct = {**data, **found[0]}, {**coordinates, **found[1]}, direct | found[2]
        return _in_order(data, names), _in_order(coordinates, names), direct


def is_exact(dtype: np.dtype[Any]) -> bool:
    """Tell whether values of this dtype come through Arrow, and through pandas behind it, as they were."""
    return dtype.kind in "biuf" and dtype.isnative and dtype.itemsize <= 8


def _in_order(found: Found, names: list[str]) -> Found:
    return {name: found[name] for name in names if name in found}
