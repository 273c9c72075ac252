"""The store as databroker and Tiled know it, in this process: what was saved is found and read back equal."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import event_model
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray

pytest.importorskip("databroker", reason="the extra 'server' is not installed")

from analysis_store.documents import unpack_page
from analysis_store.handlers.base import Handler
from analysis_store.provenance import Policy
from analysis_store.server import broker, client
from analysis_store.store import AnalysisStore

SIMULATED = {"origin": "simulation", "note": "made for a test"}
RNG = np.random.default_rng(7)
PRIMARY = {
    "e0": np.array([7112.3, 7113.1, 7114.2]),
    "count": np.array([3, 2**53 + 1, -4]),
    "huge": np.array([1, 2**63, 2**64 - 1], dtype="u8"),
    "good": np.array([True, False, True]),
    "label": np.array(["pre-edge", "", "größer"]),
    "gap": np.array([np.nan, np.inf, -0.0]),
    "phase": np.array([1 + 2j, -1j, np.nan]),
    "half": np.array([0.5, 1, 2], dtype="f2"),
    "big_endian": np.array([1.5, 2.5, 3.5], dtype=">f8"),
    "when": np.array(["2026-01-01T00:00:00", "2026-01-02T03:04:05", "NaT"], dtype="M8[ns]"),
    "pair": RNG.random((3, 2)),
    "mu": RNG.random((3, 500)),
    "image": RNG.integers(0, 9, (3, 20, 30)).astype("u2"),
    "waves": RNG.random((3, 40)) * 1j,
    "names": np.array([["a", "bb"], ["", "c"], ["d", "é"]]),
}
UNITS = {"e0": "eV", "image": "counts"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with three runs, the first with every kind of value."""
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(tmp_path_factory.mktemp("broker") / "store", policy=policy) as made:
        made.insert(
            {"primary": PRIMARY, "baseline": {"temperature": np.array([300.5])}},
            {"provenance": SIMULATED, "sample_name": "Fe foil", "scan_id": 7},
            descriptor_md={"primary": {"data_keys": {key: {"units": units} for key, units in UNITS.items()}}},
        )
        made.insert({"primary": {"x": np.arange(3)}}, {"sample_name": "Ni foil", "scan_id": 8})
        made.insert({"primary": {"x": np.arange(4)}}, {"sample_name": "Fe foil", "scan_id": 9})
        yield made


@pytest.fixture(scope="module")
def catalog(store: AnalysisStore) -> Iterator[Any]:
    """A Tiled client of it."""
    made = client(store)
    with made.context:
        yield made


@pytest.fixture(scope="module")
def db(store: AnalysisStore) -> Iterator[Any]:
    """A Broker of it."""
    made = broker(store)
    with made.v2.context:
        yield made


def same(one: xarray.Dataset, other: xarray.Dataset) -> None:
    """Hold two datasets together: names, values, dtypes, dims, coordinates, units and attributes."""
    xarray.testing.assert_identical(one, other)
    for name in one.variables:
        assert one[name].dtype == other[name].dtype, name


