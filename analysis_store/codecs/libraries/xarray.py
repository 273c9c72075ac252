"""Codecs of xarray: variables, arrays, datasets and trees, with coordinates, their indexes, and attributes.

Lazy values (dask, files) are computed and read; ``encoding``, which describes an earlier file,
is dropped. Indexes that xarray creates from pandas' are restored; others are refused.

States::

    Variable, IndexVariable     dims, values, attrs
    DataArray                   name, dims, values, attrs, coords, indexed, indexes
    Dataset                     data (name -> variable), attrs, coords, indexed, indexes
    DataTree                    name, nodes (path -> Dataset without what it inherits)

    coords      name -> variable; without values, if these would be tuples of levels, which are coordinates too
    indexed     names of the coordinates whose index follows from their values
    indexes     for values that do not determine them (levels, frequencies, categories, zones): coords (names),
                index (of pandas), dtypes (of the values of each, None for those of pandas)
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from xarray.indexes import PandasIndex, PandasMultiIndex

from analysis_store.codecs.libraries.arrays import some
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect, hashable
from analysis_store.errors import InvalidDataError

State = dict[str, Any]


# ------------------------------------------------------------------------------------------------ variables


def _variable_state(variable: Any) -> State:
    return {"dims": list(variable.dims), "values": _values(variable), "attrs": dict(variable.attrs)}


def _values(variable: Any) -> Any:
    """Return the values in memory, in the type that holds them: of NumPy, of units, of pandas."""
    data = variable.data
    data = variable.compute().data if hasattr(data, "__dask_graph__") else data
    inside = getattr(data, "array", None)  # older versions of xarray put an array of pandas into one of their own
    return inside if isinstance(inside, pd.api.extensions.ExtensionArray) else data


def _index_variable_state(variable: Any) -> State:
    index = variable.to_index()
    if isinstance(index, pd.MultiIndex):
        raise InvalidDataError(
            f"Got the variable of the dimension {variable.dims[0]!r} with {index.nlevels} levels, which are "
            "coordinates of "
            "their own; expected the DataArray or Dataset of which it is a part, or variable.to_index()."
        )
    return _variable_state(variable)


def _variable(cls: type[Any], state: State) -> Any:
    values, dims = state["values"], expect(list, state["dims"])
    if not hasattr(values, "dtype") or isinstance(values, pd.Index):
        raise TypeError(f"got {type(values).__name__}, expected an array")
    if any(np.iterable(dim) and type(dim) not in (str, tuple) for dim in dims):
        raise TypeError(f"the names of the dims are {dims!r:.60}")
    return cls(tuple(hashable(dims)), values, expect(dict, state["attrs"]))


# ------------------------------------------------------------------------------------------------ coordinates


def _coords_state(owner: Any) -> State:
    """Return the coordinates as variables, and those with an index that their values do not determine."""
    plain: list[Any] = []
    indexes: list[State] = []
    for index, variables in owner.xindexes.group_by_index():
        names = list(variables)
        if type(index) not in (PandasIndex, PandasMultiIndex):
            raise InvalidDataError(
                f"Got the coordinates {names} with an index of type {type(index).__name__}; expected one of pandas. "
                "Use "
                ".drop_indexes(...) and create it again from the coordinates."
            )
        if type(index) is PandasIndex and _follows(index, names[0], variables[names[0]]):
            plain.append(names[0])
        else:
            indexes.append({"coords": names, "index": index.index, "dtypes": _dtypes(index, names)})
    tuples = {index.dim for index in owner.xindexes.values() if isinstance(index, PandasMultiIndex)}
    coords = {name: _coord_state(coord.variable, bare=name in tuples) for name, coord in owner.coords.items()}
    return {"coords": coords, "indexed": plain, "indexes": indexes}


def _coord_state(variable: Any, *, bare: bool) -> State:
    """Return a coordinate, without values if these are tuples of the levels."""
    return {"dims": list(variable.dims), "attrs": dict(variable.attrs)} if bare else _variable_state(variable)


def _follows(index: PandasIndex, name: Hashable, variable: Any) -> bool:
    """Return True if the index is the one that xarray creates from the stored values."""
    made = _made(name, xr.Variable((index.dim,), _values(variable)))
    same_steps = getattr(made.index, "freq", None) == getattr(index.index, "freq", None)
    same = type(made.index) is type(index.index) and made.index.identical(index.index) and same_steps
    return same and made.coord_dtype == index.coord_dtype


def _dtypes(index: Any, names: list[Any]) -> list[Any]:
    """Return NumPy's dtype of the values of each coordinate, None for those of pandas."""
    told = index.level_coords_dtype if isinstance(index, PandasMultiIndex) else {}
    dtypes = [told.get(name, index.coord_dtype) for name in names]
    return [dtype if isinstance(dtype, np.dtype) else None for dtype in dtypes]


