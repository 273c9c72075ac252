"""The rule: everything that is missing is told at once, and what is said is verified."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from analysis_store import digests
from analysis_store.digests import digest_file
from analysis_store.errors import ProvenanceError
from analysis_store.provenance import Code, InputFile, Parent, Policy, Provenance, Settled, unchanged
from analysis_store.provenance import code_policy as claim
from analysis_store.provenance.code import capture
from analysis_store.provenance.resolve import settle

CODE = Code("larch", version="0.9.80", url="https://github.com/xraypy/xraylarch")
OPEN = Policy(require_inputs=False, require_code=False)
KNOWN = {"a": "here", "b": "csx"}


def given(provenance: Any = None, md: Any = None, *, policy: Policy = Policy(), **options: Any) -> Settled:  # noqa: B008
    """Settle with code that is complete, so that nothing is captured, and two runs that are known."""
    options.setdefault("lookup", KNOWN.get)
    if provenance is None:
        provenance = Provenance(code=CODE)
    elif isinstance(provenance, dict):
        provenance = {"code": CODE.to_document(), **provenance}
    return settle(provenance, md or {}, policy=policy, **options)


# ----------------------------------------------------------------------------------------------- everything at once


def test_one_error_names_everything_and_how_to_give_it(tmp_path: Path) -> None:
    """Nobody should have to try again and again to find out what else is missing."""
    said = {
        "parents": ["a", "nowhere"],
        "files": [str(tmp_path / "missing.xdi"), str(tmp_path)],
        "code": {"name": "larch", "version": "1"},
        "parameters": {"limits": {"k.min": 3}},
        "origin": "dream",
        "waiver": "late",
    }
    with pytest.raises(ProvenanceError) as caught:
        settle(said, {"raw_uid": "lost", "parent_uid": 5}, policy=Policy(), lookup=KNOWN.get)
    message = str(caught.value)
    for part in (
        "these 9 things are missing or wrong",
        "the run 'nowhere' was not found in this store and its sources",
        "Parent('nowhere', catalog=\"...\")",
        "the run 'lost' was not found",
        "md['parent_uid']: Got int 5",
        "missing.xdi cannot be read: No such file or directory",
        f"{tmp_path} is a folder. Name the files in it",
        "code: url of 'larch' not known",
        "Provenance(code=Code(name=..., version=..., url=...))",
        "origin: Got 'dream'; expected one of 'simulation', 'synthetic', 'manual'",
        "waiver: the policy of this store allows no waiver",
        '["k.min"]: event-model refuses keys',
    ):
        assert part in message
    assert message.count("\n  ") == 9


def test_without_inputs_the_three_ways_to_give_them_are_told() -> None:
    """Runs, files, or an origin."""
    with pytest.raises(ProvenanceError, match=r"inputs: Got no parent run, no input file and no origin") as caught:
        given()
    for way in ('md={"parent_uids": [uid]}', "parents=[run]", "files=[path]", 'origin="simulation" | "synthetic"'):
        assert way in str(caught.value)


def test_where_was_looked_is_named() -> None:
    """A lookup that tells its places has them in the message."""

    class Everywhere:
        places = ("analysis", "csx")

        def __call__(self, uid: str) -> None:
            return None

    with pytest.raises(ProvenanceError, match=r"'x' was not found in analysis, csx\. Check the uid"):
        given(md={"parent_uids": ["x"]}, lookup=Everywhere())


def test_a_source_that_cannot_be_asked_is_named() -> None:
    """It is one thing among the others, not an end."""

    def broken(uid: str) -> str:
        raise ProvenanceError("could not look for the run x in csx (ConnectionError: refused)")

    with pytest.raises(ProvenanceError, match=r"1\. parents: could not look .* declare the run external: Parent\('x'"):
        given(md={"parent_uids": ["x"]}, lookup=broken)


# ---------------------------------------------------------------------------------------------------------- parents


@pytest.mark.parametrize(
    ("md", "uids"),
    [
        ({"parent_uids": ["a", "b"]}, ("a", "b")),
        ({"parent_uids": "a"}, ("a",)),
        ({"parent_uid": "a"}, ("a",)),
        ({"original_run_uid": "a", "raw_uid": "b"}, ("a", "b")),
        ({"original_start_uid": "a", "exp_uid": ("b", "a"), "parent_uid": ""}, ("a", "b")),
        ({"provenance": {"parents": ["b"]}, "parent_uids": ["a", None]}, ("b", "a")),
    ],
)
def test_parents_are_read_under_every_name_in_use(md: dict[str, Any], uids: tuple[str, ...]) -> None:
    """Once each, in the order they are named, with the catalog they were found in."""
    done = given(md=md)
    assert done.parents == uids
    expected = [{"uid": uid, "catalog": KNOWN[uid], "resolved": True} for uid in uids]
    assert done.document["parents"] == expected


def test_metadata_are_not_modified() -> None:
    """They belong to the caller."""
    md = {"parent_uids": ["a"], "provenance": {"parameters": {"e0": 7112.0}}}
    copy = {"parent_uids": ["a"], "provenance": {"parameters": {"e0": 7112.0}}}
    given(md=md)
    assert md == copy


def test_an_empty_parent_is_no_parent() -> None:
    """As the prototype wrote it when it knew none."""
    with pytest.raises(ProvenanceError, match="inputs: Got no parent run"):
        given(md={"parent_uid": "", "parent_uids": []})


def test_a_run_in_hand_needs_nothing_more() -> None:
    """It is there; where, is told if it can be found out."""

    def broken(uid: str) -> str:
        raise ProvenanceError("could not look")

    for lookup, known in ((KNOWN.get, {"catalog": "here"}), ({}.get, {}), (broken, {}), (None, {})):
        done = given({"parents": [SimpleNamespace(start={"uid": "a"})]}, lookup=lookup)
        assert done.document["parents"] == [{"uid": "a", **known, "resolved": True}]


def test_an_external_run_is_not_looked_up() -> None:
    """It is declared, and stands as declared."""
    asked: list[str] = []
    done = given({"parents": [Parent("y", catalog="csx")]}, lookup=asked.append)
    assert done.document["parents"] == [{"uid": "y", "catalog": "csx", "resolved": False}]
    assert asked == []


def test_what_says_most_of_a_parent_counts() -> None:
    """The declaration of a uid that the metadata name too holds for both."""
    done = given({"parents": [Parent("y", catalog="csx")]}, {"parent_uids": ["y"]})
    assert done.document["parents"] == [{"uid": "y", "catalog": "csx", "resolved": False}]


def test_a_record_cannot_declare_itself_resolved() -> None:
    """Verified, not declared: only a run in hand or one that was found is resolved."""
    with pytest.raises(ProvenanceError, match="'x' was not found"):
        given({"parents": [{"uid": "x", "resolved": True}]})
    done = given({"parents": [{"uid": "x", "catalog": "csx", "resolved": True}]})
    assert done.document["parents"] == [{"uid": "x", "catalog": "csx", "resolved": False}]


def test_without_a_lookup_parents_stay_unresolved() -> None:
    """The generator has no store to look in."""
    done = given(md={"parent_uids": ["x"]}, lookup=None)
    assert done.document["parents"] == [{"uid": "x", "resolved": False}]


def test_a_run_is_not_its_own_parent() -> None:
    """Lineage has no rings."""
    with pytest.raises(ProvenanceError, match="Got 'a', the uid of this run itself"):
        given(md={"uid": "a", "parent_uids": ["a"]})


# ------------------------------------------------------------------------------------------------------------ files


def test_files_are_looked_at_and_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Path absolute, size, time and digest; each file once."""
    file = tmp_path / "fe.xdi"
    file.write_bytes(b"7112 0.5\n")
    monkeypatch.chdir(tmp_path)
    done = given({"files": ["fe.xdi", file, "../" + tmp_path.name + "/fe.xdi"]})
    assert done.document["files"] == [
        {"path": str(file), "size": 9, "mtime": file.stat().st_mtime, "digest": digest_file(file), "hashed": True}
    ]


