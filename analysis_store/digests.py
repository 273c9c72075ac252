r"""Digests of files and of values: blake3, over an encoding of the values that does not depend on their storage.

The encoding that is hashed (``\n`` is one byte 0A, numbers in ASCII decimal)::

    array   = "array\n"   dtype "\n" length "," ... "\n"  bytes      every axis has its length, events first
    strings = "strings\n" dtype "\n" length "," ... "\n"  text*      text of variable length, in C order
    ragged  = "ragged\n\n" n ",\n"  array*                           one array (without the event axis) per event
    tables  = "tables\n\n" n ",\n"  table*                           one table per event
    table   = "table\n\n" rows "," levels "," label levels "," columns ",\n"  part*
                                                               the levels of the index, of the labels, the columns
    part    = text, then for each of its arrays, by name: text(name) array-or-strings
    text    = 8 bytes, little-endian: how many bytes follow; the UTF-8 bytes

``dtype`` is NumPy's ``dtype.str`` with the byte order made little-endian (``<f8``, ``|b1``, ``<M8[ns]``, ``<U3``);
for strings ``object`` or ``StringDType()``; for structured arrays the fields as JSON, packed.
``bytes`` are the elements in C order, little-endian, bit for bit: the sign of a zero and the payload of a NaN
count, padding is left out (the unused bytes of an 80-bit long double are zero). The first text of a part is JSON
with sorted keys and no spaces: what `analysis_store.frames.Part.spec` says of that level or column.

A digest is written ``blake3:<64 hex digits>``.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from blake3 import blake3

from analysis_store.arrays import LazyValue
from analysis_store.core.text import to_utf8
from analysis_store.dtypes import TEXT_KINDS, AnyArray, named_in_file
from analysis_store.errors import InvalidDataError
from analysis_store.roots import opened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas

ALGORITHM = "blake3"

_FILE_BLOCK = 8 << 20
# Only ten bytes of the 16-byte long double of the x87 are the number.
_PADDED_LONG_DOUBLE = np.dtype(np.longdouble).itemsize == 16 and np.finfo(np.longdouble).nmant == 63


def digest_file(path: str | Path) -> str:
    """Return the digest of a file's bytes, as ``blake3:<hex>``.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    # Not a memory map: a file that is cut short while it is mapped kills the process.
    hasher = blake3(max_threads=blake3.AUTO)
    buffer = memoryview(bytearray(_FILE_BLOCK))
    with opened(path, buffering=0) as file:
        while count := file.readinto(buffer):
            hasher.update(buffer[:count])
    return f"{ALGORITHM}:{hasher.hexdigest()}"


class ValueDigest:
    """The digest of values in one or many blocks; block boundaries do not matter.

    Parameters
    ----------
    shape : tuple of int
        Shape of the whole column, events first.
    dtype : numpy.dtype
        Dtype of every block.
    hasher : blake3.blake3, optional
        A hasher that has read earlier bytes; default: a new one.

    Examples
    --------
    >>> whole, by_row = ValueDigest((2, 3), np.dtype("f8")), ValueDigest((2, 3), np.dtype(">f8"))
    >>> whole.update(np.ones((2, 3)))
    >>> for row in np.ones((2, 3), ">f8"):
    ...     by_row.update(row)
    >>> whole.result() == by_row.result()
    True
    """

    def __init__(self, shape: Sequence[int], dtype: np.dtype, hasher: blake3 | None = None) -> None:
        self._hasher = blake3() if hasher is None else hasher
        self._strings = dtype.kind in TEXT_KINDS
        feed_head(self._hasher, "strings" if self._strings else "array", _dtype_text(dtype), shape)

    def update(self, block: AnyArray) -> None:
        """Add the next values, in C order, of any shape and byte order."""
        if self._strings:
            self._hasher.update(b"".join(piece for text in block.ravel() for piece in _framed(text)))
        elif block.size and block.dtype.itemsize:
            self._hasher.update(canonical_bytes(block).data)

    def result(self) -> str:
        """Return the digest so far, as ``blake3:<hex>``."""
        return f"{ALGORITHM}:{self._hasher.hexdigest()}"


def digest_array(values: AnyArray) -> str:
    """Return the digest of a column: an array whose first axis is the event."""
    digest = ValueDigest(values.shape, values.dtype)
    digest.update(values)
    return digest.result()


