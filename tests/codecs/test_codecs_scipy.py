"""Codecs of SciPy: sparse arrays and matrices of every form, and what fits return."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from scipy import sparse
from scipy.optimize import LbfgsInvHessProduct, OptimizeResult, least_squares, minimize

from analysis_store.codecs import dump, load
from analysis_store.codecs.registry import for_name
from analysis_store.errors import DamagedFileError, InvalidDataError

FORMS = ("csr", "csc", "coo", "bsr", "dia", "lil", "dok")


def _trip(value):
    """Return a value as a file gives it back."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(value, file, "value")
        return load(file["value"])


def _same(found, matrix):
    assert type(found) is type(matrix)
    assert found.shape == matrix.shape
    assert found.dtype == matrix.dtype
    assert found.nnz == matrix.nnz
    np.testing.assert_array_equal(found.toarray(), matrix.toarray())
    for name in ("data", "indices", "indptr", "offsets"):
        if found.format not in ("lil", "dok") and hasattr(matrix, name):
            np.testing.assert_array_equal(getattr(found, name), getattr(matrix, name))
            assert getattr(found, name).dtype == getattr(matrix, name).dtype


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", ["f8", "f4", "c16", "i2", "u8", "?"])
def test_forms(form, kind, dtype):
    """Each form stays what it is, array or matrix, with its dtype and those of its indices."""
    dense = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [3, 0, 4, 0]], dtype)

    _same(_trip(getattr(sparse, f"{form}_{kind}")(dense)), getattr(sparse, f"{form}_{kind}")(dense))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (1, 5)])
def test_without_elements(form, shape):
    """A matrix in which nothing is stored keeps its shape."""
    matrix = getattr(sparse, f"{form}_array")(shape)

    _same(_trip(matrix), matrix)


@pytest.mark.parametrize("form", ["csr", "coo", "dok"])
def test_one_axis(form):
    """A sparse array of one axis keeps it."""
    matrix = getattr(sparse, f"{form}_array")(np.array([0.0, 1.5, 0.0, -0.0]))

    _same(_trip(matrix), matrix)


def test_three_axes():
    """A sparse array of three axes keeps them."""
    matrix = sparse.coo_array(np.arange(8.0).reshape(2, 2, 2))

    _same(_trip(matrix), matrix)


def test_wide_indices():
    """Indices of 64 bits stay as wide, also where fewer would do."""
    matrix = sparse.csr_array(np.eye(3))
    matrix.indices, matrix.indptr = matrix.indices.astype("i8"), matrix.indptr.astype("i8")
    pairs = sparse.coo_array(np.eye(3))
    pairs.coords = tuple(axis.astype("i8") for axis in pairs.coords)

    _same(_trip(matrix), matrix)
    assert _trip(pairs).coords[0].dtype == "i8"


def test_as_it_is():
    """Elements that come twice, zeros that are stored, and indices out of order are not put in order."""
    data, indices, indptr = np.array([1.0, 2.0, 0.0]), np.array([2, 0, 0], "i4"), np.array([0, 3, 3], "i4")
    matrix = sparse.csr_array((data, indices, indptr), shape=(2, 3))
    pairs = sparse.coo_array((data, (np.array([1, 1, 0]), np.array([0, 0, 2]))), shape=(2, 3))

    _same(_trip(matrix), matrix)
    _same(_trip(pairs), pairs)
    np.testing.assert_array_equal(_trip(pairs).coords, pairs.coords)


def test_blocks():
    """A matrix of blocks keeps their size."""
    matrix = sparse.bsr_array(np.kron(np.eye(2), np.ones((2, 3))), blocksize=(2, 3))

    found = _trip(matrix)

    _same(found, matrix)
    assert found.blocksize == (2, 3)


def test_huge_and_empty():
    """A shape that no memory could hold is only a shape."""
    matrix = sparse.coo_array(([1.0], ([10**11], [5])), shape=(10**12, 10))

    found = _trip(matrix)

    assert found.shape == (10**12, 10)
    assert (found.coords[0].tolist(), found.data.tolist()) == ([10**11], [1.0])


