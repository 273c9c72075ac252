"""Processors for the tests of computing: importable, as other processes need them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from analysis_store.processing import processor


def count(calls: str) -> None:
    """Leave a line for each call, which other processes see, too."""
    if calls:
        with Path(calls).open("a") as file:
            file.write("called\n")


@processor(id="flow_scale", version="1", descriptor_md={"primary": {"data_keys": {"curve": {"units": "eV"}}}})
def scale(inputs: Any, *, gain: float = 2.0, calls: str = "", seconds: float = 0.0) -> Any:
    """Multiply what is measured."""
    count(calls)
    time.sleep(seconds)
    return {"curve": inputs["primary"]["counts"].read().ravel() * gain, "top": 1.0}


@processor(id="flow_meet", version="1")
def meet(inputs: Any, *, who: int, calls: str, of: int) -> Any:
    """Wait until so many are being computed."""
    count(calls)
    until = time.monotonic() + 30
    while len(Path(calls).read_text().splitlines()) < of:
        if time.monotonic() > until:
            raise TimeoutError(f"{who} is alone")
        time.sleep(0.01)
    return {"who": who}


@processor(id="flow_total", version="1")
def total(inputs: Any, *, calls: str = "") -> Any:
    """Sum up the curve of every input."""
    count(calls)
    return {"primary": {"total": float(sum(one["primary"]["curve"][0].sum() for one in inputs))}}


@processor(id="flow_fail", version="1")
def fail(inputs: Any, *, calls: str = "", kind: str = "value") -> Any:
    """Raise an error."""
    count(calls)
    raise {"value": ValueError, "interrupt": KeyboardInterrupt, "exit": SystemExit}[kind]("no peak")


@processor(id="flow_once", version="1")
def fail_once(inputs: Any, *, calls: str) -> Any:
    """Raise an error when it is called for the first time."""
    first = not Path(calls).exists()
    count(calls)
    time.sleep(0.2)
    if first:
        raise ValueError("not yet")
    return {"fine": True}


@processor(id="flow_returns", version="1")
def returns(inputs: Any, *, what: str) -> Any:
    """Return what is no result, or holds what cannot be stored."""
    return {
        "none": None,
        "number": 3,
        "empty": {},
        "array": np.ones(3),
        "lambda": {"primary": {"x": lambda: 3}},
        "inner": {"fit": {"peaks": [1, object()]}, "primary": {"n": 1}},
        "value": {"x": object(), "n": 1},
        "event": [{"primary": {"x": 1}}, {"primary": {"x": object()}}],
        "keys": [{"primary": {"x": 1}}, {"primary": {"y": 1}}],
    }[what]


@processor(id="flow_peak", version="1")
def peak(inputs: Any, *, gain: float = 1.0) -> Any:
    """Return the highest value."""
    return {"peak": float(inputs["primary"]["x"][0].max()) * gain}


@processor(id="flow_size", version="1")
def size(inputs: Any) -> Any:
    """Return the size of a file in bytes."""
    return {"size": inputs.path.stat().st_size}
