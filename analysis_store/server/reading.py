"""Client class that reads datasets of ours, locally or remotely, with every dtype as it was stored.

Tiled finds the class by the first spec of the dataset, through the entry-point group ``tiled.special_client``; a
client on a machine without this package uses its own class, by the second spec.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray
from tiled.client.array import ArrayClient
from tiled.client.utils import ClientError
from tiled.client.xarray import DaskDatasetClient

from analysis_store.runs.read.dataset import held
from analysis_store.runs.values.times import NOT_A_TIME, restored

Found = dict[str, tuple[Any, ...]]


class AnalysisDatasetClient(DaskDatasetClient):
    """Reads a dataset with every dtype as it was stored, and leaves out a variable that cannot be read.

    Tiled's own client fetches all one-dimensional variables at once, as an Arrow table through pandas. This is
    fast, and correct for numbers; complex numbers, strings, times and big-endian numbers change their dtype.
    This class fetches those as arrays.
    """

    def read(self, variables: object = None, *, optimize_wide_table: bool = True) -> xarray.Dataset:
        """Return the dataset, or some of its variables; in memory, unless the client was created for dask."""
        try:
            return self._read(variables, optimize_wide_table)
        except ClientError:  # the common table fails if one of its variables cannot be read: fetch each one alone
            if not optimize_wide_table:
                raise
            return self._read(variables, False)

    def _read(self, variables: Any, optimize_wide_table: bool) -> xarray.Dataset:
        dataset: xarray.Dataset = super().read(variables, optimize_wide_table=optimize_wide_table)
        in_memory = issubclass(self.structure_clients["array"], ArrayClient)
        return dataset.load() if in_memory else dataset

    def _build_arrays(self, variables: Any, optimize_wide_table: bool) -> tuple[Found, Found, set[str]]:
        clients = {name: client for name, client in self.items() if variables is None or name in variables}
        together = {name for name, client in clients.items() if optimize_wide_table and _is_in_table(client)}
        stream = self.metadata["attrs"].get("stream_name", "the configuration")
        data, coordinates, direct = super()._build_arrays(together, True) if together else ({}, {}, set())
        for name, client in clients.items():
            if name in together:
                continue
            try:
                values = client.read()
            except ClientError as error:
                warnings.warn(f"{name!r} is left out: {error}", stacklevel=4)
                continue
            found = coordinates if any(spec.name == "xarray_coord" for spec in client.specs) else data
            attrs = client.metadata["attrs"]
            found[name] = (client.dims, *held(name, stream, *restored(values, attrs)))
            direct.add(name)
        return _in_order(data, clients), _in_order(coordinates, clients), direct


def _is_in_table(client: Any) -> bool:
    """Return True if a variable can be fetched through the common table without change."""
    return is_exact(client.dtype) and len(client.shape) < 2 and NOT_A_TIME not in client.metadata["attrs"]


def is_exact(dtype: np.dtype) -> bool:
    """Return True if values of this dtype pass through Arrow and pandas without change."""
    return dtype.kind in "biuf" and dtype.isnative and dtype.itemsize <= 8


def _in_order(found: Found, names: Iterable[str]) -> Found:
    return {name: found[name] for name in names if name in found}
