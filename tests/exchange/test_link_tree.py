"""A tree of links over many runs, walked with plain h5py from anywhere."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, Code, Parent, Policy, Provenance, insert_analysis
from analysis_store.errors import DamagedFileError, ExportError, TargetExistsError
from analysis_store.exchange import check_tree, link_tree

CODE = Code("larch", version="1.2", url="https://example.org/larch")


@pytest.fixture
def save(store):
    """Save one number with a provenance."""

    def save(value=1.0, md=None, **provenance):
        provenance.setdefault("code", CODE)
        return insert_analysis([{"primary": {"e0": value}}], md or {}, provenance=Provenance(**provenance), store=store)

    return save


@pytest.fixture
def raw(save):
    """Save a run without input."""
    return save(origin="simulation", note="a test")


def walk(folder) -> dict[str, dict[str, dict[str, float]]]:
    """Return what plain h5py finds: file, group, link, and the value there."""
    found = {}
    for path in sorted(folder.glob("*.h5")):
        with h5py.File(path, "r") as file:
            found[path.stem] = {
                name: {link: float(group[link]["primary/e0"][0]) for link in group} for name, group in file.items()
            }
    return found


def test_input_parameters_result(save, raw, store, tmp_path):
    """One file per input, in it one group per set of parameters, in it one link per result."""
    first = save(1.0, parents=raw, parameters={"kmin": 3, "kmax": 12.0})
    second = save(2.0, parents=raw, parameters={"kmax": 12, "kmin": 3.0})
    third = save(3.0, parents=raw, parameters={"kmin": 4, "kmax": 12})
    tree = link_tree(store, tmp_path / "tree")

    found = walk(tmp_path / "tree")
    assert set(found) == {"no-input", raw.uid}
    assert sorted(map(sorted, found[raw.uid].values())) == sorted([sorted([first.uid, second.uid]), [third.uid]])
    assert {link: value for group in found[raw.uid].values() for link, value in group.items()} == {
        first.uid: 1.0, second.uid: 2.0, third.uid: 3.0
    }  # fmt: skip
    assert (len(tree.files), tree.groups, tree.links, tree.left, tree.dangling) == (2, 3, 4, (), ())


def test_group_tells_its_parameters(save, raw, store, tmp_path):
    """Parameters of every kind are attributes of the group; its name can be read, and is safe in a path."""
    parameters = {
        "window": "hann/x y", "k": {"min": 3, "max": 12.5}, "weights": [1, 2], "names": ["a"], "none": None,
        "on": True, "big": 2**70, "nul": "a\0b", "nothing": {}, "long": list(range(10_000)),
    }  # fmt: skip
    save(parents=raw, parameters=parameters)
    link_tree(store, tmp_path / "tree")

    with h5py.File(tmp_path / "tree" / f"{raw.uid}.h5") as file:
        assert (file.attrs["kind"], file.attrs["input"]) == ("run", raw.uid)
        (name,) = file
        attrs = dict(file[name].attrs)
        assert file[f"/{name}"].name == f"/{name}"
    assert attrs["parameters.k.min"] == 3
    assert attrs["parameters.k.max"] == 12.5
    assert attrs["parameters.window"] == "hann/x y"
    assert attrs["parameters.weights"].tolist() == [1, 2]
    assert json.loads(attrs["parameters.names"]) == ["a"]
    assert json.loads(attrs["parameters.none"]) is None
    assert json.loads(attrs["parameters.big"]) == 2**70
    assert json.loads(attrs["parameters.nul"]) == "a\0b"
    assert len(json.loads(attrs["parameters.long"])) == 10_000
    assert attrs["parameters.on"]
    assert attrs["code.name"] == "larch"
    assert attrs["code.version"] == "1.2"
    whole = json.loads(attrs["analysis_store_parameters"])
    assert whole == {
        "code.name": "larch",
        "code.version": "1.2",
        "parameters": {**parameters, "k": {"min": 3, "max": 12.5}},
    }
    assert "/" not in name
    assert " " not in name
    assert name.startswith("big=1180591620717411303424,k.max=12.5,k.min=3")


def test_same_parameters_same_group_in_any_process(store, raw, save, tmp_path):
    """The name of a group depends on the parameters alone."""
    save(parents=raw, parameters={"a": 1, "b": [0.1, "x"]})
    link_tree(store, tmp_path / "here")
    code = (
        "from analysis_store import AnalysisStore; from analysis_store.exchange import link_tree; "
        f"link_tree(AnalysisStore({store.location!r}), {str(tmp_path / 'there')!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})

    assert walk(tmp_path / "here") == walk(tmp_path / "there")


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": "1"}), ({"a": 1}, {"a": True}), ({"a": None}, {}), ({"a": [1, 2]}, {"a": [2, 1]}),
     ({"a": 0.1}, {"a": math.nextafter(0.1, 1)}), ({"a": {"b": 1}}, {"a": {"c": 1}}), ({"x" * 200: 1}, {"x" * 201: 1})],
)  # fmt: skip
def test_different_parameters_different_groups(save, raw, store, tmp_path, one, other):
    """Sets that differ have groups of their own, also where their names look alike."""
    for parameters in (one, other):
        save(parents=raw, parameters=parameters)
    link_tree(store, tmp_path)

    assert len(walk(tmp_path)[raw.uid]) == 2


def test_by(save, raw, store, tmp_path):
    """Keys choose what tells sets apart: of the start document, the provenance, or the parameters; order is nothing."""
    runs = [
        save(i, {"sample_name": name}, parents=raw, parameters={"kmin": i, "kmax": 9})
        for i, name in enumerate(["Fe", "Cu", "Fe"])
    ]
    for by, groups in {("sample_name",): 2, ("kmax",): 1, ("parameters.kmin",): 3, ("code.version", "nope"): 1}.items():
        shutil.rmtree(tmp_path / "tree", ignore_errors=True)
        link_tree(store, tmp_path / "tree", by=by, query={"parent_uids": {"$contains": raw.uid}})
        assert len(walk(tmp_path / "tree")[raw.uid]) == groups, by
    link_tree(store, tmp_path / "one", by="sample_name")
    names = sorted(walk(tmp_path / "one")[raw.uid])
    assert [name.rpartition("-")[0] for name in names] == ["sample_name=Cu", "sample_name=Fe"]
    assert sorted(walk(tmp_path / "one")[raw.uid][names[1]]) == sorted([runs[0].uid, runs[2].uid])
    assert next(iter(walk(tmp_path / "one")["no-input"])).startswith("no-parameters-")

    for wrong in ("", "a..b", 3):
        with pytest.raises(ExportError, match=r"Got .* in by=; expected a dotted key, e\.g\. 'parameters\.kmin'"):
            link_tree(store, tmp_path / "none", by=[wrong])
    assert not (tmp_path / "none").exists()


def test_several_inputs_and_files(save, raw, store, tmp_path):
    """A result is in the file of each of its inputs; an input file is known by its digest, wherever it lies."""
    other = save(5.0, origin="manual", note="typed")
    for name in ("a.dat", "copy.dat"):
        (tmp_path / name).write_bytes(b"measured")
    both = save(6.0, parents=[raw, other, Parent("0-0/1", catalog="csx")], files=[tmp_path / "a.dat"])
    copy = save(7.0, files=[tmp_path / "copy.dat", tmp_path / "a.dat"])
    link_tree(store, tmp_path / "tree")

    found = walk(tmp_path / "tree")
    digest = both.provenance.files[0].digest.partition(":")[2]
    assert set(found) == {"no-input", raw.uid, other.uid, "0-0%2F1", f"file-{digest}"}
    for name in (raw.uid, other.uid, "0-0%2F1"):
        assert [list(links) for links in found[name].values()] == [[both.uid]]
    assert [sorted(links) for links in found[f"file-{digest}"].values()] == [sorted([both.uid, copy.uid])]
    with h5py.File(tmp_path / "tree" / f"file-{digest}.h5") as file:
        assert file.attrs["input"] == both.provenance.files[0].digest
        assert sorted(file.attrs["paths"]) == sorted([str(tmp_path / "a.dat"), str(tmp_path / "copy.dat")])


def test_uids_that_look_like_something_else(save, store, tmp_path):
    """A foreign uid that looks like another input has a file of its own; none is a name that systems refuse."""
    uids = ["no-input", "file-0", "..", "x" * 400, "a/b", "ü"]
    save(0.0, origin="manual", note="typed")
    for uid in uids:
        save(1.0, parents=Parent(uid, catalog="elsewhere"))
    tree = link_tree(store, tmp_path / "tree")

    assert len(tree.files) == len(uids) + 1
    inputs = {}
    for path in tree.files:
        with h5py.File(path) as file:
            inputs[file.attrs["input"]] = file.attrs["kind"]
    assert inputs == {"": "none", **dict.fromkeys(uids, "run")}


def test_reads_from_anywhere_and_moved(save, raw, store, tmp_path, monkeypatch):
    """Links are relative: any working directory will do, and store and tree may be moved together."""
    save(3.5, parents=raw)
    monkeypatch.chdir(tmp_path)
    link_tree(store, "deep/er/tree")
    store.close()
    before = walk(tmp_path / "deep/er/tree")

    monkeypatch.chdir("/")
    assert walk(tmp_path / "deep/er/tree") == before
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("store", "deep"):
        (tmp_path / name).rename(moved / name)
    assert walk(moved / "deep/er/tree") == before
    assert check_tree(moved / "deep/er/tree") == ()
    assert raw.uid in before


def test_through_a_linked_folder(save, store, tmp_path):
    """A tree in a folder that is itself a symbolic link leads to the runs."""
    run = save(origin="manual", note="typed")
    (tmp_path / "far" / "away").mkdir(parents=True)
    (tmp_path / "near").symlink_to(tmp_path / "far" / "away")
    tree = link_tree(store, tmp_path / "near" / "tree")

    assert tree.dangling == ()
    (links,) = walk(tmp_path / "near" / "tree")["no-input"].values()
    assert list(links) == [run.uid]


def test_dangling_links_are_reported(save, raw, store, tmp_path):
    """A run file that is gone, replaced or damaged is told with the link; h5py itself would list it like any other."""
    gone, emptied, folder, fine = (save(float(i), parents=raw, parameters={"i": 1}) for i in range(4))
    target = tmp_path / "tree"
    assert link_tree(store, target).dangling == ()
    gone.file.unlink()
    emptied.file.chmod(0o644)
    emptied.file.write_bytes(b"no HDF5")
    folder.file.unlink()
    folder.file.mkdir()

    found = check_tree(target)
    assert {link.link.rpartition("/")[2]: link.target for link in found} == {
        run.uid: run.file for run in (gone, emptied, folder)
    }
    told = {link.link.rpartition("/")[2]: str(link) for link in found}
    assert told[gone.uid].endswith(f"leads to {gone.file}: there is no such file")
    assert "it cannot be read" in told[emptied.uid]
    assert told[folder.uid].endswith("that is not a file")
    assert fine.uid not in told
    assert link_tree(store, target).dangling == found
    with h5py.File(target / f"{raw.uid}.h5") as file:
        (group,) = file.values()
        assert gone.uid in group
        with pytest.raises(KeyError):
            group[gone.uid]


def test_no_entry(save, raw, store, tmp_path):
    """A file of somebody else under the name of a run file is told."""
    save(parents=raw)
    raw.file.unlink()
    with h5py.File(raw.file, "w") as file:
        file["x"] = 1
    (link,) = link_tree(store, tmp_path / "tree").dangling

    assert link.reason == "it has no /entry"


def test_made_again(save, raw, store, tmp_path):
    """Made again it is the same; with new runs it is brought up to date; other inputs are left and named."""
    first = save(1.0, parents=raw)
    target = tmp_path / "tree"
    link_tree(store, target)
    before = walk(target)
    link_tree(store, target)
    assert walk(target) == before

    second = save(2.0, parents=raw)
    child = save(3.0, parents=first)
    tree = link_tree(store, target, query={"uid": {"$in": [second.uid, child.uid]}})
    assert {path.stem for path in tree.files} == {raw.uid, first.uid}
    assert [path.stem for path in tree.left] == ["no-input"]
    assert [list(links) for links in walk(target)[raw.uid].values()] == [[second.uid]]
    assert list(target.glob(".*")) == []


def test_open_reader_keeps_what_it_read(save, raw, store, tmp_path):
    """A file that somebody has open is replaced, never changed under them."""
    save(parents=raw)
    link_tree(store, tmp_path / "tree")
    with h5py.File(tmp_path / "tree" / f"{raw.uid}.h5") as file:
        save(parents=raw)
        link_tree(store, tmp_path / "tree")
        assert sum(map(len, file.values())) == 1
    assert sum(map(len, walk(tmp_path / "tree")[raw.uid].values())) == 2


@pytest.mark.parametrize("content", [b"notes", None])
def test_files_of_others_are_left(save, raw, store, tmp_path, content):
    """A file that is no part of a tree is never replaced, and nothing else is written."""
    save(parents=raw)
    path = tmp_path / "tree" / f"{raw.uid}.h5"
    path.parent.mkdir()
    if content is None:
        with h5py.File(path, "w") as file:
            file["x"] = np.arange(3)
    else:
        path.write_bytes(content)
    before = path.read_bytes()
    with pytest.raises(TargetExistsError, match=r"exists already and is not part of a tree; it was not changed"):
        link_tree(store, path.parent)

    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    with pytest.raises(TargetExistsError, match=r"is a file and was not changed; expected a folder"):
        link_tree(store, path)


def test_nothing_to_link(store, tmp_path):
    """A store without runs gives a tree without files."""
    tree = link_tree(store, tmp_path / "tree")

    assert (tree.files, tree.links) == ((), 0)
    assert check_tree(tmp_path / "tree") == ()
    with pytest.raises(ExportError, match="There is no tree in"):
        check_tree(tmp_path / "none")


def test_damaged_tree(save, raw, store, tmp_path):
    """A file of the tree that is cut short is said so, not passed over."""
    (path,) = link_tree(store, tmp_path / "tree").files
    path.write_bytes(path.read_bytes()[:600])
    with pytest.raises(DamagedFileError, match=r"cannot be read: .*\. Remove it and make the tree again"):
        check_tree(path.parent)


def test_foreign_run(tmp_path):
    """Runs of others, without provenance, are results without input, or of the parents that they name."""
    with AnalysisStore(tmp_path / "open", policy=Policy(require_inputs=False, require_code=False)) as store:
        for uid, md in {"a/b": {}, "c": {"parent_uids": ["p"]}}.items():
            store("start", {"uid": uid, "time": 1.0, **md})
            store("stop", {"uid": f"{uid}-stop", "run_start": uid, "time": 2.0, "exit_status": "success"})
        tree = link_tree(store, tmp_path / "tree")

    assert {path.stem for path in tree.files} == {"no-input", "p"}
    assert tree.dangling == ()
    with h5py.File(tmp_path / "tree" / "no-input.h5") as file:
        (group,) = file.values()
        assert list(group) == ["a%2Fb"]


def test_progress(save, raw, store, tmp_path):
    """Progress counts runs."""
    told = []
    link_tree(store, tmp_path / "tree", progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 1)]


def test_links_of_a_tree_file_itself_are_not_followed(save, raw, store, tmp_path):
    """What somebody put beside the groups is no part of the tree, and no file outside is opened for it."""
    save(parents=raw)
    with h5py.File(tmp_path / "outside.h5", "w") as file:
        file["group/uid"] = h5py.ExternalLink("nowhere.h5", "/entry")
    (tmp_path / "tree").mkdir()
    tree = link_tree(store, tmp_path / "tree", query={"parent_uids": {"$contains": raw.uid}})
    with h5py.File(tree.files[0], "a") as file:
        file["away"] = h5py.ExternalLink("../outside.h5", "/group")
        file["around"] = h5py.SoftLink("/away")
        file["nowhere"] = h5py.SoftLink("/none")

    assert check_tree(tmp_path / "tree") == ()