def test_a_file_that_changed_is_hashed_again(tmp_path: Path) -> None:
    """A digest is remembered for exactly this file as it is."""
    file = tmp_path / "fe.xdi"
    found = []
    for content in (b"1", b"2"):
        file.write_bytes(content)
        os.utime(file, ns=(0, int(content) * 10**9))
        found.append(given({"files": [file]}).document["files"][0]["digest"])
    assert found[0] != found[1]


@pytest.mark.parametrize("settled", [2.0, 0.0])
def test_a_file_with_other_bytes_of_the_same_size_time_and_inode_is_hashed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled: float
) -> None:
    """Right after it was written no digest is remembered; later the time of its last change of status tells."""
    monkeypatch.setattr(unchanged, "SETTLED", settled)
    file = tmp_path / "fe.xdi"
    file.write_bytes(b"1")
    before, found = file.stat(), []
    for content in (b"1", b"2", b"3"):
        changed = file.stat().st_ctime_ns
        while settled == 0.0 and file.stat().st_ctime_ns == changed:  # the clock of a file system goes in steps
            write_unnoticed(file, content, before)
        write_unnoticed(file, content, before)
        found.append(given({"files": [file]}).document["files"][0]["digest"])
        assert found[-1] == digest_file(file)
        assert (file.stat().st_size, file.stat().st_mtime_ns, file.stat().st_ino) == (
            before.st_size,
            before.st_mtime_ns,
            before.st_ino,
        )