class Counted(Protocol):
    """Arrays whose number is known, and that are iterated once."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[AnyArray]: ...


def digest_ragged(values: Counted) -> str:
    """Return the digest of a column whose values, one array per event, differ in shape."""
    hasher = blake3()
    feed_head(hasher, "ragged", "", (len(values),))
    for value in values:
        digest = ValueDigest(value.shape, value.dtype, hasher)
        for block in _blocks(value):
            digest.update(block)
    return f"{ALGORITHM}:{hasher.hexdigest()}"


def _blocks(value: AnyArray | LazyValue) -> Iterable[AnyArray]:
    return value.blocks() if isinstance(value, LazyValue) else (value,)


def digest_tables(frames: Sequence[pandas.DataFrame]) -> str:
    """Return the digest of a column of tables: names, kinds, index and values of each."""
    from analysis_store.frames import take_apart

    hasher = blake3()
    feed_head(hasher, "tables", "", (len(frames),))
    for frame in frames:
        pieces = take_apart(frame)
        feed_head(hasher, "table", "", (len(frame), len(pieces.index), len(pieces.labels), len(pieces.columns)))
        for part in pieces.parts:
            feed_text(hasher, json.dumps(part.spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False))
            for name, values in sorted(part.arrays.items()):
                feed_text(hasher, name)
                ValueDigest(values.shape, values.dtype, hasher).update(values)
    return f"{ALGORITHM}:{hasher.hexdigest()}"


def digest_values(values: AnyArray | Sequence[object]) -> str:
    """Return the digest of a column of any kind: an array, arrays of differing shape, or tables."""
    if isinstance(values, np.ndarray) and not _holds_values(values):
        return digest_array(values)
    items = list(values)
    if items and isinstance(items[0], str):
        return digest_array(np.array(items, dtype=object))
    return digest_ragged(items) if items and isinstance(items[0], np.ndarray) else digest_tables(items)


def digest_foreign(values: Sequence[Any]) -> str | None:
    """Return the digest of values that a caller's own writer stores: arrays or tables; None for other objects.

    Row numbers of a table are compared by value: a writer may return a range as integers.
    """
    kinds = {type(value).__name__ for value in values}
    if kinds == {"DataFrame"}:
        from analysis_store.frames import as_counted

        try:
            return digest_tables([as_counted(frame) for frame in values])
        except InvalidDataError:  # of objects
            return None
    if len(values) and all(isinstance(value, LazyValue) for value in values):
        return _digest_lazy(values)
    if kinds != {"ndarray"} or any(value.dtype.kind not in "biufcmMSU" for value in values):
        return None
    alike = len({(value.shape, value.dtype) for value in values}) == 1
    return digest_values(np.stack(values, dtype=values[0].dtype) if alike else list(values))


def _digest_lazy(values: Sequence[LazyValue]) -> str:
    if len({value.shape for value in values}) > 1:
        return digest_ragged(values)  # type: ignore[arg-type]  # which goes through each a block at a time
    digest = ValueDigest((len(values), *values[0].shape), values[0].dtype)
    for block in itertools.chain.from_iterable(map(_blocks, values)):
        digest.update(block)
    return digest.result()


def _holds_values(values: AnyArray) -> bool:
    """Return True if an object array holds arrays or tables, not text."""
    return values.dtype.kind == "O" and values.ndim == 1 and len(values) > 0 and not isinstance(values[0], str)


def canonical_bytes(block: AnyArray) -> AnyArray:
    """Return the elements as bytes in C order, little-endian and without padding; without a copy if possible."""
    dtype = block.dtype
    if dtype.names is not None:
        dtype = _packed(dtype)
    block = np.ascontiguousarray(block, dtype=dtype.newbyteorder("<"))
    raw: AnyArray = block.reshape(-1).view(np.uint8)
    if _PADDED_LONG_DOUBLE and block.dtype.char in "gG":
        raw = raw.reshape(-1, 16).copy()
        raw[:, 10:] = 0
        raw = raw.reshape(-1)
    return raw


def feed_head(hasher: blake3, kind: str, dtype: str, lengths: Iterable[int]) -> None:
    """Add the header of values: their kind, dtype and lengths."""
    hasher.update(f"{kind}\n{dtype}\n{''.join(f'{length},' for length in lengths)}\n".encode())


def feed_text(hasher: blake3, text: str) -> None:
    """Add a text, preceded by its length."""
    hasher.update(b"".join(_framed(text)))


def _framed(text: object) -> tuple[bytes, bytes]:
    encoded = utf8(text)
    return len(encoded).to_bytes(8, "little"), encoded


def utf8(text: object) -> bytes:
    """Return text as UTF-8.

    Raises
    ------
    InvalidDataError
        The value is not text, or holds a lone surrogate.
    """
    if not isinstance(text, str):
        raise InvalidDataError(f"{text!r} of type {type(text).__name__} is among text; expected only str.")
    return to_utf8(text)


def _dtype_text(dtype: np.dtype) -> str:
    if dtype.kind in TEXT_KINDS:
        return named_in_file(dtype) or ""
    if dtype.names is not None:
        return json.dumps(_packed(dtype).newbyteorder("<").descr)
    return dtype.newbyteorder("<").str


def _packed(dtype: np.dtype) -> np.dtype:
    """Return a structured dtype without padding, at any depth."""
    if dtype.subdtype is not None:
        return np.dtype((_packed(dtype.base), dtype.shape))
    if dtype.names is None:
        return np.dtype(dtype.str)  # without the notes that h5py leaves on a dtype
    return np.dtype([(name, _packed(dtype[name])) for name in dtype.names])
