"""Bundles that lie: nothing of them is believed, nothing is written outside the root, and nothing stays."""

from __future__ import annotations

import json
import os
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from analysis_store import AnalysisStore
from analysis_store.errors import AnalysisStoreError, DamagedFileError, StoreVersionError, UnsafeFileError
from analysis_store.trust.bundles.contents import Cargo
from analysis_store.trust.bundles.import_run import landing
from analysis_store.trust.bundles.reading import Bundle
from tests.faults.on_disk import ORIGIN, result

Members = dict[str, bytes]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A good bundle of two runs with a note."""
    with AnalysisStore(tmp_path / "origin") as store:
        runs = [store.insert(result(number, 300), {}, provenance=ORIGIN) for number in range(2)]
        store.note(runs[0].uid, "remark", {"text": "good"})
        store.dump(runs, tmp_path / "bundle.zip")
    return tmp_path / "bundle.zip"


@pytest.fixture
def target(tmp_path: Path) -> Iterator[AnalysisStore]:
    """The store that it is loaded into."""
    with AnalysisStore(tmp_path / "deep" / "target") as store:
        yield store


def rewrite(bundle: Path, change: Callable[[Members, dict[str, Any]], None], *, honest: bool = True) -> None:
    """Write a bundle anew with some of its members changed; an honest one has their digests in its manifest."""
    with zipfile.ZipFile(bundle) as old:
        members = {name: old.read(name) for name in old.namelist()}
    manifest = json.loads(members.pop("manifest.json"))
    change(members, manifest)
    if honest:
        manifest["members"] = {
            name: {"size": len(content), "blake3": blake3(content).hexdigest()} for name, content in members.items()
        }
    with zipfile.ZipFile(bundle, "w") as new:
        for name, content in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            info = zipfile.ZipInfo()
            info.filename = name  # as it is: the constructor would cut it at NUL, and mend separators
            new.writestr(info, content)


def refused(target: AnalysisStore, bundle: Path, error: type[AnalysisStoreError], match: str) -> None:
    """Assert that a bundle is refused, and that nothing has come of it."""
    outside = sorted(path for path in bundle.parent.rglob("*") if "catalog.sqlite" not in path.name)
    for dry_run in (True, False):
        with pytest.raises(error, match=match):
            target.load(bundle, dry_run=dry_run)
    assert len(target) == 0
    assert outside == sorted(path for path in bundle.parent.rglob("*") if "catalog.sqlite" not in path.name)


def test_the_bundle_is_good(target: AnalysisStore, bundle: Path) -> None:
    """What the other tests spoil can be loaded as it is, and rewritten by the means that they use."""
    rewrite(bundle, lambda members, manifest: None)
    assert len(target.load(bundle).loaded) == 2


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil.h5", "climbs out"),
        ("files/../../evil.h5", "climbs out"),
        ("files/2026/01/01/../../../../../evil.h5", "climbs out"),
        ("/etc/evil", "absolute"),
        ("//server/share/evil", "absolute"),
        ("files\\..\\evil.h5", "character"),
        ("C:/evil.h5", "character"),
        ("C:evil.h5", "character"),
        ("files/2026/01/01/x.h5:stream", "character"),
        ("files/evil\x00.h5", "character"),
        ("files/evil\n.h5", "character"),
        ("files/2026/CON", "device"),
        ("files/2026/nul.h5", "device"),
        ("documents/com1.json", "device"),
        ("files//evil.h5", "plain path"),
        ("./evil.h5", "plain path"),
        ("files/2026/evil.h5. ", "plain path"),
        ("files/catalog.sqlite", "folder that only a store"),
        ("files/quarantine/x/removal.json", "folder that only a store"),
        ("files/tombstones/x.json", "folder that only a store"),
        ("files/claims/x", "folder that only a store"),
        ("files/tasks/x.jsonl", "folder that only a store"),
        ("files/2026/01/01/.x.h5.1-00.part", "folder that only a store"),
    ],
)
def test_names_that_reach_out(target: AnalysisStore, bundle: Path, name: str, why: str) -> None:
    """A member that would lie where none may is refused by name, before anything is read."""
    rewrite(bundle, lambda members, manifest: members.update({name: b"evil"}))
    refused(target, bundle, UnsafeFileError, why)


@pytest.mark.parametrize("name", ["documents/ä.json", "documents/Doc.json"])
def test_names_that_are_one_on_some_file_systems(target: AnalysisStore, bundle: Path, name: str) -> None:
    """Members that differ in case or in the form of their letters only are refused."""
    twin = {"documents/ä.json": "documents/a\u0308.json", "documents/Doc.json": "documents/doc.JSON"}[name]
    rewrite(bundle, lambda members, manifest: members.update({name: b"1", twin: b"2"}))
    refused(target, bundle, UnsafeFileError, "are one file")


def test_two_members_of_one_name(target: AnalysisStore, bundle: Path) -> None:
    """Which of the two would be meant, nobody can tell."""
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(bundle, "a") as file:
        file.writestr(file.namelist()[0], b"evil")
    refused(target, bundle, UnsafeFileError, "are one file")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_links_and_devices(target: AnalysisStore, bundle: Path, kind: int) -> None:
    """A member that claims to be a link, a pipe, a device or a folder is refused."""
    info = zipfile.ZipInfo("files/2026/01/01/link.h5")
    info.external_attr = (kind | 0o777) << 16
    with zipfile.ZipFile(bundle, "a") as file:
        file.writestr(info, b"/etc/passwd")
    refused(target, bundle, UnsafeFileError, "is a link, or no ordinary file")


def test_a_lie_about_a_digest(target: AnalysisStore, bundle: Path) -> None:
    """A member that is not what the manifest says is named."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        name = manifest["runs"][1]["file"]
        members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])

    rewrite(bundle, change, honest=False)
    refused(target, bundle, DamagedFileError, r"files/.*\.h5 has the digest .*was changed or is damaged")


