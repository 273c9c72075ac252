"""Objects in files that somebody made to do harm, or that were damaged: refused by name, quickly, nothing executed."""

from __future__ import annotations

import resource
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.codecs import Plain, dump, load
from analysis_store.errors import (
    AnalysisStoreError,
    DamagedFileError,
    StoreVersionError,
    TooLargeError,
    UnknownTypeError,
    UnsafeFileError,
)
from analysis_store.testing.codecs import through_file
from tests.sweeps import sizes, some

EVIL_NAMES = [
    "os.system",
    "posix.system",
    "builtins.eval",
    "eval",
    "builtins.exec",
    "subprocess.Popen",
    "numpy.load",
    "numpy.lib.format.read_array",
    "pandas.read_pickle",
    "pickle.loads",
    "analysis_store.codecs.registry.import_module",
    "..",
    "os.system;true",
    "tuple.__class__",
    "analysis_store.testing.strategies.Peak.__init__",
    "x" * 300,
]


@pytest.fixture
def file(tmp_path):
    """An HDF5 file on disk, open for writing, for a test to put something bad in."""
    with h5py.File(tmp_path / "bad.h5", "w") as opened:
        yield opened


@pytest.fixture(autouse=True)
def modestly():
    """Whatever is refused is refused without taking gigabytes; what takes for ever runs into the time limit."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1 << 20  # KiB


def put(group, name, values, label=None):
    """Write a dataset with a label."""
    made = group.create_dataset(name, data=values)
    if label is not None:
        made.attrs["codec"] = label
    return made


def group_of(parent, name, label, **members):
    """Write a group with a label, of arrays without one."""
    made = parent.create_group(name)
    made.attrs["codec"] = label
    for key, values in members.items():
        made[key] = values
    return made


# ------------------------------------------------------------------------------------------------ names of types


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_names_are_only_names(file, name):
    """A name in a file that is not one of a codec is an unknown type, whatever it is a name of."""
    made = file.create_dataset("x", data="echo harm")
    made.attrs["codec"] = f"{name}@1 of text"
    with pytest.raises(UnknownTypeError, match="No codec is known for the type"):
        load(file["x"])
    assert load(file["x"], missing="plain") == Plain(name, 1, "echo harm")


AUDIT = """
import sys
import h5py
from analysis_store.codecs import dump, load, registry
from analysis_store.errors import UnknownTypeError
from analysis_store.testing.codecs import through_file
from analysis_store.testing.strategies import Peak
import numpy, pandas, subprocess, pickle
through_file([Peak(1.0, [numpy.float32(1)]), pandas.Series([1.0]), (1,), {"a"}])
met = []
try:
    registry.for_name("warm.up")  # looks once for what is installed
except UnknownTypeError:
    pass
with h5py.File(sys.argv[1]) as file:
    names = list(file)
    sys.addaudithook(lambda event, arguments: met.append((event, arguments)))
    for name in names:
        for missing in ("error", "plain"):
            try:
                load(file[name], missing=missing)
            except Exception as error:
                pass
