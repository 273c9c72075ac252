"""Codecs of pandas: series, tables and their indexes, with a separate array for each column and each level.

States; parts in brackets are present only if they hold information::

    Series          values, index, name [attrs, allows_duplicate_labels]
    DataFrame       data (label -> values; a list, where the labels are not all different texts), columns (an index),
                    index [attrs, allows_duplicate_labels]
    Index, CategoricalIndex, PeriodIndex, IntervalIndex     values, name
    DatetimeIndex, TimedeltaIndex                           values, name, freq (one of pandas.offsets, or None)
    RangeIndex      start, stop, step, name
    MultiIndex      levels (named indexes), codes (for each level, position of each row; -1: missing), sortorder

Values are an array of NumPy, or of pandas where NumPy has no such type (`pandas_arrays`).
"""

from __future__ import annotations

from functools import partial
from typing import Any

import pandas as pd

from analysis_store.codecs.libraries import pandas_arrays, pandas_arrow, pandas_scalars
from analysis_store.codecs.libraries.arrays import array, some
from analysis_store.codecs.libraries.pandas_arrays import short, unwrap, wrapped
from analysis_store.codecs.model import Codec
from analysis_store.codecs.states import expect, hashable

State = dict[str, Any]


# ------------------------------------------------------------------------------------------------ indexes


def _name(state: State) -> Any:
    return hashable([state["name"]])[0]


def _index_state(index: Any) -> State:
    return {"values": unwrap(index.array), "name": index.name}


def _index(cls: type[Any], state: State) -> Any:
    values = wrapped(state["values"])
    hashable([state["name"], *(values if values.dtype == object else ())])
    made: Any = pd.Index(values, dtype=values.dtype, name=state["name"], copy=False, tupleize_cols=False)
    if type(made) is not cls:
        raise ValueError(f"values of {values.dtype} cannot form a {cls.__name__}")
    return made


def _regular_state(index: Any) -> State:
    return {**_index_state(index), "freq": index.freq}


def _regular(cls: type[Any], state: State) -> Any:
    made = _index(cls, state)
    made.freq = state["freq"]
    return made


def _range_state(index: Any) -> State:
    return {"start": int(index.start), "stop": int(index.stop), "step": int(index.step), "name": index.name}


def _range(state: State) -> Any:
    start, stop, step = (expect(int, state[key]) for key in ("start", "stop", "step"))
    return pd.RangeIndex(start, stop, step, name=_name(state))


def _multi_state(index: Any) -> State:
    codes = [codes.copy() for codes in index.codes]
    order = None if index.sortorder is None else int(index.sortorder)
    return {"levels": list(index.levels), "codes": codes, "sortorder": order}


def _multi(state: State) -> Any:
    levels: Any = [short(level) for level in expect(list, state["levels"])]
    codes: Any = [array(each, "i") for each in expect(list, state["codes"])]
    order = None if state["sortorder"] is None else expect(int, state["sortorder"])
    return pd.MultiIndex(levels, codes, order, names=[level.name for level in levels])


# ------------------------------------------------------------------------------------------------ series and tables


def _told_aside(value: Any) -> State:
    """Return the rare parts: attributes, and the flag that refuses duplicate labels."""
    aside: State = {"attrs": dict(value.attrs)} if value.attrs else {}
    return aside if value.flags.allows_duplicate_labels else {**aside, "allows_duplicate_labels": False}


def _with_aside(value: Any, state: State) -> Any:
    value.attrs.update(state.get("attrs", {}))
    value.flags.allows_duplicate_labels = bool(state.get("allows_duplicate_labels", True))
    return value


def _series_state(series: Any) -> State:
    return {"values": unwrap(series.array), "index": series.index, "name": series.name, **_told_aside(series)}


def _series(state: State) -> Any:
    return _with_aside(_column(state["values"], some(pd.Index, state["index"]), _name(state)), state)


def _column(values: Any, index: Any, name: Any = None) -> Any:
    # Without its dtype pandas would guess one from the objects.
    return pd.Series(wrapped(values), index=index, name=name, dtype=values.dtype, copy=False)


def _frame_state(frame: Any) -> State:
    columns = [unwrap(frame.iloc[:, number].array) for number in range(frame.shape[1])]
    named = frame.columns.is_unique and all(type(label) is str for label in frame.columns)
    return {
        "data": dict(zip(frame.columns, columns, strict=True)) if named else columns,
        "columns": frame.columns,
        "index": frame.index,
        **_told_aside(frame),
    }


def _frame(state: State) -> Any:
    data, labels, index = state["data"], some(pd.Index, state["columns"]), some(pd.Index, state["index"])
    columns = [data[label] for label in labels] if type(data) is dict else expect(list, data)
    made = pd.DataFrame({number: _column(each, index) for number, each in enumerate(columns)}, index=index, copy=False)
    made.columns = labels
    return _with_aside(made, state)


_INDEXES = (pd.Index, pd.CategoricalIndex, pd.PeriodIndex, pd.IntervalIndex)
_REGULAR = (pd.DatetimeIndex, pd.TimedeltaIndex)

CODECS: tuple[Codec, ...] = (
    *(Codec(f"pandas.{cls.__name__}", cls, _index_state, partial(_index, cls)) for cls in _INDEXES),
    *(Codec(f"pandas.{cls.__name__}", cls, _regular_state, partial(_regular, cls)) for cls in _REGULAR),
    Codec("pandas.RangeIndex", pd.RangeIndex, _range_state, _range),
    Codec("pandas.MultiIndex", pd.MultiIndex, _multi_state, _multi),
    Codec("pandas.Series", pd.Series, _series_state, _series, fields=True),
    Codec("pandas.DataFrame", pd.DataFrame, _frame_state, _frame, fields=True),
    *pandas_arrays.CODECS,
    *pandas_arrow.CODECS,
    *pandas_scalars.CODECS,
)
