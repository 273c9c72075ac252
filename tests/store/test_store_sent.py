"""A store that is sent to another process: by its address, opened there once; and what it finds on higher floors."""

from __future__ import annotations

import multiprocessing
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from analysis_store import AnalysisStore, Handler, Policy, Provenance
from analysis_store.errors import PolicyError, ProvenanceError, SettingsError, StoreClosedError

DATA = [{"primary": {"x": 1.0}}]
SPAWN = multiprocessing.get_context("spawn")


class Own(Handler):
    """A handler that another process can import."""

    specs = {"OWN"}  # noqa: RUF012 - as the contract of handlers has it

    def __init__(self, path: str) -> None:
        self.path = path

    def __call__(self, **datum_kwargs: Any) -> Any:
        """Return the path."""
        return self.path


def there(one: AnalysisStore, other: AnalysisStore, parent: str) -> list[Any]:
    """Return, from another process, what two sent stores are there."""
    uid = one.insert(DATA, {"parent_uids": [parent]}, provenance={"code": CODE}).uid
    return [one is other, uid, one.location, str(one.root), one.policy, "OWN" in one.handlers]


CODE = {"name": "test", "version": "1", "url": "https://example.org"}


def test_another_process_opens_it_once(tmp_path: Path, origin: Provenance, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its policy, handlers and sources; what is saved there is found here."""
    monkeypatch.chdir(tmp_path)
    strict = Policy(dirty="refuse")
    with (
        AnalysisStore("raw") as raw,
        AnalysisStore("results", policy=Policy()) as made,
        AnalysisStore("results", sources=[raw], policy=strict) as store,
    ):
        parent = raw.insert(DATA, {}, provenance=origin).uid
        store.register_handler("OWN", Own)
        with SPAWN.Pool(1) as pool:
            same, uid, *rest = pool.apply(there, (store, store, parent))
            assert pool.apply(there, (store, store, parent))[0]
            pool.close()
            pool.join()
        assert same
        assert rest == [store.location, str(store.root), strict, True]
        assert store[uid].parents == [parent]
        assert made.policy == Policy()


def test_it_is_opened_once_in_a_process(tmp_path: Path) -> None:
    """However often it comes and by however many threads; anew when it was closed meanwhile."""
    with AnalysisStore(tmp_path / "s") as store:
        sent = pickle.dumps(store)
        found: list[AnalysisStore] = []
        threads = [threading.Thread(target=lambda: found.append(pickle.loads(sent))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({id(one) for one in found}) == 1
        assert found[0] is not store
        found[0].close()
        again = pickle.loads(sent)
        assert not again.closed
        assert again.location == store.location
        again.close()


def test_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative one names the same file in another folder."""
    monkeypatch.chdir(tmp_path)
    with AnalysisStore("sqlite:///catalog.sqlite", root="files") as store:
        uid = store.insert(DATA, {}, provenance=Provenance(origin="synthetic", note="a test")).uid
        sent = pickle.dumps(store)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with pickle.loads(sent) as store:
        assert uid in store


def test_the_policy_that_was_not_given_is_the_stores_own(tmp_path: Path) -> None:
    """And one that was given cannot loosen it there either."""
    with AnalysisStore(tmp_path / "s", policy=Policy(dirty="refuse")) as store:
        with AnalysisStore(tmp_path / "s") as plain, pickle.loads(pickle.dumps(plain)) as sent:
            assert sent.policy == store.policy
        with pytest.raises(PolicyError):
            AnalysisStore(tmp_path / "s", policy=Policy(dirty="allow"))


@pytest.mark.slow
def test_a_source_that_cannot_be_sent(tmp_path: Path) -> None:
    """The error names it, and says what could be."""
    pytest.importorskip("tiled", reason="the extra 'server' is not installed")
    with AnalysisStore(tmp_path / "raw") as raw, AnalysisStore(tmp_path / "s", sources=[raw.broker()]) as store:
        with pytest.raises(SettingsError, match=r"Got the source \S+, with which the store cannot.*stores"):
            pickle.dumps(store)
        assert len(store) == 0


def test_a_handler_that_cannot_be_sent(tmp_path: Path) -> None:
    """The error names its spec."""

    class Local(Own):
        """In no module."""

    with (
        AnalysisStore(tmp_path / "s", handler_registry={"LOCAL": Local}) as store,
        pytest.raises(SettingsError, match="the handler of 'LOCAL'"),
    ):
        pickle.dumps(store)


def test_a_password_is_sent_and_not_shown(tmp_path: Path) -> None:
    """The other process needs it; nobody sees it."""
    from analysis_store.runs.pickling import Address

    address = Address("postgresql://me:secret@host/db", tmp_path, None, (), {}, {})
    assert b"secret" in address.sent()
    assert "secret" not in repr(address)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient` is deprecated")
def test_sources_on_a_server(tmp_path: Path, origin: Provenance) -> None:
    """A Tiled client of a server, and a Broker over it, are sent as they are, with their key."""
    tiled = pytest.importorskip("tiled.client", reason="the extra 'server' is not installed")
    from databroker.v1 import Broker

    with AnalysisStore(tmp_path / "raw") as raw:
        uids = [raw.insert(DATA, {}, provenance=origin).uid for _ in range(2)]
    command = [Path(sys.executable).with_name("analysis-store"), "serve", tmp_path / "raw", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            found = (re.search(r"(http://[^/]+)/.*api_key=(\w+)", line) for line in server.stdout)
            address = next(filter(None, found))
            client = tiled.from_uri(f"{address[1]}/api/v1", api_key=address[2])
            with (
                AnalysisStore(tmp_path / "a", sources=[client]) as one,
                AnalysisStore(tmp_path / "b", sources=[Broker(client)]) as other,
                SPAWN.Pool(1) as pool,
            ):
                made = [pool.apply(there, (store, store, uid))[1] for store, uid in ((one, uids[0]), (other, uids[1]))]
                assert [one[made[0]].parents, other[made[1]].parents] == [[uids[0]], [uids[1]]]
                pool.close()
                pool.join()
            client.context.http_client.close()
        finally:
            server.kill()


def test_a_closed_store_refuses_every_method(store: AnalysisStore) -> None:
    """Each says so before anything is looked for."""
    store.close()
    for use in (
        lambda: store.compute("x", "y"),
        lambda: store.explain("x", "y"),
        lambda: store.rerun("x"),
        lambda: store.compare("x", "y"),
        store.broker,
    ):
        with pytest.raises(StoreClosedError, match="closed"):
            use()


BARE = """
import importlib.metadata, sys
importlib.metadata.entry_points = lambda **_: importlib.metadata.EntryPoints()
from analysis_store import AnalysisStore
with AnalysisStore(sys.argv[1]) as store:
    print(store.check(), store.reindex(), list(store.stale()), store.impact("numpy==0.0.1"))
"""


def test_a_checkout_that_is_not_installed(tmp_path: Path) -> None:
    """Every method of a store works without entry points."""
    command = [sys.executable, "-c", BARE, str(tmp_path / "store")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def test_gathered_streams_pass_through(store: AnalysisStore, origin: Provenance) -> None:
    """What was gathered once is saved as it is; what a caller adds for one save does not reach the other."""
    from analysis_store.runs.values.gather import gather

    streams = gather(DATA)
    one = store.insert(streams, {}, provenance=origin, descriptor_md={"primary": {"data_keys": {"x": {"units": "eV"}}}})
    two = store.insert(streams, {}, provenance=origin)
    assert one["primary"]["x"].attrs == {"units": "eV"}
    assert two["primary"]["x"].attrs == {}
    assert store.compare(one, two, rtol=0)
    with pytest.raises(ProvenanceError):
        store.insert(streams, {})
