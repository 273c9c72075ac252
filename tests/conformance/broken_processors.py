"""Processors whose results cannot be reused, each for a reason of its own."""

from __future__ import annotations

import os
from itertools import count
from typing import Annotated

from pydantic import WithJsonSchema

from analysis_store.processing import processor

_calls = count()


@processor(id="broken_counting", version="1")
def counting(inputs):  # noqa: D103 - has none on purpose
    return {"calls": next(_calls)}


@processor(id="broken_at_home", version="1")
def at_home(inputs):
    """Where it runs shows in what it returns."""
    return {"process": os.getpid(), "x": inputs["primary"]["x"][0]}


@processor(id="broken_spoiling", version="1")
def spoiling(inputs):
    """It writes into the file that it was given."""
    with inputs.path.open("a") as file:
        file.write("more")
    return {"x": 1}


@processor(id="broken_unstorable", version="1")
def unstorable(inputs):
    """Nobody can keep what it returns."""
    return {"fine": 1, "generator": (x for x in [1])}


@processor(id="broken_defaults", version="1")
def defaults(inputs, *, width: float = 1):
    """Its default is no float."""
    return {"width": width}


@processor(id="broken_schema", version="1")
def schema(inputs, *, level: Annotated[int, WithJsonSchema({"type": "integer", "minimum": 1})] = 0):
    """Its schema says what nobody checks, and its own default breaks it."""
    return {"level": level}


@processor(id="broken_raising", version="1")
def raising(inputs):
    """It looks for what is not there."""
    return {"y": inputs["primary"]["y"][0]}
