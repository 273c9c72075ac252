"""Awkward values, by name: what people hand over that is not quite a number, a text or an array.

Each is made anew when it is asked for, so that no test sees what another did to one.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import pathlib
import types
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple

import h5py
import numpy as np
import pandas as pd
import xarray as xr
from numpy.dtypes import StringDType

from analysis_store.testing.equality import assert_identical

# ------------------------------------------------------------------------------------- classes of a user's own


class Mode(str, enum.Enum):  # noqa: UP042 - the older form, whose str() is not its text
    """Text that is a member."""

    FAST = "fast"
    SAFE = "safe\0"


class Tag(enum.StrEnum):
    """Text that is a member, as Python has it now."""

    RAW = "raw"


class Level(enum.IntEnum):
    """Integers that are members."""

    LOW = 1
    HIGH = 2**70


class Bits(enum.IntFlag):
    """Flags that are integers."""

    A = 1
    B = 4


class Choice(enum.Flag):
    """Flags that are no integers."""

    X = 1
    Y = 2


class Plain(enum.Enum):
    """Members that are nothing else."""

    ONE = 1


class Half(float, enum.Enum):
    """Floats that are members."""

    HALF = 0.5


class Text(str):
    """Text with something beside it."""

    __slots__ = ("note",)


class Loud(str):
    """Text that says something else of itself."""

    __slots__ = ()

    def __str__(self) -> str:
        return "loud"


class Whole(int):
    """An integer of another class."""


class Real(float):
    """A float of another class."""


class Double(np.float64):
    """A NumPy scalar of another class."""


class Listed(list):
    """A list of another class."""


class Mapped(dict):
    """A dict of another class."""


class Rowed(tuple):
    """A tuple of another class."""

    __slots__ = ()


class Point(NamedTuple):
    """A tuple whose places have names."""

    x: float
    y: float


class Tensor(np.ndarray):
    """An array of another class, which knows a unit."""

    unit = "eV"


class Frame(pd.DataFrame):
    """A table of another class."""

    @property
    def _constructor(self) -> type:
        return Frame


class Row(pd.Series):
    """A Series of another class."""


class Boxed:
    """What gives an array when asked, and holds more than that."""

    shape, dtype, ndim = (3,), np.dtype(float), 1

    def __init__(self) -> None:
        self.secret = "lost"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.arange(3.0)

    def __len__(self) -> int:
        return 3

    def __getitem__(self, key: Any) -> Any:
        return np.arange(3.0)[key]


@dataclass
class Fit:
    """A result as people have it."""

    model: str
    window: tuple[float, float]


# ------------------------------------------------------------------------------------------------------ the zoo

Zoo = dict[str, Callable[[], Any]]

_INTEGERS = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "q", "Q", "p", "P")
_FLOATS = ("e", "f", "d", "g", "F", "D", "G")
_UNITS = ("Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as")


def _numpy_scalars() -> Iterator[tuple[str, Callable[[], Any]]]:
    for code in _INTEGERS:
        yield f"numpy {code} greatest", lambda code=code: np.dtype(code).type(np.iinfo(code).max)
    for code in _FLOATS:
        yield f"numpy {code} third", lambda code=code: np.dtype(code).type(1) / np.dtype(code).type(3)
        yield f"numpy {code} nan", lambda code=code: np.dtype(code).type(np.nan)
    yield "numpy bool", lambda: np.bool_(True)
    for unit in _UNITS:
        yield f"datetime64 {unit}", lambda unit=unit: np.datetime64(12345, unit)
        yield f"timedelta64 {unit}", lambda unit=unit: np.timedelta64(-7, unit)
    for text in ("25us", "3D", "7ms"):
        yield f"datetime64 of {text}", lambda text=text: np.array(5, f"M8[{text}]")[()]
        yield f"timedelta64 of {text}", lambda text=text: np.array(5, f"m8[{text}]")[()]
    yield "NaT", lambda: np.datetime64("NaT", "ns")
    yield "NaT without unit", lambda: np.datetime64("NaT")
    yield "timedelta64 without unit", lambda: np.timedelta64(3)
    yield "datetime64 far away", lambda: np.datetime64(10**12, "s")


TEXT: Zoo = {
    "text": lambda: "text",
    "text empty": lambda: "",
    "text NUL inside": lambda: "a\0b",
    "text NUL at the end": lambda: "ab\0\0",
    "text of NULs": lambda: "\0",
    "text beyond the plane": lambda: "ünï→😀",
    "text lone surrogate": lambda: "a\ud800b",
    "text lone surrogate in a list": lambda: ["a", "\udfff"],
    "numpy text": lambda: np.str_("text"),
    "numpy text NUL at the end": lambda: np.str_("ab\0"),
    "numpy text NULs": lambda: np.str_("\0\0"),
    "numpy text empty": lambda: np.str_(""),
    "numpy text surrogate": lambda: np.str_("\ud800"),
    "bytes": lambda: b"ab",
    "bytes empty": lambda: b"",
    "bytes NUL at the end": lambda: b"ab\0",
    "numpy bytes": lambda: np.bytes_(b"ab"),
    "numpy bytes NUL at the end": lambda: np.bytes_(b"ab\0"),
    "numpy bytes empty": lambda: np.bytes_(b""),
    "bytearray": lambda: bytearray(b"a\0"),
    "memoryview": lambda: memoryview(b"a\0"),
    "list of text": lambda: ["a", "longer"],
    "list of text NUL": lambda: ["a\0", "b"],
    "list of bytes": lambda: [b"a", b"longer"],
    "list of bytes NUL": lambda: [b"\x01\x00", b"\x02"],
    "list of numpy text": lambda: [np.str_("a"), np.str_("longer")],
    "list of numpy text NUL": lambda: [np.str_("a\0"), np.str_("b")],
    "list of numpy bytes NUL": lambda: [np.bytes_(b"a\0"), np.bytes_(b"b")],
    "list of both texts": lambda: ["a", np.str_("b\0")],
    "list of text and bytes": lambda: ["a", b"a"],
    "nested list of text": lambda: [["a", "b"], ["c\0", ""]],
    "array of text": lambda: np.array([["a", "longer"]]),
    "array of text >U": lambda: np.array(["a", "longer"], ">U8"),
    "array of bytes": lambda: np.array([b"a", b"longer"]),
    "array of text T": lambda: np.array(["a", "b\0"], StringDType()),
    "array of text T strict": lambda: np.array(["a"], StringDType(coerce=False)),
    "array of text T with None": lambda: np.array(["a", None], StringDType(na_object=None)),
    "array of text T with None, none missing": lambda: np.array(["a"], StringDType(na_object=None)),
    "array of text T with NaN": lambda: np.array(["a", np.nan], StringDType(na_object=np.nan)),
    "array of text T with NA": lambda: np.array(["a", pd.NA], StringDType(na_object=pd.NA)),
    "array of text T with a mark": lambda: np.array(["a", "-"], StringDType(na_object="-")),
    "array of text objects": lambda: np.array(["a", "b\0"], object),
}

NUMBERS: Zoo = {
    "int": lambda: -5,
    "int 2**63": lambda: 2**63,
    "int 2**64": lambda: 2**64,
    "int huge": lambda: -(10**400),
    "float": lambda: 0.1,
    "float -0.0": lambda: -0.0,
    "float tiny": lambda: 5e-324,
    "float nan": lambda: float("nan"),
    "bool": lambda: True,
    "complex": lambda: complex(-0.0, float("inf")),
    "None": lambda: None,
    "Ellipsis": lambda: ...,
    "list of int": lambda: [1, 2],
    "list of big int": lambda: [1, 2**63],
    "list of int of both signs": lambda: [-1, 2**63],
    "list of huge int": lambda: [1, 2**64],
    "list of int and float": lambda: [1, 2.5],
    "list of int and float, lossy": lambda: [2**53 + 1, 0.5],
    "list of bool and int": lambda: [True, 2],
    "list of bool": lambda: [True, False],
    "list of complex": lambda: [1j, complex(0, -0.0)],
    "list of float and complex": lambda: [1.5, 1j],
    "list empty": list,
    "list of empty": lambda: [[], []],
    "list ragged": lambda: [[1], [2, 3]],
    "list deep ragged": lambda: [[[1]], [2]],
    "list with None": lambda: [1.5, None],
    "list of tuples": lambda: [(1, 2), (3, 4)],
    "list of points": lambda: [Point(1, 2), Point(3, 4)],
    "list of int and point": lambda: [(1, 2), Point(3, 4)],
    "list of members": lambda: [Mode.FAST, Mode.SAFE],
    "list of text and member": lambda: ["a", Mode.FAST],
    "list of int and member": lambda: [1, Level.LOW],
    "list of float subclass": lambda: [Real(1.5), Real(2.5)],
    "list of datetimes": lambda: [datetime.datetime(2026, 1, day, tzinfo=datetime.UTC) for day in (2, 3)],
    "list of decimals": lambda: [decimal.Decimal("1.10"), decimal.Decimal("1.1")],
    "list of fractions": lambda: [fractions.Fraction(1, 3)],
    "list of uint64 and int64": lambda: [np.uint64(2**64 - 1), np.int64(-1)],
    "list of int64 and float64": lambda: [np.int64(2**53 + 1), np.float64(0.5)],
    "list of small int64 and float64": lambda: [np.int64(3), np.float64(0.5)],
    "list of float32 and float64": lambda: [np.float32(0.1), np.float64(0.1)],
    "list of float32": lambda: [np.float32(0.1), np.float32(np.nan)],
    "list of float64 and float": lambda: [np.float64(0.1), 0.2],
    "list of float32 and float": lambda: [np.float32(0.1), 0.2],
    "list of int32 and int": lambda: [np.int32(1), 2],
    "list of bool_ and bool": lambda: [np.bool_(True), False],
    "list of times far apart": lambda: [np.datetime64(10**12, "s"), np.datetime64(1, "ns")],
    "list of times": lambda: [np.datetime64(1, "s"), np.datetime64("NaT", "s")],
    "list of spans of two units": lambda: [np.timedelta64(1, "s"), np.timedelta64(1, "h")],
    "list of time and span": lambda: [np.datetime64(1, "s"), np.timedelta64(1, "s")],
    "list of longdouble": lambda: [np.longdouble(1) / 3],
    "list of arrays": lambda: [np.arange(2.0), np.arange(2.0)],
    "list of arrays of two dtypes": lambda: [np.array([2**64 - 1], "u8"), np.array([-1], "i8")],
    "list of arrays f4 f8": lambda: [np.zeros(2, "f4"), np.zeros(2, "f8")],
    "list of arrays big-endian": lambda: [np.arange(2, dtype=">f8"), np.arange(2, dtype=">f8")],
    "list of arrays of both orders": lambda: [np.arange(2, dtype=">f8"), np.arange(2, dtype="<f8")],
    "list of arrays of two shapes": lambda: [np.zeros(2), np.zeros(3)],
    "list of array and list": lambda: [np.array([1.5, 2.5]), [1, 2]],
    "list of 0-d arrays": lambda: [np.array(1), np.array(2)],
    "list of masked arrays": lambda: [np.ma.array([1.0, 2.0], mask=[0, 1]), np.ma.array([3.0, 4.0])],
    "list of matrices": lambda: [np.array([[1.0, 2.0]]).view(np.matrix)],
    "list of series": lambda: [pd.Series([1.0, 2.0], ["a", "b"])],
    "list of structures": lambda: [np.zeros((), "i4,f8")[()]],
    "tuple": lambda: (1.5, 2.5),
    "tuple mixed": lambda: (1, "a"),
    "tuple empty": tuple,
}

CLASSES: Zoo = {
    "member of text": lambda: Mode.FAST,
    "member of text NUL": lambda: Mode.SAFE,
    "member of StrEnum": lambda: Tag.RAW,
    "member of IntEnum": lambda: Level.LOW,
    "member of IntEnum, huge": lambda: Level.HIGH,
    "IntFlag": lambda: Bits.A | Bits.B,
    "IntFlag none": lambda: Bits(0),
    "Flag": lambda: Choice.X | Choice.Y,
    "Enum": lambda: Plain.ONE,
    "member of float": lambda: Half.HALF,
    "str subclass": lambda: Text("a"),
    "str subclass, loud": lambda: Loud("a"),
    "int subclass": lambda: Whole(5),
    "float subclass": lambda: Real(0.1),
    "float64 subclass": lambda: Double(0.1),
    "list subclass": lambda: Listed([1, 2]),
    "dict subclass": lambda: Mapped(a=1),
    "tuple subclass": lambda: Rowed((1, 2)),
    "named tuple": lambda: Point(1.0, 2.0),
    "dataclass": lambda: Fit("voigt", (1.0, 2.0)),
    "object": object,
    "function": lambda: len,
    "generator": lambda: (number for number in (1, 2)),
    "gives an array": Boxed,
    "Fraction": lambda: fractions.Fraction(1, 3),
    "Decimal": lambda: decimal.Decimal("1.10"),
    "set": lambda: {1, 2},
    "range": lambda: range(3),
    "deque": lambda: collections.deque([1, 2], 5),
    "dict": lambda: {"a": 1, 2: [3]},
    "OrderedDict": lambda: collections.OrderedDict(b=1, a=2),
    "Counter": lambda: collections.Counter("aab"),
    "defaultdict": lambda: collections.defaultdict(list, a=[1]),
    "namespace": lambda: types.SimpleNamespace(a=1),
    "datetime": lambda: datetime.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=datetime.UTC),
    "date": lambda: datetime.date(2026, 1, 2),
    "time": lambda: datetime.time(1, 2, 3, 4),
    "timedelta": lambda: datetime.timedelta(microseconds=1),
    "path": lambda: pathlib.PurePosixPath("/data/a"),
    "uuid": lambda: uuid.UUID(int=5),
}

ARRAYS: Zoo = {
    "array 0-d": lambda: np.array(1.5),
    "array 0-d big-endian": lambda: np.array(1.5, ">f8"),
    "array empty": lambda: np.zeros((0, 3), "i2"),
    "array big-endian": lambda: np.arange(3, dtype=">i4"),
    "array Fortran": lambda: np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "array strided": lambda: np.arange(20)[::-3],
    "array complex": lambda: np.array([1j, -0.0]),
    "array float16": lambda: np.array([0.1, 65504], "f2"),
    "array longdouble": lambda: np.array([1], "g") / 3,
    "array of times": lambda: np.array([1, 2], "M8[fs]"),
    "array of spans": lambda: np.array([1, -2], "m8[25us]"),
    "array of NaT without unit": lambda: np.array(["NaT"], "M8"),
    "array S0": lambda: np.array([b""], "S0"),
    "array U0": lambda: np.array([""], "U0"),
    "array raw": lambda: np.array([b"ab"], "V2"),
    "array of objects": lambda: np.array([None, 1, "a"], object),
    "array of arrays": lambda: np.array([np.zeros(2), np.zeros(3)], object),
    "structure": lambda: np.array([(1, 2.5)], "i4,f8"),
    "structure 0-d": lambda: np.array((1, 2.5), "i4,f8"),
    "structure scalar": lambda: np.array((1, 2.5), "i4,f8")[()],
    "structure with text": lambda: np.array([("a", 2.5)], [("name", "U4"), ("x", "f8")]),
    "structure with padding": lambda: np.zeros(2, np.dtype("u1,f8", align=True)),
    "structure with r and i": lambda: np.zeros(2, [("r", "f8"), ("i", "f8")]),
    "array of 31 dimensions": lambda: np.ones((1,) * 31),
    "array of 32 dimensions": lambda: np.ones((1,) * 32),
    "array of 33 dimensions": lambda: np.ones((1,) * 33),
    "structure of 3000 fields": lambda: np.zeros(2, [(f"f{number}", "f8") for number in range(3000)]),
    "matrix": lambda: np.array([[1.0, 2.0]]).view(np.matrix),
    "recarray": lambda: np.rec.array([(1, 2.5)], dtype="i4,f8"),
    "record": lambda: np.rec.array([(1, 2.5)], dtype="i4,f8")[0],
    "array of records": lambda: np.zeros(2, np.dtype((np.record, [("a", "i4")]))),
    "masked": lambda: np.ma.array([1.0, 2.0], mask=[False, True], fill_value=7.0),
    "masked, nothing masked": lambda: np.ma.array([1.0, 2.0]),
    "masked 0-d": lambda: np.ma.array(1.0, mask=True),
    "masked constant": lambda: np.ma.masked,
    "array subclass": lambda: np.arange(3.0).view(Tensor),
    "chararray": lambda: np.array(["a ", "b"]).view(np.char.chararray),
    "dtype": lambda: np.dtype("f8"),
}

PANDAS: Zoo = {
    "Timestamp": lambda: pd.Timestamp(1, unit="ns"),
    "Timestamp with a zone": lambda: pd.Timestamp("2026-01-02", tz="Europe/Berlin"),
    "pandas NaT": lambda: pd.NaT,
    "pandas NA": lambda: pd.NA,
    "Timedelta": lambda: pd.Timedelta(1, unit="ns"),
    "Period": lambda: pd.Period("2026-01", "M"),
    "Interval": lambda: pd.Interval(0, 1),
    "Series": lambda: pd.Series([1.5, 2.5], ["a", "b"], name="mu"),
    "Series of Int64": lambda: pd.Series([1, None], dtype="Int64"),
    "Series with attrs": lambda: _with(pd.Series([1.0]), {"units": "eV"}),
    "Series subclass": lambda: Row([1.0]),
    "Index": lambda: pd.Index([1, 2], name="i"),
    "RangeIndex": lambda: pd.RangeIndex(3),
    "IntegerArray": lambda: pd.array([1, None], dtype="Int64"),
    "StringArray": lambda: pd.array(["a", None], dtype="string"),
    "Categorical": lambda: pd.Categorical(["a", None], ["b", "a"], ordered=True),
    "SparseArray": lambda: pd.arrays.SparseArray([0.0, 1.0]),
    "DatetimeArray": lambda: pd.array(pd.date_range("2026", periods=2, tz="UTC")),
    "table": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    "table with attrs": lambda: _with(pd.DataFrame({"a": [1]}), {"made by": "hand"}),
    "table with objects": lambda: pd.DataFrame({"a": [1, "x", None]}, dtype=object),
    "table with numpy labels": lambda: pd.DataFrame([[1, 2]], columns=pd.Index([np.int8(1), "a"], dtype=object)),
    "table with Enum labels": lambda: pd.DataFrame([[1]], columns=pd.Index([Mode.FAST], dtype=object)),
    "table of Enum members": lambda: pd.DataFrame({"a": pd.Series([Mode.FAST, Mode.SAFE], dtype=object)}),
    "table of numpy text": lambda: pd.DataFrame({"a": pd.Series([np.str_("a"), "b"], dtype=object)}),
    "table of float subclass NaN": lambda: pd.DataFrame({"a": pd.Series([Real("nan"), "b"], dtype=object)}),
    "table subclass": lambda: Frame({"a": [1]}),
    "table of categories": lambda: pd.DataFrame({"a": pd.Categorical(["x", None])}),
    "table with a frequency": lambda: pd.DataFrame({"a": [1, 2]}, pd.date_range("2026", periods=2, freq="h")),
}

XARRAY: Zoo = {
    "DataArray bare": lambda: xr.DataArray([1.0, 2.0], dims="x"),
    "DataArray with units": lambda: xr.DataArray([1.0, 2.0], dims="x", attrs={"units": "eV"}),
    "DataArray with attrs": lambda: xr.DataArray([1.0], dims="x", attrs={"units": "eV", "long_name": "energy"}),
    "DataArray with odd units": lambda: xr.DataArray([1.0], dims="x", attrs={"units": 5}),
    "DataArray with a name": lambda: xr.DataArray([1.0], dims="x", name="mu"),
    "DataArray with coords": lambda: xr.DataArray([1.0, 2.0], {"x": [7.0, 8.0]}, ["x"]),
    "DataArray 0-d": lambda: xr.DataArray(1.5),
    "DataArray of masked": lambda: xr.DataArray(xr.Variable("x", [1.0]).copy(data=np.array([1.0]))),
    "Variable": lambda: xr.Variable(("x",), np.arange(2.0), {"units": "eV"}),
    "Variable with attrs": lambda: xr.Variable(("x",), np.arange(2.0), {"note": "a"}),
    "Dataset": lambda: xr.Dataset({"a": ("x", [1.0])}, {"x": [2.0]}, {"title": "t"}),
}

OTHERS: Zoo = {}

if find_spec("pint"):
    import pint

    def _unit() -> Any:
        return pint.get_application_registry()

    OTHERS |= {
        "pint float": lambda: 3.5 * _unit().mg,
        "pint int": lambda: _unit().Quantity(3, "m/s**2"),
        "pint array": lambda: np.arange(3.0) * _unit().mg,
        "pint float32": lambda: _unit().Quantity(np.arange(3, dtype="f4"), "mg"),
        "pint dimensionless": lambda: _unit().Quantity(1.5, ""),
        "pint Fraction": lambda: _unit().Quantity(fractions.Fraction(1, 3), "m"),
        "pint of masked": lambda: _unit().Quantity(np.ma.array([1.0, 2.0], mask=[0, 1]), "m"),
        "pint Measurement": lambda: _unit().Quantity(1.5, "m").plus_minus(0.1),
        "pint Unit": lambda: _unit().Unit("m/s"),
        "list of pint": lambda: [1.0 * _unit().mm, 2.0 * _unit().m],
        "list of pint of one unit": lambda: [1.0 * _unit().mm, 2.0 * _unit().mm],
        "DataArray of pint": lambda: xr.DataArray(np.arange(2.0) * _unit().mg, dims="x"),
    }

if find_spec("quantities"):
    import quantities as pq

    class Length(pq.Quantity):
        """A quantity of another class."""

    OTHERS |= {
        "quantity": lambda: pq.Quantity([1.0, 2.0], "mV"),
        "quantity scalar": lambda: 1.5 * pq.s,
        "quantity of power 10": lambda: pq.Quantity([1.0], "m") ** 10,
        "quantity with uncertainty": lambda: pq.UncertainQuantity([1.0, 2.0], "mV", [0.1, 0.2]),
        "quantity with uncertainty, scalar": lambda: pq.UncertainQuantity(1.0, "mV", 0.1),
        "unit of quantities": lambda: pq.mV,
        "constant of quantities": lambda: pq.constants.electron_mass,
        "compound unit": lambda: 2.0 * pq.CompoundUnit("1/cm**3"),
        "quantity subclass": lambda: np.arange(2.0).view(Length),
        "list of quantities": lambda: [1.5 * pq.s, 2.5 * pq.ms],
    }

if find_spec("uncertainties"):
    import uncertainties

    OTHERS["ufloat"] = lambda: uncertainties.ufloat(1.0, 0.1)

if find_spec("neo") and find_spec("quantities"):
    import neo

    OTHERS["neo signal"] = lambda: neo.AnalogSignal([[1.0], [2.0]], units="mV", sampling_rate=1 * pq.Hz, name="a")

if find_spec("scipy"):
    import scipy.sparse

    OTHERS["sparse array"] = lambda: scipy.sparse.csr_array(np.eye(2))

if find_spec("dask"):
    import dask.array

    OTHERS |= {
        "dask": lambda: dask.array.arange(4, chunks=2),
        "dask of masked": lambda: dask.array.from_array(np.ma.array([1.0, 2.0], mask=[0, 1]), asarray=False),
    }

if find_spec("zarr"):
    import zarr

    OTHERS["zarr"] = lambda: zarr.array(np.arange(3.0))

if find_spec("awkward"):
    import awkward

    OTHERS["awkward"] = lambda: awkward.Array([[1.0], [2.0, 3.0]])

if find_spec("sparse"):
    import sparse

    OTHERS["sparse COO"] = lambda: sparse.COO.from_numpy(np.eye(2))


def on_disk(folder: pathlib.Path) -> Zoo:
    """Return values that lie in files of a folder."""
    np.save(folder / "a.npy", np.arange(4.0))
    file = h5py.File(folder / "a.h5", "a")
    if "a" not in file:
        file["a"] = np.arange(3, dtype=">i2")
        file["text"] = ["a", "b"]
        file.create_dataset("kind", data=[0, 1], dtype=h5py.enum_dtype({"RED": 0, "BLUE": 1}))
    return {
        "memmap": lambda: np.load(folder / "a.npy", mmap_mode="r"),
        "HDF5 dataset": lambda: file["a"],
        "HDF5 text": lambda: file["text"],
        "HDF5 enumeration": lambda: file["kind"],
    }


def _with(value: Any, attrs: dict[str, Any]) -> Any:
    value.attrs.update(attrs)
    return value


SCALARS: Zoo = dict(_numpy_scalars())
ZOO: Zoo = {**SCALARS, **TEXT, **NUMBERS, **CLASSES, **ARRAYS, **PANDAS, **XARRAY, **OTHERS}


DOCUMENTED = frozenset({np.ndarray, np.str_, np.memmap} | {np.dtype(code).type for code in "?bBhHiIlLqQefd"})
"""NumPy's own classes of what documents hold."""

