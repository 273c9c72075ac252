"""Bundles: runs with all that they came from in one file, and back, the same in everything."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Code, Parent, Policy, Provenance
from analysis_store.documents import dumps
from analysis_store.errors import (
    DamagedFileError,
    DuplicateRunError,
    InvalidDataError,
    ProvenanceError,
    RunNotFoundError,
    StoreWriteError,
    TargetExistsError,
)
from analysis_store.runs.notes.notes import logged
from analysis_store.runs.read.run import Run

CODE = Code("larch", version="0.9.80", url="https://example.org/larch")


class TextFile:
    """Writes an array as text, and reads it again."""

    spec = "TEXT"

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, data: object = None) -> object:
        """Write what comes; read where nothing comes."""
        if data is None:
            return np.loadtxt(self.path)
        np.savetxt(self.path, data["y"])
        return {}


def saved(store: AnalysisStore, *parents: str, **md: object) -> Run:
    """Save a small result that came from these runs."""
    origin = {} if parents else {"origin": "synthetic", "note": "made by a test"}
    provenance = Provenance(parents, code=CODE, parameters={"kweight": 2, "window": [1.0, float("nan")]}, **origin)
    data = [{"primary": {"x": np.arange(300.0) + len(parents), "e": 7112.0, "name": "é"}}] * 2
    return store.insert(data, md, provenance=provenance)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[AnalysisStore]:
    """Another store, in another folder."""
    with AnalysisStore(tmp_path / "other") as opened:
        yield opened


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Where a bundle is made."""
    return tmp_path / "bundle.zip"


def assert_same(one: Run, other: Run) -> None:
    """Assert that a run is the same in another store: documents, values, the bytes of its file."""
    assert other.file.read_bytes() == one.file.read_bytes()
    assert other.file.stat().st_mode & 0o777 == 0o444
    for name in ("start", "stop", "descriptors", "parents", "notes", "digests"):
        assert dumps_of(getattr(one, name)) == dumps_of(getattr(other, name)), name
    assert other.verify()


def dumps_of(value: object) -> str:
    """Return a text by which documents and notes are compared."""
    return dumps(value) if not isinstance(value, list) else "\n".join(map(repr, value))


