"""A format of one's own: a writer, its handler, and the proof that they are a pair.

    python examples/custom_pair.py

The format is a zip archive with one ``.npy`` member per value, which any NumPy can open with `numpy.load`.
"""

import itertools
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from analysis_store import AnalysisStore, Code, Handler, Provenance, Writer, check_pair, insert_analysis

SPEC = "EXAMPLE_NPZ"


class NpzWriter(Writer):
    """Adds each value to an archive, as a member of its own."""

    spec = SPEC

    def __init__(self, path):
        self.path = path
        Path(path).parent.mkdir(parents=True, exist_ok=True)

    def __call__(self, data):
        """Write one array per key; return the name of the member that holds it."""
        found = {}
        with zipfile.ZipFile(self.path, "a") as archive:
            taken = set(archive.namelist())
            for key, value in data.items():
                member = next(name for i in itertools.count() if (name := f"{key}-{i}.npy") not in taken)
                taken.add(member)
                with archive.open(member, "w") as stream:
                    np.lib.format.write_array(stream, np.asarray(value), allow_pickle=False)
                found[key] = {"member": member}
        return found

    def close(self):
        """Do nothing: the archive is closed after each call."""


class NpzHandler(Handler):
    """Reads one member of an archive."""

    specs = {SPEC}  # noqa: RUF012 - the protocol of databroker has a plain set here

    def __init__(self, path):
        self.path = path

    def __call__(self, *, member):
        """Return the array that the member holds."""
        with zipfile.ZipFile(self.path) as archive, archive.open(member) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def main():
    """Prove the pair, then use it for one key of a result."""
    check_pair(NpzWriter, NpzHandler)
    print(f"{SPEC} is a pair")

    with tempfile.TemporaryDirectory() as folder, AnalysisStore(Path(folder) / "store") as store:
        store.register_handler(SPEC, NpzHandler)
        image = np.arange(64.0).reshape(8, 8)
        run = insert_analysis(
            [{"primary": {"image": image, "total": image.sum()}}],
            {"sample_name": "test pattern"},
            writers_dict={
                "image": {
                    "writer": NpzWriter,
                    "resource": {"func": lambda docs, key: {"path": f"{docs['start']['uid']}-{key}.npz"}, "kwargs": {}},
                    "root": store.root,
                }
            },
            provenance=Provenance(
                origin="synthetic",
                note="numbers in a row",
                code=Code(url="https://github.com/bluesky/analysis_store/tree/main/examples"),
            ),
            store=store,
        )
        read = run["primary"]["image"][0]
        print(f"run {run.uid[:8]} gave back {read.shape} {read.dtype}, equal: {np.array_equal(read, image)}")


if __name__ == "__main__":
    main()
