"""Runs of others, whatever their handlers give: every way out gives the same values, or says why not of that key."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import dask.array
import event_model
import h5py
import numpy as np
import pandas as pd
import pytest

from analysis_store import AnalysisStore, Policy
from analysis_store.errors import AnalysisStoreError, DamagedFileError, TooLargeError, UnknownSpecError
from analysis_store.exchange import export, read_export
from analysis_store.runs.read.run import Run

EVENTS = 3
IMAGES = np.arange(EVENTS * 12.0).reshape(EVENTS, 3, 4)
FLOAT = {"shape": [3, 4], "dtype_numpy": "<f8"}


def unlike(number: int) -> np.ndarray:
    """Return arrays that differ in shape."""
    return np.arange(number + 1.0)


def second_fails(error: Exception) -> Callable[[int], Any]:
    """Return what gives an image, and fails at the second."""

    def give(number: int) -> np.ndarray:
        if number == 1:
            raise error
        return IMAGES[number]

    return give


GIVEN: dict[str, tuple[dict[str, Any], Callable[[int], Any]]] = {
    "said": (FLOAT, lambda i: IMAGES[i]),
    "no_dtype": ({"shape": [3, 4]}, lambda i: IMAGES[i]),
    "other_shape": ({"shape": [4, 3], "dtype_numpy": "<f8"}, lambda i: IMAGES[i]),
    "other_dtype": ({"shape": [3, 4], "dtype_numpy": "<u2"}, lambda i: IMAGES[i]),
    "one_frame": ({"shape": [3, 4]}, lambda i: IMAGES[i][None].astype("u2")),
    "lists": ({"shape": [3, 4]}, lambda i: IMAGES[i].tolist()),
    "dask": ({"shape": [3, 4]}, lambda i: dask.array.from_array(IMAGES)[i]),
    "scalars": ({"shape": []}, lambda i: i + 0.5),
    "integers": ({"shape": []}, lambda i: i),
    "empty": ({"shape": [0, 3]}, lambda _: np.zeros((0, 3))),
    "times": ({"shape": [2]}, lambda i: np.array([i, 50], "m8[fs]")),
    "big_endian": ({"shape": [3, 4]}, lambda i: IMAGES[i].astype(">f4")),
    "text": ({"shape": []}, lambda i: "abc"[: i + 1]),
    "ragged": ({"shape": [None]}, unlike),
}
"""What is said of a key, and what its handler gives."""

ODD: dict[str, tuple[dict[str, Any], Callable[[int], Any]]] = {
    "unlike": ({"shape": [1]}, unlike),
    "tables": ({"shape": [1, 1]}, lambda i: pd.DataFrame({"a": [i]})),
    "objects": ({"shape": []}, lambda i: {"n": i}),
    "late": (FLOAT, second_fails(KeyError("entry"))),
    "gone": (FLOAT, second_fails(FileNotFoundError(2, "gone"))),
    "late_number": ({"shape": [], "dtype_numpy": "<f8"}, lambda i: 1.5 if i != 1 else "?"),
}
EVERYTHING = GIVEN | ODD
FAILING = {"unlike", "late", "gone", "late_number"}
"""Those of which the first value promises an array that there is not."""


class Gives:
    """A handler of another program: it has nothing of ours."""

    specs: ClassVar[set[str]] = {"GIVES"}

    def __init__(self, path: str, kind: str) -> None:
        self.kind = kind

    def __call__(self, number: int) -> Any:
        """Return the value of an event."""
        return EVERYTHING[self.kind][1](number)


Documents = list[tuple[str, dict[str, Any]]]


def documents_of(
    kinds: dict[str, dict[str, Any]], spec: str = "GIVES", kwargs: Any = None, n: int = EVENTS
) -> Documents:
    """Return the documents of a run with an external key of each kind, and a number ``x``."""
    bundle = event_model.compose_run()
    keys = {key: {"dtype": "array", "source": "sim", "external": "FILESTORE:", **said} for key, said in kinds.items()}
    number = {"dtype": "number", "shape": [], "source": "sim"}
    described = bundle.compose_descriptor(name="primary", data_keys={"x": number, **keys})
    found: Documents = [("start", dict(bundle.start_doc)), ("descriptor", dict(described.descriptor_doc))]
    resources = {}
    for key in keys:
        told = {"kind": key} if kwargs is None else kwargs
        resources[key] = bundle.compose_resource(spec=spec, root="/", resource_path="nothing", resource_kwargs=told)
        found.append(("resource", dict(resources[key].resource_doc)))
    for index in range(n):
        name = "number" if kwargs is None else "point_number"
        datums = {key: resource.compose_datum(datum_kwargs={name: index}) for key, resource in resources.items()}
        found += [("datum", dict(datum)) for datum in datums.values()]
        data = {"x": 1.0 * index, **{key: datum["datum_id"] for key, datum in datums.items()}}
        filled = dict.fromkeys(keys, False)
        event = described.compose_event(data=data, timestamps=dict.fromkeys(data, 0.0), filled=filled)
        found.append(("event", dict(event)))
    return [*found, ("stop", dict(bundle.compose_stop()))]


def fed(store: AnalysisStore, documents: Documents) -> Run:
    """Return the run of documents that the store was called with."""
    for name, doc in documents:
        store(name, doc)
    return store[documents[0][1]["uid"]]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """Give a store that knows the handler of another program."""
    lax = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(tmp_path_factory.mktemp("others") / "s", policy=lax, handler_registry={"GIVES": Gives}) as made:
        yield made


@pytest.fixture(scope="module")
def run(store: AnalysisStore) -> Run:
    """Give a run with a key of every kind."""
    return fed(store, documents_of({kind: said for kind, (said, _) in EVERYTHING.items()}))


def expected(kind: str) -> np.ndarray:
    """Return the values of a key in all events: one array, but an object array of ragged ones."""
    values = [EVERYTHING[kind][1](number) for number in range(EVENTS)]
    if kind == "text":
        return np.array(values, object)
    if kind in ("ragged", "unlike"):
        made = np.empty(EVENTS, object)
        made[:] = values
        return made
    return np.stack([np.asarray(value) for value in values], dtype=np.asarray(values[0]).dtype)


def same(found: Any, kind: str) -> None:
    """Equal in dtype, shape and every value; text may have a fixed width."""
    wanted, found = expected(kind), np.asarray(found)
    if kind == "text":
        assert found.tolist() == wanted.tolist()
    elif wanted.dtype == object:
        assert [each.tolist() for each in found] == [each.tolist() for each in wanted]
    else:
        assert (found.dtype, found.shape, found.tobytes()) == (wanted.dtype, wanted.shape, wanted.tobytes()), kind


def times_of(variable: Any) -> np.ndarray:
    """Return the values of a variable, which may be integers in the place of times."""
    named = variable.attrs.get("dtype_numpy")
    values: np.ndarray = variable.values.view(named) if named else variable.values
    return values


def through_documents(run: Run, kind: str) -> Any:
    """Return what is in the filled events."""
    events = [doc["data"] for name, doc in run.documents(fill=True) if name == "event"]
    values = [event[kind] for event in events]
    made = np.empty(EVENTS, object)
    made[:] = values
    return made if kind in ("ragged", "text") else np.stack(values, dtype=expected(kind).dtype)


WAYS: dict[str, Callable[[Run, str], Any]] = {
    "dataset": lambda run, kind: times_of(run.read(keys=[kind])[kind]),
    "lazy": lambda run, kind: run["primary"][kind].read(),
    "slice": lambda run, kind: run["primary"][kind][:2][::-1][::-1],
    "index": lambda run, kind: [run["primary"][kind][number] for number in range(EVENTS)],
    "iteration": lambda run, kind: list(run["primary"][kind]),
    "dask": lambda run, kind: run["primary"][kind].to_dask().compute(),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.filterwarnings("ignore:.*is given as integers")
def test_every_way_gives_the_same_values(run: Run, kind: str, way: str) -> None:
    """Of whatever the handler gives and the descriptor says."""
    found = WAYS[way](run, kind)
    if way == "slice":
        assert len(found) == 2
        assert np.array_equal(np.asarray(found[1]), expected(kind)[1])
    elif way in ("index", "iteration") and kind not in ("ragged", "text"):
        same(np.stack([np.asarray(each) for each in found], dtype=expected(kind).dtype), kind)
    elif kind == "ragged":
        assert [each.tolist() for each in found] == [unlike(number).tolist() for number in range(EVENTS)]
    else:
        same(found, kind)


@pytest.mark.filterwarnings("ignore:.*is (given as integers|left out|not filled)")
def test_filled_documents_have_the_same_values(run: Run) -> None:
    """An event is filled with what can be read; the rest stays a reference, with the documents that it refers to."""
    documents = list(run.documents(fill=True))
    events = [doc for name, doc in documents if name == "event"]
    datums = {doc["datum_id"]: doc["resource"] for name, doc in documents if name == "datum"}
    resources = {doc["uid"] for name, doc in documents if name == "resource"}
    assert (len(datums), len(resources)) == (2, 2)
    for number, event in enumerate(events):
        for kind, (_, give) in EVERYTHING.items():
            failing = number == 1 and kind in ("late", "gone")
            assert event["filled"][kind] is not failing
            if failing:
                assert datums[event["data"][kind]] in resources
            elif kind in GIVEN and kind not in ("ragged", "text"):
                assert np.asarray(event["data"][kind]).tobytes() == np.asarray(give(number)).tobytes()
            else:
                assert type(event["data"][kind]) is type(give(number))


def test_a_stream_is_read_without_what_cannot_be_read(run: Run) -> None:
    """Each that is left out is told; asked for by name it raises an error of ours that says which event."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = run.read()
    told = [str(warning.message) for warning in caught if "left out" in str(warning.message)]
    assert [message.split("'")[1] for message in told] == ["late", "gone"]
    assert set(found.data_vars) == {"x", *EVERYTHING} - {"late", "gone"}
    assert found["unlike"].values[2].tolist() == [0, 1, 2]
    assert found["tables"].values[1].equals(pd.DataFrame({"a": [1]}))
    assert found["objects"].values.tolist() == [{"n": 0}, {"n": 1}, {"n": 2}]
    for kind in ("late", "gone"):
        with pytest.raises(AnalysisStoreError, match=f"event 1 of '{kind}': its handler failed"):
            run.read(keys=kind)
        assert run["primary"][kind][2].tolist() == IMAGES[2].tolist()
    with pytest.raises(DamagedFileError):
        run["primary"]["gone"].read()