def test_a_lie_about_a_size(target: AnalysisStore, bundle: Path) -> None:
    """A manifest that tells another size is refused."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        manifest["members"][manifest["runs"][0]["file"]]["size"] += 1

    rewrite(bundle, change, honest=False)
    refused(target, bundle, DamagedFileError, "bytes, and the manifest records")


@pytest.mark.parametrize("change", [lambda members: members.pop("prov.json"), lambda members: members.update(x=b"y")])
def test_members_and_manifest_do_not_agree(
    target: AnalysisStore, bundle: Path, change: Callable[[Members], object]
) -> None:
    """A member too few or too many is named."""
    rewrite(bundle, lambda members, manifest: change(members) and None, honest=False)
    refused(target, bundle, DamagedFileError, "its manifest")


def test_a_run_file_that_was_exchanged(target: AnalysisStore, bundle: Path) -> None:
    """Another run's file under a run's name is found, although every digest of the manifest is right."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        one, two = (entry["file"] for entry in manifest["runs"])
        members[one], members[two] = members[two], members[one]

    rewrite(bundle, change)
    target.load(bundle, dry_run=True)  # which does not read the files' inside
    with pytest.raises(DamagedFileError, match="did not come whole"):
        target.load(bundle)
    assert len(target) == 0
    assert list(target.root.rglob("*")) == []


def test_entries_that_were_exchanged(target: AnalysisStore, bundle: Path) -> None:
    """A manifest that gives a run the file and documents of another is refused."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        one, two = manifest["runs"]
        one["file"], two["file"] = two["file"], one["file"]

    rewrite(bundle, change)
    refused(target, bundle, DamagedFileError, "they were exchanged")


def test_values_that_were_changed(target: AnalysisStore, bundle: Path) -> None:
    """Changed values are found by the digests of the run, although the manifest was made to agree."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        name = manifest["runs"][0]["file"]
        values = np.stack([np.arange(300), np.arange(300) + 1]).astype("<i8").tobytes()
        assert values in members[name]
        members[name] = members[name].replace(values, values[:-8] + bytes(8))

    rewrite(bundle, change)
    with pytest.raises(DamagedFileError, match="key 'x': the values have the digest"):
        target.load(bundle)
    assert len(target) == 0
    assert list(target.root.rglob("*")) == []


