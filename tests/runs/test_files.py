"""Columns out of files: every format, its units, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store.errors import InvalidDataError, TooLargeError, UnsafeFileError
from analysis_store.runs.importers.files import read_columns

XDI = """\
# XDI/1.0 GSE/1.0
# Column.1: energy eV
# Column.2: i0
# Scan.element: Cu
# Scan.edge_energy: 8980.0
# Sample.name: 007
# Beamline.gain: 1 || pv:number
# Beamline.gain: nA/V || pv:unit
# ///
# room temperature
# second line
#----
# energy i0
  8779.0  149013.7
  8789.0  144864.7
"""


@pytest.fixture
def write(tmp_path):
    """Write text into a file of the given name."""

    def write(name: str, text: str, encoding: str = "utf-8") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode(encoding))
        return path

    return write


@pytest.fixture
def nexus(tmp_path):
    """Make an HDF5 file with two groups, units, a soft link and text."""
    path = tmp_path / "scan.nxs"
    with h5py.File(path, "w") as file:
        file["entry/data/energy"] = np.arange(3.0)
        file["entry/data/energy"].attrs["units"] = "keV"
        file["entry/data/image"] = np.arange(12, dtype=">u2").reshape(3, 2, 2)
        file["entry/sample/title"] = "Fe foil"
        file["entry/alias"] = h5py.SoftLink("/entry/data/energy")
        file["entry/again"] = file["entry/data"]
    return path


class TestCsv:
    """Tables in plain text."""

    def test_units_in_both_brackets(self, write):
        """``name (unit)`` and ``name [unit]`` are split; a name without unit stays."""
        found = read_columns(write("a.csv", "energy (eV),mu [1/mm],n\n1.5,0.1,3\n2.5,0.2,4\n"))

        assert found.units == {"energy": "eV", "mu": "1/mm"}
        assert found.columns["energy"].tolist() == [1.5, 2.5]
        assert found.columns["n"].dtype == np.int64

    def test_floats_are_exact(self, write):
        """Every digit that was written comes back."""
        values = np.random.default_rng(1).normal(size=200) * 10.0 ** np.arange(-100, 100)
        found = read_columns(write("a.csv", "x\n" + "\n".join(map(repr, values.tolist()))))

        assert np.array_equal(found.columns["x"], values)

    def test_text_and_gaps(self, write):
        """Text columns are strings of fixed width; gaps are NaN or the empty string."""
        found = read_columns(write("a.tsv", "name\tx\nä\t1\n\t\nccc\t3\n"))

        assert found.columns["name"].dtype == np.dtype("<U3")
        assert found.columns["name"].tolist() == ["ä", "", "ccc"]
        assert np.array_equal(found.columns["x"], [1.0, np.nan, 3.0], equal_nan=True)

    def test_dtypes(self, write):
        """A column is integer, float, boolean or text, whichever holds all its cells exactly."""
        found = read_columns(write("a.csv", f"i,big,f,b,s,u\n1,{2**70},1,true,1_0,007\n-2,1,.5,False,x y,'\n"))

        assert {key: value.dtype.kind for key, value in found.columns.items()} == {
            "i": "i",
            "big": "f",
            "f": "f",
            "b": "b",
            "s": "U",
            "u": "U",
        }
        assert found.columns["u"][0] == "007"

    def test_header_as_savetxt_writes_it(self, tmp_path):
        """The header row may be the last comment; the others are kept."""
        np.savetxt(tmp_path / "a.csv", [[1, 2], [3, 4]], delimiter=",", header="made by hand\nx (mm),y")
        found = read_columns(tmp_path / "a.csv")

        assert found.columns["y"].tolist() == [2.0, 4.0]
        assert found.units == {"x": "mm"}
        assert found.metadata == {"comments": ["made by hand"]}

    def test_comments_above_the_header(self, write):
        """Comments above a header row are kept, and a byte order mark is not part of a name."""
        found = read_columns(write("a.csv", "\ufeff# one\n\nx,y\n1,2\n"))

        assert list(found.columns) == ["x", "y"]
        assert found.metadata == {"comments": ["one"]}

    def test_dots_and_slashes_leave_the_keys(self, write):
        """What event-model refuses in a data key becomes an underscore, also for the unit."""
        found = read_columns(write("a.csv", "I/I0 (a),b.c\n1,2\n"))

        assert list(found.columns) == ["I_I0", "b_c"]
        assert found.units == {"I_I0": "a"}

    def test_a_comment_is_no_unit(self, write):
        """What stands in the brackets behind a name is units only where it can be; else it is kept as a comment."""
        found = read_columns(write("a.csv", "# one\nmu (corrected for deadtime),i0 [counts/s],e (K edge)\n1,2,3\n"))

        assert list(found.columns) == ["mu", "i0", "e"]
        assert found.units == {"i0": "counts/s"}
        assert found.metadata == {"comments": ["one", "mu (corrected for deadtime)", "e (K edge)"]}

    def test_one_column(self, write):
        """``dataset`` takes one column with its unit."""
        found = read_columns(write("a.csv", "x (mm),y (s)\n1,2\n"), dataset="y")

        assert list(found.columns) == ["y"]
        assert found.units == {"y": "s"}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "Got an empty file"),
            ("1,2\n3,4\n", "has no header row"),
            ("a,a\n1,2\n", "two have the same"),
            ("a (m),a (s)\n1,2\n", "have the same name"),
            ("a.b,a/b\n1,2\n", "become '_'"),
            ("a,\n1,2\n", "has no name"),
            ("a,b\n1,2\n1,2,3,4\n", "row 2 of the data has 4 cells, the header row names 2 columns: a, b"),
            ("a,b\n1\n", "row 1 of the data has 1 cells"),
            ("a,b\n", "no rows of data"),
            ('a,b\n1,"2\n', "is not a table"),
        ],
    )
    def test_refused(self, write, text, message):
        """A table that is none is refused with the reason."""
        with pytest.raises(InvalidDataError, match=message):
            read_columns(write("a.csv", text))

    def test_not_text(self, tmp_path):
        """Bytes that are no UTF-8 are refused as such."""
        (tmp_path / "a.csv").write_bytes(b"\xff\xfe\x00a,b")

        with pytest.raises(InvalidDataError, match="not text in UTF-8"):
            read_columns(tmp_path / "a.csv")

    def test_unknown_column(self, write):
        """A column that is not there is answered with those that are."""
        with pytest.raises(InvalidDataError, match=r"no column 'z'; it has x, y"):
            read_columns(write("a.csv", "x,y\n1,2\n"), dataset="z")


class TestNpz:
    """NumPy archives."""

    def test_arrays_keep_dtype_and_shape(self, tmp_path):
        """Byte order, shape and the empty array survive."""
        arrays = {"a": np.arange(6, dtype=">i4").reshape(2, 3), "e": np.empty((0, 4)), "s": np.array(1 + 2j)}
        np.savez(tmp_path / "a.npz", **arrays)
        found = read_columns(tmp_path / "a.npz")

        assert {key: (value.dtype, value.shape) for key, value in found.columns.items()} == {
            key: (value.dtype, value.shape) for key, value in arrays.items()
        }
        assert np.array_equal(found.columns["a"], arrays["a"])

    def test_pickles_are_refused(self, tmp_path):
        """An array of objects is never unpickled."""
        np.savez(tmp_path / "a.npz", a=np.array([{}, None], dtype=object))

        with pytest.raises(InvalidDataError, match="Python objects"):
            read_columns(tmp_path / "a.npz")

    def test_declared_more_than_held(self, tmp_path):
        """A header that promises more than the archive holds allocates nothing."""
        import zipfile

        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive, archive.open("a.npy", "w") as stream:
            np.lib.format.write_array_header_1_0(stream, {"shape": (10**12,), "fortran_order": False, "descr": "<f8"})

        with pytest.raises(InvalidDataError, match="declares 8000000000000 bytes and holds"):
            read_columns(tmp_path / "a.npz")

    @pytest.mark.parametrize("garbage", [b"", b"PK\x03\x04garbage", b"\x93NUMPY"])
    def test_garbage(self, tmp_path, garbage):
        """What is no archive is refused."""
        (tmp_path / "a.npz").write_bytes(garbage)

        with pytest.raises(InvalidDataError, match="cannot be read as npz"):
            read_columns(tmp_path / "a.npz")


class TestHdf5:
    """HDF5 files of any program."""

    def test_every_dataset_once(self, nexus):
        """Soft links and second hard links add nothing; dtype, units and text are kept."""
        found = read_columns(nexus)

        assert sorted(found.columns) == ["energy", "image", "title"]
        assert found.columns["image"].dtype == np.dtype(">u2")
        assert found.columns["title"] == "Fe foil"
        assert found.units == {"energy": "keV"}
        assert {key: path.rsplit("/", 1)[-1] for key, path in found.datasets.items()} == {
            key: key for key in found.columns
        }

    def test_a_group_or_a_dataset(self, nexus):
        """``dataset`` takes what is at or below a path."""
        assert read_columns(nexus, "entry/sample").datasets == {"title": "/entry/sample/title"}
        assert read_columns(nexus, "/entry/data/energy").datasets == {"energy": "/entry/data/energy"}

    def test_equal_names_get_their_groups(self, tmp_path):
        """Two datasets of one name are told apart by their paths."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["a/x"], file["b/x"], file["b/y"] = 1.0, 2.0, 3.0

        assert read_columns(tmp_path / "a.h5").datasets == {"a_x": "/a/x", "b_x": "/b/x", "y": "/b/y"}

    @pytest.mark.parametrize("dtype", ["<f8", ">f8", ">i4", "?", "<c16", "<f2", "S3"])
    @pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
    def test_round_trip(self, tmp_path, dtype, shape):
        """Values come back with dtype and shape, single ones and empty ones too."""
        values = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = values
        found = read_columns(tmp_path / "a.h5").columns["x"]

        assert found.shape == shape
        assert found.dtype.kind == ("U" if dtype == "S3" else values.dtype.kind)
        assert np.array_equal(found, values.astype(found.dtype))

    def test_external_link(self, tmp_path, nexus):
        """A link into another file is named and not followed."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = h5py.ExternalLink(nexus.name, "/entry/data/energy")

        for name in (None, "x"):
            with pytest.raises(UnsafeFileError, match=r"is a link to scan\.nxs"):
                read_columns(tmp_path / "a.h5", name)

    def test_virtual_and_external_storage(self, tmp_path, nexus):
        """Values that lie in other files are refused."""
        with h5py.File(tmp_path / "virtual.h5", "w") as file:
            layout = h5py.VirtualLayout((3,), "f8")
            layout[:] = h5py.VirtualSource(nexus, "/entry/data/energy", (3,))
            file.create_virtual_dataset("x", layout)
        with h5py.File(tmp_path / "external.h5", "w") as file:
            file.create_dataset("x", (4,), "u1", external=[("/etc/hostname", 0, 4)])

        for name in ("virtual.h5", "external.h5"):
            with pytest.raises(UnsafeFileError, match="lie in other files"):
                read_columns(tmp_path / name)

    def test_soft_link_by_name(self, nexus):
        """A soft link is answered with its target."""
        with pytest.raises(InvalidDataError, match="name its target, '/entry/data/energy'"):
            read_columns(nexus, "entry/alias")

    def test_unknown_dataset(self, nexus):
        """A dataset that is not there is answered with those that are."""
        with pytest.raises(InvalidDataError, match=r"no dataset 'nope/x'; it has .*/title"):
            read_columns(nexus, "nope/x")

    def test_group_within_itself(self, tmp_path):
        """A cycle of hard links ends."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["g/x"] = 1.0
            file["g/self"] = file["g"]

        assert list(read_columns(tmp_path / "a.h5").columns) == ["x"]

    def test_huge_declared_shape(self, tmp_path):
        """A dataset that declares more than memory holds is refused before it is read."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_dataset("x", (10**9, 10**6), "f8", chunks=(1000, 1000))

        with pytest.raises(TooLargeError, match="would take 8000000000000000 bytes"):
            read_columns(tmp_path / "a.h5")

    def test_kinds_that_cannot_be_stored(self, tmp_path):
        """A compound dataset is named with the way round it."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = np.zeros(2, [("a", "f8"), ("b", "i4")])

        with pytest.raises(InvalidDataError, match=r"/x is of a kind .* take the datasets you need with dataset="):
            read_columns(tmp_path / "a.h5")

    def test_no_dataset(self, tmp_path):
        """An HDF5 file without data is refused."""
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file.create_group("g")

        with pytest.raises(InvalidDataError, match="holds no dataset"):
            read_columns(tmp_path / "a.h5")

    def test_garbage(self, tmp_path):
        """What is no HDF5 is refused."""
        (tmp_path / "a.h5").write_bytes(b"not hdf5")

        with pytest.raises(InvalidDataError, match="cannot be read as HDF5"):
            read_columns(tmp_path / "a.h5")


