"""Files that others made: nothing in them is executed, imported or believed, and none takes much memory or time."""

from __future__ import annotations

import copy
import io
import json
import resource
import sys
import zipfile
from collections import OrderedDict
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.codecs import Plain
from analysis_store.errors import AnalysisStoreError, DamagedFileError, StoreVersionError, UnknownTypeError
from analysis_store.exchange import FORMATS, export, read_export
from analysis_store.exchange.tree import from_tree, to_tree

READABLE = ("json", "yaml", "xml", "npz", "hdf5", "nexus")


@pytest.fixture
def run(store, origin):
    """A run of numbers, text and an object."""
    data = {"x": np.arange(40.0).reshape(2, 20), "t": ["a", "b"], "fit": [{"w": (1, 2)}, {"w": (3,)}]}
    return store.insert({"primary": data}, {}, provenance=origin)


@pytest.fixture
def whole(run):
    """The tree of an export."""
    return json.loads(export(run))


@pytest.fixture(autouse=True)
def little_memory():
    """Let nothing take more than 4 GB beyond what is taken."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    taken = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + (4 << 30), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def read_text(text: str, form: str):
    """Return the export of a text."""
    return read_export(io.StringIO(text), form)


@pytest.mark.parametrize("form", READABLE)
def test_cut_short(run, tmp_path, form):
    """A file cut short anywhere is damage, or (in what HDF5 leaves empty at its end) all there; never anything else."""
    whole = export(run, format=form)
    whole = whole.encode() if isinstance(whole, str) else whole
    for length in [0, 1, *range(2, len(whole) - 3, max(1, len(whole) // 60))]:
        try:
            found = read_export(io.BytesIO(whole[:length]), form)
        except AnalysisStoreError:
            continue
        assert form in {"hdf5", "nexus"}
        other = read_export(io.BytesIO(whole), form)
        assert repr(found.metadata) == repr(other.metadata)
        assert all(repr(found.read(stream)) == repr(other.read(stream)) for stream in other.streams)


@pytest.mark.parametrize("form", ["json", "yaml", "xml", "npz"])
def test_changed_bytes(run, form):
    """A file in which a byte was changed gives an export or one of our errors.

    HDF5 is left out: its library takes some such files for endless.
    """
    whole = export(run, format=form)
    whole = whole.encode() if isinstance(whole, str) else whole
    random = np.random.default_rng(7)
    for place in random.integers(0, len(whole), 150):
        changed = bytearray(whole)
        changed[place] = random.integers(256)
        try:
            read_export(io.BytesIO(bytes(changed)), form)
        except AnalysisStoreError:
            continue


@pytest.mark.parametrize("form", ["json", "yaml", "xml", "npz", "hdf5"])
def test_of_somebody_else(tmp_path, form):
    """A file of a format that is not an export is refused by name."""
    path = tmp_path / f"theirs{FORMATS[form].suffix}"
    if form == "npz":
        np.savez(path, x=np.arange(3))
    elif form == "hdf5":
        with h5py.File(path, "w") as file:
            file["x"] = [1]
    else:
        path.write_text({"json": '{"x": 1}', "yaml": "x: 1\n...\n", "xml": "<x>1</x>"}[form])
    with pytest.raises(DamagedFileError, match=r"theirs.* is (not|neither) an export"):
        read_export(path)


def test_newer_version(whole):
    """An export of a newer version is not guessed at."""
    whole["analysis_store_export"] = 2
    with pytest.raises(StoreVersionError, match="version 2; this package knows up to 1"):
        read_text(json.dumps(whole), "json")


# ------------------------------------------------------------------------------------------------------ types


class Planted:
    """Would leave a mark if it were unpickled or called."""

    def __reduce__(self):
        return (sys.exit, ("executed",))


NAMES = ["os.system", "subprocess.Popen", "builtins.eval", "this.Zen", "tests.unit.nothing.Cls", "a" * 10_000]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:20])
def test_names_select_codecs_alone(whole, name):
    """A crafted name is just an unknown type: nothing is imported or looked up by it."""
    before = set(sys.modules)
    whole["streams"]["primary"]["data"]["fit"]["values"] = {"$type": name, "$version": 1, "$state": ["true"]}
    with pytest.raises(UnknownTypeError, match="No codec is known"):
        read_text(json.dumps(whole), "json")

    assert "this" not in set(sys.modules) - before


@pytest.mark.parametrize("form", ["json", "yaml", "xml"])
def test_missing_types_are_plain(store, origin, form):
    """A type that is not known here is told in its plain form, where that is asked for; as such it goes out again."""
    run = store.insert({"primary": {"x": [OrderedDict(a=[1, 2.5])]}}, {}, provenance=origin)
    text = export(run, format=form).replace("collections.OrderedDict", "lab.Thing")
    with pytest.raises(UnknownTypeError, match=r"lab\.Thing"):
        read_text(text, form)
    found = read_export(io.StringIO(text), form, missing="plain").streams["primary"]["x"][0]

    assert isinstance(found, Plain)
    assert (found.type, found.version) == ("lab.Thing", 1)
    assert from_tree(to_tree(found), "plain") == found


# ---------------------------------------------------------------------------------------------------- values


def array(**body) -> dict:
    """Return the tree of an array that is wrong in some way."""
    return {"$array": {"dtype": "<f8", "shape": [2], "data": [1.0, 2.0], **body}}


STRUCTURE = {"names": ["a"], "formats": ["<i8"], "offsets": [0], "itemsize": 8}

WRONG = {
    "shape": array(shape=[3]),
    "negative": array(shape=[-2]),
    "huge shape": array(shape=[2**62]),
    "huge and empty": array(shape=[2**62, 2**62, 0], data=[]),
    "shape of text": array(shape=["2"]),
    "ragged data": array(data=[[1.0], [1.0, 2.0]]),
    "text as numbers": array(data=["a", "b"]),
    "too large": array(dtype="|i1", data=[300, 1]),
    "pickled objects": array(dtype="|O"),
    "unknown dtype": array(dtype="float64, (10**9)i4"),
    "dtype of void": array(dtype="|V8"),
    "wide text": array(dtype="<U900000000", data=["a", "b"]),
    "wide bytes": array(dtype="|S900000000", data=["a", "b"]),
    "wide structure": array(
        dtype={**STRUCTURE, "itemsize": 2**40}, fields={"a": array(dtype="<i8", data=[1, 2])["$array"]}
    ),
    "field of objects": array(dtype={**STRUCTURE, "formats": ["|O"]}, fields={"a": array()["$array"]}),
    "missing field": array(dtype=STRUCTURE, fields={}),
    "no fields": array(dtype={"names": [], "formats": [], "offsets": [], "itemsize": 0}, shape=[10**12], fields={}),
    "position": array(nonfinite={"inf": [7]}),
    "no body": {"$array": None},
    "unknown form": {"$eval": "1"},
    "two forms": {"$int": "0x1", "$float": "nan"},
    "integer": {"$int": "__import__('os')"},
    "float": {"$float": "1e3"},
    "bytes": {"$bytes": "not base64!"},
    "unhashable": {"$map": [[[1], 2]]},
    "pairs": {"$map": [[1, 2, 3]]},
    "version": {"$type": "tuple", "$version": "1", "$state": []},
    "state": {"$type": "decimal.Decimal", "$version": 1, "$state": {"a": 1}},
}


@pytest.mark.parametrize("kind", WRONG)
def test_wrong_values(kind):
    """A value that is not what it says is damage, found before much is allocated."""
    with pytest.raises(DamagedFileError):
        from_tree(copy.deepcopy(WRONG[kind]))


def test_columns_have_one_value_per_event(whole):
    """A column with fewer values than events is damage, as is one that is no array."""
    for values in (array(shape=[1], data=[1.0]), [1.0, 2.0], array(shape=[], data=1.0)):
        whole["streams"]["primary"]["data"]["x"]["values"] = values
        with pytest.raises(DamagedFileError, match="'x' of stream 'primary' is not an array of one value per event"):
            read_text(json.dumps(whole), "json")


# ------------------------------------------------------------------------------------------ bombs, by format


def test_deep_json():
    """JSON nested without end is refused."""
    with pytest.raises(DamagedFileError):
        read_text('{"analysis_store_export":1,"metadata":' + "[" * 1_000_000, "json")
    with pytest.raises(DamagedFileError, match="deep"):
        read_text('{"analysis_store_export":1,"metadata":' + "[" * 500 + "]" * 500 + "}", "json")


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 50_000])
def test_deep_yaml(text):
    """YAML nested without end is refused before the stack is used up."""
    with pytest.raises(DamagedFileError):
        read_text(text, "yaml")


def test_yaml_of_many_laughs():
    """Aliases, of which a small text makes a large value, are refused."""
    lines = ["a0: &a0 [lol, lol]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(DamagedFileError, match="has an alias"):
        read_text("\n".join(lines), "yaml")


TAGS = ["!!python/object/apply:os.system ['true']", "!!python/name:os.system ''", "!lab {a: 1}"]


@pytest.mark.parametrize("tag", TAGS)
def test_yaml_tags(tag):
    """Tags that would call something are refused."""
    with pytest.raises(DamagedFileError, match="could not determine a constructor"):
        read_text(f"analysis_store_export: 1\nmetadata: {tag}\n...\n", "yaml")


GROWING = "".join(f'<!ENTITY {new} "{f"&{old};" * 10}">' for old, new in zip("abcdefgh", "bcdefghz", strict=True))
LAUGHS = f"""<?xml version="1.0"?>
<!DOCTYPE lolz [<!ENTITY a "lol">{GROWING}]>
<analysis_store_export version="1"><metadata>&z;</metadata></analysis_store_export>"""
OUTSIDE = """<?xml version="1.0"?>
<!DOCTYPE x [<!ENTITY z SYSTEM "file:///etc/passwd">]>
<analysis_store_export version="1"><metadata>&z;</metadata></analysis_store_export>"""


@pytest.mark.parametrize("text", [LAUGHS, OUTSIDE, '<!DOCTYPE x SYSTEM "http://localhost/x.dtd"><x/>'])
def test_xml_entities(text):
    """Entities are refused where they are declared: those that grow, and those that reach for other files."""
    with pytest.raises(DamagedFileError, match="document type or entities"):
        read_text(text, "xml")


def test_deep_xml():
    """XML nested without end is refused."""
    with pytest.raises(DamagedFileError, match="deep"):
        read_text("<analysis_store_export>" + "<list>" * 1_000_000, "xml")


def test_xml_is_utf8_or_says_so(run):
    """XML in another encoding that it names is read; one that nobody knows is damage."""
    text = export(run, format="xml")

    assert read_export(io.BytesIO(text.replace("UTF-8", "UTF-16").encode("utf-16")), "xml").uid == run.uid
    with pytest.raises(DamagedFileError):
        read_export(io.BytesIO(text.replace("UTF-8", "UTF-99").encode()), "xml")


def test_npz_is_not_unpickled(tmp_path):
    """An array of pickled objects is refused, and not unpickled."""
    np.savez(tmp_path / "x.npz", metadata=np.array([Planted()], object))
    with pytest.raises(DamagedFileError, match="Python objects"):
        read_export(tmp_path / "x.npz")


def test_npz_that_declares_too_much(tmp_path):
    """An array that declares more than is there is refused before it is allocated."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("metadata.npy", header.getvalue())
    with pytest.raises(DamagedFileError, match="declares"):
        read_export(tmp_path / "x.npz")


def test_hdf5_that_reaches_for_other_files(run, tmp_path):
    """A column that is a link to another file is refused."""
    export(run, tmp_path / "run.h5")
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["x"] = np.zeros((2, 20))
    with h5py.File(tmp_path / "run.h5", "a") as file:
        del file["primary/x"]
        file["primary/x"] = h5py.ExternalLink("other.h5", "/x")
    with pytest.raises(AnalysisStoreError, match="leaves the file"):
        read_export(tmp_path / "run.h5")
