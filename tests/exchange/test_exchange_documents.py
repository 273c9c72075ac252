"""Documents as JSON lines and msgpack: read back, valid, and a run again."""

from __future__ import annotations

import io
import json
import sys

import event_model
import msgpack
import msgpack_numpy
import numpy as np
import pytest
from event_model import DocumentNames, schema_validators

from analysis_store import AnalysisStore, insert_analysis
from analysis_store.documents import unpack_page
from analysis_store.errors import ExportError, MissingDependencyError
from analysis_store.exchange import export


@pytest.fixture
def run(store, origin):
    """Save scalars, text, special floats and an array that lies in the run file."""
    events = [{"primary": {"x": i / 3, "name": f"no {i}", "image": np.full((5, 6), i)}} for i in range(4)]
    return insert_analysis([*events, {"dark": {"y": np.nan}}], {"sample_name": "Fe Å"}, provenance=origin, store=store)


def flat(documents):
    """Return the documents of each kind as JSON, pages taken apart."""
    found: dict[str, list[str]] = {}
    for name, doc in documents:
        for single, one in unpack_page(name, doc):
            found.setdefault(single, []).append(json.dumps(one, sort_keys=True))
    return {name: sorted(docs) for name, docs in found.items()}


def unpacked(path):
    """Return what msgpack reads."""
    with path.open("rb") as file:
        return [tuple(each) for each in msgpack.Unpacker(file, object_hook=msgpack_numpy.decode)]


def test_jsonl_is_every_document(run, tmp_path):
    """Every line is a document, in the order of the run, equal to it."""
    path = export(run, tmp_path / "out.jsonl")
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    assert [repr(each) for each in read] == [repr([name, doc]) for name, doc in run.documents()]
    for name, doc in read:
        schema_validators[DocumentNames[name]].validate(doc)


def test_jsonl_to_text(run):
    """It goes to a string and to a file of text as well."""
    target = io.StringIO()
    export(run, target, "jsonl")

    assert target.getvalue() == export(run, None, "jsonl")
    assert not target.closed


def test_msgpack_is_every_document(run, tmp_path):
    """All documents come back equal; events and datums as pages, as suitcase writes them."""
    read = unpacked(export(run, tmp_path / "out.msgpack"))

    assert flat(read) == flat(run.documents())
    assert {"start", "descriptor", "event_page", "resource", "datum_page", "stop"} == {name for name, _ in read}


def test_documents_are_a_run_again(run, tmp_path):
    """A store takes the lines, and reads the values that they point to."""
    lines = export(run, None, "jsonl").splitlines()
    from analysis_store import Policy

    with AnalysisStore(tmp_path / "other", policy=Policy(require_inputs=False, require_code=False)) as other:
        for line in lines:
            other(*json.loads(line))
        again = other[run.uid]["primary"]
        np.testing.assert_array_equal(again["image"].read(), run["primary"]["image"].read())
        assert again["x"].read().tolist() == [i / 3 for i in range(4)]


def test_progress_counts_events(run):
    """Progress is told in events."""
    told = []
    export(run, None, "msgpack", progress=lambda done, total: told.append((done, total)))

    assert told[-1] == (5, 5)


def streamed(store):
    """Save a run whose documents are of the newer kind."""
    bundle = event_model.compose_run()
    descriptor = bundle.compose_descriptor(
        name="primary",
        data_keys={"x": {"source": "sim", "dtype": "number", "shape": [], "external": "STREAM:"}},
    )
    resource = bundle.compose_stream_resource(
        mimetype="application/x-hdf5", uri="file://localhost/data.h5", data_key="x", parameters={}
    )
    datum = resource.compose_stream_datum({"start": 0, "stop": 1}, {"start": 1, "stop": 2}, descriptor.descriptor_doc)
    documents = [
        ("start", bundle.start_doc),
        ("descriptor", descriptor.descriptor_doc),
        ("stream_resource", resource.stream_resource_doc),
        ("stream_datum", datum),
        ("stop", bundle.compose_stop()),
    ]
    for name, doc in documents:
        store(name, doc)
    return store[bundle.start_doc["uid"]]


def test_msgpack_leaves_nothing_out(open_store, tmp_path):
    """What suitcase-msgpack would drop without a word is refused; JSON lines have it."""
    run = streamed(open_store)
    with pytest.raises(ExportError, match=r"stream_datum and stream_resource, which suitcase-msgpack does not write"):
        export(run, tmp_path / "out.msgpack")

    assert list(tmp_path.glob("*.msgpack")) == []
    assert [json.loads(line)[0] for line in export(run, None, "jsonl").splitlines()] == [
        "start",
        "descriptor",
        "stream_resource",
        "stream_datum",
        "stop",
    ]


@pytest.mark.parametrize(
    ("form", "module", "extra"),
    [
        ("jsonl", "suitcase.jsonl", "suitcase"),
        ("msgpack", "suitcase.msgpack", "suitcase"),
        ("parquet", "pyarrow", "parquet"),
        ("wav", "soundfile", "audio"),
        ("flac", "soundfile", "audio"),
    ],
)
def test_missing_extra(run, tmp_path, monkeypatch, form, module, extra):
    """What is not installed is named, with the command that installs it; other formats go on."""
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("documents", "parquet", "sound"):
        monkeypatch.delitem(sys.modules, f"analysis_store.exchange.formats.{name}", raising=False)
    with pytest.raises(MissingDependencyError, match=rf"pip install 'analysis_store\[{extra}\]'"):
        export(run, tmp_path / f"out.{form}", stream="primary")

    assert list(tmp_path.glob("out*")) == []
    assert export(run, None, "csv", stream="dark")


def test_integer_beyond_msgpack(store, origin, tmp_path):
    """An integer that msgpack has no form for is refused; JSON lines keep it."""
    run = insert_analysis([{"s": {"x": 1}}], {"big": 2**70}, provenance=origin, store=store)
    with pytest.raises(ExportError, match=r"more than 64 bits.*export to jsonl"):
        export(run, tmp_path / "out.msgpack")

    assert json.loads(export(run, None, "jsonl").splitlines()[0])[1]["big"] == 2**70
