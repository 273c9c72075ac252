"""Run files and catalogs lost, cut short, exchanged or rolled back: what check says, and what brings them back."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy
from analysis_store.errors import AnalysisStoreError, DamagedFileError
from analysis_store.trust.reindexing.reindex import reindex
from tests.faults.on_disk import ORIGIN

DATA = [{"primary": {"energy": 7112.0 + i, "curve": np.arange(20.0) + i}} for i in range(2)]


@pytest.fixture
def store(tmp_path):
    """A store with three runs, of which the second is retracted and the third annotated."""
    with AnalysisStore(tmp_path / "store") as opened:
        runs = [opened.insert(DATA, {"number": number}, provenance=ORIGIN) for number in range(3)]
        opened.retract(runs[1].uid, "wrong energy")
        opened.annotate(runs[2].uid, {"grade": "A"})
        yield opened


def by_number(store, number):
    """Return one of the runs."""
    (run,) = store.search(number=number)
    return run


def told(report):
    """Return what a report finds wrong: pairs of kind and subject."""
    return [(finding.kind, finding.subject) for finding in report.faults]


def state(store):
    """Return all that a catalog says."""
    return [(run.record, run.children, run.notes) for run in store]


def reopened(store):
    """Close a store and return a function that opens it again."""
    folder = Path(store.location)
    store.close()
    return folder


# ---------------------------------------------------------------------------------------------------- a run file


def emptied(file, other, folder):
    """Leave nothing of a file."""
    os.truncate(file, 0)


def cut_to(part):
    """Return what cuts a file to a part of its length, or by some bytes."""

    def cut(file, other, folder):
        size = file.stat().st_size
        os.truncate(file, size + part if part < 0 else int(size * part))

    return cut


def exchanged(file, other, folder):
    """Put another run's file in the place."""
    shutil.copy(other, file)


def linked(file, other, folder):
    """Put a link to the file in its place, which lies outside the root now."""
    file.symlink_to(file.rename(folder / "elsewhere.h5"))


def made_a_folder(file, other, folder):
    """Put a folder in the place."""
    file.unlink()
    file.mkdir()


def removed(file, other, folder):
    """Remove the file."""
    file.unlink()


def garbled(file, other, folder):
    """Put something else in the place."""
    file.write_bytes(os.urandom(file.stat().st_size))


DAMAGES = {
    "emptied": (emptied, "damaged"),
    "cut to 8 bytes": (cut_to(0.0005), "damaged"),
    "cut to a third": (cut_to(0.33), "damaged"),
    "cut by a byte": (cut_to(-1), "damaged"),
    "cut by a block": (cut_to(-4096), "damaged"),
    "garbled": (garbled, "damaged"),
    "exchanged": (exchanged, "exchanged"),
    "a link out of the root": (linked, "unsafe"),
    "a folder": (made_a_folder, "unsafe"),
    "removed": (removed, "missing"),
}


@pytest.mark.parametrize(("damage", "kind"), DAMAGES.values(), ids=DAMAGES)
def test_damaged_file(store, tmp_path, damage, kind):
    """Check names the run and what happened, quick or not; reading refuses; repair touches nothing; a copy mends it."""
    run, other = by_number(store, 0), by_number(store, 2)
    copy = shutil.copy(run.file, tmp_path / "copy.h5")
    run.file.chmod(0o644)

    damage(run.file, other.file, tmp_path)

    for report in (store.check(), store.check(quick=True), store.check(repair=True)):
        assert (kind, run.uid) in told(report)
        assert {subject for _, subject in told(report)} == {run.uid}
    assert not store[run.uid].verify()
    with pytest.raises(AnalysisStoreError, match=run.uid):
        store.read_checked(run.uid)
    assert store.read_checked(other.uid)["energy"].values.tolist() == [7112.0, 7113.0]

    if run.file.is_dir():
        run.file.rmdir()
    else:
        run.file.unlink(missing_ok=True)
    shutil.copy(copy, run.file)
    assert store.check()


def exchange(first, second):
    """Have two files change places."""
    aside = first.rename(first.with_name("aside"))
    second.rename(first)
    aside.rename(second)


def test_files_exchanged_with_each_other(store):
    """Two runs whose files changed places are both named."""
    first, second = by_number(store, 0), by_number(store, 2)
    exchange(first.file, second.file)

    assert sorted(told(store.check())) == sorted(("exchanged", run.uid) for run in (first, second))
    with pytest.raises(DamagedFileError, match="exchanged"):
        first.read()


def test_misplaced_files_and_a_catalog_made_anew(store):
    """Files that changed places, or lie elsewhere, do not come into a new catalog: one would read another's values."""
    before = state(store)
    first, second, third = (by_number(store, number).file for number in range(3))
    elsewhere = store.root / "2001/02/03" / third.name
    elsewhere.parent.mkdir(parents=True)
    third.rename(elsewhere)
    exchange(first, second)
    folder = reopened(store)
    report = reindex(folder, scratch=True)
    assert report.runs == 0
    assert {finding.kind for finding in report.faults} == {"damaged-orphan"}
    paths = {path.relative_to(folder / "files").as_posix() for path in (first, second, elsewhere)}
    assert {finding.subject for finding in report.faults} == paths

    elsewhere.rename(third)
    exchange(first, second)
    with AnalysisStore(folder) as mended:
        assert mended.reindex().runs == 3
        assert state(mended) == before


@pytest.mark.skipif(os.getuid() == 0, reason="the superuser may read every file; run the tests as an ordinary user")
def test_file_that_may_not_be_read(store):
    """A file without permission is named, and is well once it may be read again."""
    run = by_number(store, 0)
    run.file.chmod(0)
    assert told(store.check()) == [("damaged", run.uid)]
    run.file.chmod(0o444)
    assert store.check()


