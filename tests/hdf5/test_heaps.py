"""Heaps of text that are damaged are refused before HDF5 follows the sizes in them."""

from __future__ import annotations

import struct

import h5py
import numpy as np
import pytest

from analysis_store.errors import DamagedFileError
from analysis_store.handlers.columns import LazyDataset
from analysis_store.hdf5.heaps import check_heaps, check_referred


@pytest.fixture
def heap(tmp_path):
    """A file with text of variable length, and where in it the heap begins."""
    path = tmp_path / "texts.h5"
    with h5py.File(path, "w") as file:
        file["texts"] = ["one", "twenty-two", ""]
        file.attrs["units"] = "eV"
    return path, path.read_bytes().index(b"GCOL")


def put(path, place, content):
    """Overwrite some bytes of a file."""
    with path.open("r+b") as file:
        file.seek(place)
        file.write(content)


def test_sound_heap(heap):
    """What HDF5 wrote is accepted, as is a file that has no heap, and one that is not there."""
    path, _ = heap
    check_heaps(path)
    path.write_bytes(b"GCOL")
    check_heaps(path)
    check_heaps(path.with_name("none.h5"))


@pytest.mark.parametrize("size", [515, 2**63, 2**64 - 1, 2**64 - 16, 4000, 4096])
def test_size_that_leads_astray(heap, size):
    """A size that leads into free space, over the end, or backwards is refused; HDF5 would never come back."""
    path, begin = heap
    put(path, begin + 16 + 8, struct.pack("<Q", size))
    with pytest.raises(DamagedFileError, match=rf"texts\.h5 is damaged: .* at byte {begin} is not in a valid order"):
        check_heaps(path)


def test_number_that_is_taken(heap):
    """Two texts of one number are refused, and free space that is shorter than its own head."""
    path, begin = heap
    put(path, begin + 16, struct.pack("<H", 2))
    with pytest.raises(DamagedFileError, match="is not in a valid order"):
        check_heaps(path)


def test_heap_at_the_end_of_a_large_file(tmp_path):
    """The last 64 KiB are looked through, too."""
    path = tmp_path / "large.h5"
    with h5py.File(path, "w") as file:
        file["values"] = np.zeros(3 << 20, np.uint8)
        file["texts"] = ["one", "two"]
    begin = path.read_bytes().index(b"GCOL")
    assert begin > 3 << 20
    check_heaps(path)

    put(path, begin + 16 + 8, struct.pack("<Q", 2**63))
    with pytest.raises(DamagedFileError, match="is not in a valid order"):
        check_heaps(path)


@pytest.mark.parametrize("cut", [30, 3000])
def test_values_that_look_like_a_heap(heap, cut):
    """A file may hold another one as values, even one that is cut short: nothing in it refers to those heaps."""
    path, begin = heap
    damaged = bytearray(path.read_bytes())
    damaged[begin + 24 : begin + 32] = struct.pack("<Q", 2**63)
    outer = path.with_name("outer.h5")
    with h5py.File(outer, "w") as file:
        file.create_dataset("image", data=np.frombuffer(bytes(damaged[: begin + cut]) + b"\xff" * 5000, np.uint8))
        file["texts"] = ["one", "two"]
    assert outer.read_bytes().count(b"GCOL") == 2

    check_heaps(outer)

    put(outer, outer.read_bytes().rindex(b"GCOL") + 16 + 8, struct.pack("<Q", 2**63))
    with pytest.raises(DamagedFileError, match="is not in a valid order"):
        check_heaps(outer)


def test_a_column_amid_a_large_file(tmp_path):
    """The heaps that a column refers to are looked at wherever they are; HDF5 would never come back from this one."""
    path = tmp_path / "column.h5"
    texts = [f"text number {number} of many" for number in range(40_000)]
    with h5py.File(path, "w") as file:
        file.create_dataset("texts", data=texts, dtype=h5py.string_dtype())
    column = LazyDataset(str(path), "/texts")
    assert column.read().tolist() == texts
    begin = path.read_bytes().index(b"GCOL", path.stat().st_size // 2)

    put(path, begin + 16 + 8, struct.pack("<Q", 2**64 - 16))
    check_heaps(path)
    with pytest.raises(DamagedFileError, match=rf"column\.h5 is damaged: .* at byte {begin} is not in a valid order"):
        column.read()
    number = texts.index(next(text for text in column[:100] if text))
    assert column[number].item() == texts[number]


def test_text_that_is_not_there(tmp_path):
    """Elements that were never written refer to no heap, and one that refers to what is none is left to HDF5."""
    path = tmp_path / "column.h5"
    with h5py.File(path, "w") as file:
        texts = file.create_dataset("texts", (3,), h5py.string_dtype())
        texts[1] = "one"
    assert LazyDataset(str(path), "/texts").read().tolist() == ["", "one", ""]
    with path.open("rb") as file:
        check_referred(file.fileno(), np.array([0, 1, 2**63], "u8"), str(path))