@pytest.mark.parametrize("form", ["json", "npz", "hdf5"])
@pytest.mark.parametrize("kind", GIVEN)
@pytest.mark.filterwarnings("ignore:.*is given as integers")
def test_an_export_has_the_same_values(run: Run, tmp_path: Path, form: str, kind: str) -> None:
    """What the handler gives is in the file, and comes back from it."""
    export(run, tmp_path / f"run.{form}", format=form, key=kind)
    same(read_export(tmp_path / f"run.{form}").streams["primary"][kind], kind)


@pytest.fixture(scope="module")
def catalog(store: AnalysisStore) -> Any:
    """Give a Tiled client of the store."""
    pytest.importorskip("tiled", reason="the extra 'server' is not installed")
    return store.client()


class TestServed:
    """Through a Tiled client and through databroker."""

    @pytest.mark.filterwarnings("ignore:.*is given as integers")
    def test_a_dataset_has_the_same_values(self, run: Run, catalog: Any) -> None:
        """Those that cannot be read are left out alone, and told, here as there."""
        stream = catalog[run.uid]["primary"]
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = stream.read()
        assert {str(each.message).split("'")[1] for each in caught if "is left out" in str(each.message)} == FAILING
        assert set(found.data_vars) == {"x", *GIVEN} - {"ragged"}
        for kind in set(GIVEN) - {"ragged"}:
            same(times_of(found[kind]), kind)
        left = stream.metadata["left_out"]
        assert left["ragged"]["found_at"] == "ragged/ragged"
        assert left["tables"]["found_at"] == "tables/tables"
        assert found["x"].values.tolist() == [0, 1, 2]
        assert left["objects"]["reason"]

    def test_a_table_of_databroker(self, store: AnalysisStore) -> None:
        """Images of an ordinary detector, which says nothing of their dtype."""
        pytest.importorskip("databroker", reason="the extra 'server' is not installed")
        plain = fed(store, documents_of({"no_dtype": GIVEN["no_dtype"][0], "scalars": GIVEN["scalars"][0]}))
        table = store.broker()[plain.uid].table(fill=True)
        assert table["scalars"].tolist() == [0.5, 1.5, 2.5]
        assert [np.asarray(image).tolist() for image in table["no_dtype"]] == IMAGES.tolist()