# Everything else comes back; a class of one's own does as soon as it has a codec.
REFUSED = frozenset(
    (
        "text lone surrogate",
        "text lone surrogate in a list",
        "numpy text surrogate",
        "memoryview",
        "list of float subclass",
        "str subclass",
        "str subclass, loud",
        "int subclass",
        "float subclass",
        "float64 subclass",
        "list subclass",
        "dict subclass",
        "tuple subclass",
        "object",
        "function",
        "generator",
        "gives an array",
        "array of 32 dimensions",
        "array of 33 dimensions",
        "array subclass",
        "chararray",
        "Series subclass",
        "table subclass",
        "table of float subclass NaN",
        "quantity subclass",
        "ufloat",
        "zarr",
        "awkward",
        "sparse COO",
        "HDF5 enumeration",
    )
)
"""Animals that no run takes."""


# ---------------------------------------------------------------------------------------- what came and what went


def assert_came_back(wanted: Any, found: Any, data_key: dict[str, Any] | None = None) -> None:
    """Fail unless a value is what it was, in the form in which runs give back values.

    A number is a NumPy scalar of the same value, a regular list an array of its items, a quantity its numbers with the
    units in ``data_key``. What no array says is of the same type, equal to the last bit.
    """
    kind, told = type(wanted), data_key or {}
    if kind in (bool, int, float, complex) and isinstance(found, np.generic):
        _same_number(wanted, found)
    elif kind in (str, np.str_):
        assert type(found) in (str, np.str_)
        assert "".join(found) == "".join(wanted)
    elif kind in (list, tuple) and isinstance(found, np.ndarray):
        _same_items(wanted, found)
    elif kind.__name__ == "Measurement":  # two of the same value and error are not equal: they are independent
        assert (type(found), found.value, found.error) == (kind, wanted.value, wanted.error)
    elif hasattr(wanted, "magnitude") and isinstance(found, (np.ndarray, np.generic)) and type(found) is not kind:
        _same_array(np.asarray(wanted.magnitude), found)
        assert _units(told["units"], wanted) == wanted.units
    elif isinstance(wanted, (xr.DataArray, xr.Variable)) and type(found) is not kind:
        _same_array(wanted.values, found)
        assert (told.get("units"), tuple(told["dims"])) == (wanted.attrs.get("units"), wanted.dims)
        assert wanted.attrs.keys() <= {"units"}
    elif kind is np.ndarray or (isinstance(wanted, np.generic) and isinstance(found, (np.generic, np.ndarray))):
        _same_array(wanted, found)
    elif kind.__module__.partition(".")[0] in ("dask", "h5py") or kind is np.memmap:
        _same_array(wanted.compute() if hasattr(wanted, "compute") else np.asarray(wanted), found)
    else:
        assert_identical(wanted, found)


