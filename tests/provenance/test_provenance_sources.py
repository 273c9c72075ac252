"""Where runs are looked up: real catalogs of real libraries, none of which the package imports for it."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import event_model
import pytest

from analysis_store import AnalysisStore
from analysis_store.errors import ProvenanceError, SettingsError
from analysis_store.provenance import Lookup, Parent, Policy, Provenance
from analysis_store.provenance.resolve import settle
from analysis_store.provenance.sources import check_source, find, home_of, name_of, uid_of

if TYPE_CHECKING:
    from analysis_store.runs.read.run import Run

# Tiled and databroker use what their own dependencies have deprecated; it is not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::PendingDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

ABSENT = "00000000-0000-4000-8000-000000000000"


class Raw:
    """A databroker with two runs of one prefix, as a Tiled client and as a Broker of version 1."""

    def __init__(self, client: Any, broker: Any, uids: list[str]) -> None:
        self.client, self.broker, self.uids = client, broker, uids


@pytest.fixture(scope="module")
def raw() -> Iterator[Raw]:
    """Made once: to open it takes half a second."""
    from databroker.mongo_normalized import MongoAdapter
    from databroker.v1 import Broker
    from tiled.client import Context, from_context
    from tiled.server.app import build_app

    tree = MongoAdapter.from_mongomock(handler_registry={})
    write = tree.get_serializer()
    uids = [f"aaaaaaaa{str(uuid.uuid4())[8:]}" for _ in range(2)]
    for uid in uids:
        bundle = event_model.compose_run(uid=uid)
        write("start", bundle.start_doc)
        write("stop", bundle.compose_stop())
    with Context.from_app(build_app(tree)) as context:
        client = from_context(context)
        yield Raw(client, Broker(client), uids)


@pytest.fixture
def stores(tmp_path: Path, origin: Provenance) -> Iterator[tuple[AnalysisStore, AnalysisStore, Run]]:
    """Two stores, and a run in the first of them."""
    with AnalysisStore(tmp_path / "first") as first, AnalysisStore(tmp_path / "second") as second:
        yield first, second, first.insert([{"primary": {"e0": 7112.3}}], {}, provenance=origin)


def test_a_run_is_found_in_a_tiled_client_and_in_a_broker(raw: Raw) -> None:
    """By its whole uid; a part of one, which they would take for it, is not enough."""
    for source in (raw.client, raw.broker):
        check_source(source)
        assert find([source], raw.uids[0]) == name_of(source) == "http://local-tiled-app"
        for uid in (ABSENT, raw.uids[0][:-1], "x"):
            assert find([source], uid) is None
        with pytest.raises(ProvenanceError, match="Partial uid aaaaaaaa has multiple matches"):
            find([source], "aaaaaaaa")


def test_a_run_that_was_taken_from_them_is_a_parent(raw: Raw) -> None:
    """It needs nothing more: it is there, and it tells where."""
    for run in (raw.client[raw.uids[0]], raw.broker[raw.uids[0]]):
        assert uid_of(run) == raw.uids[0]
        assert home_of(run) == "http://local-tiled-app"
        assert Provenance(parents=run).parents == (Parent(raw.uids[0], "http://local-tiled-app", resolved=True),)


def test_a_run_is_found_in_another_store(stores: tuple[AnalysisStore, AnalysisStore, Run]) -> None:
    """Which is called by its location."""
    first, second, run = stores
    check_source(first)
    assert find([second, first], run.uid) == str(first.location)
    assert find([second, first], run.uid[:8]) is None
    assert Provenance(parents=run).parents[0].uid == run.uid


def test_a_store_is_called_without_its_password() -> None:
    """The name goes into documents."""
    store = type("AnalysisStore", (), {"__module__": "analysis_store.store", "catalog": None})()
    store.location = "postgresql://me:secret@db.example.org/analysis?password=secret"
    assert name_of(store) == "postgresql://db.example.org/analysis"


def test_the_store_itself_is_asked_first_then_its_sources_in_order(
    raw: Raw, stores: tuple[AnalysisStore, AnalysisStore, Run]
) -> None:
    """And the message of a settled provenance names where was looked."""
    first, _, run = stores
    lookup = Lookup("analysis", lambda uid: uid == "own", [first, raw.client])
    assert lookup.places == ("analysis", str(first.location), "http://local-tiled-app")
    assert [lookup(uid) for uid in ("own", run.uid, raw.uids[1], ABSENT)] == [*lookup.places, None]
    said = Provenance(parents=ABSENT, origin="manual", note="x")
    with pytest.raises(ProvenanceError, match=r"was not found in analysis, \S+first, http://local-tiled-app\. Check"):
        settle(said, {}, policy=Policy(), lookup=lookup)


def test_a_run_that_was_found_is_not_asked_for_again(stores: tuple[AnalysisStore, AnalysisStore, Run]) -> None:
    """A source may be far, and runs do not go away; what was not found may come."""
    first, _, run = stores
    lookup = Lookup("analysis", lambda uid: False, [first])
    assert lookup(run.uid) == str(first.location)
    first.close()
    assert lookup(run.uid) == str(first.location)
    with pytest.raises(ProvenanceError, match="could not look"):
        lookup(ABSENT)


def test_a_source_that_cannot_be_asked_is_named(stores: tuple[AnalysisStore, AnalysisStore, Run]) -> None:
    """Unless another one has the run."""
    first, second, run = stores
    second.close()
    assert find([second, first], run.uid) == str(first.location)
    with pytest.raises(ProvenanceError, match=rf"look for the run {ABSENT} in \S+second \(StoreClosedError: .*closed"):
        find([second, first], ABSENT)


@pytest.mark.parametrize("source", ["csx", {"a": 1}, object(), AnalysisStore])
def test_what_runs_cannot_be_looked_up_in_is_refused(source: object) -> None:
    """When the store is opened, not when the first result is saved."""
    with pytest.raises(
        SettingsError, match=r"sources: Got .*; expected a Tiled client, a databroker Broker or another"
    ):
        Lookup("analysis", lambda uid: False, [source])


def test_nothing_is_imported_to_know_a_source() -> None:
    """Whoever holds such an object has its library; nobody else should have to load it."""
    code = (
        "import sys; from analysis_store.provenance.sources import Lookup, find; find([], 'a');"
        "print([name for name in ('tiled', 'databroker', 'pymongo', 'bluesky_tiled_plugins') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
