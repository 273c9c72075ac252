"""Files that somebody made to do harm, or that were damaged: refused by name, never obeyed, never half-believed."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pandas as pd
import pytest

from analysis_store import bitshuffle
from analysis_store.core import memory
from analysis_store.errors import DamagedFileError, TooLargeError, UnsafeFileError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.handlers.tables import TableHandler
from analysis_store.writers.arrays import write_array
from analysis_store.writers.ragged import write_ragged
from analysis_store.writers.tables import write_tables


@pytest.fixture
def file(tmp_path):
    """An HDF5 file that is open for writing, for a test to put something bad in."""
    with h5py.File(tmp_path / "bad.h5", "w") as opened:
        yield opened


def column(file, path="/x", handler=ArrayHandler):
    """Close a file and return a column of it."""
    name = file.filename
    file.close()
    return handler(name, path).column()


# ------------------------------------------------------------------------------------------ out of the file


@pytest.fixture
def secret(tmp_path):
    """Another file, which nothing but itself may lead to."""
    with h5py.File(tmp_path / "secret.h5", "w") as opened:
        opened["group/x"] = np.arange(5)
    return tmp_path / "secret.h5"


def external_link(file, secret):
    """Link to a dataset of another file."""
    file["x"] = h5py.ExternalLink(str(secret), "/group/x")


def external_group(file, secret):
    """Link to a group of another file, by way of a soft link."""
    file["away"] = h5py.ExternalLink(str(secret), "/group")
    file["x"] = h5py.SoftLink("/away/x")


def virtual(file, secret):
    """Map another file's values."""
    layout = h5py.VirtualLayout((5,), dtype="i8")
    layout[:] = h5py.VirtualSource(str(secret), "group/x", (5,))
    file.create_virtual_dataset("x", layout)


def raw_storage(file, secret):
    """Keep the values in the raw bytes of another file."""
    file.create_dataset("x", (5,), "i8", external=[(str(secret), 0, 40)])


def circle(file, secret):
    """Lead nowhere, for ever."""
    file["x"] = h5py.SoftLink("/y")
    file["y"] = h5py.SoftLink("/x")


@pytest.mark.parametrize(
    "make", [external_link, external_group, virtual, raw_storage, circle], ids=lambda f: f.__name__
)
def test_nothing_outside_the_file_is_read(file, secret, make):
    """Links, virtual datasets and external storage are refused, for shape, slice and value alike."""
    make(file, secret)
    bad = column(file)

    for use in (lambda: bad.shape, lambda: bad[0], bad.read):
        with pytest.raises(UnsafeFileError, match=r"bad\.h5"):
            use()


def test_links_inside_the_file(file):
    """Hard and soft links that stay inside are followed, relative ones from where they are."""
    file["data/values"] = np.arange(3)
    file["entry/x"] = h5py.SoftLink("/data/values")
    file["data/again"] = h5py.SoftLink("values")
    file["entry/data"] = file["data"]
    name = file.filename
    file.close()

    for path in ("/entry/x", "/data/again", "/entry/data/again", "entry/./x"):
        assert ArrayHandler(name, path).column().read().tolist() == [0, 1, 2]


def test_group_that_leads_outside(file, secret):
    """The group of a ragged column or table may not be a link to another file either, nor a member of it."""
    write_ragged(file.id, "x", [np.arange(3), np.arange(2)])
    del file["x/values"]
    file["x/values"] = h5py.ExternalLink(str(secret), "/group/x")
    file["y"] = h5py.ExternalLink(str(secret), "/group")

    with pytest.raises(UnsafeFileError, match="'values' in '/x/values'"):
        column(file, "/x", RaggedHandler).read()
    with pytest.raises(UnsafeFileError, match="'y'"):
        TableHandler(secret.with_name("bad.h5"), "/y").column().read()


# ---------------------------------------------------------------------------------------------------- types


def opaque(tag):
    """Return an HDF5 type of raw bytes that says it is something of Python's."""
    made = h5py.h5t.create(h5py.h5t.OPAQUE, 8)
    made.set_tag(tag)
    return made


