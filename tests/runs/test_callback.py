"""The store is a Bluesky callback: foreign documents come back exactly as they went in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import event_model
import numpy as np
import pytest

from analysis_store import AnalysisStore, Policy
from analysis_store.errors import DuplicateRunError, InvalidDocumentError, ProvenanceError, UnknownSpecError
from analysis_store.testing.equality import assert_identical
from tests.zoo import Level, Mode, Point

Documents = list[tuple[str, dict[str, Any]]]
KEY = {"dtype": "number", "shape": [], "source": "sim"}


def make_run(n: int = 3, *, pages: bool = False, stop: bool = True, **md: Any) -> Documents:
    """Return the documents of a small run, by event-model itself."""
    bundle = event_model.compose_run(metadata=md)
    described = bundle.compose_descriptor(name="primary", data_keys={"x": KEY, "s": {**KEY, "dtype": "string"}})
    found: Documents = [("start", dict(bundle.start_doc)), ("descriptor", dict(described.descriptor_doc))]
    for index in range(n):
        stamps = {"x": 1.0 + index, "s": 2.0}
        event = described.compose_event(data={"x": index / 3, "s": f"é{index}"}, timestamps=stamps)
        found.append(("event", dict(event)))
    if pages:
        events = [doc for name, doc in found if name == "event"]
        found[2:] = [("event_page", dict(event_model.pack_event_page(*events)))]
    if stop:
        found.append(("stop", dict(bundle.compose_stop())))
    return json.loads(json.dumps(found), object_hook=None) and [(n, d) for n, d in found]


def feed(store: AnalysisStore, documents: Documents) -> None:
    """Send documents one by one."""
    for name, doc in documents:
        store(name, doc)


def test_documents_come_back_equal(open_store: AnalysisStore) -> None:
    """Events, order and all."""
    documents = make_run(sample="Fe", value=float("inf"))
    feed(open_store, documents)

    run = open_store[-1]
    assert documents == list(run.documents())
    assert run["primary"]["x"].read().tolist() == [0.0, 1 / 3, 2 / 3]
    assert run["primary"]["s"].read().tolist() == ["é0", "é1", "é2"]
    assert run["primary"].timestamps("x").tolist() == [1.0, 2.0, 3.0]
    assert run.verify()
    assert run.verify().checked == 2


@pytest.mark.parametrize("name", ["event", "datum", "stream_datum", "event_page"])
def test_a_uid_of_a_document_of_another_kind(open_store: AnalysisStore, name: str) -> None:
    """What names the uid of the start, where a descriptor or a resource is due, is refused; the run goes on."""
    documents = make_run(1)
    start = documents[0][1]["uid"]
    feed(open_store, documents[:2])
    wrong: dict[str, dict[str, Any]] = {
        "event": {**documents[2][1], "descriptor": start},
        "event_page": {**event_model.pack_event_page(documents[2][1]), "descriptor": start},
        "datum": {"datum_id": "d", "resource": start, "datum_kwargs": {}},
        "stream_datum": {
            "uid": "s/0", "stream_resource": start, "descriptor": documents[1][1]["uid"],
            "indices": {"start": 0, "stop": 1}, "seq_nums": {"start": 1, "stop": 2},
        },
    }  # fmt: skip
    with pytest.raises(InvalidDocumentError, match="which no open run has"):
        open_store(name, wrong[name])
    feed(open_store, documents[2:])
    assert list(open_store[-1].documents()) == documents


@pytest.mark.parametrize("value", [1.0, np.float32(1)])
def test_a_document_that_is_nested_too_deep(open_store: AnalysisStore, value: Any) -> None:
    """It is refused, whoever counts its levels."""
    for _ in range(2000):
        value = [value]
    documents = make_run(1)
    with pytest.raises(InvalidDocumentError, match="nested"):
        open_store("start", {**documents[0][1], "deep": value})
    feed(open_store, documents)
    assert open_store[-1].verify()


def test_pages_come_back_as_pages(open_store: AnalysisStore) -> None:
    """And their events are read like any others."""
    documents = make_run(pages=True)
    feed(open_store, documents)

    assert documents == list(open_store[-1].documents())
    assert open_store[-1]["primary"].num_events == 3
    assert len(open_store[-1].read()["x"]) == 3


def test_interleaved_runs_are_told_apart(open_store: AnalysisStore) -> None:
    """A start closes nobody else's run."""
    one, two = make_run(name="one"), make_run(name="two")
    for pair in zip(one, two, strict=True):
        feed(open_store, list(pair))

    assert [two, one] == [list(run.documents()) for run in open_store]