def test_damaged_file_and_a_catalog_made_anew(store):
    """A damaged file does not come into a catalog that is made from the files; the others do, and it is named."""
    run = by_number(store, 0)
    run.file.chmod(0o644)
    content = bytearray(run.file.read_bytes())
    place = content.rindex(b'"number":0')
    content[place : place + 10] = b'"number":7'
    run.file.write_bytes(content)
    folder = reopened(store)
    (folder / "catalog.sqlite").unlink()

    reindex(folder)

    with AnalysisStore(folder) as again:
        assert sorted(run.start["number"] for run in again) == [1, 2]
        assert [kind for kind, _ in told(again.check())] == ["damaged-orphan"]
        assert "seal" in str(again.check())


# --------------------------------------------------------------------------------------------------- the catalog


def lost(catalog):
    """Remove a catalog."""
    catalog.unlink()


def cut_short(catalog):
    """Leave a half of it."""
    os.truncate(catalog, catalog.stat().st_size // 2)


def overwritten(catalog):
    """Put garbage in its place."""
    catalog.write_bytes(b"no database at all" * 100)


@pytest.mark.parametrize("damage", [lost, cut_short, overwritten])
def test_catalog_made_anew(store, damage):
    """A catalog that was lost or damaged is made anew from the files, and says what it said."""
    before = state(store)
    folder = reopened(store)
    damage(folder / "catalog.sqlite")

    reindex(folder)

    with AnalysisStore(folder) as again:
        assert state(again) == before
        assert again.check()


def test_catalog_rolled_back(store):
    """Yesterday's catalog: the runs and notes of today are found in the files, by repair and by reindex alike."""
    folder, before = Path(store.location), state(store)
    store.close()
    shutil.copy(folder / "catalog.sqlite", folder / "yesterday")
    with AnalysisStore(folder) as again:
        new = again.insert(DATA, {"number": 3}, provenance=ORIGIN)
        again.retract(new.uid, "wrong")
        now = state(again)
    for mend in (lambda opened: opened.check(repair=True), lambda opened: opened.reindex()):
        shutil.copy(folder / "yesterday", folder / "catalog.sqlite")
        with AnalysisStore(folder) as again:
            assert state(again) == before
            assert {kind for kind, _ in told(again.check())} >= {"orphan"}
            mend(again)
            assert state(again) == now
            assert again.check()


def test_catalog_of_another_store(store, tmp_path):
    """With another store's catalog every run of either is named; made anew from scratch, it is this one's again."""
    before = state(store)
    folder = reopened(store)
    with AnalysisStore(tmp_path / "other") as other:
        stranger = other.insert(DATA, {}, provenance=ORIGIN)
    shutil.copy(tmp_path / "other" / "catalog.sqlite", folder / "catalog.sqlite")

    with AnalysisStore(folder) as again:
        report = again.check()
        assert ("missing", stranger.uid) in told(report)
        assert sorted(kind for kind, _ in told(report) if kind == "orphan") == ["orphan"] * 3
    reindex(folder, scratch=True)

    with AnalysisStore(folder) as again:
        assert state(again) == before
        assert again.check()


def test_damaged_row(store):
    """A document that was changed in the catalog is found, and a catalog made anew has that of the file."""
    before = state(store)
    folder = reopened(store)
    with closing(sqlite3.connect(folder / "catalog.sqlite")) as connection:
        connection.execute("""UPDATE run SET start = replace(start, '"number":2', '"number":5')""")
        connection.commit()
    with AnalysisStore(folder) as again:
        assert [kind for kind, _ in told(again.check())] == ["documents"]
    reindex(folder, scratch=True)
    with AnalysisStore(folder) as again:
        assert state(again) == before


# ----------------------------------------------------------------------------------------- settings and the logs


def test_settings_lost(tmp_path):
    """A store without its settings gets those of a new one, which are no laxer; all runs are there."""
    with AnalysisStore(tmp_path / "lax", policy=Policy(require_inputs=False, require_code=False)) as lax:
        lax.insert(DATA, {}, provenance=ORIGIN)
    (tmp_path / "lax" / "analysis_store.toml").unlink()
    with AnalysisStore(tmp_path / "lax") as again:
        assert again.policy == Policy()
        assert again.check()


TAILS = [b'{"uid": "x", "kind"', b"\xff\xfe\x00garbage\n", b"[1, 2]\n", b'{"uid": 7}\n', b"\x00" * 50, b'"text"\n']


@pytest.mark.parametrize("tail", TAILS, ids=lambda tail: repr(tail)[:16])
@pytest.mark.filterwarnings("ignore:.*(is no entry|an invalid note)")  # that is what is told, where somebody looks
def test_garbled_log(store, tail):
    """What is no note does not hide the notes beside it, nor keep a catalog from being made; the next one is kept."""
    before = state(store)
    log = next((store.root / "notes").glob("*.jsonl"))
    log.write_bytes(tail.rstrip(b"\n") + b"\n" + log.read_bytes() + tail)
    assert store.check(), str(store.check())
    folder = reopened(store)
    (folder / "catalog.sqlite").unlink()

    reindex(folder)

    with AnalysisStore(folder) as again:
        assert state(again) == before
        again.annotate(again[-1].uid, {"after": 1})
        assert again.check()


def test_log_lost(store):
    """Notes that only the catalog has are told, and repair puts them back into the log."""
    before = state(store)
    for log in (store.root / "notes").glob("*.jsonl"):
        log.unlink()
    assert {kind for kind, _ in told(store.check())} == {"unlogged"}
    store.check(repair=True)
    assert store.check()
    folder = reopened(store)
    (folder / "catalog.sqlite").unlink()
    reindex(folder)
    with AnalysisStore(folder) as again:
        assert state(again) == before