HOSTILE_TYPES = {
    "reference": h5py.h5t.STD_REF_OBJ,
    "region": h5py.h5t.STD_REF_DSETREG,
    "opaque": opaque(b"junk"),
    "pointer": opaque(b"PYTHON:OBJECT"),
    "sequence": h5py.h5t.vlen_create(h5py.h5t.NATIVE_DOUBLE),
    "text in a structure": h5py.h5t.py_create(np.dtype([("a", "i4"), ("b", h5py.string_dtype())]), logical=True),
    "reference in a structure": h5py.h5t.py_create(np.dtype([("a", h5py.ref_dtype)]), logical=True),
    "array": h5py.h5t.array_create(h5py.h5t.NATIVE_INT32, (2,)),
    "bits": h5py.h5t.STD_B8LE,
}


@pytest.mark.parametrize("kind", HOSTILE_TYPES.values(), ids=HOSTILE_TYPES)
def test_type_that_no_value_has(file, kind):
    """HDF5 types that no value is stored as are refused before an element is read."""
    h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((2,)))

    with pytest.raises(DamagedFileError, match="which stored values do not have"):
        column(file).read()


def test_sequences_of_bytes_that_are_not_said_to_be_text(file):
    """Sequences of bytes are text only where the attribute says so."""
    file.create_dataset("x", (2,), h5py.vlen_dtype("u1"))

    with pytest.raises(DamagedFileError, match="holds sequences"):
        column(file).read()


@pytest.mark.parametrize(
    "value",
    [
        *(
            "O",
            "object",
            "|O8",
            "<U999999999",
            "<U2",
            "i8",
            "M8[evil]",
            "<M8[999999999999999999s]",
            "__import__('os')",
            "",
        ),
        *(
            "[('a', 'O')]",
            "x" * 5000,
            "StringDType()",
            "|V9",
            b"\xff\xfe",
            7,
            1.5,
            np.arange(9),
            ["<M8[s]"] * 2,
        ),
    ],
    ids=lambda value: repr(value)[:20],
)
@pytest.mark.parametrize("stored", ["f8", "S1"])
def test_hostile_dtype(file, stored, value):
    """The dtype that a file names reaches NumPy only in the few forms that we write, and where it fits."""
    file["x"] = np.zeros(3, stored)
    file["x"].attrs["dtype_numpy"] = value

    with pytest.raises(DamagedFileError, match=r"dtype_numpy|UTF-8"):
        column(file).read()


@pytest.mark.parametrize(
    "dtype", ["f8", ">f8", "?", "i2", "S3", h5py.string_dtype(), h5py.enum_dtype({"a": 0, "b": 1})]
)
def test_files_of_others(file, dtype):
    """Plain columns of other programs are read as what they are."""
    file["x"] = np.array(["1", "0"], dtype) if dtype == h5py.string_dtype() else np.array([1, 0]).astype(dtype)
    wanted = file["x"][()]

    assert np.array_equal(np.char.encode(column(file).read().astype(str)), np.char.encode(wanted.astype(str)))


def test_space_padded_text(file):
    """Fixed text that ends in spaces, as Fortran has it, is read without them."""
    kind = h5py.h5t.FORTRAN_S1.copy()
    kind.set_size(5)
    made = h5py.h5d.create(file.id, b"x", kind, h5py.h5s.create_simple((1,)))
    made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b"ab   "]), mtype=kind)

    assert column(file).read().tolist() == [b"ab"]


# ----------------------------------------------------------------------------------------------------- size


def test_declared_but_not_held(file):
    """A dataset that declares terabytes is not read whole; slices of it are, and cost what they are."""
    file.create_dataset("x", (10**6, 10**6), "f8", chunks=(100, 1000))
    file.create_dataset("contiguous", (10**6, 10**4), "f8")
    chunked = column(file)
    contiguous = ArrayHandler(chunked.path, "/contiguous").column()

    tracemalloc.start()
    for bad in (chunked, contiguous):
        with pytest.raises(TooLargeError, match=r"declares|would take"):
            bad.read()
        assert bad[5, 3:6].tolist() == [0, 0, 0]
        assert bad[-1:, ::5000].shape[0] == 1
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 50e6