def test_a_run_without_a_stop_ends_as_aborted(tmp_path: Path) -> None:
    """When the store closes, with what came."""
    documents = make_run(stop=False)
    with AnalysisStore(tmp_path, policy=Policy(require_inputs=False, require_code=False)) as store:
        feed(store, documents)
        assert len(store) == 0
    with AnalysisStore(tmp_path) as store:
        *kept, (name, stop) = store[-1].documents()

    assert documents == kept
    assert (name, stop["exit_status"], stop["num_events"]) == ("stop", "abort", {"primary": 3})


def test_several_descriptors_of_one_stream(open_store: AnalysisStore) -> None:
    """A key that only some events have is NaN in the others."""
    bundle = event_model.compose_run()
    first = bundle.compose_descriptor(name="primary", data_keys={"x": KEY})
    documents: Documents = [("start", dict(bundle.start_doc)), ("descriptor", dict(first.descriptor_doc))]
    documents.append(("event", dict(first.compose_event(data={"x": 1.0}, timestamps={"x": 0.0}))))
    second = {**first.descriptor_doc, "uid": "second", "data_keys": {"x": KEY, "y": KEY}}
    event = {"uid": "e", "time": 5.0, "seq_num": 2, "descriptor": "second", "filled": {}}
    documents.append(("descriptor", second))
    documents.append(("event", {**event, "data": {"x": 2.0, "y": 5.0}, "timestamps": {"x": 0.0, "y": 0.0}}))
    documents.append(("stop", dict(bundle.compose_stop())))
    feed(open_store, documents)

    run = open_store[-1]
    assert documents == list(run.documents())
    assert run["primary"]["x"].read().tolist() == [1.0, 2.0]
    np.testing.assert_array_equal([np.nan, 5.0], run["primary"]["y"].read())


@pytest.mark.parametrize("dtype", ["<f8", ">i4", "|b1", "<c16", "<M8[ns]", "|S3"])
def test_arrays_in_events_come_back_bit_for_bit(open_store: AnalysisStore, dtype: str) -> None:
    """They lie in a dataset of their own, not as numbers in text."""
    bundle = event_model.compose_run()
    described = bundle.compose_descriptor(name="s", data_keys={"a": {**KEY, "dtype": "array", "shape": [2, 3]}})
    arrays = [np.arange(6).reshape(2, 3).astype("i8").astype(dtype) for _ in range(2)]
    documents: Documents = [("start", dict(bundle.start_doc)), ("descriptor", dict(described.descriptor_doc))]
    documents += [
        ("event", dict(described.compose_event(data={"a": a}, timestamps={"a": 0.0}, validate=False))) for a in arrays
    ]
    documents.append(("stop", dict(bundle.compose_stop())))
    feed(open_store, documents)

    back = [doc["data"]["a"] for name, doc in open_store[-1].documents() if name == "event"]
    for expected, found in zip(arrays, back, strict=True):
        assert (expected.dtype, expected.shape) == (found.dtype, found.shape)
        assert expected.tobytes() == found.tobytes()
    assert open_store[-1].verify()


def test_stream_documents_are_kept(open_store: AnalysisStore) -> None:
    """They come back; their values are not within reach, which is said for that key alone."""
    bundle = event_model.compose_run()
    keys = {"x": KEY, "img": {"dtype": "array", "shape": [2, 2], "source": "sim", "external": "STREAM:"}}
    described = bundle.compose_descriptor(name="primary", data_keys=keys)
    resource = bundle.compose_stream_resource(
        mimetype="application/x-hdf5", uri="file://localhost/nowhere.h5", data_key="img", parameters={}
    )
    datum = resource.compose_stream_datum(
        indices={"start": 0, "stop": 1}, seq_nums={"start": 1, "stop": 2}, descriptor=described.descriptor_doc
    )
    documents: Documents = [
        ("start", dict(bundle.start_doc)),
        ("descriptor", dict(described.descriptor_doc)),
        ("stream_resource", dict(resource.stream_resource_doc)),
        ("event", dict(described.compose_event(data={"x": 1.0}, timestamps={"x": 0.0}, filled={}))),
        ("stream_datum", dict(datum)),
        ("stop", dict(bundle.compose_stop())),
    ]
    feed(open_store, documents)

    run = open_store[-1]
    assert documents == list(run.documents())
    with pytest.warns(UserWarning, match="'img' of 'primary' is left out"):
        assert list(run.read().data_vars) == ["x"]
    with pytest.raises(UnknownSpecError, match="stream documents"):
        run.read(keys="img")


