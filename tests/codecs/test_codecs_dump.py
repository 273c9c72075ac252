"""How objects lie in a file: forms, names, sharing, what is refused and what then stays."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest

from analysis_store.codecs import Plain, dump, load, register_codec
from analysis_store.codecs.encode import MAX_TREE
from analysis_store.codecs.graph import MAX_DEPTH
from analysis_store.codecs.lazy import LazyValues
from analysis_store.errors import (
    CodecError,
    DamagedFileError,
    InvalidDataError,
    StoreVersionError,
    StoreWriteError,
    UnknownTypeError,
)


@pytest.fixture
def file() -> Iterator[h5py.File]:
    """A file in memory, which belongs to somebody else."""
    with h5py.File(io.BytesIO(), "w") as made:
        made["theirs"] = [1, 2, 3]
        yield made


def listing(file: h5py.File) -> list[str]:
    """Return the path of everything in a file."""
    found: list[str] = []
    file.visit(found.append)
    return found


@dataclass
class Fit:
    """A class that tells its fields."""

    model: Any
    center: float = 0.0


# ------------------------------------------------------------------------------------------------ forms


def test_plain_h5py_reads_what_was_dumped(file: h5py.File) -> None:
    """Groups for dicts, datasets for numbers and text, the type named in an attribute."""
    dump({"b": 2.5, "a": [1, 2, 3], "c": {"name": "Fe", "image": np.eye(2)}}, file, "result")
    result = file["result"]

    assert list(result) == ["b", "a", "c"]
    assert result["b"][()] == 2.5
    assert result["a"][:].tolist() == [1, 2, 3]
    assert result["c/name"].asstr()[()] == "Fe"
    assert np.array_equal(result["c/image"][:], np.eye(2))
    assert [result[name].attrs["codec"] for name in ("b", "a", "c")] == ["float", "list of int", "record"]
    assert result.attrs["analysis_store_codec"] == "2"
    assert file["theirs"][:].tolist() == [1, 2, 3]


def test_values_of_one_kind_lie_in_columns(file: h5py.File) -> None:
    """A list of dicts with the same keys is a table: one dataset per key."""
    peaks = [{"center": 7112.0 + n, "name": f"peak {n}", "window": list(range(n))} for n in range(4)]
    dump(peaks, file, "peaks")

    assert file["peaks/center"][:].tolist() == [7112.0, 7113.0, 7114.0, 7115.0]
    assert file["peaks/name"].asstr()[:].tolist() == ["peak 0", "peak 1", "peak 2", "peak 3"]
    assert file["peaks/window/offsets"][:].tolist() == [0, 0, 1, 3, 6]
    assert load(file["peaks"]) == peaks


def test_a_large_object_is_packed(file: h5py.File) -> None:
    """However many values: the number of datasets depends on how they differ, not on how many there are."""
    tree: Any = 0.5
    for _ in range(4):
        tree = {f"branch {n}": tree for n in range(10)}
    copied = eval(repr(tree))  # without it one dict would be in ten places
    dump(copied, file, "tree")

    assert load(file["tree"]) == copied
    assert len(listing(file)) < MAX_TREE / 2


@pytest.mark.parametrize(
    "key", ["a/b", "/", "", ".", "..", "a%2Fb", "\0", "\ud800", " ", "ü" * 200, "_", 1, None, (1, 2)]
)
def test_any_key_comes_back(file: h5py.File, key: Any) -> None:
    """Also those that HDF5 has no name for, and beside the names that they are stored under."""
    for obj in ({key: 1}, {key: 1, "a%2Fb": 2, "_": 3}, [{key: 1.0}, {key: 2.0}]):
        dump(obj, file, "o")
        assert load(file["o"]) == obj
        del file["o"]


def test_order_of_keys_is_kept(file: h5py.File) -> None:
    """As they were put in, not as HDF5 sorts them."""
    dump({"z": 1, "a": {"y": 1, "b": 2}}, file, "o")

    assert list(load(file["o"])) == ["z", "a"]
    assert list(load(file["o"])["a"]) == ["y", "b"]


def test_parts_of_an_object_can_be_loaded(file: h5py.File) -> None:
    """Every group and dataset of a tree is an object."""
    dump({"fits": [{"a": 1, "b": "x"}, 3], "n": None}, file, "o")

    assert load(file["o/fits"]) == [{"a": 1, "b": "x"}, 3]
    assert load(file["o/fits/item_0"]) == {"a": 1, "b": "x"}
    assert load(file["o/n"]) is None


def test_a_file_of_somebody_else_is_dicts_and_arrays(file: h5py.File) -> None:
    """What has no label is what HDF5 says it is."""
    file["scan/counts"] = np.arange(3, dtype=">i2")
    file["scan/title"] = "Fe foil"
    file["scan/energy"] = 7112.0
    found = load(file["scan"])

    assert list(found) == ["counts", "energy", "title"]
    assert found["counts"].dtype == ">i2"
    assert (found["title"], found["energy"]) == ("Fe foil", 7112.0)


@pytest.mark.parametrize("compression", ["gzip", "lzf", hdf5plugin.Blosc2(), hdf5plugin.Zstd(3), "auto"])
def test_arrays_are_compressed(file: h5py.File, compression: Any) -> None:
    """With any filter of h5py or hdf5plugin, wherever they are in the object."""
    image = np.zeros((600, 600))
    image[::7] = 1.5
    dump({"images": {"dark": image}}, file, "o", compression=compression)
    dataset = file["o/images/dark"]

    assert dataset.id.get_storage_size() < image.nbytes / 4
    assert np.array_equal(load(file["o"])["images"]["dark"], image)


def test_a_name_may_be_a_path(file: h5py.File) -> None:
    """The groups on the way are made."""
    dump(1, file, "deep/er/value")

    assert load(file["deep/er/value"]) == 1


def test_large_arrays_can_be_left_in_the_file(file: h5py.File) -> None:
    """They are read when they are asked for, as much as is asked for."""
    image = np.random.default_rng(0).random((512, 512)).astype(">f4")
    days = np.arange(200_000).astype("M8[D]")
    dump({"image": image, "days": days, "small": np.arange(3)}, file, "o")
    found = load(file["o"], lazy=True)

    assert isinstance(found["small"], np.ndarray)
    lazy = found["image"]
    assert (lazy.shape, lazy.dtype, lazy.ndim, len(lazy), lazy.nbytes) == ((512, 512), ">f4", 2, 512, image.nbytes)
    assert np.array_equal(lazy[3, :5], image[3, :5])
    assert np.asarray(lazy).dtype == ">f4"
    assert np.array_equal(np.asarray(lazy), image)
    dump([(image, Fit(image[:])), {"x": deque([image])}], file, "inside")
    tuples, items = load(file["inside"], lazy=True)
    assert isinstance(tuples[1].model, LazyValues)
    assert isinstance(items["x"][0], np.ndarray)
    assert found["days"][5] == np.datetime64(5, "D")
    assert found["days"].read().dtype == "M8[D]"


# ---------------------------------------------------------------------------------------------- sharing


def test_one_shared_object_stays_one(file: h5py.File) -> None:
    """Whatever it is, and it lies in the file once."""
    shared: list[Any] = [[1, 2], {"a": 1}, np.zeros(2000), {3}, Fit("x")]
    for value in shared:
        dump({"here": value, "there": [value, 1, value], "deep": {"er": {"x": value}}}, file, "o")
        found = load(file["o"])
        assert found["here"] is found["there"][0] is found["there"][2] is found["deep"]["er"]["x"]
        assert not np.any(np.asarray(found["here"] != value))
        del file["o"]
    dump([np.zeros(100_000)] * 50, file, "o")
    assert file.id.get_filesize() < 3_000_000


def test_equal_objects_stay_two(file: h5py.File) -> None:
    """Temporaries that get the place of one before in memory are not taken for it."""

    class Generated:
        def to_state(self) -> Any:
            return [np.full(3, n) for n in range(5)]

        @classmethod
        def from_state(cls, state: Any) -> Any:
            return state

    dump([Generated(), Generated()], file, "o")

    assert [[row[0] for row in rows] for rows in load(file["o"], types=[Generated])] == [[0, 1, 2, 3, 4]] * 2


def test_lists_and_dicts_may_hold_themselves(file: h5py.File) -> None:
    """Cycles come back as cycles."""
    run: dict[str, Any] = {"name": "run"}
    run["self"] = run
    run["steps"] = [{"of": run}, run]
    dump(run, file, "o")
    found = load(file["o"])

    assert found["self"] is found is found["steps"][0]["of"] is found["steps"][1]


def test_other_cycles_are_refused_by_name(file: h5py.File) -> None:
    """A value that is needed to make itself cannot be made again."""
    fit = Fit(None)
    fit.model = [fit]

    with pytest.raises(InvalidDataError, match=r"obj: the .*Fit object refers back to itself; only lists and dicts"):
        dump(fit, file, "o")
    inner: list[Any] = []
    inner.append((inner,))
    dump(inner, file, "o")  # here the list is there before the tuple
    found = load(file["o"])
    assert found[0][0] is found


# ------------------------------------------------------------------------------------------------ refusal


@pytest.mark.parametrize(
    ("obj", "path"),
    [
        (object(), r"obj: "),
        ({"fits": [1, 2, 3, Fit(lambda: 0)]}, r"obj\['fits'\]\[3\]\.model: "),
        (Fit([1, {"a": object()}]), r"obj\.model\[1\]\['a'\]: "),
        ({"a": {object(): 1}}, r"obj\['a'\]\[key <object"),
        ((1, {"x": (object(),)}), r"obj\[1\]\['x'\]\[0\]: "),
        ([[1, 2], [3, [open]]], r"obj\[1\]\[1\]\[0\]: "),
        (np.array([1, None, object()], object), r"obj.*: the object object"),
        (type("Text", (str,), {})("x"), r"obj: the .*Text object"),
    ],
)
def test_an_unknown_type_is_refused_with_its_path(file: h5py.File, obj: Any, path: str) -> None:
    """Before anything is written."""
    before = listing(file)

    with pytest.raises(InvalidDataError, match=path + r".*(no codec knows its type|cannot be stored)"):
        dump(obj, file, "o")
    assert listing(file) == before


def test_a_codec_that_fails_is_named(file: h5py.File) -> None:
    """With what it said, and where."""

    class Broken:
        def to_state(self) -> Any:
            raise RuntimeError("out of beam")

        @classmethod
        def from_state(cls, state: Any) -> Any:
            return cls()

    with pytest.raises(InvalidDataError, match=r"obj\['x'\]: the state of .*Broken object.*RuntimeError: out of beam"):
        dump({"x": Broken()}, file, "o")


def test_depth_has_an_end(file: h5py.File) -> None:
    """Neither Python's stack nor HDF5's is run over."""
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]

    with pytest.raises(InvalidDataError, match=f"values are nested more than {MAX_DEPTH} deep"):
        dump(deep, file, "o")
    deep = []
    for _ in range(MAX_DEPTH - 10):
        deep = [deep, 1.0, {"x": 1}]
    dump(deep, file, "o")
    assert repr(load(file["o"])) == repr(deep)


def test_a_name_that_is_taken_or_none_is_refused(file: h5py.File) -> None:
    """What is there stays."""
    with pytest.raises(InvalidDataError, match="has 'theirs' already"):
        dump(1, file, "theirs")
    with pytest.raises(InvalidDataError, match="as the name of an object"):
        dump(1, file, "")
    with pytest.raises(InvalidDataError, match="Got compression='zip'"):
        dump(np.zeros(10_000), file, "o", compression="zip")  # type: ignore[arg-type]
    assert listing(file) == ["theirs"]


def test_a_file_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Nothing is there afterwards, and the file is still open."""
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made["theirs"] = 1
    with h5py.File(tmp_path / "a.h5", "r") as opened:
        with pytest.raises(StoreWriteError, match=r"could not write 'o' into .*a\.h5"):
            dump({"a": 1}, opened, "o")
        assert list(opened) == ["theirs"]