def test_held_but_larger_than_memory(file, monkeypatch):
    """What would not fit into memory is refused before it is allocated, however little it takes compressed."""
    file.create_dataset("x", data=np.zeros((90, 1 << 20), "u1"), chunks=(1, 1 << 20), compression="gzip")
    bad = column(file)
    monkeypatch.setattr(memory, "available_memory", lambda: 80 << 20)

    with pytest.raises(TooLargeError, match="would take 94371840 bytes, 83886080 are free"):
        bad.read()
    assert bad[3, :5].tolist() == [0] * 5


def test_huge_chunk(file, monkeypatch):
    """A chunk is unpacked whole, so one that does not fit into memory keeps even a slice from being read."""
    file.create_dataset("x", (1 << 28,), "u1", chunks=(1 << 28,), compression="gzip")[:3] = 1
    bad = column(file)
    monkeypatch.setattr(memory, "available_memory", lambda: 80 << 20)

    with pytest.raises(TooLargeError, match="One chunk would take"):
        bad[:3]


def test_text_that_shares_its_bytes(file):
    """A million strings that all point to one long string are not a million long strings."""
    file.create_dataset("x", (2000,), h5py.string_dtype())[0] = "y" * 300_000
    offset = file["x"].id.get_offset()
    bad = column(file)
    raw = bytearray(Path(bad.path).read_bytes())
    raw[offset : offset + 2000 * 16] = raw[offset : offset + 16] * 2000
    Path(bad.path).write_bytes(raw)

    with pytest.raises(DamagedFileError, match="Text of more than"):
        bad.read()
    assert bad[7].item() == "y" * 300_000


@pytest.mark.parametrize("options", [{"chunks": (50,)}, {"chunks": (50,), "compression": "gzip"}])
def test_text_in_chunks(file, options):
    """Text of other programs in chunks is read, though its lengths cannot be looked at beforehand."""
    texts = [f"{number}" * (number % 9) for number in range(120)]
    file.create_dataset("x", data=texts, dtype=h5py.string_dtype(), **options)

    assert column(file).read().tolist() == texts


def test_memory_is_what_the_system_says(tmp_path):
    """The free memory is a number of bytes that this machine can have."""
    assert 1 << 20 < memory.available_memory() < 1 << 50


# ---------------------------------------------------------------------------------------------------- damage


@pytest.mark.parametrize("keep", [0, 10, 600, 0.5, 0.99])
def test_truncated(file, keep):
    """A file that was cut short says so and is named, wherever it was cut."""
    write_array(file.id, "x", np.random.default_rng(0).random((300, 1000)))
    bad = column(file)
    raw = Path(bad.path).read_bytes()
    Path(bad.path).write_bytes(raw[: int(len(raw) * keep) if keep < 1 else keep])

    with pytest.raises(DamagedFileError, match=r"bad\.h5"):
        bad.read()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/nope", "'nope' is missing"),
        ("/group", "expected a dataset"),
        ("/scalar", "a scalar"),
        ("/x/y", "'y' is missing"),
        ("/null", "has no shape"),
    ],
)
def test_not_a_column(file, path, message):
    """What is no column is told apart from damage."""
    file["scalar"], file["x"] = 3.0, np.zeros(2)
    file["null"] = h5py.Empty("f8")
    file.create_group("group")

    with pytest.raises(DamagedFileError, match=message):
        column(file, path).read()


@pytest.mark.parametrize("content", [None, b"", b"not HDF5 at all" * 100])
def test_not_a_file(tmp_path, content):
    """A file that is missing or is something else is an error that names it."""
    path = tmp_path / "other.h5"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DamagedFileError, match=r"other\.h5 (does not exist|cannot be opened)"):
        ArrayHandler(path, "/x").column().read()