def test_an_unknown_spec_spoils_that_key_alone(open_store: AnalysisStore) -> None:
    """The message names the spec and the known ones."""
    bundle = event_model.compose_run()
    keys = {"x": KEY, "img": {"dtype": "array", "shape": [2], "source": "sim", "external": "FILESTORE:"}}
    described = bundle.compose_descriptor(name="primary", data_keys=keys)
    resource = bundle.compose_resource(spec="EXOTIC", root="/", resource_path="x", resource_kwargs={})
    datum = resource.compose_datum(datum_kwargs={})
    event = described.compose_event(
        data={"x": 1.0, "img": datum["datum_id"]}, timestamps={"x": 0.0, "img": 0.0}, filled={"img": False}
    )
    feed(
        open_store,
        [
            ("start", dict(bundle.start_doc)),
            ("descriptor", dict(described.descriptor_doc)),
            ("resource", dict(resource.resource_doc)),
            ("datum", dict(datum)),
            ("event", dict(event)),
            ("stop", dict(bundle.compose_stop())),
        ],
    )

    with pytest.warns(UserWarning, match="EXOTIC"):
        assert list(open_store[-1].read().data_vars) == ["x"]
    with pytest.raises(UnknownSpecError, match=r"EXOTIC.*HDF5"):
        open_store[-1]["primary"]["img"].read()


@pytest.mark.parametrize(
    ("name", "doc", "message"),
    [
        ("bulk_events", {}, "event_page"),
        ("event", {"descriptor": "nobody"}, "required property"),
        (
            "descriptor",
            {"run_start": "nobody", "uid": "d", "time": 1.0, "data_keys": {}},
            "'nobody', which no open run",
        ),
        ("nonsense", {}, "is not a document"),
    ],
)
def test_documents_that_break_the_rules_are_refused(
    open_store: AnalysisStore, name: str, doc: dict[str, Any], message: str
) -> None:
    """With the name, the place and the rule; the open run goes on."""
    documents = make_run()
    feed(open_store, documents[:2])

    with pytest.raises(InvalidDocumentError, match=message):
        open_store(name, doc)

    feed(open_store, documents[2:])
    assert documents == list(open_store[-1].documents())


def test_events_must_have_the_keys_of_their_descriptor(open_store: AnalysisStore) -> None:
    """Missing and surplus keys are named."""
    documents = make_run()
    feed(open_store, documents[:2])
    event = {**documents[2][1], "data": {"y": 1}, "timestamps": {"y": 1.0}}

    with pytest.raises(InvalidDocumentError, match=r"lack \['s', 'x'\] and add \['y'\]"):
        open_store("event", event)


def test_a_second_run_of_the_same_uid_is_refused(open_store: AnalysisStore) -> None:
    """Whether the first is open or saved."""
    documents = make_run()
    open_store(*documents[0])
    with pytest.raises(InvalidDocumentError, match="open already"):
        open_store(*documents[0])
    feed(open_store, documents[1:])
    with pytest.raises(DuplicateRunError, match="is in"):
        open_store(*documents[0])


