"""NumPy's dtypes as text, lists and numbers, and checks of those read from a file.

Forms::

    a number, time, text or bytes       text, as ``dtype.str`` has it: "<f8", "|S3", "<M8[ns]", "|O"
    a structure                         names, formats (likewise), offsets (bytes), itemsize (bytes), aligned [titles]
                                        [record (true): its scalars are of `numpy.record`]
    an array in a structure             base, shape
    text of any length                  text ("variable"), coerce [na_object]
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.dtypes import StringDType

from analysis_store.codecs.libraries.arrays import shape
from analysis_store.codecs.states import expect
from analysis_store.errors import InvalidDataError

_DEPTH = 32

# The forms of `dtype.str` and no others: NumPy's own parser would take far more.
_SIMPLE = re.compile(
    r"\|b1|\|O|[|<>][iu](1|2|4|8)|[<>]f(2|4|8|12|16)|[<>]c(8|16|24|32)|[<>]U\d{1,9}|\|[SV]\d{1,9}"
    r"|[<>][mM]8(\[\d{0,9}(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\])?"
)


def tell(dtype: np.dtype, depth: int = 0) -> Any:
    """Return a dtype as ``dtype.str``, or as a mapping if it has fields, a shape or marks of missing text.

    Raises
    ------
    InvalidDataError
        The dtype is not supported: it is of another library, nested too deeply, or has titles that are not text.
    """
    if depth > _DEPTH:
        raise InvalidDataError(f"Got a dtype nested more than {_DEPTH} deep; expected fewer levels. Store its fields.")
    if dtype.subdtype is not None:
        base, lengths = dtype.subdtype
        return {"base": tell(base, depth + 1), "shape": list(lengths)}
    if dtype.names is not None:
        return _tell_fields(dtype, depth)
    if isinstance(dtype, StringDType):
        told: dict[str, Any] = {"text": "variable", "coerce": bool(dtype.coerce)}
        return {**told, "na_object": dtype.na_object} if hasattr(dtype, "na_object") else told
    if not _SIMPLE.fullmatch(dtype.str):
        raise InvalidDataError(f"Got the dtype {dtype!r}; expected one of NumPy's own. Use .astype(...).")
    return dtype.str


def _tell_fields(dtype: np.dtype, depth: int) -> dict[str, Any]:
    fields = [dtype.fields[name] for name in dtype.names or ()] if dtype.fields else []
    titles = [field[2] if len(field) > 2 else None for field in fields]
    odd = [title for title in titles if title is not None and type(title) is not str]
    if odd:
        raise InvalidDataError(f"Got the dtype {dtype} with the title {odd[0]!r}; expected text. Rename its fields.")
    return {
        "names": list(dtype.names or ()),
        "formats": [tell(field[0], depth + 1) for field in fields],
        "offsets": [field[1] for field in fields],
        "itemsize": dtype.itemsize,
        "aligned": dtype.isalignedstruct,
        **({"titles": titles} if any(title is not None for title in titles) else {}),
        **({"record": True} if dtype.type is np.record else {}),
    }


def restore(state: Any, depth: int = 0) -> np.dtype:
    """Return the dtype for a state of `tell`; only its forms are passed to NumPy.

    Raises
    ------
    ValueError
        The state has another form.
    """
    if depth > _DEPTH:
        raise ValueError(f"a dtype is nested more than {_DEPTH} deep")
    if type(state) is str:
        if not _SIMPLE.fullmatch(state):
            raise ValueError(f"{state[:60]!r} is not a dtype that this version knows")
        return np.dtype(state)
    expect(dict, state)
    if "base" in state:
        return np.dtype((restore(state["base"], depth + 1), shape(state["shape"])))
    if "text" in state:
        marked = {"na_object": state["na_object"]} if "na_object" in state else {}
        if any(np.iterable(mark) and type(mark) is not str for mark in marked.values()):
            raise TypeError(f"got {type(state['na_object']).__name__} as the mark of missing text")
        made: np.dtype = StringDType(coerce=bool(state["coerce"]), **marked)
        return made
    return _restore_fields(state, depth)


def _restore_fields(state: dict[str, Any], depth: int) -> np.dtype:
    told: Any = {
        "names": [expect(str, name) for name in expect(list, state["names"])],
        "formats": [restore(item, depth + 1) for item in expect(list, state["formats"])],
        "offsets": list(shape(state["offsets"])),
        "itemsize": expect(int, state["itemsize"]),
        **({"titles": expect(list, state["titles"])} if "titles" in state else {}),
    }
    made: np.dtype = np.dtype(told, align=bool(state["aligned"]))
    return np.dtype((np.record, made)) if state.get("record") is True else made
