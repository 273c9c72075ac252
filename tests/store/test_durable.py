"""What has its name survives a power cut: the bytes are on the disk before the name, the name before anyone is told."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import pytest

from analysis_store import AnalysisStore, folders
from analysis_store.core.atomic_files import create, remove_folders
from analysis_store.errors import StoreWriteError
from analysis_store.exchange import link_tree
from analysis_store.recorder import RunDataStore, live_runs, recorded, recover
from tests.faults.children import start
from tests.faults.on_disk import ORIGIN, result


class Call(NamedTuple):
    """What the operating system was told, in its order."""

    what: str
    inode: int
    written: int
    name: Path | None = None


class Watch:
    """Lets every call through, and keeps what was asked."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: list[Call] = []
        self._fsync = os.fsync
        patch.setattr(os, "fsync", self.fsync)
        for name in ("link", "rename", "replace"):
            patch.setattr(os, name, self._naming(getattr(os, name)))

    def fsync(self, file: int) -> None:
        """Pass it on."""
        self._fsync(file)
        found = os.fstat(file)
        self.calls.append(Call("fsync", found.st_ino, found.st_mtime_ns))

    def _naming(self, give: Callable[..., None]) -> Callable[..., None]:
        def named(source: Any, target: Any, **options: Any) -> None:
            found = Path(source).stat()
            give(source, target, **options)
            self.calls.append(Call("name", found.st_ino, found.st_mtime_ns, Path(target)))

        return named

    def names(self, *suffixes: str) -> list[str]:
        """Assert of each name with a suffix that its file was synced before, and its folder after; return them."""
        found = []
        for number, call in enumerate(self.calls):
            if call.name is None or call.name.suffix not in suffixes:
                continue
            assert Call("fsync", call.inode, call.written) in self.calls[:number], f"{call.name}: bytes not synced"
            later = {other.inode for other in self.calls[number:] if other.what == "fsync"}
            assert call.name.parent.stat().st_ino in later, f"{call.name}: name not synced"
            found.append(call.name.suffix)
        return found

    def synced(self, path: Path) -> None:
        """Assert of a file that its name was synced, and the name of each folder above it that the test has."""
        synced = {call.inode for call in self.calls if call.what == "fsync"}
        for each in (path, *path.parents):
            if "test_" not in str(each.parent):
                return
            assert each.parent.stat().st_ino in synced, f"{path}: the name of {each} is not synced"


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    """What is synced and named from now on."""
    return Watch(monkeypatch)


def test_a_run_that_is_saved(tmp_path: Path, watch: Watch) -> None:
    """Its file, and those that are written beside it once: the settings of the store, the list of packages."""
    with AnalysisStore(tmp_path) as store:
        store.insert(result(), {}, provenance=ORIGIN)

    assert sorted(watch.names(".h5", ".json", ".toml")) == [".h5", ".json", ".toml"]