def _made(name: Hashable, variable: Any) -> PandasIndex:
    return PandasIndex.from_variables({name: variable}, options={})


def _coords(state: State) -> xr.Coordinates:
    places = _places(expect(list, state["indexes"]))
    variables = {
        name: _variable(xr.Variable, {**places.get(name, {}), **each}) for name, each in state["coords"].items()
    }
    indexes: dict[Any, Any] = {name: _made(name, variables[name]) for name in hashable(expect(list, state["indexed"]))}
    for told in state["indexes"]:
        indexes.update(dict.fromkeys(hashable(expect(list, told["coords"])), _index(told, variables)))
    for index in {id(index): index for index in indexes.values()}.values():
        of_it = {name: variables[name] for name in indexes if indexes[name] is index}
        variables.update(index.create_variables(of_it))
    return xr.Coordinates(variables, indexes)


def _places(indexes: list[State]) -> dict[Any, State]:
    """Return placeholders for the values of coordinates until their index creates them."""
    levels = [told for told in indexes if isinstance(told["index"], pd.MultiIndex)]
    return {
        name: {"values": np.zeros(len(told["index"]), bool)}
        for told in levels
        for name in hashable(expect(list, told["coords"]))
    }


def _index(told: State, variables: Mapping[Any, Any]) -> Any:
    index, names = some(pd.Index, told["index"]), told["coords"]
    if any(variables[name].shape != index.shape for name in names):
        raise ValueError(f"the index of {names} does not fit them")
    dim = variables[names[0]].dims[0]
    if not isinstance(index, pd.MultiIndex):
        return PandasIndex(index, dim, told["dtypes"][0])
    dtypes = zip(names, told["dtypes"], strict=True)
    return PandasMultiIndex(index, dim, {name: dtype or variables[name].dtype for name, dtype in dtypes})


# ------------------------------------------------------------------------------------------------ arrays, sets, trees


def _array_state(array: Any) -> State:
    return {"name": array.name, **_variable_state(array.variable), **_coords_state(array)}


def _array(state: State) -> xr.DataArray:
    variable = _variable(xr.Variable, state)
    return xr.DataArray(variable, _coords(state), name=hashable([state["name"]])[0])


def _dataset_state(dataset: Any) -> State:
    data = {name: _variable_state(each.variable) for name, each in dataset.data_vars.items()}
    return {"data": data, **_coords_state(dataset), "attrs": dict(dataset.attrs)}


def _dataset(state: State) -> xr.Dataset:
    data = {name: _variable(xr.Variable, each) for name, each in state["data"].items()}
    return xr.Dataset(data, _coords(state), state["attrs"])


def _tree_state(tree: Any) -> State:
    nodes = {path: node.to_dataset(inherit=False) for path, node in tree.subtree_with_keys}
    return {"name": tree.name, "nodes": nodes}


def _tree(state: State) -> xr.DataTree:
    return xr.DataTree.from_dict(state["nodes"], name=state["name"])


CODECS: tuple[Codec, ...] = (
    Codec("xarray.Variable", xr.Variable, _variable_state, partial(_variable, xr.Variable), fields=True),
    Codec(
        "xarray.IndexVariable",
        xr.IndexVariable,
        _index_variable_state,
        partial(_variable, xr.IndexVariable),
        fields=True,
    ),
    Codec("xarray.DataArray", xr.DataArray, _array_state, _array, fields=True),
    Codec("xarray.Dataset", xr.Dataset, _dataset_state, _dataset, fields=True),
    Codec("xarray.DataTree", xr.DataTree, _tree_state, _tree, fields=True),
)
