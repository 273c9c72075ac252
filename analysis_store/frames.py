"""pandas tables as plain arrays with descriptions, and back."""

from __future__ import annotations

import importlib.util
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

from analysis_store.arrays import as_objects
from analysis_store.core.zones import restore_zone, zone_name
from analysis_store.errors import DamagedFileError, InvalidDataError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analysis_store.dtypes import AnyArray

Spec = dict[str, Any]

_MASKED = (pd.arrays.IntegerArray, pd.arrays.FloatingArray, pd.arrays.BooleanArray)

PRESENT, IS_NONE, IS_NAN, IS_NA = range(4)
"""Values in the mask of an object column."""


@dataclass(frozen=True, slots=True)
class Part:
    """A column, or a level of an index, as plain arrays."""

    spec: Spec
    """Its description, as JSON. ``kind`` is one of numpy, zoned, text, masked, object, json, categorical, range."""

    rows: Mapping[str, AnyArray]
    """Arrays with one element per row: ``values`` (except for a range), ``mask``."""

    table: Mapping[str, AnyArray] = field(default_factory=dict)
    """Arrays that belong to the table as a whole: ``categories``, ``range`` (start, stop, step), ``freq``."""

    hints: Spec = field(default_factory=dict)
    """Restored if possible, but not part of the value: how pandas keeps text in memory."""

    @property
    def arrays(self) -> dict[str, AnyArray]:
        """All arrays by name."""
        return {**self.rows, **self.table}


@dataclass(frozen=True, slots=True)
class Pieces:
    """A table as plain arrays."""

    index: list[Part]
    """The levels of the index."""

    labels: list[Part]
    """The levels of the labels of the columns."""

    columns: list[Part]
    """The columns, in order."""

    @property
    def parts(self) -> list[Part]:
        """All of them, in this order."""
        return [*self.index, *self.labels, *self.columns]


def take_apart(frame: pd.DataFrame) -> Pieces:
    """Return a table as plain arrays.

    Raises
    ------
    InvalidDataError
        A column or index cannot be a plain array; the message names it.
    """
    index = [_level(level, f"level {number} of the index") for number, level in enumerate(_split(frame.index))]
    labels = [_label_level(level) for level in _split(frame.columns)]
    columns = [_part(frame.iloc[:, number].array, f"column {label!r}") for number, label in enumerate(frame.columns)]
    return Pieces(index, labels, columns)


def check_bare(frame: pd.DataFrame) -> None:
    """Raise `InvalidDataError` for a table with attributes or flags, which plain arrays cannot hold."""
    if frame.attrs or not frame.flags.allows_duplicate_labels:
        raise InvalidDataError(
            f"Got a table with the attributes {frame.attrs} and {frame.flags}; expected only an index and columns. "
            "Store the attributes under a separate data key, or the table as an object."
        )


def fits_arrays(frame: pd.DataFrame) -> bool:
    """Return True if plain arrays can hold the whole table."""
    try:
        check_bare(frame)
        take_apart(frame)
    except InvalidDataError:
        return False
    return True


