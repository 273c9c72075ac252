"""The record of provenance: what it accepts, what it refuses, and that it survives being written down."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from analysis_store import provenance
from analysis_store.documents import validate
from analysis_store.errors import ProvenanceError
from analysis_store.provenance import Code, InputFile, Parent, Provenance

FULL: dict[str, Any] = {
    "parents": [{"uid": "a", "catalog": "csx", "resolved": True}, {"uid": "b", "resolved": False}],
    "files": [{"path": "/data/fe.xdi", "size": 3, "mtime": 1.5, "digest": "blake3:00"}],
    "code": {
        "name": "larch",
        "version": "1",
        "commit": "c0ffee",
        "url": "https://example.org",
        "dirty": False,
        "entry_point": "larch:fit",
        "digest": "blake3:11",
    },
    "parameters": {"window": "hanning", "limits": [3, 12.5]},
    "environment": {"digest": "blake3:22", "python": "3.11.7", "platform": "Linux"},
    "origin": "simulation",
    "note": "FEFF",
    "waiver": "power cut",
}


def test_a_full_record_survives_the_document() -> None:
    """Nothing is lost or added on the way."""
    record = Provenance.from_document(FULL)
    assert record.to_document() == FULL
    assert Provenance.parse(record) is record
    assert Provenance.from_document(record.to_document()) == record


def test_the_document_is_one_that_event_model_takes() -> None:
    """It goes into the start document as it is."""
    validate("start", {"uid": "x", "time": 0.0, "provenance": FULL})


def test_an_empty_record_names_its_empty_inputs() -> None:
    """Whoever reads a document finds parents and files without asking whether they are there."""
    assert Provenance().to_document() == {"parents": [], "files": []}
    assert Provenance.parse(None) == Provenance()


def test_what_names_a_parent() -> None:
    """A uid, a run of any library, a record or a mapping; alone or several."""
    header = SimpleNamespace(start={"uid": "b"})
    client = SimpleNamespace(metadata={"start": {"uid": "c"}}, uri="https://me:key@tiled.org/api/v1/metadata/csx/raw/c")
    own = SimpleNamespace(uid="d")
    parents = Provenance(parents=["a", header, client, own, Parent("e", catalog="csx"), {"uid": "f"}]).parents
    assert [parent.uid for parent in parents] == ["a", "b", "c", "d", "e", "f"]
    assert [parent.resolved for parent in parents] == [False, True, True, True, False, False]
    assert [parent.catalog for parent in parents] == [None, None, "https://tiled.org/csx/raw", None, "csx", None]
    for one in ("a", header, Parent("a")):
        assert len(Provenance(parents=one).parents) == 1


def test_a_path_names_a_file() -> None:
    """Text, a path or a record; alone or several."""
    assert Provenance(files="fe.xdi").files == (InputFile("fe.xdi"),)
    assert Provenance(files=Path("fe.xdi")).files == (InputFile("fe.xdi"),)
    assert Provenance(files=[b"fe.xdi", {"path": "cu.xdi", "digest": "blake3:0"}]).files[1].digest == "blake3:0"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"parent": "a"}, "provenance: unknown 'parent'; known: parents, files, code, parameters, environment"),
        ({"code": {"name": "x", "branch": "y"}}, "code: unknown 'branch'; known: name, version, commit, url, dirty"),
        ({"code": {"patch": "x"}}, "code: unknown 'patch'"),
        ({"code": "larch"}, r"code: Got str 'larch'; expected Code\(name="),
        ({"code": {"version": 3}}, "code: Got version=3; expected text"),
        ({"code": {"dirty": "no"}}, "code: Got dirty='no'; expected true or false"),
        ({"parents": [{"uid": "a", "time": 0.0}]}, r"unknown \'time\'; known: uid, catalog, resolved; of a start doc"),
        ({"parents": [{"catalog": "csx"}]}, "a parent: .* is not complete; expected uid"),
        ({"parents": [5]}, "parents: Got int 5; expected the uid of a run, a run, or Parent"),
        ({"parents": [" "]}, "parents: the uid is empty"),
        ({"parents": [Parent("a"), {"uid": "a", "catalog": 5}]}, "Got catalog=5; expected the name of a catalog"),
        ({"files": [5]}, "files: Got int 5; expected the path"),
        ({"files": [""]}, "files: Got the path ''"),
        ({"files": [{"path": "a", "size": "big"}]}, "Got size='big'; expected a number of bytes"),
        ({"parameters": [1]}, r"parameters: Got list \[1\]; expected a mapping"),
        ({"origin": 1}, "origin: Got int 1; expected text"),
        ("larch", "provenance: Got str 'larch'; expected Provenance"),
    ],
)
def test_what_is_not_what_it_should_be_is_refused(given: object, expected: str) -> None:
    """The message says what came, what was expected, and what is known."""
    with pytest.raises(ProvenanceError, match=expected):
        Provenance.parse(given)


def test_the_repr_shows_what_is_said_and_no_more() -> None:
    """In a terminal the record should be readable."""
    assert repr(Provenance(origin="manual", note="read off")) == "Provenance(origin='manual', note='read off')"
    assert "secret" not in repr(Code("x", source="secret", patch="secret"))


def test_a_record_cannot_be_changed() -> None:
    """What a run says of its origin is not edited afterwards."""
    with pytest.raises(AttributeError, match="cannot assign to field 'origin'"):
        Provenance().origin = "manual"  # type: ignore[misc]


def test_the_public_names_are_loaded_when_they_are_asked_for() -> None:
    """Importing the package loads none of its modules; every name it announces is there."""
    code = (
        "import sys, analysis_store.provenance as p; print([m for m in sys.modules if m.startswith(p.__name__ + '.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert all(getattr(provenance, name).__name__ == name for name in provenance.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Ancestor'"):
        provenance.Ancestor  # noqa: B018