class TestBroker:
    """databroker's first interface, as beamline profiles use it."""

    def test_a_run_as_a_table(self, db: Any, store: AnalysisStore) -> None:
        """``db[uid].table(fill=True)`` has a row per event with scalars and arrays, numbered from 1."""
        table = db[store.search(scan_id=7)[0].uid].table(fill=True)
        assert list(table.index) == [1, 2, 3]
        assert set(table) == {*PRIMARY, "time"}
        np.testing.assert_array_equal(table["e0"], PRIMARY["e0"])
        np.testing.assert_array_equal(np.stack(table["image"]), PRIMARY["image"])

    def test_a_table_without_filling(self, db: Any) -> None:
        """External keys are left out, inline ones are there."""
        table = db[7].table()
        assert "image" not in table
        assert list(table["label"]) == list(PRIMARY["label"])

    def test_a_search(self, db: Any, store: AnalysisStore) -> None:
        """``db(sample_name=…)`` finds by metadata, newest first, as databroker does."""
        assert [header.start["scan_id"] for header in db(sample_name="Fe foil")] == [7, 9]
        assert {header.uid for header in db("foil")} == {run.uid for run in store.search()}

    def test_by_position_scan_id_and_part_of_the_uid(self, db: Any, store: AnalysisStore) -> None:
        """``db[-1]`` is the newest run, ``db[7]`` the one of that scan_id, and eight letters of a uid are enough."""
        assert [db[-1].start["scan_id"], db[-3].start["scan_id"], db[8].start["scan_id"]] == [9, 7, 8]
        uid = store[8].uid
        assert db[uid[:8]].uid == uid

    def test_the_parts_of_a_header(self, db: Any, store: AnalysisStore) -> None:
        """Start, stop, descriptors, streams, fields and the values of one field."""
        header, run = db[7], store[7]
        assert dict(header.start) == run.start
        assert dict(header.stop) == run.stop
        assert {doc["uid"] for doc in header.descriptors} == {doc["uid"] for doc in run.descriptors}
        assert set(header.stream_names) == {"primary", "baseline"}
        assert header.fields("baseline") == {"temperature"}
        np.testing.assert_array_equal(np.stack(list(header.data("image"))), PRIMARY["image"])
        assert [doc["data"]["e0"] for doc in header.events()] == list(PRIMARY["e0"])

    def test_documents_of_a_header(self, db: Any) -> None:
        """The documents come in an order that databroker can stream again."""
        names = [name for name, _ in db[7].documents()]
        assert names[0] == "start"
        assert names[-1] == "stop"
        assert {"descriptor", "resource", "datum", "event"} <= set(names)


class TestDistinct:
    """What values a key has, answered as databroker answers."""

    def test_the_answers_are_those_of_databroker(self, open_store: AnalysisStore) -> None:
        """Under the same keys, of start and of stop documents, with the same counts."""
        pytest.importorskip("mongomock", reason="mongomock is not installed")
        theirs = own_databroker()
        for number in range(3):
            bundle = event_model.compose_run(
                metadata={"foo": "ab"[number % 2], "number": number, "nested": {"deep": 1}}
            )
            stop = bundle.compose_stop(exit_status="fail" if number else "success", reason="foo")
            for name, doc in (("start", bundle.start_doc), ("stop", stop)):
                open_store(name, json.loads(json.dumps(doc)))
                theirs.v1.insert(name, json.loads(json.dumps(doc)))
        ours = open_store.client()
        for key in ("foo", "number", "exit_status", "reason", "nested.deep", "missing"):
            expected, found = (each.distinct(key, counts=True)["metadata"] for each in (theirs, ours))
            assert counted(found) == counted(expected), key
        everything = {"structure_families": True, "specs": True, "counts": True}
        expected, found = (each.distinct("foo", **everything) for each in (theirs, ours))
        assert {**found, "metadata": counted(found["metadata"])} == {
            **expected,
            "metadata": counted(expected["metadata"]),
        }

    def test_a_key_that_names_its_document(self, catalog: Any) -> None:
        """A search takes such keys, too."""
        assert list(catalog.distinct("start.uid")["metadata"]) == ["start.uid"]
        assert list(catalog.distinct("stop.exit_status")["metadata"]) == ["stop.exit_status"]
        assert catalog.distinct("stop.uids")["metadata"] == {}


def counted(found: dict[str, Any]) -> dict[str, Any]:
    """Return the values of each key with their counts, in whatever order they came."""
    return {key: sorted((each["value"], each["count"]) for each in values) for key, values in found.items()}


