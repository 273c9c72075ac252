"""Impact: which runs a run, a file, a commit or a package was used for, and what came of those."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.digests import digest_file
from analysis_store.documents import dumps
from analysis_store.errors import AmbiguousUidError, InputError
from analysis_store.provenance import Parent
from analysis_store.runs.read.run import Run

DATA = [{"primary": {"x": 1.0}}]
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def told(found: list) -> dict[str, tuple[int, str]]:
    """Return depth and way of each, by uid."""
    return {each.uid: (each.depth, each.how) for each in found}


def insert(store: AnalysisStore, uid: str, *parents: object, **provenance: object) -> Run:
    """Save a run of this origin."""
    if not parents and "files" not in provenance:
        provenance |= {"origin": "synthetic", "note": "made by a test"}
    return store.insert(DATA, {"uid": uid}, provenance=Provenance(parents=parents, **provenance))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a file of input."""
    path = tmp_path / "in.txt"
    path.write_text("measured")
    return path


def test_of_a_run(store: AnalysisStore) -> None:
    """All that came of it, with the run that each came from; itself is not among them."""
    raw = insert(store, "aaaa-raw")
    insert(store, "bbbb-mid", raw)
    insert(store, "cccc-end", "bbbb-mid", raw)
    insert(store, "dddd-far", "cccc-end")
    insert(store, "eeee-else")
    expected = {
        "bbbb-mid": (1, "came from run aaaa-raw"),
        "cccc-end": (1, "came from run aaaa-raw"),
        "dddd-far": (2, "came from run cccc-end"),
    }
    for what in (raw, "aaaa-raw", "aaaa"):
        assert told(store.impact(what)) == expected
    assert store.impact("dddd-far") == []
    affected = store.impact(raw)[2]
    assert affected.run == store["dddd-far"]
    assert affected.to_dict() == {"uid": "dddd-far", "depth": 2, "how": "came from run cccc-end"}


def test_of_a_run_elsewhere(store: AnalysisStore) -> None:
    """A raw run need not be in the store."""
    insert(store, "child", Parent("raw-1", catalog="csx"))
    assert told(store.impact("raw-1")) == {"child": (1, "came from run raw-1")}


def test_of_a_file(store: AnalysisStore, file: Path, tmp_path: Path) -> None:
    """By its content, wherever it was then, and by its path, whatever was in it then."""
    insert(store, "user", files=[file])
    insert(store, "child", "user")
    copy = tmp_path / "copy.txt"
    copy.write_text("measured")
    insert(store, "user-of-copy", files=[copy])
    found = told(store.impact(file))
    assert found == {
        "user": (0, f"used {file}"),
        "user-of-copy": (0, f"used {copy}"),
        "child": (1, "came from run user"),
    }
    assert told(store.impact(str(file))) == told(store.impact(digest_file(file))) == found
    file.write_text("changed")
    assert told(store.impact(file)) == {
        "user": (0, f"used {file}, which was another file then"),
        "child": (1, "came from run user"),
    }
    file.unlink()
    assert told(store.impact(file)) == {"user": (0, f"used {file}"), "child": (1, "came from run user")}


def test_of_one_of_many_files(store: AnalysisStore, tmp_path: Path) -> None:
    """A run that used more files than an index holds is found by each of them."""
    files = [tmp_path / f"{number}.txt" for number in range(300)]
    for number, path in enumerate(files):
        path.write_text(str(number))
    insert(store, "user", files=files)
    assert list(told(store.impact(files[299]))) == ["user"]
    assert store.impact(f"blake3:{'0' * 64}") == []


def test_of_a_commit(store: AnalysisStore) -> None:
    """By 7 digits of it or more; other commits are others."""
    insert(store, "user", code={"name": "fitting", "commit": COMMIT, "url": "https://example.org/fitting"})
    insert(store, "child", "user", code={"name": "fitting", "version": "1", "url": "https://example.org/fitting"})
    insert(store, "other", code={"name": "fitting", "commit": "f" * 40, "url": "https://example.org/fitting"})
    expected = {"user": (0, "made by fitting at commit 0123456789"), "child": (1, "came from run user")}
    for what in (COMMIT, COMMIT[:7], COMMIT[:12].upper()):
        assert told(store.impact(what)) == expected
    assert store.impact("0123457") == []


def test_of_a_package(store: AnalysisStore) -> None:
    """By the environment that a run was made in, or the code that made it; however the name is written."""
    made = insert(store, "user", code={"name": "My.Fits", "version": "0.9", "url": "https://example.org/fits"})
    assert told(store.impact("my-fits==0.9")) == {"user": (0, "made by my-fits 0.9")}
    import numpy

    here = told(store.impact(f"NumPy == {numpy.__version__}"))
    assert here == {"user": (0, f"made where NumPy {numpy.__version__} was installed")}
    assert store.impact("numpy==0.0.1") == store.impact("my-fits==0.8") == []
    elsewhere = store.root / "environments" / f"{'a' * 64}.json"
    elsewhere.write_text(dumps([7, {"name": 5}, {"name": "scikit_beam", "version": "0.0.24"}]))
    assert store.impact("scikit-beam==0.0.24") == []
    assert made.start["provenance"]["environment"]["digest"].startswith("blake3:")


@pytest.mark.parametrize("what", ["nobody", "", None, 7, "==1", "numpy==", "abc", "x" * 10_000, "a\0"])
def test_of_nothing(store: AnalysisStore, what: object) -> None:
    """What no run could have used is refused, with what could be."""
    with pytest.raises(InputError, match="package==version"):
        store.impact(what)


def test_of_what_is_not_there(store: AnalysisStore, tmp_path: Path) -> None:
    """A file that is not there, and of whose path nobody knows; a beginning that fits several runs."""
    with pytest.raises(InputError, match="cannot be read"):
        store.impact(tmp_path / "gone.txt")
    insert(store, "same-1")
    insert(store, "same-2")
    with pytest.raises(AmbiguousUidError, match="same"):
        store.impact("same")


def test_of_foreign_documents(tmp_path: Path) -> None:
    """Documents of others, in which provenance is whatever they like, break nothing."""
    with AnalysisStore(tmp_path / "open", policy=Policy(require_inputs=False, require_code=False)) as store:
        odd = {"files": [{"digest": "blake3:00"}, 7], "code": {"commit": COMMIT, "version": "1"}}
        for uid, provenance in {"odd": odd, "odder": {"code": "x", "files": "blake3:00"}}.items():
            store("start", {"uid": uid, "time": 1.0, "provenance": provenance})
            store("stop", {"uid": f"stop {uid}", "time": 2.0, "run_start": uid, "exit_status": "success"})
        assert told(store.impact("blake3:00")) == {"odd": (0, "used None")}
        assert told(store.impact(COMMIT)) == {"odd": (0, "made by code at commit 0123456789")}
        assert store.impact("code==1") == []