def write_unnoticed(file: Path, content: bytes, before: os.stat_result) -> None:
    """Write other bytes, and set the time of the last change of content back."""
    with file.open("r+b") as stream:
        stream.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_file_that_rests_is_hashed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand results may come from one large file."""
    file = tmp_path / "fe.xdi"
    file.write_bytes(b"1")
    hashed: list[str] = []
    monkeypatch.setattr(digests, "digest_file", lambda path: hashed.append(path) or digest_file(path))
    monkeypatch.setattr(unchanged, "SETTLED", 0.0)
    for _ in range(3):
        given({"files": [file]})
    assert hashed == [str(file)]


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    """To open it would hang until somebody writes."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ProvenanceError, match="pipe is not an ordinary file"):
        given({"files": [tmp_path / "pipe"]})


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path: Path) -> None:
    """As the system gives it."""
    (tmp_path / "fe.xdi").touch()
    with pytest.raises(ProvenanceError, match=r"fe\.xdi/1 cannot be read: Not a directory"):
        given({"files": [tmp_path / "fe.xdi" / "1"]})


def test_a_record_of_a_file_is_held_against_the_file(tmp_path: Path) -> None:
    """Where it is here it must be what it was; where it is not, the record is all there is; documents are believed."""
    file = tmp_path / "fe.xdi"
    file.write_text("new")
    old = InputFile(str(file), 3, 0.0, "blake3:00")
    with pytest.raises(ProvenanceError, match=r"fe\.xdi has changed: its digest is blake3:.*, not blake3:00"):
        given({"files": [old]})
    assert given({"files": [old]}, capture=False).document["files"] == [old.to_document() | {"hashed": False}]
    elsewhere = InputFile("/elsewhere/fe.xdi", 3, 0.0, "blake3:00")
    assert given({"files": [elsewhere]}).document["files"] == [elsewhere.to_document() | {"hashed": False}]


# ------------------------------------------------------------------------------------------------- origin and waiver


def test_an_origin_stands_for_inputs_when_it_is_explained() -> None:
    """A bare word would tell nothing."""
    done = given({"origin": "synthetic", "note": "two gaussians"})
    assert (done.document["origin"], done.document["note"]) == ("synthetic", "two gaussians")
    for note in (None, "", " \n\t", "\u200b", "...", "-"):
        with pytest.raises(ProvenanceError, match="'synthetic' needs a note"):
            given({"origin": "synthetic", "note": note})


