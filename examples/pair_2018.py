"""The pair of the 2018 prototype, unchanged: classes that know nothing of this package.

    python examples/pair_2018.py

A writer of that time is called with one key at a time and returns the datum kwargs of that key. A function makes the
name of the file from the documents. Profiles that hold such classes go on working as they are.
"""

import tempfile
import uuid
from pathlib import Path

import h5py
import pandas as pd

from analysis_store import AnalysisStore, Code, Provenance, insert_analysis

# ------------------------------------------------------------------------------ as it stands in the old profile


class DataFrameWriter:
    """Stores a table under a key of an HDF5 file."""

    def __init__(self, rpath):
        self.rpath = rpath

    def __call__(self, data):
        """Store the one table of ``data``; return what finds it."""
        with h5py.File(self.rpath, "a") as file:
            for key, table in data.items():
                file[key] = table.to_records()
        return {"key": key}


class DataFrameHandler:
    """Reads a table back."""

    def __init__(self, rpath):
        self.rpath = rpath

    def __call__(self, key):
        """Return the table under a key."""
        with h5py.File(self.rpath, "r") as file:
            return pd.DataFrame.from_records(file[key][()], index="index").rename_axis(index=None)


def make_resource(docs, data_key, root=""):
    """Return the kwargs of the resource: a file in the folder of the cycle and the proposal."""
    start = docs["start"]
    folder = Path(root) / start["cycle"] / start["proposal"]
    folder.mkdir(parents=True, exist_ok=True)
    return {"rpath": str(folder / f"{data_key}-{uuid.uuid4()}.h5")}


# -------------------------------------------------------------------------------------------------- and its use


def main():
    """Insert a table through the old classes, and read it back."""
    interpolated = pd.DataFrame([(1, 2, 3), (2, 2, 3), (1, 1, 3), (1, 2, 4)], columns=["a", "b", "c"])
    with tempfile.TemporaryDirectory() as folder, AnalysisStore(Path(folder) / "store") as store:
        root = str(Path(folder) / "results")
        store.register_handler("old-table", DataFrameHandler)
        run = insert_analysis(
            [{"primary": {"interp_df": interpolated}}],
            {"sample_name": "foo", "user": "Julien", "cycle": "2018-1", "proposal": "00000", "parent_uid": ""},
            writers_dict={
                "interp_df": {
                    "writer": DataFrameWriter,
                    "resource": {"func": make_resource, "kwargs": {"root": root}},
                    "root": root,
                    "spec": "old-table",
                }
            },
            provenance=Provenance(
                origin="manual",
                note="the table of the first test",
                code=Code(url="https://github.com/bluesky/analysis_store/tree/main/examples"),
            ),
            store=store,
        )
        read = store[run.uid]["primary"]["interp_df"][0]
        print(f"run {run.uid[:8]} gave back a table of {read.shape}, equal: {read.equals(interpolated)}")


if __name__ == "__main__":
    main()