def _same_number(wanted: Any, found: np.generic) -> None:
    item = found.item()
    assert type(item) is type(wanted)
    assert repr(item) == repr(wanted)


def _same_array(wanted: Any, found: Any) -> None:
    if np.ma.isMaskedArray(wanted):
        assert_identical(wanted, found)
        return
    one, other = np.asarray(wanted), np.asarray(found)
    if one.ndim == 0 and isinstance(found, np.generic):  # which are always native
        one = one.astype(one.dtype.newbyteorder("="))
    if one.dtype.kind in "OTV" or one.dtype.char in "gG":
        assert_identical(one[()], found[()] if type(found) is np.ndarray else found)
        return
    assert (one.dtype.str, one.shape, one.tobytes()) == (other.dtype.str, other.shape, other.tobytes())


def _same_items(wanted: Any, found: np.ndarray) -> None:
    assert len(wanted) == len(found)
    for item, came in zip(wanted, found, strict=True):
        if type(item) in (list, tuple):
            _same_items(item, came)
        elif type(item) is int and isinstance(came, np.float64):
            assert int(came) == item
        elif type(item) in (bytes, np.bytes_):
            assert bytes(item) == bytes(came)
        else:
            assert_came_back(item, came)


def _units(text: str, wanted: Any) -> Any:
    if type(wanted).__module__.startswith("pint"):
        return pint.get_application_registry().Unit(text)
    return pq.Quantity(1.0, text).units
