"""Codecs of SciPy: sparse arrays and matrices in each of their forms, and results of fits.

States; nothing is sorted, summed or left out::

    csr, csc, bsr, lil      data, indices, indptr, shape (of ``lil``, those of csr)
    coo, dok                data, coords (an array for each axis), shape
    dia                     data, offsets, shape
    OptimizeResult          its items, by name
    LbfgsInvHessProduct     steps, gradients
"""

from __future__ import annotations

from functools import partial
from typing import Any

from scipy import sparse
from scipy.optimize import LbfgsInvHessProduct, OptimizeResult

from analysis_store.codecs.libraries.arrays import array, shape
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect

State = dict[str, Any]


def _values(state: State) -> Any:
    return array(state["data"], "biufc")


def _compressed_state(matrix: Any) -> State:
    return {"data": matrix.data, "indices": matrix.indices, "indptr": matrix.indptr, "shape": list(matrix.shape)}


def _compressed(cls: type[Any], state: State) -> Any:
    """Return a matrix after checking every index: compiled code would follow a wrong one out of the array."""
    indices, indptr = array(state["indices"], "i"), array(state["indptr"], "i")
    made = cls((_values(state), indices, indptr), shape=shape(state["shape"]))
    made.check_format(full_check=True)
    # SciPy narrows indices where it can; restore their original width.
    made.indices, made.indptr = indices, indptr
    return made


def _coordinates_state(matrix: Any) -> State:
    return {"data": matrix.data, "coords": list(matrix.coords), "shape": list(matrix.shape)}


def _coordinates(cls: type[Any], state: State) -> Any:
    coords = tuple(array(each, "i") for each in expect(list, state["coords"]))
    made = cls((_values(state), coords), shape=shape(state["shape"]))
    made.coords = coords
    return made


def _diagonals_state(matrix: Any) -> State:
    return {"data": matrix.data, "offsets": matrix.offsets, "shape": list(matrix.shape)}


def _diagonals(cls: type[Any], state: State) -> Any:
    return cls((_values(state), array(state["offsets"], "i")), shape=shape(state["shape"]))


def _rows_state(matrix: Any) -> State:
    return _compressed_state(matrix.tocsr())


def _rows(cls: type[Any], state: State) -> Any:
    through = sparse.csr_array if issubclass(cls, sparse.sparray) else sparse.csr_matrix
    return cls(_compressed(through, state))


def _keys_state(matrix: Any) -> State:
    return _coordinates_state(matrix.tocoo())


def _keys(cls: type[Any], state: State) -> Any:
    through = sparse.coo_array if issubclass(cls, sparse.sparray) else sparse.coo_matrix
    return cls(_coordinates(through, state))


_FORMS = {
    "csr": (_compressed_state, _compressed),
    "csc": (_compressed_state, _compressed),
    "bsr": (_compressed_state, _compressed),
    "coo": (_coordinates_state, _coordinates),
    "dia": (_diagonals_state, _diagonals),
    "lil": (_rows_state, _rows),
    "dok": (_keys_state, _keys),
}


def _sparse(form: str, kind: str) -> Codec:
    cls = getattr(sparse, f"{form}_{kind}")
    to_state, from_state = _FORMS[form]
    return Codec(f"scipy.sparse.{cls.__name__}", cls, to_state, partial(from_state, cls))


# ------------------------------------------------------------------------------------------------ fits


def _result(state: Any) -> OptimizeResult:
    return OptimizeResult(expect(dict, state))


def _inverse_hessian_state(value: Any) -> State:
    return {"steps": value.sk, "gradients": value.yk}


def _inverse_hessian(state: State) -> Any:
    return LbfgsInvHessProduct(array(state["steps"], "f"), array(state["gradients"], "f"))


CODECS: tuple[Codec, ...] = (
    *(_sparse(form, kind) for form in _FORMS for kind in ("array", "matrix")),
    Codec("scipy.optimize.OptimizeResult", OptimizeResult, dict, _result, fields=True),
    Codec("scipy.optimize.LbfgsInvHessProduct", LbfgsInvHessProduct, _inverse_hessian_state, _inverse_hessian),
)
