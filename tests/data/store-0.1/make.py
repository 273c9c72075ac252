"""Makes the store beside this file; see README.md."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from analysis_store import AnalysisStore, Policy, Provenance, Run


def main(folder: str) -> None:
    """Save three runs, the second made from the first, the third of somebody else's documents; tell what they are."""
    made = []
    origin = Provenance(origin="synthetic", note="written by the first release")
    with AnalysisStore(folder, policy=Policy(require_inputs=False, require_code=False)) as store:
        data = [{"primary": {"energy": 7112.0 + i, "curve": np.arange(4.0) * i}} for i in range(2)]
        first = store.insert(data, {"sample_name": "Fe foil", "scan_id": 1}, provenance=origin)
        data = {"primary": {"norm": np.linspace(0, 1, 20).reshape(2, 10)}}
        second = store.insert(data, {"sample_name": "Fe foil"}, provenance=Provenance(parents=[first]))
        made = [first, second, foreign(store)]
        told = [{"uid": run.uid, "parents": run.parents, "documents": list(run.documents(fill=True))} for run in made]
    with Path(folder, "expected.json").open("w") as file:
        json.dump(told, file, indent=1, default=lambda value: value.tolist())


def foreign(store: AnalysisStore) -> Run:
    """Send the documents of a run that another program composed."""
    run, keys = {"run_start": "foreign-1"}, {"i0": {"dtype": "number", "shape": [], "source": "PV:I0", "units": "A"}}
    values = {"data": {"i0": 0.5}, "timestamps": {"i0": 3.0}, "filled": {}}
    store("start", {"uid": "foreign-1", "time": 1.0, "plan_name": "count"})
    store("descriptor", {"uid": "d", "time": 2.0, "name": "primary", "data_keys": keys, **run})
    store("event", {"uid": "e", "seq_num": 1, "time": 3.0, "descriptor": "d", **values})
    store("stop", {"uid": "s", "time": 4.0, "exit_status": "success", "num_events": {"primary": 1}, **run})
    return store["foreign-1"]


if __name__ == "__main__":
    main(sys.argv[1])