@pytest.mark.slow
def test_an_ordinary_detector_of_ophyd(store: AnalysisStore, tmp_path: Path) -> None:
    """A real RunEngine counts with a real detector class, whose descriptor has no dtype_numpy."""
    ophyd = pytest.importorskip("ophyd.sim", reason="ophyd is not installed")
    bluesky = pytest.importorskip("bluesky", reason="bluesky is not installed")
    from bluesky.plans import count

    detector = ophyd.SynSignalWithRegistry(name="img", func=IMAGES[1].copy, save_path=str(tmp_path))
    assert "dtype_numpy" not in detector.describe()["img"]
    engine = bluesky.RunEngine({})
    engine.subscribe(store)
    (uid,) = engine(count([detector, ophyd.det], EVENTS))
    with AnalysisStore(store.root.parent, handler_registry={"NPY_SEQ": ophyd.NumpySeqHandler}) as again:
        run = again[uid]
        found = run.read()
        assert found["img"].dtype == np.dtype(float)
        assert found["img"].values.tolist() == [IMAGES[1].tolist()] * EVENTS
        assert run["primary"]["img"][0, :2, :2].tolist() == IMAGES[1, :2, :2].tolist()
        assert run["primary"]["img"].shape == (EVENTS, 3, 4)
        assert [doc["data"]["img"].tolist() for name, doc in run.documents(fill=True) if name == "event"] == [
            IMAGES[1].tolist()
        ] * EVENTS
        table = again.broker()[uid].table(fill=True)
        assert [np.asarray(image).tolist() for image in table["img"]] == [IMAGES[1].tolist()] * EVENTS
        assert again.client()[uid]["primary"].read()["img"].identical(found["img"])


