"""What somebody does with a store who may not write it: run as ``python -m tests.faults.visitors WHAT LOCATION``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from analysis_store import AnalysisStore
from analysis_store.catalogs import open_catalog
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import AnalysisStoreError, StoreWriteError
from tests.faults.on_disk import ORIGIN, result
from tests.flow_processors import peak

HOME = Path(__file__).resolve().parents[2]
NOBODY = "65534"


def read_everything(location: str) -> None:
    """Search, read, verify, follow lineage and check; print how many runs there are."""
    with AnalysisStore(location) as store:
        runs = list(store.search(sample_name="Fe"))
        assert {run.uid for run in runs} == {run.uid for run in store}
        for run in runs:
            assert run["primary"].read()["x"].shape[0] == 2
            assert run.verify()
            assert store.read_checked(run.uid)
            assert store[run.uid[:12]] == run
        assert [len(run.ancestors()) for run in runs] == list(reversed(range(len(runs))))
        assert len(runs[-1].descendants()) == len(runs) - 1
        assert runs[0].notes
        report = store.check()
        assert report, str(report)
        print(len(runs))


def save(location: str) -> None:
    """Try every way to change the store; print what each one says."""
    with AnalysisStore(location) as store:
        uid = store[-1].uid
        foreign = {"uid": "theirs", "time": 1.0}
        tries: list[Callable[[], object]] = [
            lambda: store.insert(result(), {}, provenance=ORIGIN),
            lambda: store.new_run({}, provenance=ORIGIN),
            lambda: store("start", foreign),
            lambda: store.note(uid, "seen", {}),
            lambda: store.retract(uid, "wrong"),
            lambda: store.delete(uid, "wrong", dry_run=False),
            lambda: store.catalog.remove(uid),
            store.reindex,
        ]
        for number, change in enumerate(tries):
            try:
                change()
            except StoreWriteError as error:
                print(str(error).replace("\n", " "))
            else:
                print(f"number {number} changed something")


def compute(location: str) -> None:
    """Ask for a result that is there, and for one that is not; print what is said of this."""
    with AnalysisStore(location) as store:
        (raw,) = store[-1].start["parent_uids"]
        assert store.compute(peak, raw).uid == store[-1].uid
        try:
            store.compute(peak.preset(gain=3.0), raw)
        except StoreWriteError as error:
            print(error)


def open_it(location: str) -> None:
    """Open the store; print what is said instead."""
    try:
        with AnalysisStore(location) as store:
            print(len(store))
    except AnalysisStoreError as error:
        print(type(error).__name__, error)


def open_catalog_of(uri: str) -> None:
    """Open a catalog alone; print what is said instead."""
    try:
        with closing(open_catalog(uri)) as catalog:
            print(catalog.count(Query.parse()))
    except AnalysisStoreError as error:
        print(type(error).__name__, error)


def look_while_it_changes(location: str) -> None:
    """Look into the catalog, and let somebody save and close it meanwhile; print what each look has seen."""
    from analysis_store.catalogs.sql.engine import make_engine, read

    seen = []

    def look(connection: object) -> list[str]:
        first = [uid for (uid,) in connection.exec_driver_sql("SELECT uid FROM run")]  # type: ignore[attr-defined]
        if not seen:
            print("looking", flush=True)
            sys.stdin.readline()
        seen.append(len(first))
        return first

    read(make_engine(f"sqlite:///{location}/catalog.sqlite"), look)
    print(seen)


def follow(location: str) -> None:
    """Read until forty runs are there, looking at each; print when those that were there at first have been seen."""
    known: set[str] = set()
    with AnalysisStore(location) as store:
        while len(known) < 40:
            now = {run.uid for run in store.search(sample_name="Fe")}
            assert known <= now, "a run that was there is not"
            for uid in now - known:
                assert store[uid].verify()
            if not known:
                print("looking", flush=True)
            known = now
    print("done")


def as_visitor(what: Callable[[str], None], location: object, *before: str) -> list[str]:
    """Return the command that has somebody do something who may read everything, and write nothing of ours."""
    command = [sys.executable, "-m", "tests.faults.visitors", what.__name__, str(location)]
    if os.geteuid() != 0:
        return command
    if shutil.which("setpriv") is None:
        pytest.skip("running as root, and there is no setpriv to be somebody else")
    capability = "-all,+dac_read_search"  # Python itself may lie where only root gets to
    told = [f"--{kind}={capability}" for kind in ("inh-caps", "ambient-caps", "bounding-set")]
    return [*before, "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *told, *command]


def visit(what: Callable[[str], None], location: object) -> str:
    """Return what somebody prints who may not write."""
    return _said(as_visitor(what, location))


def _said(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=HOME, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def on_read_only_mount(what: Callable[[str], None], folder: Path) -> str:
    """Return what root prints, to whom a folder is on a disk that takes no writes."""
    script = f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}' && "
    tried = subprocess.run(["unshare", "--mount", "sh", "-c", script + "true"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip(f"may not mount: {tried.stderr.decode().strip()}")
    command = [sys.executable, "-m", "tests.faults.visitors", what.__name__, str(folder)]
    return _said(["unshare", "--mount", "sh", "-c", script + 'exec "$@"', "sh", *command])


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