@pytest.mark.parametrize("wrong", [{"uid": "a\0b"}, {"uid": "\ud800"}, {"time": float("nan")}], ids=str)
def test_a_start_document_that_no_catalog_takes(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """It is refused when it comes, not when the run ends or the store is closed."""
    (_, start), *_ = make_run()
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(tmp_path, policy=policy) as store, pytest.raises(InvalidDocumentError):
        store("start", {**start, **wrong})
    with AnalysisStore(tmp_path) as store:
        assert list(store) == []
        assert store.check()


def test_the_policy_holds_for_callbacks(store: AnalysisStore) -> None:
    """A start document must say what a call would have to."""
    documents = make_run()
    with pytest.raises(ProvenanceError, match=r"(?s)code: .*inputs: "):
        store(*documents[0])

    provenance = {
        "origin": "simulation",
        "note": "n",
        "code": {"name": "larch", "version": "0.9.80", "url": "https://github.com/xraypy/xraylarch"},
    }
    documents = make_run(provenance=provenance)
    feed(store, documents)
    assert documents == list(store[-1].documents())
    assert store[-1].provenance.code.name == "larch"


def test_real_runs_come_back_equal(open_store: AnalysisStore, real_data: Path) -> None:
    """63 runs of a beamline and its simulators; one of them has no stop document."""
    for file in ("usaxs", "apstools"):
        documents = json.loads(gzip.decompress((real_data / "bluesky" / f"{file}.json.gz").read_bytes()))
        feed(open_store, documents)
        runs: dict[str, Documents] = {}
        owner: dict[str, str] = {}
        for name, doc in documents:
            uid = doc["uid"] if name == "start" else doc.get("run_start") or owner[doc["descriptor"]]
            owner[doc["uid"]] = uid
            runs.setdefault(uid, []).append((name, doc))
        for uid, expected in runs.items():
            if expected[-1][0] == "stop":
                assert expected == list(open_store[uid].documents())
                assert open_store[uid].verify()
    assert len(open_store) == 62


def values_of(store: AnalysisStore, values: list[Any]) -> list[Any]:
    """Return what documents of events with these values have afterwards; sent as events, and as one page."""
    found = []
    for pages in (False, True):
        bundle = event_model.compose_run()
        described = bundle.compose_descriptor(name="s", data_keys={"x": {**KEY, "dtype": "array"}})
        docs = [dict(described.compose_event(data={"x": 0}, timestamps={"x": 1.0})) for _ in values]
        events = [{**doc, "data": {"x": value}} for doc, value in zip(docs, values, strict=True)]
        page = {**event_model.pack_event_page(*docs), "data": {"x": values}}
        sent = [("event_page", page)] if pages else [("event", doc) for doc in events]
        start, descriptor = ("start", bundle.start_doc), ("descriptor", described.descriptor_doc)
        feed(store, [start, descriptor, *sent, ("stop", bundle.compose_stop())])
        came = [doc for name, doc in store[-1].documents() if name.startswith("event")]
        found.append([doc["data"]["x"] for doc in came] if not pages else came[0]["data"]["x"])
        assert store[-1].verify()
    assert_identical(*found)
    return found[0]


@pytest.mark.parametrize(
    "values",
    [
        [np.zeros(2, "f4"), np.zeros(2, "f8")],
        [np.zeros(2), np.zeros((2, 2))],
        [np.array([1j]), np.array([1j], "c8")],
        [np.zeros(2, "f4"), 1.5, None, "a"],
        [{"image": np.zeros(2, "f4"), "n": 3}, {"image": np.ones(2, "f4"), "n": 4}],
        [[np.zeros(2, "f4"), np.zeros(3, "u1")], [np.zeros(1, "M8[s]")]],
    ],
    ids=["dtypes", "dimensions", "complex", "kinds", "mappings", "lists"],
)
def test_arrays_that_make_no_column_come_back_exactly(open_store: AnalysisStore, values: list[Any]) -> None:
    """They became lists of JSON, which have no dtype; complex ones and times took the whole run with them."""
    assert_identical(values, values_of(open_store, values))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("start", {"gain": np.array([1j])}),
        ("start", {"mode": np.array(["\ud800"])}),
        ("start", {"table": {1: "a"}}),
        ("start", {"mode": "\ud800"}),
        ("event", {"data": {"x": np.ma.array([1.0, 2.0], mask=[0, 1]), "s": "a"}}),
        ("event", {"data": {"x": np.ma.masked, "s": "a"}}),
        ("event", {"data": {"x": np.ones((1,) * 32), "s": "a"}}),
        ("event", {"data": {"x": np.array(["\ud800"]), "s": "a"}}),
        ("event", {"data": {"x": np.longdouble(1), "s": "a"}}),
        ("event", {"data": {"x": Point(1, 2), "s": "a"}}),
    ],
)
def test_what_a_document_cannot_keep_is_refused_at_once(
    open_store: AnalysisStore, name: str, change: dict[str, Any]
) -> None:
    """Before the run has it: at its end it would be too late, or a number under a mask would be a measurement."""
    documents = make_run(1)
    place = next(index for index, (kind, _) in enumerate(documents) if kind == name)
    feed(open_store, documents[:place])

    with pytest.raises(InvalidDocumentError, match=name):
        open_store(name, {**documents[place][1], **change})
    feed(open_store, documents[place:])
    assert list(open_store[-1].documents()) == documents


def test_members_and_numpy_text_are_what_they_say(open_store: AnalysisStore) -> None:
    """``str()`` would say the name of the one, and lose the end of the other."""
    assert values_of(open_store, [Mode.SAFE, np.str_("a\0"), Level.LOW]) == ["safe\0", "a\0", 1]