# ----------------------------------------------------------------------------------- types that are not here


def unknown(file: h5py.File) -> None:
    """Put a value into a file, and one in it, of which no codec knows the type."""
    dump(Plain("beamline.Peak", 2, {"center": 7112.0, "error": Plain("beamline.Error", 1, 0.5)}), file, "o")


def test_an_unknown_type_is_named(file: h5py.File) -> None:
    """With what to do."""
    unknown(file)

    with pytest.raises(UnknownTypeError, match=r"'beamline\.(Peak|Error)'.*register_codec.*missing=\"plain\""):
        load(file["o"])


def test_an_unknown_type_has_a_plain_form(file: h5py.File) -> None:
    """Which is dumped as what it was."""
    unknown(file)
    found = load(file["o"], missing="plain")

    assert found == Plain("beamline.Peak", 2, {"center": 7112.0, "error": Plain("beamline.Error", 1, 0.5)})
    dump(found, file, "again")
    assert file["again"].attrs["codec"] == file["o"].attrs["codec"] == "beamline.Peak@2 of record"
    with pytest.raises(ValueError, match="Got missing='skip'"):
        load(file["o"], missing="skip")  # type: ignore[arg-type]


def test_types_may_be_given_for_one_load(file: h5py.File) -> None:
    """Without being registered for all."""
    dump(Plain(f"{__name__}.Fit".replace(" ", ""), 1, {"model": "x", "center": 1.5}), file, "o")

    assert load(file["o"], types=[Fit]) == Fit("x", 1.5)
    with pytest.raises(CodecError, match="which do not describe their state"):
        load(file["o"], types=[object])