def _state(form, matrix, **changed):
    codec = for_name(f"scipy.sparse.{form}_array")
    return codec, {**codec.to_state(getattr(sparse, f"{form}_array")(matrix)), **changed}


@pytest.mark.parametrize(
    ("form", "changed"),
    [
        ("csr", {"indices": np.array([0, 99], "i4")}),
        ("csr", {"indices": np.array([-1, 1], "i4")}),
        ("csr", {"indptr": np.array([0, 5, 2], "i4")}),
        ("csr", {"indptr": np.array([0, 1], "i4")}),
        ("csr", {"indptr": np.array([1, 1, 2], "i4")}),
        ("csr", {"shape": [10**9, 2]}),
        ("csr", {"shape": [-2, 2]}),
        ("csr", {"shape": range(10**12)}),
        ("lil", {"shape": range(10**12)}),
        ("dia", {"shape": range(10**12)}),
        ("coo", {"coords": range(10**12)}),
        ("csr", {"data": np.array([None, 1], object)}),
        ("csr", {"indices": np.array([0.0, 1.0])}),
        ("csr", {"indices": np.array([0, 2**40])}),
        ("csc", {"indices": np.array([0, 99], "i4")}),
        ("csc", {"shape": [2, 10**9]}),
        ("bsr", {"indices": np.array([99], "i4")}),
        ("bsr", {"data": np.zeros((1, 0, 0))}),
        ("bsr", {"shape": [2**40, 2]}),
        ("coo", {"coords": [np.array([0, 9]), np.array([0, 1])]}),
        ("coo", {"coords": [np.array([0, -1]), np.array([0, 1])]}),
        ("coo", {"coords": [np.array([0]), np.array([0, 1])]}),
        ("dia", {"offsets": np.array([0, 0])}),
        ("dia", {"offsets": np.array([[0]])}),
        ("lil", {"indices": np.array([0, 99], "i4")}),
        ("lil", {"shape": [10**9, 2]}),
        ("dok", {"coords": [np.array([0, 9]), np.array([0, 1])]}),
    ],
)
def test_crafted(form, changed):
    """Indices that lead out of a matrix are found before compiled code follows them."""
    codec, state = _state(form, np.eye(2), **changed)

    with pytest.raises((ValueError, TypeError, IndexError, ZeroDivisionError, OverflowError)):
        codec.from_state(state)


def test_crafted_in_a_file():
    """A changed file is said to be damaged."""
    with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        dump(sparse.csr_array(np.eye(3)), file, "m")
        file["m/indices"][1] = 10**6

        with pytest.raises(DamagedFileError, match=r"scipy.sparse.csr_array.*ind"):
            load(file["m"])


def test_fit():
    """The result of a fit is one again, with all it says."""
    result = least_squares(lambda p: p[0] * np.arange(3.0) - np.arange(3.0) * 2, [1.0])

    found = _trip(result)

    assert type(found) is OptimizeResult
    assert list(found) == list(result)
    assert found.x.tolist() == result.x.tolist()
    assert (found.success, found.message, found.nfev) == (result.success, result.message, result.nfev)


def test_minimum():
    """The inverse of the curvature that L-BFGS leaves multiplies as it did."""
    result = minimize(lambda p: ((p - 3) ** 2).sum(), np.zeros(3), method="L-BFGS-B")

    found = _trip(result)

    assert type(found.hess_inv) is LbfgsInvHessProduct
    np.testing.assert_array_equal(found.hess_inv.todense(), result.hess_inv.todense())


def test_unknown_in_a_fit():
    """What a result holds and no codec knows is named by its place."""
    with pytest.raises(InvalidDataError, match=r"obj\.model: .*function object cannot be stored"):
        _trip(OptimizeResult(model=lambda x: x))