bad = {"os.system", "subprocess.Popen", "exec", "compile", "pickle.find_class", "os.exec", "open", "socket.connect"}
print(sorted({event for event, _ in met if event in bad}), sorted({a[0] for e, a in met if e == "import"}))
"""


def test_nothing_is_executed(tmp_path):
    """Reading files with evil names in them runs, compiles, opens, unpickles and imports nothing."""
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        for index, name in enumerate(EVIL_NAMES):
            put(file, f"text {index}", "echo harm", f"{name}@1 of text")
            put(file, f"bytes {index}", np.frombuffer(b"\x80\x04cos\nsystem\n.", "u1"), f"{name}@1 of bytes")
            put(
                file, f"state {index}", "os.system", f"{['tuple', 'numpy.dtype', 'pandas.Series'][index % 3]}@1 of text"
            )
    command = [sys.executable, "-c", AUDIT, str(tmp_path / "bad.h5")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[] []"


LABELS = [
    "",
    "evil",
    "list",
    " of ",
    "tuple@1",
    "tuple@x of int",
    "tuple@ of int",
    "tuple@-1 of int",
    "tuple@99999999999999999999 of int",
    "@1 of int",
    "tuple of int",
    "record",
    "graph",
    "list of list of int",
    "list of fortran of int",
    "text of int",
    "list of text of int",
    "fortran of fortran of text",
    "union",
    "list of array",
    "bytes",
    "ref",
    "list of ref",
    "float",
    "complex",
    "none",
    "list of none",
    "list of runs",
]


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("values", [7, "text", np.zeros((2, 3, 0)), np.array([["a"]], "S3")], ids=repr)
def test_labels_that_do_not_fit(file, label, values):
    """A label that is none, or not one of such a dataset, is refused or read as what it says; nothing else happens."""
    put(file, "x", values, label)
    try:
        load(file["x"])
    except AnalysisStoreError as error:
        assert (
            "changed" in str(error)
            or "cannot be created" in str(error)
            or "expected" in str(error)
            or "load" in str(error)
        )


@pytest.mark.parametrize("layer", ["tuple@1", "fortran", "list", "list of tuple@1"])
def test_label_without_end(file, layer):
    """A label of thousands of types is refused."""
    put(file, "x", 7, " of ".join([layer] * 5000 + ["int"]))
    with pytest.raises(DamagedFileError):
        load(file["x"])


@pytest.mark.parametrize(
    "value",
    [
        np.arange(3),
        np.zeros(1000, "S1"),
        7.5,
        h5py.Empty("f8"),
        np.array(["a", "b"], object),
        b"\xff\xfe",
        "x" * 60_000,
    ],
    ids=lambda it: type(it).__name__,
)
@pytest.mark.parametrize("attribute", ["codec", "analysis_store_codec", "dtype_numpy"])
def test_attributes_of_another_kind(file, attribute, value):
    """An attribute that is no short text is refused."""
    put(file, "x", np.arange(3)).attrs[attribute] = value
    with pytest.raises((DamagedFileError, StoreVersionError)):
        load(file["x"])


def test_newer_version(file):
    """A file of newer forms says so."""
    dump([1, "a"], file, "x")
    file["x"].attrs["analysis_store_codec"] = "3"
    with pytest.raises(StoreVersionError, match="version 3 of the forms"):
        load(file["x"])


# ------------------------------------------------------------------------------------- parts that do not fit


def dumped(file, value):
    """Return the group or dataset of a value, open to be changed."""
    dump(value, file, "x")
    return file["x"]


def replaced(group, name, values, label=None):
    """Put other values in the place of a member, under its label or another."""
    label = group[name].attrs.get("codec") if label is None else label
    del group[name]
    put(group, name, values, label)


ROWS = [["a"], [], ["b", "c"]]
MAPS = [{"a": 1}, {"b": 2, "c": 3}]
SHARED = ["shared"]

CHANGES = {
    "offsets descend": (ROWS, "offsets", [0, 2, 1, 3]),
    "offsets past the end": (ROWS, "offsets", [0, 1, 1, 4]),
    "offsets before the start": (ROWS, "offsets", [-1, 1, 1, 3]),
    "offsets stop early": (ROWS, "offsets", [0, 1, 1, 2]),
    "offsets huge": (ROWS, "offsets", [0, 2**62, -(2**62), 3]),
    "offsets of floats": (ROWS, "offsets", [0.0, 1.0, 1.0, 3.0]),
    "offsets of text": (ROWS, "offsets", np.array([b"0", b"3"])),
    "offsets empty": (ROWS, "offsets", np.zeros(0, "i8")),
    "offsets in two dimensions": (ROWS, "offsets", np.zeros((2, 2), "i8")),
    "offsets scalar": (ROWS, "offsets", 3),
    "offsets null": (ROWS, "offsets", h5py.Empty("i8")),
    "items missing": (ROWS, "items", None),
    "offsets missing": (ROWS, "offsets", None),
    "keys missing": (MAPS, "keys", None),
    "values too few": (MAPS, "values", [1, 2]),
    "keys that cannot be hashed": ([{1: 2}, {3: 4}], "keys", np.zeros((2, 2))),
    "keys twice": ({1: 2, 3: 4}, "keys", [1, 1]),
    "keys too few": ({1: 2, 3: 4}, "keys", [1]),
    "kinds out of range": ([1, "a"] * 20, "kinds", np.full(40, 2, "u1")),
    "kinds far out of range": ([1, "a"] * 20, "kinds", np.full(40, 255, "u1")),
    "kinds negative": ([1, "a"] * 20, "kinds", np.full(40, -1, "i1")),
    "kinds of one only": ([1, "a"] * 20, "kinds", np.zeros(40, "u1")),
    "kinds too few": ([1, "a"] * 20, "kinds", np.zeros(3, "u1")),
    "kinds missing": ([1, "a"] * 20, "kinds", None),
    "a kind missing": ([1, "a"] * 20, "item_1", None),
    "refs out of range": ([SHARED, SHARED], "value", [0, 7]),
    "refs negative": ([SHARED, SHARED], "value", [0, -1]),
    "refs of floats": ([SHARED, SHARED], "value", [0.0, 0.0]),
    "shared missing": ([SHARED, SHARED], "shared", None),
    "value missing": ([SHARED, SHARED], "value", None),
    "columns of different lengths": ([{"a": 1, "b": 2}] * 1 + [{"a": 3, "b": 4}], "a", [1]),
    "a column of floats for text": ([{"a": 1, "b": "x"}, {"a": 3, "b": "y"}], "b", [1.5, 2.5]),
    "text for integers": ([{"a": 1, "b": "x"}, {"a": 3, "b": "y"}], "a", np.array([b"zz", b"0x"])),
    "a column that is one value": ([{"a": 1, "b": 2}, {"a": 3, "b": 4}], "a", 5),
}


@pytest.mark.parametrize("change", CHANGES)
def test_parts_that_do_not_fit(file, change):
    """Parts of an object that do not go together are refused."""
    value, name, values = CHANGES[change]
    made = dumped(file, value)
    if values is None:
        del made[name]
    else:
        replaced(made, name, values)
    with pytest.raises(AnalysisStoreError):
        load(file["x"])


def test_shared_values_that_hold_each_other(file):
    """Tuples that hold each other, which nobody can make, are refused."""
    made = dumped(file, [(1,), (1,)])
    del file["x"]
    made = group_of(file, "x", "graph", value=[0])
    made["value"].attrs["codec"] = "list of ref"
    shared = made.create_group("shared")
    shared.attrs["codec"] = "items"
    put(shared, "0", [1], "tuple@1 of list of ref")
    put(shared, "1", [0], "tuple@1 of list of ref")
    with pytest.raises(DamagedFileError, match="refers to the shared value"):
        load(file["x"])


def bomb(file, layer):
    """Write values each of which holds the one before twice."""
    made = file.create_group("x")
    made.attrs["codec"] = "graph"
    shared = made.create_group("shared")
    put(shared, "0", [7], f"{layer}list of int")
    for number in range(1, 64):
        put(shared, str(number), [number - 1] * 2, f"{layer}list of ref")
    return made


@pytest.mark.parametrize("layer", ["", "tuple@1 of "])
def test_doubling(file, layer):
    """Values of which each holds the one before twice take no more room than they have in the file."""
    put(bomb(file, layer), "value", 63, "ref")
    found = load(file["x"])
    assert found[0] is found[1]


@pytest.mark.parametrize("label", ["set@1 of list of ref", "frozenset@1 of list of ref", "map"])
def test_doubling_where_values_are_hashed(file, label):
    """The same values as keys, whose hash would take for ever, are refused."""
    made = bomb(file, "tuple@1 of ")
    if label == "map":
        put(group_of(made, "value", "map", values=[1]), "keys", [63], "ref")
        made["value/values"].attrs["codec"] = "int"
    else:
        put(made, "value", [63], label)
    with pytest.raises(DamagedFileError, match="to be hashed"):
        load(file["x"])


# ------------------------------------------------------------------------------------------ ways out, and round


@pytest.fixture
def secret(tmp_path):
    """Another file, which nothing but itself may lead to."""
    with h5py.File(tmp_path / "secret.h5", "w") as opened:
        opened["x"] = np.arange(5)
    return tmp_path / "secret.h5"


def external_link(group, secret):
    """Link to another file."""
    group["y"] = h5py.ExternalLink(str(secret), "/x")


def soft_link(group, secret):
    """Link to what may change."""
    group.file["z"] = 1
    group["y"] = h5py.SoftLink("/z")


def dangling_link(group, secret):
    """Link to nothing."""
    group["y"] = h5py.SoftLink("/nowhere")


def virtual(group, secret):
    """Map another file's values."""
    layout = h5py.VirtualLayout((5,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(secret), "x", (5,))
    group.create_virtual_dataset("y", layout)


def raw_storage(group, secret):
    """Keep the values in the raw bytes of another file."""
    group.create_dataset("y", (5,), "i8", external=[(str(secret), 0, 40)])


def cycle(group, secret):
    """Lie in itself."""
    group["y"] = group


def long_cycle(group, secret):
    """Lie in itself by a detour."""
    group.create_group("y")["z"] = group


def twice(group, secret):
    """Lie in the group twice."""
    group["y"] = np.arange(3)
    group["z"] = group["y"]


def hard_link_bomb(group, secret):
    """Each group holds the one before twice."""
    inner = group.file.create_group("bomb")
    inner["x"] = 1
    for index in range(60):
        outer = group.file.create_group(f"bomb {index}")
        outer["a"], outer["b"] = inner, inner
        inner = outer
    group["y"] = inner


def named_type(group, secret):
    """Neither a group nor a dataset."""
    group["y"] = np.dtype("f8")


@pytest.mark.parametrize(
    "put_in", [external_link, soft_link, dangling_link, virtual, raw_storage, cycle, long_cycle, twice, hard_link_bomb]
)
@pytest.mark.parametrize("label", ["record", None])
def test_ways_out_and_round(file, secret, put_in, label):
    """Links, mapped and raw values of other files, and groups that lie in themselves are refused."""
    made = file.create_group("x")
    if label is not None:
        made.attrs["codec"] = label
    put_in(made, secret)
    with pytest.raises(UnsafeFileError):
        load(made)


def test_named_types(file):
    """What is expected a group or a dataset is refused."""
    named_type(file.create_group("x"), None)
    with pytest.raises(DamagedFileError, match="expected a group or a dataset"):
        load(file["x"])


@pytest.mark.parametrize("kind", [h5py.ref_dtype, h5py.regionref_dtype, np.dtype("V8"), h5py.vlen_dtype("f8")], ids=str)
def test_types_of_no_value(file, kind):
    """References, opaque bytes and sequences are no values."""
    file.create_dataset("x/y", (2,), kind)
    with pytest.raises(DamagedFileError):
        load(file["x"])


# -------------------------------------------------------------------------------- much, of which there is nothing


@pytest.mark.parametrize("label", [None, "bytes", "list of int", "list of none", "list of bool", "array"])
@pytest.mark.parametrize("options", [{}, {"chunks": (1 << 20,), "compression": "gzip"}], ids=["contiguous", "chunked"])
def test_declared_but_absent(file, label, options):
    """Memory for what a file declares and does not hold is not taken."""
    made = file.create_dataset("x", (1 << 36,), "u1", **options)
    if label is not None:
        made.attrs["codec"] = label
    with pytest.raises(TooLargeError):
        load(file["x"])


def test_declared_in_many_small_parts(file):
    """What is declared in many parts, each of which is small, is no less absent."""
    made = file.create_group("x")
    for index in range(100):
        made.create_dataset(str(index), (60 << 20,), "u1")
    with pytest.raises(TooLargeError):
        load(file["x"])


def test_text_that_is_declared_but_absent(file):
    """Text of a declared length that is not there takes no memory either."""
    made = file.create_dataset("x", (1 << 33,), h5py.string_dtype())
    made.attrs["codec"] = "list of text"
    with pytest.raises(TooLargeError):
        load(file["x"])


@pytest.mark.parametrize("depth", [1200, 3000])
def test_groups_without_end(file, depth):
    """Groups that lie thousands deep in each other are refused."""
    inner = file.create_group("x")
    for _ in range(depth):
        inner = inner.create_group("x")
    with pytest.raises((DamagedFileError, UnsafeFileError)):
        load(file["x"])


def test_whatever_is_dumped_is_loaded():
    """As deep as values may be dumped they are loaded, from deep inside a program."""
    wraps = [lambda v: [v], lambda v: (v,), lambda v: {"a": 1, "b": v}, lambda v: [1, v, "x"], lambda v: {1: v}]

    def deep_inside(frames, value):
        return through_file(value) if frames == 0 else deep_inside(frames - 1, value)

    for wrap in wraps:
        value = 0
        for _ in range(49):
            value = wrap(value)
        assert deep_inside(200, value) == value
        assert deep_inside(200, [value, [[index] for index in range(1200)]])[0] == value


@pytest.mark.parametrize("length", sizes(1200, 3000))
@pytest.mark.parametrize("order", some([1, -1], 1))
def test_chains_of_shared_values(order, length):
    """Thousands of values that refer to each other in a row come back, in whatever order they are met."""
    chain = [{"number": index} for index in range(length)]
    for one, other in pairwise(chain):
        one["next"], other["last"] = other, one
    found = through_file(chain[::order])[::order]
    assert [link["number"] for link in found] == list(range(length))
    assert all(one["next"] is other and other["last"] is one for one, other in pairwise(found))


@pytest.mark.parametrize("kinds", [[0, 1, 0, 0], [0, 1], [0, 9, 1], [1, 1, 0]])
def test_kinds_that_do_not_count_the_values(file, kinds):
    """Also where they are the keys of a shared value, which is made inside others."""
    key = (1, "a", 2)
    value = {key: None}
    dump([[value, value], [[index] for index in range(1200)]], file, "x")
    found = []
    file.visititems(lambda name, member: found.append(name) if name.endswith("kinds") else None)
    for name in found:
        del file[name]
        file[name] = np.array(kinds, np.uint8)

    assert found
    with pytest.raises(DamagedFileError):
        load(file["x"])
