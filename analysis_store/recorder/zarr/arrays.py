"""The arrays of one key in a Zarr group: its values, and their ends if they differ in size."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from analysis_store.core.memory import check_fits
from analysis_store.errors import DamagedFileError

if TYPE_CHECKING:
    import zarr

    from analysis_store.dtypes import AnyArray
    from analysis_store.recorder.core.value_kinds import Form

_BYTES = np.dtype("u1")
_INTEGERS = np.dtype("i8")
_ESCAPED = re.compile(r"[%\\]|^\.")

_CODECS = {"blosc", "bz2", "gzip", "lz4", "lzma", "zlib", "zstd"}
"""Accepted compressors of chunks; other codecs of Zarr do not compress, or run code."""

# Empty chunks are written, too: otherwise a chunk of -0.0 would be read as 0.0.
_CONFIG: Any = {"write_empty_chunks": True}


class Arrays:
    """The stored arrays of a key; `sizes` gives the valid part of each array, the rest was left by a dead writer.

    The arrays are ``values`` and ``time``; for values that differ in size also ``ends``, the end of each in the flat
    ``values``; and for arrays of many shapes also ``shapes`` and ``shape_ends``.
    """

    def __init__(self, root: Path, key: str, form: Form, sizes: dict[str, int], *, block: int, writes: bool) -> None:
        self.form: Form = form
        self.sizes: dict[str, int] = sizes
        self._root, self._where = root, _where(key)
        self._block = block
        self._mode: Literal["r", "r+"] = "r+" if writes else "r"
        self._open: dict[str, zarr.Array[Any]] = {}

    def __len__(self) -> int:
        return self.sizes["time"]

    def make(self) -> None:
        """Create empty arrays, in place of arrays that a dead writer may have left."""
        import zarr

        zarr.create_group(self._root, path=self._where, zarr_format=2, overwrite=True)
        for name, (dtype, shape) in self._columns().items():
            dimensions = [name if name == "shapes" or self._is_flat(name) else "time"]
            self._open[name] = zarr.create_array(
                self._root,
                name=f"{self._where}/{name}",
                shape=(0, *shape),
                chunks=_chunks(dtype, shape, self._block),
                dtype=dtype,
                attributes={
                    **({"units": "seconds since 1970-01-01"} if name == "time" else {}),
                    **(dict(self.form.attrs) if name == "values" else {}),
                    "_ARRAY_DIMENSIONS": dimensions + [f"axis_{axis + 1}" for axis in range(len(shape))],
                },
                zarr_format=2,
                config=_CONFIG,
            )

    def room(self) -> int:
        """Return the number of bytes of values that fill the last chunk."""
        dtype, shape = self._columns()["values"]
        row = dtype.itemsize * math.prod(shape)
        whole = row * _chunks(dtype, shape, self._block)[0] or self._block
        return whole - (self.sizes["values"] * row) % whole

    def write(self, values: list[object], times: list[float]) -> None:
        """Append values; they are valid when `sizes` are stored. An error leaves `sizes` unchanged."""
        rows = {**self._rows(values), "time": np.array(times)}
        for name, added in rows.items():
            array, start = self._array(name), self.sizes[name]
            array.resize((start + len(added), *array.shape[1:]))
            if added.size:
                array[start:] = added
        self.sizes = {name: self.sizes[name] + len(added) for name, added in rows.items()}

    def cut(self) -> None:
        """Remove invalid rows."""
        for name, size in self.sizes.items():
            array = self._array(name)
            if array.shape[0] != size:
                array.resize((size, *array.shape[1:]))

    def read(self, run: slice, rest: tuple[Any, ...] = ()) -> Any:
        """Return stored values, as from `Form.fitted`: an array, or an object array if they differ in size."""
        if self.form.kind == "array":
            found = np.asarray(self._array("values", run.stop)[(run, *rest)])
            if not _is_raw(self.form.dtype):
                return found
            return np.ascontiguousarray(found).view(self.form.dtype)[..., 0]
        if run.step != 1:
            return [value for at in range(run.start, run.stop, run.step) for value in self.read(slice(at, at + 1, 1))]
        values, shapes = self._cut("values", "ends", run), None
        if self.form.kind == "ragged":
            shapes = self._cut("shapes", "shape_ends", run)
        return [self._whole(value, None if shapes is None else shapes[at]) for at, value in enumerate(values)]

    def times(self, run: slice) -> AnyArray:
        """Return the times of stored values."""
        return np.asarray(self._array("time", run.stop)[run])

    def _whole(self, value: AnyArray, shape: AnyArray | None) -> Any:
        if shape is None:
            return value.tobytes().decode() if self.form.kind == "text" else value.tobytes()
        return np.ascontiguousarray(value).view(self.form.dtype).reshape(tuple(shape.tolist()))

    def _cut(self, name: str, ends: str, run: slice) -> list[AnyArray]:
        """Return the parts of a flat array for consecutive values."""
        before = max(0, run.start - 1)
        marks = np.asarray(self._array(ends, run.stop)[before : run.stop])
        marks = marks if run.start else np.concatenate([[0], marks])
        found = np.asarray(self._array(name, int(marks[-1]))[int(marks[0]) : int(marks[-1])])
        return np.split(found, marks[1:-1] - marks[0])

    def _rows(self, values: list[Any]) -> dict[str, AnyArray]:
        if self.form.kind == "array":
            rows = np.array(values, self.form.dtype).reshape(len(values), *self.form.shape)
            return {"values": _raw(rows) if _is_raw(self.form.dtype) else rows}
        if self.form.kind == "text":
            values = [value.encode() for value in values]
        if self.form.kind != "ragged":
            return self._flat([np.frombuffer(value, _BYTES) for value in values], "values", "ends")
        flat = [_raw(value.ravel()).ravel() if _is_raw(self.form.dtype) else value.ravel() for value in values]
        shapes = [np.array(value.shape, _INTEGERS) for value in values]
        return {**self._flat(flat, "values", "ends"), **self._flat(shapes, "shapes", "shape_ends")}

    def _flat(self, parts: list[AnyArray], name: str, ends: str) -> dict[str, AnyArray]:
        sizes = np.array([len(part) for part in parts], _INTEGERS)
        return {name: np.concatenate(parts), ends: np.cumsum(sizes) + self.sizes[name]}

    def _columns(self) -> dict[str, tuple[np.dtype, tuple[int, ...]]]:
        """Return dtype and shape of a row of each array."""
        form = self.form
        dtype, shape = form.dtype, form.shape
        if form.kind in {"text", "object"}:
            dtype = _BYTES
        elif _is_raw(dtype):
            dtype, shape = _BYTES, (*shape, dtype.itemsize) if form.kind == "array" else ()
        names = {"array": (), "ragged": ("ends", "shapes", "shape_ends")}.get(form.kind, ("ends",))
        return {
            "values": (dtype, shape if form.kind == "array" else ()),
            **dict.fromkeys(names, (_INTEGERS, ())),
            "time": (np.dtype(float), ()),
        }

    def none(self) -> dict[str, int]:
        """Return the sizes of empty arrays."""
        return dict.fromkeys(self._columns(), 0)

    def _is_flat(self, name: str) -> bool:
        return name == "values" and self.form.kind != "array"

    def _array(self, name: str, size: int = 0) -> Any:
        """Return an array; an array that has grown in another process is opened again."""
        found = self._open.get(name)
        if found is None or found.shape[0] < size:
            found = self._open[name] = opened(self._root, f"{self._where}/{name}", *self._columns()[name], self._mode)
        return found


class Latest:
    """The value of a set key: each value is a new array, so that a reader always finds a complete one."""

    def __init__(self, root: Path, key: str, number: int = 0) -> None:
        self._root, self._where, self.number = root, _where(key), number

    def make(self) -> None:
        """Create the folder of the key, which checks that the file system accepts its name."""
        (self._root / self._where).mkdir(parents=True, exist_ok=True)

    def write(self, data: bytes) -> None:
        """Store the bytes of an object next to the previous ones; they are valid when `number` is stored."""
        import zarr

        rows = np.frombuffer(data, _BYTES)
        name = f"{self._where}/value-{self.number + 1}"
        zarr.create_array(self._root, name=name, data=rows, chunks=(len(rows),), zarr_format=2, overwrite=True)
        self.number += 1

    def drop(self) -> None:
        """Remove the earlier values."""
        for path in (self._root / self._where).glob("value-*"):
            if path.name != f"value-{self.number}":
                shutil.rmtree(path, ignore_errors=True)

    def read(self) -> bytes:
        """Return the valid bytes."""
        return np.asarray(opened(self._root, f"{self._where}/value-{self.number}", _BYTES, (), "r")[:]).tobytes()


def opened(root: Path, where: str, dtype: np.dtype, row: tuple[int, ...], mode: Literal["r", "r+"]) -> zarr.Array[Any]:
    """Return an array after checking its metadata, which may be untrusted.

    Raises
    ------
    DamagedFileError
        It is a different array.
    TooLargeError
        Its chunks do not fit into memory.
    """
    import zarr

    try:
        found: zarr.Array[Any] = zarr.open_array(root, path=where, mode=mode, zarr_format=2, config=_CONFIG)
    except FileNotFoundError:  # also a ValueError
        raise
    except (TypeError, ValueError) as error:
        raise DamagedFileError(f"{root}/{where} is not a recorded array: {error}.") from error
    codecs = [codec.codec_id for codec in (*found.filters, *found.compressors)]
    if (found.dtype, found.shape[1:]) != (dtype, row) or not _CODECS.issuperset(codecs):
        raise DamagedFileError(
            f"{root}/{where} has {found.dtype} values of shape {found.shape[1:]}, packed by {codecs}; expected {dtype} "
            f"of shape {row}, packed by one of {sorted(_CODECS)}. It was changed, or written by another program."
        )
    check_fits(math.prod(found.chunks) * dtype.itemsize, f"One chunk of {root}/{where}")
    return found


def _where(key: str) -> str:
    return "/".join(_ESCAPED.sub(_escape, name) for name in key.split("/"))


def _escape(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


def _chunks(dtype: np.dtype, shape: tuple[int, ...], block: int) -> tuple[int, ...]:
    """Return a shape of about ``block`` bytes: many values, or a part of a large value with complete last axes."""
    left, chunks = max(1, block // max(1, dtype.itemsize)), []
    for axis, size in enumerate((left, *shape)):
        below = max(1, math.prod(shape[axis:]))
        chunks.append(max(1, min(size, left // below)))
    return tuple(chunks)


def _is_raw(dtype: np.dtype) -> bool:
    """Return True if Zarr does not support a dtype (long doubles, times of unusual units): it is stored as bytes."""
    if dtype.kind in "mM":
        return np.datetime_data(dtype)[0] == "generic" or np.datetime_data(dtype)[1] != 1
    return (dtype.kind == "f" and dtype.itemsize > 8) or (dtype.kind == "c" and dtype.itemsize > 16)


def _raw(rows: AnyArray) -> AnyArray:
    return np.ascontiguousarray(rows)[..., None].view(_BYTES)