def test_file_that_is_being_written(file):
    """A file that another process is writing is told apart from a damaged one."""
    file["x"] = np.zeros(3)
    file.flush()
    code = f"""
from analysis_store.errors import StoreBusyError
from analysis_store.handlers.arrays import ArrayHandler
try:
    ArrayHandler({file.filename!r}, "/x").column().read()
except StoreBusyError as error:
    print("busy:", error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )

    assert "bad.h5 is being written by another process" in done.stdout, done.stderr


def packed_file(path):
    """Write frames, compressed; return where the first chunk lies."""
    values = np.random.default_rng(0).poisson(2, (2, 64, 512)).astype("<u2")
    with h5py.File(path, "w") as file:
        write_array(file.id, "x", values, compression=hdf5plugin.Bitshuffle(cname="lz4"))
        place = file["x"].id.get_chunk_info(0)
    return values, place.byte_offset, place.size


@pytest.mark.parametrize(
    ("at", "content"),
    [
        (0, b"\xff" * 8),
        (8, b"\0\0\0\0"),
        (8, b"\0\0\0\7"),
        (8, b"\xff\xff\xff\xf0"),
        (12, b"\x7f\xff\xff\xff"),
        (12, b"\0\0\0\0"),
    ],
)
def test_damaged_chunk(tmp_path, at, content):
    """The lengths inside a compressed chunk are not trusted: one that points elsewhere is damage, not a crash."""
    _, offset, _ = packed_file(tmp_path / "bad.h5")
    raw = bytearray((tmp_path / "bad.h5").read_bytes())
    raw[offset + at : offset + at + len(content)] = content
    (tmp_path / "bad.h5").write_bytes(raw)
    bad = ArrayHandler(tmp_path / "bad.h5", "/x").column()

    with pytest.raises(DamagedFileError, match="compressed chunk"):
        bad.read()
    with pytest.raises(DamagedFileError, match="compressed chunk"):
        bad[0, 3:5]


def test_any_damage_to_a_chunk(tmp_path):
    """Whatever the bytes of a chunk are, unpacking ends with values or with an error."""
    random = np.random.default_rng(0)
    library = bitshuffle.library()
    values = random.poisson(2, (64, 512)).astype("<u2")
    good = bytes(bitshuffle.compress(library, values, 0))
    outcomes = set()
    for _ in range(400):
        bad = bytearray(good)
        for at in random.integers(0, len(bad) if random.random() < 0.7 else 40, random.integers(1, 4)):
            bad[at] = random.integers(256)
        try:
            bitshuffle.decompress(
                library,
                bytes(bad[: random.integers(1, len(bad) + 1)] if random.random() < 0.2 else bad),
                np.empty_like(values),
            )
            outcomes.add("values")
        except DamagedFileError:
            outcomes.add("error")

    assert outcomes == {"values", "error"}


def test_any_damage_to_a_file(tmp_path):
    """Whatever bytes of a file are changed, reading ends with values or with an error of ours."""
    with h5py.File(tmp_path / "good.h5", "w") as file:
        write_array(file.id, "array", np.arange(60.0).reshape(3, 20))
        write_array(file.id, "text", np.array(["a", "bc", ""], object))
        write_array(file.id, "packed", np.zeros((3, 70), "u2"), compression=hdf5plugin.Bitshuffle(cname="lz4"))
        write_ragged(file.id, "ragged", [np.arange(3), np.arange(2)])
        write_tables(file.id, "table", [pd.DataFrame({"a": [1, 2], "b": pd.Categorical(["x", None])})])
    code = f"""
import sys, numpy as np
from analysis_store.errors import AnalysisStoreError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.ragged import RaggedHandler
from analysis_store.handlers.tables import TableHandler
good = open({str(tmp_path / "good.h5")!r}, "rb").read()
random, path = np.random.default_rng(1), {str(tmp_path / "bad.h5")!r}
count = [0, 0]
for _ in range(120):
    bad = bytearray(good)
    for at in random.integers(0, len(bad), random.integers(1, 12)):
        bad[at] ^= 1 << random.integers(8)
    open(path, "wb").write(bad)
    handlers = [ArrayHandler] * 3 + [RaggedHandler, TableHandler]
    for handler, name in zip(handlers, ["array", "text", "packed", "ragged", "table"]):
        try:
            handler(path, "/" + name).column().read()
            count[0] += 1
        except AnalysisStoreError:
            count[1] += 1
print(count[0] > 0, count[1] > 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2]
    )

    assert done.stdout.strip() == "True True", done.stderr[-2000:]


# ---------------------------------------------------------------------------------------------- ragged, tables


def changed(file, name, values):
    """Replace a member of a group."""
    del file[name]
    file[name] = values