def test_a_slice_of_what_fills_the_memory(store: AnalysisStore, tmp_path: Path) -> None:
    """Documents of others that name our own format: an event of 8 TiB is sliced, and refused whole."""
    path = tmp_path / "huge.h5"
    with h5py.File(path, "w") as file:
        huge = file.create_dataset("huge", (2, 1 << 20, 1 << 20), "f8", chunks=(1, 8, 8))
        huge[0, :4, :4] = np.arange(16.0).reshape(4, 4)
    documents = documents_of({"huge": {"shape": [1 << 20, 1 << 20]}}, "HDF5", {"dataset": "/huge"}, n=2)
    for name, doc in documents:
        if name == "resource":
            doc.update(root=str(tmp_path), resource_path="huge.h5")
    run = fed(store, documents)
    lazy = run["primary"]["huge"]
    assert lazy.shape == (2, 1 << 20, 1 << 20)
    assert lazy[0, :3, :3].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]
    assert lazy[:, 3, 3].tolist() == [15, 0]
    for whole in (lambda: lazy[0], lazy.read):
        with pytest.raises(TooLargeError, match="Read a slice"):
            whole()
    with pytest.warns(UserWarning, match="'huge' of 'primary' is left out"):
        assert list(run.read().data_vars) == ["x"]
    part = store.client()[run.uid]["primary"]["data"]["huge"]
    assert part[0, :3, :3].tolist() == [[0, 1, 2], [4, 5, 6], [8, 9, 10]]