def as_counted(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table in which row numbers are a RangeIndex, also if pandas stores them as integers.

    A user's writer may return integers for a range, or the reverse; pandas treats them as equal.
    """
    return frame.set_axis(_as_range(frame.index), axis=0).set_axis(_as_range(frame.columns), axis=1)


def _as_range(index: pd.Index[Any]) -> pd.Index[Any]:
    if index.dtype != np.int64:
        return index
    values = index.to_numpy()
    start, step = (int(values[0]) if len(values) else 0), (int(values[1]) - int(values[0]) if len(values) > 1 else 1)
    found = pd.RangeIndex(start, start + len(values) * step, step or 1, name=index.name)
    return found if len(found) == len(values) and np.array_equal(found.to_numpy(), values) else index


def put_together(pieces: Pieces, length: int) -> pd.DataFrame:
    """Return the table of ``length`` rows that `take_apart` took apart.

    Raises
    ------
    DamagedFileError
        The parts do not fit together.
    """
    try:
        index = _index(pieces.index)
        columns = {number: _column(_values(part), index) for number, part in enumerate(pieces.columns)}
        frame = pd.DataFrame(columns, index=index)
        frame.columns = _index(pieces.labels)
    except (ValueError, TypeError, KeyError, IndexError, OverflowError) as error:
        raise DamagedFileError(f"The parts of a table of {length} rows do not fit together: {error}.") from error
    if len(frame) != length:
        raise DamagedFileError(f"Got an index of {len(frame)} rows; expected {length} rows in the table.")
    return frame


def _column(values: Any, index: pd.Index) -> pd.Series[Any]:
    made: pd.Series[Any] = pd.Series(values, index=index, dtype=values.dtype)  # pandas would guess a dtype
    return made


def _split(index: pd.Index) -> list[pd.Index]:
    """Return the levels of an index, each as an index."""
    if not isinstance(index, pd.MultiIndex):
        return [index]
    return [index.get_level_values(number) for number in range(index.nlevels)]


def _label_level(index: pd.Index) -> Part:
    """Return a level of the labels of columns, which may mix text and numbers."""
    what = "the labels of the columns"
    if index.dtype != object or all(type(label) is str or _missing(label) for label in index):
        return _level(index, what)
    texts = [json.dumps(_label(label, what)) for label in index]
    return Part({"kind": "json", "name": _label(index.name, what)}, {"values": np.array(texts, dtype=object)})


def _level(index: pd.Index, what: str) -> Part:
    name = {"name": _label(index.name, what)}
    if isinstance(index, pd.RangeIndex):
        return Part({"kind": "range", **name}, {}, {"range": np.array([index.start, index.stop, index.step], np.int64)})
    part = _part(index.array, what)
    if not isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return Part({**part.spec, **name}, part.rows, part.table, part.hints)
    if index.freq is not None and to_offset(index.freqstr) != index.freq:
        raise InvalidDataError(f"{_sentence(what)} has the frequency {index.freq!r}, which its name does not identify.")
    freq = np.array([index.freqstr or ""], dtype=object)
    return Part({**part.spec, **name}, part.rows, {**part.table, "freq": freq}, part.hints)


def _label(name: Any, what: str) -> Any:
    """Return a name as JSON from which its type can be restored: a tuple is a list."""
    if type(name) is tuple:
        return [_label(item, what) for item in name]
    if name is None or type(name) in (str, int, bool) or (type(name) is float and not math.isnan(name)):
        return name
    raise InvalidDataError(
        f"The name of {what} is {name!r}; expected text, a number, None or a tuple of them. Rename it."
    )


def _name(label: Any) -> Any:
    return tuple(_name(item) for item in label) if isinstance(label, list) else label


def _part(values: Any, what: str) -> Part:
    """Return the plain arrays of an array of pandas."""
    if type(values) is pd.arrays.NumpyExtensionArray:  # text is one of its subclasses
        values = values.to_numpy()
    dtype = values.dtype
    if isinstance(dtype, np.dtype):
        return _objects(values, what) if dtype.kind == "O" else Part({"kind": "numpy"}, {"values": np.asarray(values)})
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _zoned(values, dtype, what)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categorical(values, what)
    mask = np.asarray(values.isna(), dtype=bool)
    if isinstance(dtype, pd.StringDtype):
        texts = np.array(["" if gone else text for text, gone in zip(values, mask, strict=True)], dtype=object)
        spec = {"kind": "text", "missing": "NA" if dtype.na_value is pd.NA else "nan"}
        return Part(spec, {"values": texts, "mask": mask}, hints={"storage": dtype.storage})
    plain = getattr(dtype, "numpy_dtype", None)
    if isinstance(plain, np.dtype) and isinstance(values, _MASKED):
        filled = values.to_numpy(dtype=plain, na_value=plain.type(0))
        return Part({"kind": "masked"}, {"values": filled, "mask": mask})
    raise InvalidDataError(
        f"{_sentence(what)} has the dtype {dtype}; expected numbers, bool, text, times or categories. Use .astype(...)."
    )


def _sentence(what: str) -> str:
    return what[0].upper() + what[1:]


def _zoned(values: Any, dtype: pd.DatetimeTZDtype, what: str) -> Part:
    try:
        zone = zone_name(dtype.tz)
    except InvalidDataError as error:
        raise InvalidDataError(f"{_sentence(what)}: {error}") from error
    return Part({"kind": "zoned", "zone": zone}, {"values": np.asarray(values.tz_convert(None))})


def _categorical(values: Any, what: str) -> Part:
    inner = _level(values.categories, f"the categories of {what}")
    spec = {"kind": "categorical", "ordered": bool(values.ordered), "categories": inner.spec}
    table = {f"categories_{name}": array for name, array in inner.arrays.items()}
    return Part(spec, {"values": np.asarray(values.codes)}, table, {"categories": inner.hints})


def _objects(values: Any, what: str) -> Part:
    """Return the arrays of an object column: text, with None, NaN and NA for missing text."""
    objects = np.asarray(values, dtype=object)
    mask = np.array([_missing(item) for item in objects], np.uint8)
    odd = [item for item in objects[mask == PRESENT] if type(item) is not str]
    if odd:
        raise InvalidDataError(
            f"{_sentence(what)} mixes objects, {odd[0]!r} of type {type(odd[0]).__name__} among them; expected one "
            "type of number, or text. Use .convert_dtypes() or .astype(...)."
        )
    return Part({"kind": "object"}, {"values": np.where(mask == PRESENT, objects, ""), "mask": mask})


def _missing(item: Any) -> int:
    if item is None:
        return IS_NONE
    if item is pd.NA:
        return IS_NA
    return IS_NAN if type(item) is float and math.isnan(item) else PRESENT


def _index(levels: Sequence[Part]) -> pd.Index:
    made = [_one_index(part) for part in levels]
    return made[0] if len(made) == 1 else pd.MultiIndex.from_arrays(made, names=[level.name for level in made])


def _one_index(part: Part) -> pd.Index:
    name = _name(part.spec.get("name"))
    if part.spec["kind"] == "range":
        start, stop, step = (int(number) for number in part.table["range"])
        return pd.RangeIndex(start, stop, step, name=name)
    values = _values(part)
    index: Any = pd.Index(values, dtype=values.dtype, name=name)
    if "freq" in part.table and part.table["freq"][0]:
        index.freq = part.table["freq"][0]
    made: pd.Index[Any] = index
    return made


def _values(part: Part) -> Any:
    kind = part.spec["kind"]
    if kind not in _MAKERS:
        raise DamagedFileError(f"A column has the kind {kind!r}; expected one of {', '.join(sorted(_MAKERS))}.")
    return _MAKERS[kind](part)


def _make_numpy(part: Part) -> Any:
    return part.rows["values"]


def _make_zoned(part: Part) -> Any:
    return pd.DatetimeIndex(part.rows["values"]).tz_localize("UTC").tz_convert(restore_zone(part.spec["zone"])).array


def _make_text(part: Part) -> Any:
    storage = part.hints.get("storage")
    if storage != "pyarrow" or importlib.util.find_spec("pyarrow") is None:
        storage = "python"
    missing = pd.NA if part.spec["missing"] == "NA" else np.nan
    texts = part.rows["values"].copy()
    texts[part.rows["mask"]] = missing
    dtype: Any = pd.StringDtype(storage, na_value=missing)
    return pd.array(texts, dtype=dtype)


def _make_masked(part: Part) -> Any:
    values, mask = part.rows["values"], part.rows["mask"].astype(bool)
    makers = {"b": pd.arrays.BooleanArray, "f": pd.arrays.FloatingArray}
    return makers.get(values.dtype.kind, pd.arrays.IntegerArray)(values, mask)


def _make_object(part: Part) -> Any:
    objects, mask = part.rows["values"].copy(), part.rows["mask"]
    for code, missing in ((IS_NONE, None), (IS_NAN, np.nan), (IS_NA, pd.NA)):
        objects[mask == code] = missing
    return objects


def _make_json(part: Part) -> Any:
    return as_objects([_name(json.loads(label)) for label in part.rows["values"]])


def _make_categorical(part: Part) -> Any:
    spec = part.spec["categories"]
    arrays = {name.removeprefix("categories_"): array for name, array in part.table.items()}
    rows = {name: array for name, array in arrays.items() if name in ("values", "mask")}
    table = {name: array for name, array in arrays.items() if name not in rows}
    categories = _one_index(Part(spec, rows, table, part.hints.get("categories", {})))
    return pd.Categorical.from_codes(part.rows["values"], categories=categories, ordered=bool(part.spec["ordered"]))


_MAKERS: dict[str, Callable[[Part], Any]] = {
    "numpy": _make_numpy,
    "zoned": _make_zoned,
    "text": _make_text,
    "masked": _make_masked,
    "object": _make_object,
    "categorical": _make_categorical,
    "json": _make_json,
}