def own_databroker() -> Any:
    """Return a client of databroker itself, over a MongoDB in memory."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other packages, about each other
        from databroker.mongo_normalized import MongoAdapter
        from tiled.client import Context, from_context
        from tiled.server.app import build_app

        return from_context(Context.from_app(build_app(MongoAdapter.from_mongomock())))


class TestReading:
    """Values through Tiled against values through the store."""

    def test_a_stream_reads_back_equal(self, catalog: Any, store: AnalysisStore) -> None:
        """Value, dtype, dims, coordinates and units of every kind of array are those of the store itself."""
        run = store.search(scan_id=7)[0]
        for name in ("primary", "baseline"):
            same(catalog[run.uid][name].read(), run[name].read())

    def test_what_is_read_is_what_was_saved(self, catalog: Any) -> None:
        """The comparison with the store is no comparison of two mistakes."""
        found = catalog[7]["primary"].read()
        for key, values in PRIMARY.items():
            np.testing.assert_array_equal(found[key].values, values)
            assert found[key].dtype == values.dtype, key
        assert {key: found[key].attrs["units"] for key in UNITS} == UNITS

    def test_some_variables(self, catalog: Any) -> None:
        """What is not asked for is not sent."""
        assert set(catalog[7]["primary"].read(["e0", "phase"]).variables) == {"e0", "phase"}

    def test_a_key_of_its_own(self, catalog: Any) -> None:
        """One key can be read, and sliced, without the rest."""
        image = catalog[7]["primary"]["data"]["image"]
        np.testing.assert_array_equal(image[1, ::3, -1], PRIMARY["image"][1, ::3, -1])
        np.testing.assert_array_equal(image[::-2, 5:1:-1], PRIMARY["image"][::-2, 5:1:-1])

    def test_timestamps(self, catalog: Any, store: AnalysisStore) -> None:
        """When each value was known is beside the values."""
        found = catalog[7]["primary"]["timestamps"].read()
        np.testing.assert_array_equal(found["e0"].values, store[7]["primary"].timestamps("e0"))

    def test_documents_equal_those_of_the_run(self, catalog: Any, store: AnalysisStore) -> None:
        """``GET /documents`` gives every document back, NaN, infinity and big integers included."""
        sent = [(name, dict(doc)) for page in catalog[7].documents() for name, doc in unpack_page(*page)]
        ours = list(store[7].documents())
        assert [name for name, _ in sent] == [name for name, _ in ours]
        for (_, one), (_, other) in zip(sent, ours, strict=True):
            np.testing.assert_equal(one, other)

    def test_a_big_integer_in_the_metadata(self, store: AnalysisStore) -> None:
        """What MessagePack cannot hold is told as text in the listing, and comes exactly with the documents."""
        uid = store.insert({"primary": {"x": np.arange(2)}}, {"big": 2**70, "small": [2**63, -(2**63), True]}).uid
        catalog = client(store)
        with catalog.context:
            assert catalog[uid].start["big"] == str(2**70)
            assert catalog[uid].start["small"] == [2**63, -(2**63), True]
            assert next(doc for _, doc in catalog[uid].documents())["big"] == 2**70

    def test_a_run_that_was_saved_later_is_seen(self, catalog: Any, store: AnalysisStore) -> None:
        """A client holds nothing back: the next look finds the run of a moment ago."""
        run = store.insert({"primary": {"x": np.arange(2)}}, {"scan_id": 4711})
        assert catalog[run.uid].start["scan_id"] == 4711
        assert catalog[-1].start["uid"] == run.uid
        same(catalog[4711]["primary"].read(), run["primary"].read())


class Counting(Handler):
    """A handler of somebody else: one frame per file, and a list of what it was asked for."""

    specs = frozenset({"COUNTING"})
    asked: ClassVar[list[int]] = []

    def __init__(self, path: str, scale: float = 1.0) -> None:
        self.path, self.scale = path, scale

    def __call__(self, index: int) -> np.ndarray:
        """Return the frame of this number."""
        self.asked.append(index)
        return np.full((4, 5), index * self.scale)


class Broken(Counting):
    """A handler that raises what no handler should."""

    def __call__(self, index: int) -> np.ndarray:
        """Raise."""
        raise ZeroDivisionError("of the plug-in")


def foreign(store: AnalysisStore, specs: dict[str, str], *, stop: bool = True, **md: Any) -> str:
    """Send a run of three events, in which each key is external with its own spec, as somebody else's documents."""
    bundle = event_model.compose_run(metadata=md)
    store("start", bundle.start_doc)
    key = {"dtype": "array", "shape": [4, 5], "dtype_numpy": "<f8", "source": "d", "external": "FILESTORE:"}
    data_keys = {"x": {"dtype": "number", "shape": [], "source": "d"}, **{name: dict(key) for name in specs}}
    described = bundle.compose_descriptor(name="primary", data_keys=data_keys)
    store("descriptor", described.descriptor_doc)
    resources = {}
    for name, spec in specs.items():
        resources[name] = bundle.compose_resource(
            spec=spec, root=str(store.root), resource_path="frames", resource_kwargs={"scale": 2.0}
        )
        store("resource", resources[name].resource_doc)
    for index in range(3):
        datums = {name: each.compose_datum(datum_kwargs={"index": index}) for name, each in resources.items()}
        for datum in datums.values():
            store("datum", datum)
        data = {"x": float(index), **{name: datum["datum_id"] for name, datum in datums.items()}}
        filled = dict.fromkeys(specs, False)
        event = described.compose_event(data=data, timestamps=dict.fromkeys(data, 1.0), filled=filled)
        store("event", event)
    if stop:
        store("stop", bundle.compose_stop())
    return str(bundle.start_doc["uid"])


