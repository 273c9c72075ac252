"""The seal of a run file: documents and times that were changed are found in the file alone."""

from __future__ import annotations

import h5py
import numpy as np
import pytest
from blake3 import blake3

from analysis_store.digests import digest_array
from analysis_store.errors import DamagedFileError
from analysis_store.runs.read.reader import RunFile


@pytest.fixture
def run(store, origin):
    """A run of two streams, whose file may be written."""
    data = [{"primary": {"x": 1.0, "curve": np.arange(30.0)}, "other": {"y": 2}}]
    run = store.insert(data, {"purpose": "seal"}, provenance=origin)
    run.file.chmod(0o644)
    return run


def changed(file, member):
    """Change one letter of a text, or one time."""
    dataset = file[f"entry/{member}"]
    if dataset.dtype.kind == "f":
        dataset[0] += 1
    else:
        dataset[()] = dataset[()].replace(b'"', b"'", 1)


@pytest.mark.parametrize(
    "member",
    [f"documents/{name}" for name in ("start", "stop", "descriptors", "resources", "seal")]
    + ["primary/time", "other/time"],
)
def test_changed_member(run, member):
    """Whatever is changed of documents and times is found without a catalog."""
    RunFile(run.file).check_seal()
    with h5py.File(run.file, "r+") as file:
        if member.endswith("seal"):
            file[f"entry/{member}"][()] = b"blake3:" + b"0" * 64
        else:
            changed(file, member)

    with pytest.raises(DamagedFileError, match=r"do not agree with the seal|is not JSON"):
        RunFile(run.file).check_seal()
    assert not run.verify()


def test_changed_document_of_others(open_store):
    """Documents of others are sealed as they came."""
    open_store("start", {"uid": "a", "time": 1.0})
    open_store("stop", {"uid": "b", "time": 2.0, "run_start": "a", "exit_status": "success"})
    run = open_store["a"]
    RunFile(run.file).check_seal()
    run.file.chmod(0o644)
    with h5py.File(run.file, "r+") as file:
        texts = file["entry/documents/journal"]
        texts[1] = texts.asstr()[1].replace("success", "abort")

    with pytest.raises(DamagedFileError, match="do not agree with the seal"):
        RunFile(run.file).check_seal()


def test_removed_seal(run):
    """A file of the first release has none, and is read."""
    with h5py.File(run.file, "r+") as file:
        del file["entry/documents/seal"]
    RunFile(run.file).check_seal()


def test_form(run):
    """The seal is what the reference says of it, made here without the package's own code."""
    hasher = blake3()
    with h5py.File(run.file) as file:
        group = file["entry/documents"]
        for name in sorted(set(group) - {"seal"}):
            for text in (name.encode(), b"1", group[name][()]):
                hasher.update(len(text).to_bytes(8, "little") + text)
        for stream in ("primary", "other"):
            hasher.update(digest_array(file[f"entry/{stream}/time"][()]).encode())
        assert group["seal"][()].decode() == f"blake3:{hasher.hexdigest()}"
