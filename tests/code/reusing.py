"""Computes a result in a process of its own, and tells what became of it: ``reusing.py FOLDER STORE STATEMENTS``."""

from __future__ import annotations

import importlib
import json
import sys

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError
from analysis_store.processing.engine.computation import run_pipeline
from analysis_store.processing.inputs.inputs import Inputs
from analysis_store.processing.model.pipeline import Pipeline


def main(folder: str, place: str, statements: str) -> None:
    """Print for each input the value and whether it was there already, or the error."""
    sys.path.insert(0, folder)
    names = vars(sys.modules["__main__"])
    names["mod"] = importlib.import_module("profile_mod")
    exec(statements, names)
    found: list[object] = []
    with AnalysisStore(place) as store:
        for run in sorted(store.search({"plan_name": "scan"}), key=lambda run: run.start["scan_id"]):
            try:
                results = run_pipeline(Pipeline.of(names["mod"].work), Inputs.of(run, store), store)
                value = float(results["profile_work"].run["primary"]["value"][0])
                found.append([value, results["profile_work"].reused])
            except AnalysisStoreError as error:
                found.append(str(error))
            exec(names.get("AFTER", ""), names)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