@pytest.mark.parametrize(
    ("member", "values", "message"),
    [
        ("offsets", [0, 9, 5], "Got 9 elements"),
        ("offsets", [0, -3, 5], "expected values|Got -3 elements"),
        ("offsets", [0, 3, 10**15], "expected values|elements"),
        ("offsets", [0.0, 3.0, 5.0], "invalid offsets"),
        ("offsets", [[0, 3, 5]] * 3, "invalid offsets"),
        ("shapes", [[4], [2]], "Got 3 elements"),
        ("shapes", [[-1], [2]], "Got 3 elements"),
        ("shapes", np.full((2, 99), 1), "expected a table of integers"),
        ("shapes", [[2**62, 2**62, 3], [1, 1, 2]], "Got 3 elements"),
        ("values", np.zeros((5, 2)), "Got 2 axes|has 2 axes"),
        ("dtypes", np.array([b"<f8", b"<i8"]), "cannot hold"),
        ("dtypes", np.array([b"|O8", b"<i8"]), "expected one like"),
        ("dtypes", [3, 4], "expected one like"),
        ("dtypes", np.array([b"<i4"]), "expected values"),
    ],
)
def test_ragged_that_does_not_fit(file, member, values, message):
    """Offsets, shapes and dtypes that contradict each other are damage, read whole and one by one."""
    write_ragged(file.id, "x", [np.arange(3), np.arange(2, dtype="i4")])
    changed(file, f"x/{member}", values)
    bad = column(file, "/x", RaggedHandler)

    with pytest.raises(DamagedFileError, match=message):
        bad.read()
    with pytest.raises(DamagedFileError, match=message):
        [bad[0], bad[1]]


@pytest.mark.parametrize("value", ["table", "", 3, None])
def test_group_of_another_form(file, value):
    """A group says what it is; another, or none, is not read as a ragged column."""
    write_ragged(file.id, "x", [np.arange(3)])
    del file["x"].attrs["analysis_store_form"]
    if value is not None:
        file["x"].attrs["analysis_store_form"] = value

    with pytest.raises(DamagedFileError, match="form"):
        column(file, "/x", RaggedHandler).read()


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "has no valid description"),
        ("{}", "do not fit together|expected one of"),
        ('{"kind": "evil"}', "'evil'; expected one of categorical"),
        ('{"kind": "zoned", "zone": "../../etc/passwd"}', "do not fit together"),
        ('{"kind": "range"}', "expected one of|do not fit together"),
        ('{"kind": "masked"}', "do not fit together"),
        ('{"kind": "categorical", "ordered": true, "categories": {"kind": "numpy"}}', "do not fit together"),
    ],
)
def test_column_that_says_something_else(file, told, message):
    """What a column says of itself is looked at, never run."""
    write_tables(file.id, "x", [pd.DataFrame({"a": [1.5, 2.5]})])
    file["x/columns/a"].attrs["pandas"] = told

    with pytest.raises(DamagedFileError, match=message):
        column(file, "/x", TableHandler).read()


@pytest.mark.parametrize(
    ("member", "values", "message"),
    [
        ("columns/c/values", np.array([0, 7], "i1"), "do not fit together"),
        ("columns/c/categories_values_offsets", [0, 99], "expected values"),
        ("index/level_0/range", [0, 2, 0], "do not fit together"),
        ("index/level_0/range", [0, 10**15, 1], "do not fit together|its index has"),
        ("offsets", [0, 50], "expected values"),
        ("order", np.array(["c", "d"], object), "'d' is missing"),
        ("order", np.array(["../../x", "c"], object), "is missing"),
    ],
)
def test_table_that_does_not_fit(file, member, values, message):
    """Parts of a table that contradict each other are damage."""
    frame = pd.DataFrame({"a": [1.5, 2.5], "c": pd.Categorical(["u", "v"])})
    write_tables(file.id, "x", [frame])
    changed(file, f"x/{member}", values)

    with pytest.raises(DamagedFileError, match=message):
        column(file, "/x", TableHandler).read()


def test_spec_is_plain_json(file):
    """What a column says of itself is JSON that any program can read."""
    write_tables(file.id, "x", [pd.DataFrame({"a": pd.DatetimeIndex(["2020-01-01"], tz="UTC")})])

    assert json.loads(file["x/columns/a"].attrs["pandas"]) == {"kind": "zoned", "zone": "UTC"}