@pytest.mark.parametrize("blank", ["", "  ", "\u200b\u00a0", "--"])
def test_a_blank_text_says_nothing(blank: str) -> None:
    """It is no name, no version, no address, no catalog, no digest and no reason."""
    whole = {"name": "feff", "version": "9.6", "url": "https://example.org/feff"}
    for part in whole:
        with pytest.raises(ProvenanceError, match="code: "):
            given({"parents": ["a"], "code": whole | {part: blank}}, capture=False)
    with pytest.raises(ProvenanceError, match="'x' was not found"):
        given({"parents": [{"uid": "x", "catalog": blank}]})
    with pytest.raises(ProvenanceError, match="cannot be read"):
        given({"files": [{"path": "/elsewhere/fe.xdi", "digest": blank}]})
    with pytest.raises(ProvenanceError, match="no parent run, no input file and no origin"):
        given({"waiver": blank}, policy=Policy(allow_waiver=True))


def test_a_waiver_stands_for_what_is_missing_where_it_is_allowed() -> None:
    """And only for that: what is wrong stays wrong."""
    policy = Policy(allow_waiver=True)
    done = settle({"waiver": "rescued from a dying disk", "code": {"name": "x"}}, {}, policy=policy, lookup=KNOWN.get)
    assert done.document["waiver"] == "rescued from a dying disk"
    with pytest.raises(ProvenanceError, match="'x' was not found"):
        given({"waiver": "late", "parents": ["x"]}, policy=policy)


# ------------------------------------------------------------------------------------------- argument and metadata


def test_argument_and_metadata_are_one() -> None:
    """Inputs add up; where both speak, the argument wins."""
    md = {
        "provenance": {"parents": ["b"], "parameters": {"e0": 1, "kmax": 12}, "note": "from md", "code": {"name": "z"}}
    }
    done = given({"parents": ["a"], "parameters": {"e0": 2}}, md)
    assert done.parents == ("a", "b")
    assert done.document["parameters"] == {"e0": 2, "kmax": 12}
    assert done.document["note"] == "from md"
    assert done.document["code"]["name"] == "larch"


def test_metadata_that_are_no_provenance_are_refused() -> None:
    """With everything else that is wrong."""
    with pytest.raises(ProvenanceError, match="provenance: Got str 'me'; expected Provenance"):
        given(md={"provenance": "me"})


# ------------------------------------------------------------------------------------------------------------- code


def test_complete_code_is_taken_as_it_is_without_its_credentials() -> None:
    """It need not be the code that saves: a program that was called, for one."""
    code = Code("feff", version="9.6", url="https://me:token@example.org/feff?key=secret")
    done = given(Provenance(parents="a", code=code))
    words = {"name": "feff", "version": "9.6", "url": "https://example.org/feff"}
    assert done.document["code"] == {**words, "stated": ["name", "version", "url"]}
    assert (done.patch, done.source) == (None, None)


def test_code_that_is_given_in_part_is_asked_for() -> None:
    """The code around this test has another name and cannot fill the gaps."""
    with pytest.raises(ProvenanceError, match="version or commit of 'feff' not known"):
        given(Provenance(parents="a", code=Code("feff", url="https://example.org")), capture=False)


def test_under_refuse_declared_changes_are_refused() -> None:
    """Wherever the code is."""
    code = Code("x", commit="c0ffee", url="https://example.org", dirty=True)
    with pytest.raises(ProvenanceError, match="'x' has uncommitted changes"):
        given(Provenance(parents="a", code=code), policy=Policy(dirty="refuse"))
    assert given(Provenance(parents="a", code=code)).document["code"]["dirty"] is True


SCRIPT = Code("reduce", digest="blake3:01", source="x = 1")
INSTALLED = Code("larch", "0.9.80", url="https://example.org/larch")
CHECKOUT = Code("profile", commit="c0ffee", url="https://example.org/profile", dirty=False)
FILLED = [  # what was found, what is stated, what the stated fields of the record are; None where it is refused
    (SCRIPT, {"version": "1", "url": "https://x"}, None),
    (SCRIPT, {"url": "https://x"}, ["url"]),
    (SCRIPT, {"name": "mine"}, ["name"]),
    (SCRIPT, {"name": "reduce", "version": "1"}, ["version"]),
    (SCRIPT, {"name": "mine", "version": "1"}, None),
    (SCRIPT, {}, []),
    (INSTALLED, {"version": "0.9.80"}, []),
    (INSTALLED, {"version": "1.0"}, None),
    (INSTALLED, {"name": "larch", "version": "1.0"}, None),
    (INSTALLED, {"url": "https://x"}, ["url"]),
    (INSTALLED, {"name": "larch"}, []),
    (INSTALLED, {"name": "larch", "version": "1.0", "url": "https://x"}, ["name", "version", "url"]),
    (CHECKOUT, {"version": "7", "url": "https://x"}, None),
    (CHECKOUT, {"commit": "c0f"}, []),
    (CHECKOUT, {"entry_point": "peaks:fit"}, ["entry_point"]),
]


