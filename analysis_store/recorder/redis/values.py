"""Recorded values as the bytes that Redis holds, and their forms as text."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from analysis_store.documents import dumps
from analysis_store.errors import DamagedFileError
from analysis_store.recorder.core.value_kinds import Form, form_said


def encoded(form: Form, value: Any) -> bytes:
    """Return the bytes of a value of `Form.fitted`; a ragged value begins with a line of its shape."""
    if form.kind == "object":
        return bytes(value)
    if form.kind == "text":
        return str(value).encode("utf-8", "surrogatepass")
    data: bytes = value.tobytes()
    if form.kind == "ragged":
        return b"%s\n%s" % (",".join(map(str, value.shape)).encode(), data)
    return data


def decoded(form: Form, data: bytes) -> Any:
    """Return a value as from `Form.fitted`; an array is a copy.

    Raises
    ------
    DamagedFileError
        The bytes are not a value of this form.
    """
    if form.kind == "object":
        return data
    try:
        if form.kind == "text":
            return data.decode("utf-8", "surrogatepass")
        shape = form.shape
        if form.kind == "ragged":
            told, _, data = data.partition(b"\n")
            shape = tuple(int(size) for size in told.split(b",") if size)
        return np.frombuffer(data, form.dtype).reshape(shape).copy()
    except ValueError as error:
        raise DamagedFileError(f"A value in Redis is not {form.kind} of {form.dtype}: {error}.") from error


def form_text(form: Form, *, is_set: bool) -> str:
    """Return a form as JSON."""
    told = {
        "kind": form.kind,
        "dtype": form.dtype.str,
        "shape": list(form.shape),
        "attrs": dict(form.attrs),
        "set": is_set,
    }
    return dumps(told)


def form_told(text: bytes) -> tuple[int, Form, bool]:
    """Return the place of a key among the others, its form, and whether it is set, from the server's text."""
    place, _, told = text.partition(b" ")
    found = json.loads(told)
    return int(place), form_said(found), found["set"]