def test_the_closure_of_parents_goes_along(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """A run goes with all that it came from; uids, links, notes, documents and bytes stay."""
    a = saved(store, operator="Ann")
    b, c = saved(store, a.uid), saved(store, a.uid)
    d = saved(store, b.uid, c.uid, sample_name="Fe foil")
    saved(store)
    store.note(b.uid, "remark", {"text": "good", "nan": 1.5})
    report = store.dump({"sample_name": "Fe foil"}, bundle)
    assert report.runs[0] == a.uid
    assert report.runs[-1] == d.uid
    assert (len(report.runs), report.parents, report.missing, report.stubs) == (4, 3, [], [])

    loaded = other.load(bundle)
    assert loaded
    assert loaded.loaded == report.runs
    assert loaded.skipped == []
    assert loaded.notes == 1
    for run in (a, b, c, d):
        assert_same(run, other[run.uid])
    assert sorted(other[a.uid].children) == sorted([b.uid, c.uid])
    assert [run.uid for run in other.search(sample_name="Fe foil")] == [d.uid]


def test_loading_twice_is_as_good_as_once(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """The second time everything is here; no note is doubled, neither in the catalog nor in the log."""
    run = saved(store)
    store.note(run.uid, "remark", {"text": "good"})
    store.dump(run, bundle)
    other.load(bundle)
    again = other.load(bundle)
    assert (again.loaded, again.skipped, again.notes) == ([], [run.uid], 0)
    assert len(other) == len(list(logged(other.root))) == 1


def test_dry_run(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """Tells what would come, and writes nothing."""
    run = saved(store)
    store.note(run.uid, "remark", {})
    store.dump([run.uid[:8]], bundle)
    before = sorted(other.root.rglob("*"))
    report = other.load(bundle, dry_run=True)
    assert (report.loaded, report.notes, report.dry_run) == ([run.uid], 1, True)
    assert "1 run would be loaded" in str(report)
    assert sorted(other.root.rglob("*")) == before
    assert len(other) == 0


def test_stubs_of_parents(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """Of the parents only the documents go; they are no runs there, and the start document is as it was."""
    a = saved(store)
    b = saved(store, a.uid)
    report = store.dump(b, bundle, parents="stubs")
    assert (report.runs, report.stubs) == ([b.uid], [a.uid])
    loaded = other.load(bundle)
    assert [(finding.kind, finding.subject) for finding in loaded.findings] == [("stub", a.uid)]
    assert loaded
    assert_same(b, other[b.uid])
    with pytest.raises(RunNotFoundError):
        other[a.uid]
    (stub,) = other.notes(a.uid, "external")
    assert stub.body["resolved"] is False
    assert stub.body["catalog"] == store.location
    assert dumps(stub.body["start"]) == dumps(a.start)
    assert other.load(bundle).notes == 0


def test_a_stub_goes_on_with_its_child(store: AnalysisStore, other: AnalysisStore, tmp_path: Path) -> None:
    """From the second store to a third, the stub goes, too."""
    a = saved(store)
    b = saved(store, a.uid)
    store.dump(b, tmp_path / "1.zip", parents="stubs")
    other.load(tmp_path / "1.zip")
    assert other.dump(b.uid, tmp_path / "2.zip").missing == [a.uid]
    with AnalysisStore(tmp_path / "third") as third:
        third.load(tmp_path / "2.zip")
        assert third.notes(a.uid) == other.notes(a.uid)


def test_readable_without_this_package(store: AnalysisStore, bundle: Path) -> None:
    """An unzipped bundle has HDF5, JSON, PROV-JSON and an RO-Crate; every digest is that of its member."""
    from blake3 import blake3

    run = saved(store, saved(store).uid)
    store.dump(run, bundle)
    with zipfile.ZipFile(bundle) as opened:
        assert opened.testzip() is None
        members = {name: opened.read(name) for name in opened.namelist()}
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
    manifest = json.loads(members.pop("manifest.json"))
    assert {name: blake3(content).hexdigest() for name, content in members.items()} == {
        name: told["blake3"] for name, told in manifest["members"].items()
    }
    entry = manifest["runs"][-1]
    assert json.loads(members[entry["documents"]])["start"]["uid"] == entry["uid"] == run.uid
    assert members[entry["file"]] == run.file.read_bytes()
    assert f"run:{run.uid}" in json.loads(members["prov.json"])["entity"]


def test_an_unzipped_bundle_is_the_folder_of_a_store(store: AnalysisStore, bundle: Path, tmp_path: Path) -> None:
    """Unpacked with any program and indexed anew, it is a store, with the notes."""
    a = saved(store)
    b = saved(store, a.uid)
    store.note(a.uid, "remark", {"text": "good"})
    store.dump(b, bundle)
    with zipfile.ZipFile(bundle) as opened:
        opened.extractall(tmp_path / "unpacked")
    with AnalysisStore(tmp_path / "unpacked") as unpacked:
        for path in sorted((tmp_path / "unpacked/files").rglob("*.h5")):
            unpacked.adopt(path)
        assert len(unpacked) == 2
        assert unpacked[b.uid].verify()
    assert [note.uid for note in logged(tmp_path / "unpacked/files")] == [a.uid]


def test_the_list_of_packages_goes_along(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """What was installed where the run was made is known in the other store."""
    store.dump([saved(store), saved(store)], bundle)
    other.load(bundle)
    (packages,) = (store.root / "environments").iterdir()
    assert (other.root / "environments" / packages.name).read_bytes() == packages.read_bytes()


def test_files_of_other_writers_go_along(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """A file that a caller's writer wrote beside the run is beside it in the other store, and is read there."""
    writers = {"y": {"writer": TextFile, "spec": "TEXT"}}
    store.register_handler("TEXT", TextFile)
    other.register_handler("TEXT", TextFile)
    data = [{"primary": {"x": 1.0, "y": np.arange(40.0)}}]
    run = store.insert(data, {}, writers_dict=writers, provenance=Provenance(origin="synthetic", note="x", code=CODE))
    (beside,) = set(run.file.parent.iterdir()) - {run.file}
    store.dump(run, bundle)
    other.load(bundle)
    shutil.rmtree(store.root)
    assert (other[run.uid].file.parent / beside.name).is_file()
    np.testing.assert_array_equal(np.arange(40.0), other[run.uid]["primary"]["y"][0])
    assert other[run.uid].verify()


def test_data_that_stayed_where_they_were_go_along(
    store: AnalysisStore, other: AnalysisStore, bundle: Path, tmp_path: Path
) -> None:
    """The file that a run refers to is in the bundle; it is read from the copy when it is not at its old place."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["counts"] = np.arange(12)
    run = store.insert_file(tmp_path / "scan.h5", copy=False, chunk=4, provenance=Provenance(code=CODE))
    store.dump(run, bundle)
    other.load(bundle)
    (tmp_path / "scan.h5").unlink()
    np.testing.assert_array_equal(np.arange(12).reshape(3, 4), list(other[run.uid]["primary"]["counts"]))
    assert other.dump(run.uid, tmp_path / "again.zip").elsewhere == {}
    with AnalysisStore(tmp_path / "third") as third:
        third.load(tmp_path / "again.zip")
        np.testing.assert_array_equal(np.arange(4, 8), third[run.uid]["primary"]["counts"][1])


def test_data_that_are_gone_are_told_of(
    store: AnalysisStore, other: AnalysisStore, bundle: Path, tmp_path: Path
) -> None:
    """A run whose outer file is gone goes without it; both ends say so."""
    with h5py.File(tmp_path / "scan.h5", "w") as file:
        file["counts"] = np.arange(12)
    run = store.insert_file(tmp_path / "scan.h5", copy=False, chunk=4, provenance=Provenance(code=CODE))
    (tmp_path / "scan.h5").unlink()
    report = store.dump(run, bundle)
    assert report.elsewhere == {run.uid: [str(tmp_path / "scan.h5")]}
    assert "which stays" in str(report)
    loaded = other.load(bundle)
    assert [(finding.kind, finding.subject) for finding in loaded.findings] == [("external", run.uid)]
    assert not loaded


def test_damage_is_refused_by_name(store: AnalysisStore, bundle: Path) -> None:
    """A run whose values were changed is named, and nothing is made; it may be left out."""
    good, bad = saved(store), saved(store)
    bad.file.chmod(0o644)
    with h5py.File(bad.file, "r+") as file:
        file["entry/primary/x"][0, 0] = 99.0
    with pytest.raises(DamagedFileError, match=f"run {bad.uid} is damaged: stream 'primary', key 'x'"):
        store.dump([good, bad], bundle)
    assert [path.name for path in bundle.parent.iterdir()] == ["store"]
    report = store.dump([good, bad], bundle, skip=True)
    assert report.runs == [good.uid]
    assert list(report.skipped) == [bad.uid]
    assert f"left out, damaged: run {bad.uid}" in str(report)
    assert json.loads(json.dumps(report.to_dict()))["skipped"] == report.skipped


def test_a_bundle_is_never_replaced(store: AnalysisStore, bundle: Path) -> None:
    """A file that is there is left as it is."""
    run = saved(store)
    bundle.write_text("mine")
    with pytest.raises(TargetExistsError, match="exists already"):
        store.dump(run, bundle)
    assert bundle.read_text() == "mine"


def test_what_cannot_be_dumped(store: AnalysisStore, bundle: Path) -> None:
    """An unknown uid, or an unknown way to treat parents, is refused."""
    with pytest.raises(RunNotFoundError, match="nosuch"):
        store.dump(["nosuch"], bundle)
    with pytest.raises(InvalidDataError, match="expected 'closure' or 'stubs'"):
        store.dump(saved(store), bundle, parents="none")
    assert not bundle.exists()


def test_the_policy_holds_for_what_comes(open_store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """Runs that do not tell their origin are refused, all of them named, unless the policy allows them."""
    from bluesky.plans import count  # noqa: F401 - bluesky is what such documents come from
    from event_model import compose_run

    for _ in range(2):
        run = compose_run(metadata={"plan_name": "count"})
        open_store("start", run.start_doc)
        open_store("stop", run.compose_stop())
    uids = [run.uid for run in open_store]
    open_store.dump(open_store.search(), bundle)
    with pytest.raises(ProvenanceError, match="these runs lack provenance that the policy") as caught:
        other.load(bundle)
    assert all(uid in str(caught.value) for uid in uids)
    assert len(other) == 0
    with AnalysisStore(bundle.parent / "lax", policy=Policy(require_inputs=False, require_code=False)) as lax:
        assert lax.load(bundle)
        for uid in uids:
            assert dumps(lax[uid].start) == dumps(open_store[uid].start)
            assert list(lax[uid].documents()) == list(open_store[uid].documents())


def test_another_run_of_the_same_uid(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """Is refused by name, and nothing of the bundle is taken."""
    first = saved(store)
    mine = saved(other, uid=first.uid)
    store.dump([first, saved(store)], bundle)
    with pytest.raises(DuplicateRunError, match=f"run {first.uid}: another run of this uid is here"):
        other.load(bundle)
    assert [run.uid for run in other] == [mine.uid]


def test_a_file_that_stands_in_the_way(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """A file that bears the name of a run and is another is named, and not replaced."""
    run = saved(store)
    store.dump(run, bundle)
    place = other.root / run.file.relative_to(store.root)
    place.parent.mkdir(parents=True)
    place.write_bytes(saved(store).file.read_bytes())
    before = place.read_bytes()
    with pytest.raises(DamagedFileError, match=f"run {run.uid} did not come whole"):
        other.load(bundle)
    assert place.read_bytes() == before
    assert len(other) == 0


def test_an_external_parent_stays_external(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """A parent that was declared to be in another catalog is known nowhere, and that is no obstacle."""
    provenance = Provenance([Parent("far-away", catalog="csx")], code=CODE)
    run = store.insert([{"primary": {"x": 1.0}}], {}, provenance=provenance)
    assert store.dump(run, bundle).missing == ["far-away"]
    other.load(bundle)
    assert other[run.uid].parents == ["far-away"]


def test_a_retraction_reaches_what_came_of_the_run_here(
    store: AnalysisStore, other: AnalysisStore, tmp_path: Path
) -> None:
    """A retraction that is loaded marks the descendants which only this store has."""
    a = saved(store)
    store.dump(a, tmp_path / "1.zip")
    other.load(tmp_path / "1.zip")
    mine = saved(other, a.uid)
    store.retract(a.uid, "wrong energy")
    store.dump(a, tmp_path / "2.zip")
    assert other.load(tmp_path / "2.zip").notes == 2
    assert other[a.uid].retraction == store[a.uid].retraction
    assert other[mine.uid].retraction.body == {"reason": "wrong energy", "because": a.uid}
    assert other.load(tmp_path / "2.zip").notes == 0


def test_no_space(store: AnalysisStore, other: AnalysisStore, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk cannot hold is refused before it is tried."""
    store.dump(saved(store), bundle)
    usage = type(shutil.disk_usage(bundle.parent))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 990, 10))
    with pytest.raises(StoreWriteError, match="MB free; nothing was taken"):
        other.load(bundle)
    assert len(other) == 0


def test_progress(store: AnalysisStore, other: AnalysisStore, bundle: Path) -> None:
    """Both ways tell how far they are."""
    told: list[tuple[int, int]] = []
    store.dump([saved(store), saved(store)], bundle, progress=lambda *now: told.append(now))
    other.load(bundle, progress=lambda *now: told.append(now))
    assert told == [(1, 2), (2, 2)] * 2