def streamed(events: int) -> Documents:
    """Return the documents of a run whose images are described by stream documents, as ophyd-async has them."""
    bundle = event_model.compose_run()
    keys: Any = {"img": {"dtype": "array", "shape": [2, 2], "source": "sim", "external": "STREAM:"}}
    if events:
        keys["x"] = {"dtype": "number", "shape": [], "source": "sim"}
    described = bundle.compose_descriptor(name="primary", data_keys=keys)
    resource = bundle.compose_stream_resource(
        mimetype="application/x-hdf5", uri="file://localhost/data.h5", data_key="img", parameters={"dataset": "/a"}
    )
    datum = resource.compose_stream_datum(
        indices={"start": 0, "stop": 3}, seq_nums={"start": 1, "stop": 4}, descriptor=described.descriptor_doc
    )
    found: Documents = [("start", dict(bundle.start_doc)), ("descriptor", dict(described.descriptor_doc))]
    found.append(("stream_resource", dict(resource.stream_resource_doc)))
    for number in range(events):
        event = described.compose_event(data={"x": 1.0 * number}, timestamps={"x": 0.0}, filled={})
        found.append(("event", dict(event)))
    stop = {**bundle.compose_stop(), "num_events": {"primary": 3}}
    return [*found, ("stream_datum", dict(datum)), ("stop", stop)]


@pytest.mark.parametrize("events", [0, 3])
def test_stream_documents_are_no_empty_stream(store: AnalysisStore, events: int) -> None:
    """Their values are not read, which is an error that names the file; the documents come back, filled or not."""
    documents = streamed(events)
    run = fed(store, documents)
    message = r"'img' are described by stream documents \(application/x-hdf5, file://localhost/data.h5\)"
    lazy = run["primary"]["img"]
    for asked in (lambda: lazy.shape, lambda: lazy[0], lazy.read, lazy.to_dask, lambda: run.read(keys="img")):
        with pytest.raises(UnknownSpecError, match=message):
            asked()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        if events:
            assert list(run.read().data_vars) == ["x"]
            assert "is left out" in str(caught[0].message)
        else:
            with pytest.raises(UnknownSpecError, match=message):
                run.read()
    with pytest.warns(UserWarning, match="is not filled"):
        assert [name for name, _ in run.documents(fill=True)] == [name for name, _ in documents]
    assert "cannot be read" in repr(run["primary"])
    assert "cannot be read" in repr(lazy)
    stream = store.client()[run.uid]["primary"]
    assert "stream documents" in stream.metadata["left_out"]["img"]["reason"]


def test_a_key_that_only_later_events_have(store: AnalysisStore) -> None:
    """Where a second descriptor brings an external key, the events before it have None."""
    first, second = documents_of({}, n=1), documents_of({"said": GIVEN["said"][0]}, n=1)
    start = first[0][1]
    descriptor = {**dict(second)["descriptor"], "run_start": start["uid"]}
    resource = {**dict(second)["resource"], "run_start": start["uid"]}
    event = {**dict(second)["event"], "seq_num": 2}
    later: Documents = [("descriptor", descriptor), ("resource", resource), ("datum", dict(second)["datum"])]
    run = fed(store, [*first[:-1], *later, ("event", event), first[-1]])
    found = run.read()
    assert found["x"].values.tolist() == [0, 0]
    assert found["said"].values[0] is None
    assert found["said"].values[1].tolist() == IMAGES[0].tolist()
    assert run["primary"]["said"][1, 0].tolist() == IMAGES[0, 0].tolist()


def test_values_that_were_filled_already(store: AnalysisStore) -> None:
    """event-model's own filler says where a value came from, in the place of True."""
    documents = documents_of({"no_dtype": GIVEN["no_dtype"][0]})
    with event_model.Filler({"GIVES": Gives}, inplace=False) as filler, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        filled = [filler(name, doc) for name, doc in documents]
    assert isinstance(dict(filled)["event"]["filled"]["no_dtype"], str)
    run = fed(store, [(name, dict(doc)) for name, doc in filled])
    assert run.read()["no_dtype"].values.tolist() == IMAGES.tolist()
    events = [doc for name, doc in run.documents(fill=True) if name == "event"]
    assert [event["data"]["no_dtype"].tolist() for event in events] == IMAGES.tolist()


@pytest.mark.parametrize("keys", [5, None.__class__, ["nothing"], [["x"]], {"x": 1}.__class__, [5]])
def test_what_is_no_key_is_said_so(run: Run, keys: Any) -> None:
    """By the error that a missing key has, whatever came in its place."""
    with pytest.raises(LookupError, match="has no key"):
        run.read(keys=keys)
    with pytest.raises(LookupError, match="has no key"):
        run["primary"][keys]