def test_older_states_are_migrated(file: h5py.File) -> None:
    """By the class, and only by it."""

    class Peak:
        def __init__(self, center: float) -> None:
            self.center = center

    def migrate(state: Any, version: int) -> Any:
        return {"center": state["position"]} if version == 1 else state

    dump(Plain("test.Peak", 1, {"position": 5.0}), file, "old")
    dump(Plain("test.Peak", 4, {}), file, "new")
    register_codec(
        Peak,
        to_state=vars,
        from_state=lambda state: Peak(state["center"]),
        version=3,
        migrate=migrate,
        name="test.Peak",
    )

    assert load(file["old"]).center == 5.0
    with pytest.raises(CodecError, match=r"state of version 4, its codec here version 3; install a newer one"):
        load(file["new"])


def test_a_newer_form_is_refused(file: h5py.File) -> None:
    """Rather than read wrongly."""
    dump(1, file, "o")
    file["o"].attrs["analysis_store_codec"] = "3"

    with pytest.raises(StoreVersionError, match="version 3 of the forms"):
        load(file["o"])


def test_a_part_that_refers_to_its_whole_says_so(file: h5py.File) -> None:
    """Shared values lie at the top."""
    shared = [1]
    dump({"a": shared, "b": shared}, file, "o")

    with pytest.raises(DamagedFileError, match="Load the whole object"):
        load(file["o/value/a"])
    with pytest.raises(TypeError, match="expected an h5py"):
        load("o")  # type: ignore[arg-type]
