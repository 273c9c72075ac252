"""Comparison of two values at any depth: number of differences, their size, and the position of the first."""

from __future__ import annotations

import datetime
import math
from collections import deque
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.errors import AnalysisStoreError
from analysis_store.processing.identity.traversal import parts_of

if TYPE_CHECKING:
    from analysis_store.dtypes import AnyArray

Pair = tuple[Any, Any, str]
"""Two values, and their path: ``[3].fit['centre']``."""

_PLAIN = (str, bytes, bool, type(None), Enum, datetime.date, datetime.time, datetime.timedelta, Decimal, range, slice)


class Differences:
    """Differences found so far, of one data key.

    Parameters
    ----------
    rtol, atol : float
        Numbers are close if ``|a - b| <= atol + rtol * |b|``. Other values, and all with both 0, must be equal.
    """

    def __init__(self, rtol: float, atol: float) -> None:
        self._rtol, self._atol = rtol, atol
        self.compared: int = 0
        """Number of values compared."""
        self.unequal: int = 0
        """Number of values that are not equal, including close ones."""
        self.beyond: int = 0
        """Number of values that are not even close."""
        self.largest: float | None = None
        """Largest absolute difference of two numbers; inf if one is not finite."""
        self.largest_relative: float | None = None
        """Largest difference relative to the second number; inf if that is 0."""
        self.first: str = ""
        """Position of the first value that is not close, or else not equal; with the values there."""

    def compare(self, a: object, b: object, path: str = "") -> None:
        """Compare two values of any types."""
        met: set[tuple[int, int]] = set()
        kept: list[Any] = []  # keeps objects alive, so that ids stay unique
        waiting: list[Pair] = [(a, b, path)]
        while waiting:  # no recursion, since values may be nested to any depth
            a, b, path = waiting.pop()
            if (id(a), id(b)) not in met:
                met.add((id(a), id(b)))
                kept += (a, b)
                waiting.extend(reversed(list(self._inside(a, b, path))))

    def arrays(self, a: AnyArray, b: AnyArray, path: str = "", start: tuple[int, ...] = ()) -> None:
        """Compare two arrays of one shape and kind; ``start`` is their position in the arrays they are parts of."""
        if a.dtype.names:
            for name in a.dtype.names:
                self.arrays(a[name], b[name], f"{path}[{name!r}]", start)
            return
        self.compared += a.size
        unequal = np.argwhere(~np.atleast_1d(_equal(a, b)))
        if not len(unequal):
            return
        where = tuple(unequal.T)
        ours, theirs = np.atleast_1d(a)[where], np.atleast_1d(b)[where]
        beyond = self._beyond(ours, theirs)
        at = int(np.argmax(beyond))  # first one that is not close, else first of all
        index = [int(i) + (start[axis] if axis < len(start) else 0) for axis, i in enumerate(unequal[at])]
        self._add(len(unequal), int(beyond.sum()), f"{path}{index if a.ndim else ''}", ours[at], theirs[at])

    def _beyond(self, a: AnyArray, b: AnyArray) -> AnyArray:
        """Return which of some unequal values are not close; record their largest differences."""
        if a.dtype.kind not in "iufc":
            return np.ones(len(a), bool)
        distance, size = _distance(a, b)
        with np.errstate(all="ignore"):
            relative = np.where(size > 0, distance / size, np.inf)
            close = (distance <= self._atol + self._rtol * size) & np.isfinite(distance)
        self._widen(float(distance.max()), float(np.where(np.isnan(relative), np.inf, relative).max()))
        return ~close

    def _widen(self, absolute: float, relative: float) -> None:
        self.largest = max(self.largest or 0.0, absolute)
        self.largest_relative = max(self.largest_relative or 0.0, relative)

    def _add(self, unequal: int, beyond: int, where: str, a: Any, b: Any) -> None:
        if not self.unequal or (beyond and not self.beyond):
            self.first = f"{where}: {_short(a)} and {_short(b)}".removeprefix(": ")
        self.unequal += unequal
        self.beyond += beyond

    def _differ(self, path: str, a: Any, b: Any) -> None:
        self._add(1, 1, path, a, b)

    def _inside(self, a: Any, b: Any, path: str) -> Iterator[Pair]:
        """Compare two values without their parts, which are yielded in pairs."""
        if type(a) is not type(b):
            self.compared += 1
            self._differ(path, _named(a), _named(b))
        elif isinstance(a, (int, float, complex)) and not isinstance(a, (bool, np.generic)):
            self._numbers(a, b, path)
        elif isinstance(a, (*_PLAIN, AbstractSet)):
            self.compared += 1
            if a != b:
                self._differ(path, a, b)
        elif isinstance(a, np.ma.MaskedArray) and a.shape == b.shape:
            masks = np.ma.getmaskarray(a), np.ma.getmaskarray(b)
            yield *masks, f"{path}.mask"
            yield np.where(masks[0] & masks[1], b.data, a.data), b.data, path  # values masked in both are ignored
        elif isinstance(a, (np.ndarray, np.generic)):
            yield from self._whole_arrays(np.asarray(a), np.asarray(b), path)
        elif isinstance(a, Mapping):
            yield from self._mappings(a, b, path)
        elif isinstance(a, (list, tuple, deque)):
            yield from self._sequences(a, b, path)
        else:
            yield from self._parts(a, b, path)

    def _numbers(self, a: Any, b: Any, path: str) -> None:
        if not isinstance(a, int):
            self.arrays(np.asarray(a), np.asarray(b), path)
            return
        self.compared += 1
        if a != b:  # of any size, beyond floats
            distance, size = abs(a - b), abs(b)
            beyond = distance > Fraction(self._atol) + Fraction(self._rtol) * size
            self._widen(_float(Fraction(distance)), _float(Fraction(distance, size)) if size else math.inf)
            self._add(1, int(beyond), path, a, b)

    def _whole_arrays(self, a: AnyArray, b: AnyArray, path: str) -> Iterator[Pair]:
        told = [f"{kind_of(it.dtype)} {it.shape}" for it in (a, b)]
        if told[0] != told[1]:
            self.compared += 1
            self._differ(path, _Text(told[0]), _Text(told[1]))
        elif a.dtype.kind == "O":
            for index in np.ndindex(a.shape):
                yield a[index], b[index], f"{path}{list(index) if index else ''}"
        else:
            self.arrays(a, b, path)

    def _mappings(self, a: Mapping[Any, Any], b: Mapping[Any, Any], path: str) -> Iterator[Pair]:
        for key in dict.fromkeys([*a, *b]):
            if key in a and key in b:
                yield a[key], b[key], f"{path}[{key!r}]"
            else:
                self.compared += 1
                self._differ(f"{path}[{key!r}]", *(it[key] if key in it else _Text("nothing") for it in (a, b)))

    def _sequences(self, a: Any, b: Any, path: str) -> Iterator[Pair]:
        if len(a) != len(b):
            self.compared += 1
            self._differ(path, _Text(f"{len(a)} items"), _Text(f"{len(b)} items"))
        for index, (one, other) in enumerate(zip(a, b, strict=False)):
            yield one, other, f"{path}[{index}]"

    def _parts(self, a: Any, b: Any, path: str) -> Iterator[Pair]:
        ours, theirs = parts_of(a), parts_of(b)
        if ours is not None and theirs is not None:
            yield from ((part, other, path + label) for label, part, other in _paired(ours, theirs))
            return
        self.compared += 1
        if not _is_equal(a, b):
            self._differ(path, a, b)