def test_a_run_that_is_recorded(tmp_path: Path, watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The live file gets the name of a run once its last bytes are on the disk; then only the catalog is told."""
    told = []
    with AnalysisStore(tmp_path) as store:
        adopt = store.adopt

        def watched(path: Path) -> Any:
            told.extend(watch.names(".h5"))
            return adopt(path)

        monkeypatch.setattr(store, "adopt", watched)
        with RunDataStore(store, {}, ORIGIN) as datastore:
            for number in range(100):
                datastore.append("x", np.full(100, number), time.time())
                datastore.append("fit", {"number": number}, time.time())

    assert told == [".h5"]


def _saved(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
    yield from (folder / "store").rglob("*.h5")
    yield from (folder / "store").rglob("environments/*")


def _noted(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store:
        run = store.insert(result(), {}, provenance=ORIGIN)
        store.note(run.uid, "comment", {"text": "seen"})
    yield from (folder / "store").rglob("*.jsonl")


def _deleted(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store:
        uid = store.insert(result(), {}, provenance=ORIGIN).uid
        store.delete(uid, "a test", dry_run=False)
    yield from (path for path in (folder / "store").rglob(f"quarantine/*{uid}*/**/*") if path.is_file())


def _recorded(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store, RunDataStore(store, {}, ORIGIN) as datastore:
        datastore.append("x", 1.0, 0.0)
    yield from (folder / "store").rglob("*.h5")


def _backed_up(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        store.backup(folder / "a" / "backup")
    yield from (path for path in (folder / "a").rglob("*") if path.is_file())


def _exported(folder: Path) -> Iterator[Path]:
    with AnalysisStore(folder / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        yield from link_tree(store, folder / "a" / "tree").files


def _loaded(folder: Path) -> Iterator[Path]:
    bundle = folder / "bundle" / f"{len(list(folder.glob('bundle/*')))}.zip"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    with AnalysisStore(folder / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        store.dump(None, bundle)
    with AnalysisStore(folder / "other") as other:
        other.load(bundle)
    yield bundle
    yield from (folder / "other").rglob("*.h5")


@pytest.mark.parametrize("act", [_saved, _noted, _deleted, _recorded, _backed_up, _exported, _loaded])
def test_the_folders_above(act: Callable[[Path], Iterator[Path]], tmp_path: Path, watch: Watch) -> None:
    """Every name on the way is on the disk, and again when another process made the folders and may not have synced."""
    for _ in range(2):
        watch.calls.clear()
        folders._named.clear()  # as another process, which has synced nothing

        files = list(act(tmp_path / "new" / "deep"))

        assert files
        for path in files:
            watch.synced(path)


def test_a_name_is_synced_once(tmp_path: Path, watch: Watch) -> None:
    """A second save syncs the folder of its file, and none above it."""
    with AnalysisStore(tmp_path) as store:
        store.insert(result(), {}, provenance=ORIGIN)
        watch.calls.clear()
        store.insert(result(), {}, provenance=ORIGIN)

    day = next(tmp_path.rglob("*.h5")).parent
    synced = [call.inode for call in watch.calls if call.what == "fsync"]
    assert synced.count(day.stat().st_ino) == 1
    assert day.parent.stat().st_ino not in synced


def test_a_folder_that_is_made_again(tmp_path: Path, watch: Watch) -> None:
    """It may have the same inode; its name is synced again."""
    path = tmp_path / "a" / "b"
    for _ in range(2):
        made: list[Path] = []
        create(path, made)
        watch.synced(path.parent)
        watch.calls.clear()
        path.unlink()
        remove_folders(made)


def test_a_tree_of_links(tmp_path: Path, watch: Watch) -> None:
    """An export replaces a file by a whole one."""
    with AnalysisStore(tmp_path / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        watch.calls.clear()
        for _ in range(2):
            tree = link_tree(store, tmp_path / "tree")

    assert watch.names(".h5") == [".h5", ".h5"]
    assert [h5py.is_hdf5(path) for path in tree.files] == [True]


def test_death_before_the_catalog_knows(tmp_path: Path) -> None:
    """The live name goes last: a run that has its file, and is not in the catalog, is found and recovered."""
    process, connection = start(_dies_at_the_catalog, tmp_path)
    uid = connection.recv()
    process.join()
    assert process.exitcode == -signal.SIGKILL

    with AnalysisStore(tmp_path) as store:
        assert [run.uid for run in live_runs(store)] == [uid]
        assert [run.uid for run in recover(store)] == [uid]
        assert recorded(store[uid])["n"][:].tolist() == [0, 1, 2]
        assert store[uid].stop["exit_status"] == "success"
        assert live_runs(store) == []


def _dies_at_the_catalog(connection: Connection, location: Path) -> None:
    store = AnalysisStore(location)
    datastore = RunDataStore(store, {}, ORIGIN)
    connection.send(datastore.uid)
    for number in range(3):
        datastore.append("n", number, time.time())
    store.adopt = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign, assignment, return-value]
    datastore.close()


def test_a_bundle_and_what_is_loaded_of_it(tmp_path: Path, watch: Watch) -> None:
    """Both are on the disk before they have their names."""
    with AnalysisStore(tmp_path / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        watch.calls.clear()
        store.dump(None, tmp_path / "runs.zip")
    assert watch.names(".zip") == [".zip"]

    with AnalysisStore(tmp_path / "other") as other:
        watch.calls.clear()
        other.load(tmp_path / "runs.zip")
    assert ".h5" in watch.names(".h5")


def test_a_disk_that_tells_an_error_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system forgets an error when it has told it: a bundle of which some bytes were lost is not published."""
    folder, fsync, told = tmp_path / "out", os.fsync, []

    def failing(file: int) -> None:
        if not told and os.fstat(file).st_ino in {path.stat().st_ino for path in folder.glob("*")}:
            told.append(file)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(file)

    folder.mkdir()
    with AnalysisStore(tmp_path / "store") as store:
        store.insert(result(), {}, provenance=ORIGIN)
        monkeypatch.setattr(os, "fsync", failing)
        with pytest.raises(StoreWriteError, match=os.strerror(errno.EIO)):
            store.dump(None, folder / "runs.zip")

    assert told
    assert not list(folder.iterdir())