class TestDegrading:
    """What Tiled cannot hold, or nobody can read, spoils nothing beside it."""

    def test_an_unknown_spec_leaves_out_that_key_alone(self, store: AnalysisStore, catalog: Any) -> None:
        """The rest of the stream is read; the metadata name the key, the spec and the reason."""
        store.register_handler("COUNTING", Counting, overwrite=True)
        store.register_handler("BROKEN", Broken, overwrite=True)
        uid = foreign(store, {"good": "COUNTING", "odd": "NOBODY_KNOWS", "bad": "BROKEN"})
        found = catalog[uid]["primary"].read()
        assert set(found.data_vars) == {"x", "good"}
        np.testing.assert_array_equal(found["good"].values[2], np.full((4, 5), 4.0))
        notes = catalog[uid]["primary"].metadata["left_out"]
        assert set(notes) == {"odd", "bad"}
        assert "NOBODY_KNOWS" in notes["odd"]["reason"]
        assert "ZeroDivisionError: of the plug-in" in notes["bad"]["reason"]

    def test_a_registered_handler_reads_only_what_is_asked_for(self, store: AnalysisStore, catalog: Any) -> None:
        """A slice over Tiled calls the handler for the events of the slice, and for one that tells the shape."""
        store.register_handler("COUNTING", Counting, overwrite=True)
        uid = foreign(store, {"good": "COUNTING"})
        frames = catalog[uid]["primary"]["data"]["good"]
        Counting.asked.clear()
        np.testing.assert_array_equal(frames[1, 2:, :3], np.full((2, 3), 2.0))
        assert set(Counting.asked) <= {0, 1}

    def test_ragged_and_table_keys_have_nodes_of_their_own(self, store: AnalysisStore, catalog: Any) -> None:
        """They are left out of the dataset, and found where the metadata say: as Awkward arrays, as tables."""
        tables = [pd.DataFrame({"a": [1, 2, n], "b": ["x", None, "z"]}) for n in range(2)]
        ragged = [np.arange(20, dtype=">f4"), np.arange(30, dtype=">f4")]
        planes = [np.ones((20, 2), dtype="c8"), np.ones((30, 2), dtype="c8")]
        events = [{"primary": {"x": float(n), "t": tables[n], "r": ragged[n], "p": planes[n]}} for n in range(2)]
        uid = store.insert(events, {}).uid
        stream = catalog[uid]["primary"]
        assert set(stream.read().data_vars) == {"x"}
        notes = stream.metadata["left_out"]
        assert {key: note["found_at"] for key, note in notes.items()} == {
            "t": "tables/t",
            "r": "ragged/r",
            "p": "ragged/p",
        }
        # pandas has two kinds of missing text; which one a client makes of Arrow is its own choice
        pd.testing.assert_frame_equal(stream["tables"]["t"]["1"].read(), tables[1], check_dtype=False)
        assert [list(row) for row in stream["ragged"]["r"].read()] == [list(row) for row in ragged]
        assert str(stream["ragged"]["p"].read().type) == "2 * var * 2 * complex64"
        with pytest.raises(KeyError):
            stream["tables"]["t"]["2"]

    def test_strings_of_any_length(self, store: AnalysisStore, catalog: Any) -> None:
        """Text of differing length comes as a fixed width; nothing of it is cut off."""
        texts = ["short", "a\0b", "x" * 5000]
        uid = store.insert([{"primary": {"text": text}} for text in texts], {}).uid
        assert list(catalog[uid]["primary"].read()["text"].values) == texts

    def test_a_stream_without_events(self, store: AnalysisStore, catalog: Any, db: Any) -> None:
        """It is there, it is empty, and reading it is no error."""
        bundle = event_model.compose_run(metadata={"plan_name": "nothing"})
        store("start", bundle.start_doc)
        keys = {
            "x": {"dtype": "number", "shape": [], "source": "d"},
            "s": {"dtype": "string", "shape": [], "source": "d"},
        }
        store("descriptor", bundle.compose_descriptor(name="primary", data_keys=keys).descriptor_doc)
        store("stop", bundle.compose_stop())
        uid = bundle.start_doc["uid"]
        assert catalog[uid]["primary"].read().sizes["time"] == 0
        assert len(db[uid].table(fill=True)) == 0

    def test_several_descriptors_of_one_stream(self, store: AnalysisStore, catalog: Any) -> None:
        """A configuration that changed in the middle is one stream, with a row of configuration for each."""
        bundle = event_model.compose_run(metadata={})
        store("start", bundle.start_doc)
        for exposure in (0.1, 0.2):
            described = bundle.compose_descriptor(
                name="primary",
                data_keys={"x": {"dtype": "number", "shape": [], "source": "d", "object_name": "d"}},
                object_keys={"d": ["x"]},
                configuration={
                    "d": {
                        "data": {"exposure": exposure, "mode": "fast", "roi": {"a": 1}},
                        "timestamps": {"exposure": 1.0, "mode": 2.0, "roi": 3.0},
                        "data_keys": {},
                    }
                },
            )
            store("descriptor", described.descriptor_doc)
            event = described.compose_event(data={"x": exposure}, timestamps={"x": 5.0})
            store("event", event)
        store("stop", bundle.compose_stop())
        stream = catalog[bundle.start_doc["uid"]]["primary"]
        assert list(stream.read()["x"].values) == [0.1, 0.2]
        assert len(stream.descriptors) == 2
        config = stream["config"]["d"].read()
        assert list(config["exposure"].values) == [0.1, 0.2]
        assert list(config["mode"].values) == ["fast", "fast"]
        assert "roi" not in config
        assert list(stream["config_timestamps"]["d"].read()["mode"].values) == [2.0, 2.0]

    def test_a_hostile_file_sends_nothing_of_the_machine(
        self, store: AnalysisStore, catalog: Any, tmp_path: Path
    ) -> None:
        """A link that somebody put into a run file is refused by the handler, whatever it leads to."""
        with h5py.File(tmp_path / "secret.h5", "w") as secret:
            secret["x"] = np.full((2, 30), 42.0)
        run = store.insert({"primary": {"x": np.zeros((2, 30)), "y": np.arange(60.0).reshape(2, 30)}}, {})
        run.file.chmod(0o600)
        with h5py.File(run.file, "r+") as file:
            del file["entry/primary/x"]
            file["entry/primary/x"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/x")
        stream = catalog[run.uid]["primary"]
        np.testing.assert_array_equal(stream.read()["y"], np.arange(60.0).reshape(2, 30))
        assert set(stream.read().data_vars) == {"y"}
        assert stream.metadata["left_out"]["x"]["reason"].startswith("UnsafeFileError")

    def test_a_damaged_file_is_listed_and_named(self, tmp_path: Path) -> None:
        """The run is found with its documents; its stream says what is wrong with the file."""
        with AnalysisStore(tmp_path / "s", policy=Policy(require_inputs=False, require_code=False)) as store:
            run = store.insert({"primary": {"x": np.arange(200.0)}}, {})
            run.file.chmod(0o600)
            run.file.write_bytes(run.file.read_bytes()[:1000])
            catalog = client(store)
            with catalog.context:
                assert catalog[-1].start["uid"] == run.uid
                note = catalog[run.uid]["primary"].metadata["left_out"]["x"]["reason"]
                assert note.startswith("DamagedFileError")
                assert run.file.name in note


class TestServices:
    """What the store offers by entry point, without importing it."""

    def test_the_store_reaches_them(self, store: AnalysisStore) -> None:
        """``store.broker()``, ``store.client()`` and ``store.server_app()``."""
        made, catalog = store.broker(), store.client()
        with made.v2.context, catalog.context:
            assert made[7].uid == catalog[7].start["uid"]
        assert store.server_app(api_key="a1").state.api_key == "a1"

    def test_an_unfinished_run(self, open_store: AnalysisStore) -> None:
        """Databroker's header of a run without a stop document has an empty one; Tiled's has none."""
        store = open_store
        uid = store.insert({"primary": {"x": np.arange(2)}}, {}).uid
        record = store.catalog.get(uid)
        unfinished = replace(record, start={**record.start, "uid": "unfinished-0000"}, stop=None)
        store.catalog.insert(unfinished)
        db = broker(store)
        with db.v2.context:
            assert dict(db["unfinished-0000"].stop) == {}
            assert db.v2["unfinished-0000"].stop is None


class TestProcess:
    """Tiled keeps things per process that others change."""

    def test_neither_disturbs_nor_is_disturbed(self, store: AnalysisStore, catalog: Any) -> None:
        """The classes of our client are its own, whatever accessors of other clients have written into Tiled's."""
        from bluesky_tiled_plugins.clients.bluesky_run import BlueskyRunV2Mongo
        from tiled.client.container import DEFAULT_STRUCTURE_CLIENT_DISPATCH

        shared = DEFAULT_STRUCTURE_CLIENT_DISPATCH["numpy"]
        before = shared["BlueskyRun"]
        assert type(catalog.v2[7]) is BlueskyRunV2Mongo
        assert catalog.v1[7].start["scan_id"] == 7
        assert shared["BlueskyRun"] is before
        shared.set("BlueskyRun", lambda: dict)
        try:
            fresh = client(store)
            with fresh.context:
                assert type(fresh[7]) is BlueskyRunV2Mongo
                assert type(catalog[7]) is BlueskyRunV2Mongo
        finally:
            shared.set("BlueskyRun", lambda: before)

    def test_two_stores_in_one_process(self, store: AnalysisStore, db: Any, tmp_path: Path) -> None:
        """Each broker sees its own store."""
        with AnalysisStore(tmp_path / "other", policy=Policy(require_inputs=False, require_code=False)) as other:
            uid = other.insert({"primary": {"x": np.arange(2)}}, {"scan_id": 7, "sample_name": "other"}).uid
            second = broker(other)
            with second.v2.context:
                assert second[7].start["sample_name"] == "other"
                assert db[7].start["sample_name"] == "Fe foil"
                with pytest.raises(KeyError):
                    db[uid]

    def test_no_warning_reaches_the_user(self, store: AnalysisStore) -> None:
        """Opening a broker is silent: what libraries complain of among themselves is nothing a user can mend."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            with broker(store).v2.context:
                pass
        assert [str(each.message) for each in caught] == []