def kind_of(dtype: np.dtype) -> str:
    """Return the part of a dtype that must agree: neither the byte order, nor the width of text."""
    return "text" if dtype.kind in "TU" else str(dtype.newbyteorder("="))


def _paired(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for label in dict.fromkeys([*a, *b]):
        yield label, a.get(label, _Text("nothing")), b.get(label, _Text("nothing"))


def _equal(a: AnyArray, b: AnyArray) -> AnyArray:
    """Return which values are equal; NaN and NaT are equal to themselves."""
    if a.dtype.kind == "c":
        return np.asarray(_equal(a.real, b.real) & _equal(a.imag, b.imag))
    equal = a == b
    if a.dtype.kind in "fmM":
        missing = np.isnan if a.dtype.kind == "f" else np.isnat
        equal = equal | (missing(a) & missing(b))
    return np.asarray(equal, bool)


def _distance(a: AnyArray, b: AnyArray) -> tuple[AnyArray, AnyArray]:
    """Return ``|a - b|`` and ``|b|`` without overflow, exact for 64-bit integers."""
    if a.dtype.kind in "iu":
        high, low = np.maximum(a, b), np.minimum(a, b)
        with np.errstate(over="ignore"):
            distance = high.astype(np.uint64) - low.astype(np.uint64)  # modulo 2**64, so that it always fits
        return distance.astype(np.longdouble), np.abs(b.astype(np.longdouble))
    wide = np.clongdouble if a.dtype.kind == "c" else np.longdouble
    with np.errstate(all="ignore"):
        distance, size = np.abs(a.astype(wide) - b.astype(wide)), np.abs(b.astype(wide))
    return np.where(np.isnan(distance), np.longdouble(np.inf), distance), size


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _is_equal(a: Any, b: Any) -> bool:
    """Return True if two values of any class are equal: by their own comparison, else in their stored form."""
    from analysis_store.codecs.digest import digest_nodes
    from analysis_store.codecs.many import Objects

    with suppress(Exception):  # a comparison may raise anything; the codec may succeed
        if bool(a == b):
            return True
    try:
        return digest_nodes(Objects([a]).nodes()) == digest_nodes(Objects([b]).nodes())
    except AnalysisStoreError:
        return False


class _Text(str):
    """A text that its repr shows without quotes; equal only to another with the same text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _named(value: Any) -> _Text:
    """Return the type of a value, and the value."""
    return value if isinstance(value, _Text) else _Text(f"{type(value).__name__} {_short(value)}")


def _short(value: Any) -> str:
    if isinstance(value, np.generic) and value.dtype.kind != "V":
        value = value.item() if value.dtype.kind not in "mMgG" and value.dtype.itemsize <= 16 else str(value)
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else f"{text[:57]}…"
