"""Makes the store beside this file; see README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis_store import AnalysisStore, Code, Policy, Provenance
from analysis_store.recorder import Recorder, RunDataStore
from analysis_store.runs.read.run import Run

CODE = Code(name="make", version="1", url="https://example.org/make")
ENERGY = np.linspace(7000.0, 7300.0, 20)


def kinds() -> dict[str, dict[str, list[Any]]]:
    """Return what is saved: for each run the streams, each key with its values event by event."""
    shared = [1.5]
    tree = {
        "a-b": [1, {"k": (1, "x")}],
        "µ": {1: 2},
        "a/b": 3,
        "list": [1, "x", None, {"z": 2}],
        "1": shared,
        "2": shared,
    }
    table = pd.DataFrame([[1.5, "u", 0.5], [2.5, "v", 1.5]], columns=["a-b", "a_b", "a-b"]).astype({"a_b": "category"})
    levels = pd.DataFrame(np.arange(4.0).reshape(2, 2), columns=pd.MultiIndex.from_tuples([("x", 1), ("y", 2)]))
    return {
        "names": {
            "my stream": {
                "a-b": [1, 2],
                "a_b": [2.5, 3.5],
                "300 K": ["x", "y"],
                "µ": [True, False],
                "time": [1.0, 2.0],
            },
            "2nd": {"mu-x": [np.arange(20.0)], "energy-x": [ENERGY]},
            "documents": {"x" * 300: [1], "A": [2], "a": [3], "time_": [4], "seq_num": [5]},
        },
        "curves": {"primary": {"energy": [ENERGY, ENERGY], "mu": [ENERGY**2, ENERGY**3], "e0": [7112.0, 7113.0]}},
        "images": {
            "primary": {"image": list(np.arange(120, dtype=">u2").reshape(2, 6, 10)), "z": [np.full(20, 1j)] * 2}
        },
        "ragged": {"primary": {"peaks": [np.arange(20.0), np.arange(30.0)], "few": [np.arange(2), np.arange(3)]}},
        "text": {"primary": {"word": ["größer", ""], "times": [np.array(["2026-01-01", "NaT"], "M8[ns]")] * 2}},
        "tables": {"primary": {"fit": [table, table.iloc[:1]], "levels": [levels, levels]}},
        "objects": {
            "primary": {"tree": [tree, None], "many": [{"x-y": [{"n": i, "t": "a"} for i in range(20)]}, {"z": (1,)}]}
        },
    }


RECORDED: dict[str, list[Any]] = {
    "train/loss-x": [0.5, 0.25],
    "image": [np.ones((3, 4)), np.zeros((3, 4))],
    "text": ["one", "größer"],
    "peaks": [np.arange(2.0), np.arange(3.0)],
    "fit": [{"a-b": [1, "x"]}, (1, "two")],
    "tables": [pd.DataFrame({"x y": [1.0]}), pd.DataFrame({"x y": [3.0]})],
}


def rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Return the events of a stream."""
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def main(folder: str) -> None:
    """Save a run of each kind; tell their uids, and every document."""
    made: dict[str, Run] = {}
    parameters = {"k-weight": 2, "e 0": 7112.0, "ranges": [1, 2]}
    origin = Provenance(origin="synthetic", note="written with layout 1", code=CODE, parameters=parameters)
    with AnalysisStore(folder, policy=Policy(require_inputs=False, require_code=False)) as store:
        for name, streams in kinds().items():
            with store.new_run({"sample_name": name}, provenance=origin) as run:
                for stream, columns in streams.items():
                    for row in rows(columns):
                        run.event(stream, row)
            made[name] = store[run.uid]
        made["empty"] = store.insert({"primary": {"x": np.zeros(0), "y": np.zeros((0, 3))}}, {}, provenance=origin)
        made["foreign"] = foreign(store)
        made["recorded"] = recorded(store, Provenance(parents=[made["curves"]], code=CODE))
        told = {name: {"uid": run.uid, "documents": list(run.documents())} for name, run in made.items()}
    with Path(folder, "expected.json").open("w") as file:
        json.dump(told, file, default=lambda value: value.tolist())


def foreign(store: AnalysisStore) -> Run:
    """Send the documents of a run that another program composed; its array is lifted out of the events."""
    run, number = {"run_start": "foreign-2"}, {"dtype": "number", "shape": [], "source": "PV:I0"}
    keys = {"i-0": number, "trace-1": {**number, "dtype": "array", "shape": [300]}}
    store("start", {"uid": "foreign-2", "time": 1.0, "plan_name": "count"})
    store("descriptor", {"uid": "d", "time": 2.0, "name": "pri-mary", "data_keys": keys, **run})
    for index in (1, 2):
        data = {"i-0": index / 2, "trace-1": [float(i) for i in range(300)]}
        event = {"data": data, "timestamps": dict.fromkeys(data, 3.0), "filled": {}}
        store("event", {"uid": f"e{index}", "seq_num": index, "time": 2.0 + index, "descriptor": "d", **event})
    store("stop", {"uid": "s", "time": 5.0, "exit_status": "success", "num_events": {"pri-mary": 2}, **run})
    return store["foreign-2"]


def recorded(store: AnalysisStore, provenance: Provenance) -> Run:
    """Record a run."""
    datastore = RunDataStore(store, {"sample_name": "recorded"}, provenance)
    with Recorder(datastore) as recorder:
        recorder.declare("peaks", ragged=True)
        for key, values in RECORDED.items():
            for value in values:
                recorder.record(key, value)
        recorder.set("n-n", 5)
        recorder.set("window", {"from": [1, "a"]})
    return datastore.run


if __name__ == "__main__":
    main(sys.argv[1])