@pytest.mark.parametrize(("code", "stated", "marked"), FILLED)
def test_gaps_are_filled_from_the_same_code_only_and_what_is_stated_is_marked(
    monkeypatch: pytest.MonkeyPatch, code: Code, stated: dict[str, str], marked: list[str] | None
) -> None:
    """A version or a commit says which code is meant: without the name it is nobody's, with another it is another's."""
    found = capture.Found(capture._as_found(code))
    monkeypatch.setattr(claim, "capture_code", lambda **_: found)
    if marked is None:
        with pytest.raises(ProvenanceError, match=r"code: .*not known"):
            given({"parents": ["a"], "code": stated})
        return
    assert given({"parents": ["a"], "code": stated or None}).document["code"]["stated"] == marked


def test_nobody_marks_a_statement_as_found() -> None:
    """Not by saying so, not by changing what was captured, not by repeating what a run says."""
    captured = Provenance.capture(np.fft.fft)
    assert captured.code is not None
    made = given(Provenance(parents="a", code=captured.code)).document["code"]
    assert (made["name"], made["stated"]) == ("numpy", [])
    changed = replace(captured.code, version="99")
    assert given(Provenance(parents="a", code=changed)).document["code"]["stated"] == ["version"]
    again = given({"parents": ["a"], "code": made}).document["code"]
    assert again["stated"] == ["name", "version", "url", "entry_point"]
    file = {"path": "/elsewhere/x.h5", "digest": "blake3:00", "hashed": True}
    assert given({"files": [file]}).document["files"] == [file | {"hashed": False}]


def test_what_is_marked_comes_back() -> None:
    """A record read from a start document says the same, and an old one, which marks nothing, still says nothing."""
    document = given({"files": [{"path": "/x.h5", "digest": "blake3:00"}], "code": INSTALLED.to_document()}).document
    assert Provenance.from_document(document).to_document() == document
    old = {"parents": [], "files": [{"path": "/x.h5"}], "code": {"name": "larch"}}
    assert Provenance.from_document(old).to_document() == old


# ------------------------------------------------------------------------------------------------- other documents


def test_a_store_for_other_peoples_documents_takes_what_they_say() -> None:
    """Foreign provenance of any form, unknown parents, files that are elsewhere."""
    for said in ("a text", {"who": "knows"}, {"parents": ["x"], "files": ["/elsewhere/y"]}, None):
        done = settle(None, {"provenance": said, "parent_uids": ["x"]}, policy=OPEN, lookup=KNOWN.get, capture=False)
        assert done.parents == ("x",)
        assert done.document["parents"] == [{"uid": "x", "resolved": False}]
        assert (done.environment, done.environment_digest) == ((), None)


def test_documents_of_another_process_are_not_given_our_code() -> None:
    """What is not captured here is what the documents say, their environment included."""
    said = {
        "parents": ["a"],
        "code": {"name": "nb", "digest": "blake3:00"},
        "environment": {"digest": "blake3:11", "python": "3.9", "platform": "?"},
    }
    done = settle(said, {}, policy=Policy(), lookup=KNOWN.get, capture=False)
    assert done.document["code"] == {"name": "nb", "digest": "blake3:00", "stated": ["name", "digest"]}
    assert (done.document["environment"]["python"], done.environment_digest) == ("3.9", "blake3:11")
    with pytest.raises(ProvenanceError, match="code: name and url and version or commit not known"):
        settle({"parents": ["a"]}, {}, policy=Policy(), lookup=KNOWN.get, capture=False)