def test_documents_that_were_changed(target: AnalysisStore, bundle: Path) -> None:
    """Documents beside the file that tell another provenance than those in it are not believed."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        name = manifest["runs"][0]["documents"]
        told = json.loads(members[name])
        told["start"]["provenance"]["code"]["name"] = "another"
        members[name] = json.dumps(told).encode()

    rewrite(bundle, change)
    with pytest.raises(DamagedFileError, match=r"the start document of .* are not those recorded"):
        target.load(bundle)
    assert len(target) == 0


@pytest.mark.parametrize("name", ["files/2026/01/01/planted.h5", "files/external/another-resource/x.h5"])
def test_a_file_that_is_smuggled_in(target: AnalysisStore, bundle: Path, name: str) -> None:
    """A file that the run does not refer to is refused: it could stand for another run's."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        members[name] = b"evil"
        manifest["runs"][0]["beside"].append(name)

    rewrite(bundle, change)
    with pytest.raises(DamagedFileError, match="does not refer to"):
        target.load(bundle)
    assert list(target.root.rglob("*")) == []


def test_runs_that_were_copied_before_their_turn(tmp_path: Path, target: AnalysisStore) -> None:
    """Of those after the one that cannot come nothing stays; those before it are whole, and in their order."""
    bundle, md = tmp_path / "many.zip", {"time": 1.7e9}
    with AnalysisStore(tmp_path / "origin") as store:
        uids = [store.insert(result(number, 300), md, provenance=ORIGIN).uid for number in range(20)]
        another_day = store.insert(result(20, 300), {"time": 1.5e9}, provenance=ORIGIN)
        store.dump([*uids[:12], another_day.uid, *uids[12:]], bundle)

    def change(members: Members, manifest: dict[str, Any]) -> None:
        name = manifest["runs"][9]["file"]
        members[name] = members[name].replace(np.arange(9, 309).tobytes(), bytes(2400))

    rewrite(bundle, change)
    with pytest.raises(DamagedFileError, match=f"run {uids[9]} did not come whole"):
        target.load(bundle)
    assert [run.uid for run in target][::-1] == uids[:9]
    assert {path.stem for path in target.root.rglob("*.h5")} == set(uids[:9])
    assert list(target.root.rglob(".*")) == []
    assert not (target.root / "2017").exists()


def test_a_file_that_runs_share(target: AnalysisStore, bundle: Path) -> None:
    """The second is not begun before the first is settled: it would count on a file that may go again."""
    with Bundle(bundle) as source:
        cargos = [fetch() for _, fetch in source.offers()]
        asked: list[str] = []

        def shared() -> Iterator[Cargo]:
            for number, cargo in enumerate([*cargos, cargos[0]]):
                asked.append(str(number))
                yield replace(cargo, beside={"external/resource/x.h5": cargo.file})

        with landing(target, shared()) as runs:
            (first,) = next(runs)
            assert "does not refer to" in str(first.fault)
            assert asked == ["0", "1"]  # and the second waits
    assert list(target.root.rglob("*")) == []