class TestXdi:
    """X-ray absorption data."""

    def test_columns_units_and_fields(self, write):
        """Columns with units; fields nested, numbers as numbers, older names under the present ones too."""
        found = read_columns(write("a.xdi", XDI))

        assert found.columns["energy"].tolist() == [8779.0, 8789.0]
        assert found.units == {"energy": "eV"}
        assert found.metadata["xdi"] == {
            "version": "1.0",
            "application": "GSE/1.0",
            "scan": {"element": "Cu", "edge_energy": 8980.0},
            "element": {"symbol": "Cu"},
            "sample": {"name": "007"},
            "beamline": {"gain": [1, "nA/V"]},
            "pv": {"beamline": {"gain": ["pv:number", "pv:unit"]}},
            "comments": "room temperature\nsecond line",
        }

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("# XDI/1.0", "# SPEC", "not an XDI file"),
            ("  8789.0  144864.7\n", "  8789.0\n", "not a table of numbers"),
            ("  8789.0  144864.7\n", "  8789.0  abc\n", "not a table of numbers"),
            ("i0\n", "energy\n", r"names the columns \['energy', 'energy'\], and the data have 2"),
        ],
    )
    def test_refused(self, write, old, new, message):
        """A header and numbers that do not fit are refused."""
        assert old in XDI
        with pytest.raises(InvalidDataError, match=message):
            read_columns(write("a.xdi", XDI.replace(old, new)))

    @pytest.mark.parametrize(
        ("told", "units", "remark"),
        [
            ("ifluor", None, None),
            ("ifluor counts", "counts", None),
            ("ifluor\tcounts per second", "counts per second", None),
            ("ifluor counts || 13BMD:scaler1_calc3.VAL", "counts", None),
            ("ifluor   (corrected for deadtime)", None, "ifluor   (corrected for deadtime)"),
            ("ifluor corrected || pv", None, "ifluor corrected"),
            ("mutrans (log(I0/Itrans))", None, "mutrans (log(I0/Itrans))"),
            ("PGM_energy (eV) - Set point", "eV", "PGM_energy (eV) - Set point"),
            ("it nA, behind the sample", "nA", "it nA, behind the sample"),
            ("dtc dead-time corrected count rate", None, "dtc dead-time corrected count rate"),
            ("irefer A foil of iron", None, "irefer A foil of iron"),
            ("irefer K edge", None, "irefer K edge"),
            ("t degrees K", "degrees K", None),
            ("q 1/Å", "1/Å", None),
            ("field Oe", "Oe", None),
        ],
    )
    def test_a_comment_is_no_unit(self, write, told, units, remark):
        """As beamlines write them: what is behind the name is units only where it can be; whatever else is kept."""
        found = read_columns(write("a.xdi", XDI.replace("# Column.2: i0\n", f"# Column.2: {told}\n")))
        name = told.split()[0]

        assert list(found.columns) == ["energy", name]
        assert found.units == {"energy": "eV"} | ({name: units} if units else {})
        assert found.metadata["xdi"].get("column") == ({"2": remark} if remark else None)

    def test_names_of_several_words(self, write):
        """Where the fields begin alike, the labels above the data name the columns."""
        text = XDI.replace("energy eV", "PGM energy (keV) - Set point").replace(
            "Column.2: i0", "Column.2: PGM flux (nA)"
        )
        found = read_columns(write("a.xdi", text))

        assert list(found.columns) == ["energy", "i0"]
        assert found.units == {"energy": "keV", "i0": "nA"}
        assert found.metadata["xdi"]["column"] == {"1": "PGM energy (keV) - Set point", "2": "PGM flux (nA)"}

    def test_no_data(self, write):
        """A header alone is refused."""
        with pytest.raises(InvalidDataError, match="holds no data"):
            read_columns(write("a.xdi", XDI[: XDI.index("  8779")]))

    def test_measured_files(self, real_data):
        """Every measured file of both dialects gives an energy axis in eV, the element and keys a document can hold."""
        files = sorted((real_data / "xafs").glob("*.xdi"))
        assert files
        for path in files:
            found = read_columns(path)

            assert found.units["energy"] == "eV"
            assert (np.diff(found.columns["energy"]) > 0).all()
            assert found.metadata["xdi"]["element"]["symbol"].lower() == path.name.split("_")[0].rstrip("3co")
            assert not [key for key in _keys(found.metadata) if "." in key or "/" in key]


def _keys(value):
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _keys(item)


@pytest.mark.parametrize("name", ["a.txt", "a", "a.pickle", ".npz"])
def test_unknown_format(tmp_path, name):
    """A file of no known kind is answered with the known ones."""
    (tmp_path / name).write_text("x")

    with pytest.raises(InvalidDataError, match=r"known formats: \.h5, .*\.xdi"):
        read_columns(os.fspath(tmp_path / name))


def test_missing_file(tmp_path):
    """A file that is not there is named."""
    with pytest.raises(InvalidDataError, match="is not a file"):
        read_columns(tmp_path / "a.csv")