def test_a_list_of_packages_that_was_changed(target: AnalysisStore, bundle: Path) -> None:
    """The list must have the digest that the run tells."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        (name,) = (name for name in members if name.startswith("files/environments/"))
        members[name] = b"[]"

    rewrite(bundle, change)
    with pytest.raises(DamagedFileError, match="is not the one of its digest"):
        target.load(bundle)
    assert list(target.root.rglob("*.json")) == []


def test_a_newer_version(target: AnalysisStore, bundle: Path) -> None:
    """Says which version it has, and which can be read."""
    rewrite(bundle, lambda members, manifest: manifest.update(version=2, runs="of another form"))
    refused(target, bundle, StoreVersionError, "a bundle of version 2, and this analysis_store reads 1")


@pytest.mark.parametrize(
    "change",
    [
        {"runs": None},
        {"runs": [{"uid": 1}]},
        {"version": "1"},
        {"version": None},
        {"format": "something else"},
        {"members": {"x": {"size": -1, "blake3": "0" * 64}}},
        {"members": {"x": {"size": 1, "blake3": "short"}}},
        {"made": "today"},
    ],
)
def test_manifests_of_another_form(target: AnalysisStore, bundle: Path, change: dict[str, Any]) -> None:
    """What is not a manifest is said to be none, with the place where it is wrong."""
    rewrite(bundle, lambda members, manifest: manifest.update(change), honest="members" not in change)
    refused(target, bundle, DamagedFileError, "manifest")


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"null", b"{}", b'"text"', b"\xff\xfe"])
def test_no_manifest_at_all(target: AnalysisStore, bundle: Path, content: bytes) -> None:
    """Garbage in the place of the manifest is refused."""
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("manifest.json", content)
    refused(target, bundle, DamagedFileError, "is not a manifest")


@pytest.mark.parametrize(
    "line", [b"[]", b'{"uid": 1}', b"garbage", b'{"uid":1,"kind":"x","time":0,"who":"","body":{}}']
)
def test_notes_that_are_none(target: AnalysisStore, bundle: Path, line: bytes) -> None:
    """Notes are looked at before anything is taken."""

    def change(members: Members, manifest: dict[str, Any]) -> None:
        (name,) = (name for name in members if name.startswith("files/notes/"))
        members[name] += line + b"\n"

    rewrite(bundle, change)
    refused(target, bundle, DamagedFileError, "invalid note")


@pytest.mark.parametrize("kept", [0, 1, 100, 0.3, 0.9, -1, -22])
def test_a_bundle_that_was_cut_short(target: AnalysisStore, bundle: Path, kept: float) -> None:
    """A truncated zip is refused as such."""
    size = bundle.stat().st_size
    os.truncate(bundle, int(kept * size) if isinstance(kept, float) else kept % size if kept < 0 else kept)
    refused(target, bundle, DamagedFileError, "not a bundle, or is cut short")


def test_garbage(target: AnalysisStore, bundle: Path) -> None:
    """A file that is no zip, and a folder, and nothing at all, are no bundles."""
    bundle.write_bytes(random.Random(1).randbytes(10_000))
    refused(target, bundle, DamagedFileError, "not a bundle")
    for path in (bundle.parent, bundle.parent / "missing.zip"):
        with pytest.raises(DamagedFileError, match="not a bundle"):
            target.load(path)


def test_a_zip_that_is_no_bundle(target: AnalysisStore, bundle: Path) -> None:
    """Another program's zip is said to be no bundle."""
    with zipfile.ZipFile(bundle, "w") as file:
        file.writestr("holiday.jpg", b"x")
    refused(target, bundle, DamagedFileError, "no bundle. `store.dump` makes bundles")


@pytest.mark.slow
def test_a_zip_bomb(target: AnalysisStore, bundle: Path) -> None:
    """Members that are small in the zip and huge outside are refused, and so is a declared size beyond all memory."""
    with zipfile.ZipFile(bundle, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("files/2026/01/01/bomb.h5", bytes(10 << 20))
    refused(target, bundle, UnsafeFileError, "is compressed; files are stored as they are")
    with zipfile.ZipFile(bundle, "w", zipfile.ZIP_DEFLATED) as file, file.open("manifest.json", "w") as member:
        for _ in range(513):
            member.write(bytes(1 << 20))
    refused(target, bundle, UnsafeFileError, "claims more than")


def test_members_that_overlap(target: AnalysisStore, bundle: Path) -> None:
    """A zip whose list of members names the same bytes again and again is refused."""
    content = bundle.read_bytes()
    at = content.index(b"PK\1\2")
    end = content.rindex(b"PK\5\6")
    directory = content[at:end]
    with zipfile.ZipFile(bundle) as file:
        count, name = len(file.namelist()), file.namelist()[1].encode()
    assert name.startswith(b"files/20")
    grown, more = directory, 40
    for number in range(more):
        first = directory[directory.index(name) - 46 : directory.index(name) + len(name)]
        grown += first.replace(name, name[:-5] + f"{number:02}.h5".encode())
    head = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count + more, count + more, len(grown), at, 0)
    bundle.write_bytes(content[:at] + grown + head)
    refused(target, bundle, UnsafeFileError, "overlap")


def test_an_encrypted_member(target: AnalysisStore, bundle: Path) -> None:
    """Is refused, and not asked a password for."""
    content = bytearray(bundle.read_bytes())
    for mark, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + at] |= 1
    bundle.write_bytes(content)
    refused(target, bundle, UnsafeFileError, "is encrypted")


def test_bytes_at_random(target: AnalysisStore, bundle: Path) -> None:
    """Whatever byte is changed, the bundle is refused with an error of ours, or what was loaded is what was dumped."""
    good, chance = bundle.read_bytes(), random.Random(20260103)
    refusals = 0
    for _ in range(150):
        content = bytearray(good)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        bundle.write_bytes(content)
        try:
            target.load(bundle, dry_run=True)
        except AnalysisStoreError:
            refusals += 1
    assert refusals > 130  # the others hit what no reader looks at: times, the padding of a header
    assert len(target) == 0
