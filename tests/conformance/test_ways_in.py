"""Every awkward value by every way in: it comes out as it came, or is refused with its path and nothing is written."""

from __future__ import annotations

import datetime
import enum
import pathlib
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import event_model
import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Provenance, analysis_documents
from analysis_store.arrays import as_objects
from analysis_store.documents import clean_metadata
from analysis_store.errors import InvalidDataError, InvalidDocumentError, InvalidMetadataError
from analysis_store.hdf5.columns import as_value
from analysis_store.recorder import HDF5DataStore, InMemoryDataStore, Recorder
from analysis_store.runs.values.gather import gather
from analysis_store.testing.codecs import through_file
from analysis_store.testing.equality import assert_identical
from tests import zoo
from tests.sweeps import some
from tests.zoo import assert_came_back

ORIGIN = Provenance(origin="synthetic", note="a zoo")


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> zoo.Zoo:
    """Every awkward value, those that lie in files among them."""
    return {**zoo.ZOO, **zoo.on_disk(tmp_path_factory.mktemp("zoo"))}


def taken(animals: zoo.Zoo, data: Callable[[Any, Any], Any]) -> Iterator[tuple[str, Any]]:
    """Yield name and value of each animal that may come in like this; see that the others are refused with a path."""
    wrong = []
    for name, make in animals.items():
        try:
            gather(data(make(), make()))
        except InvalidDataError as error:
            if name not in zoo.REFUSED or '["k"]' not in str(error):
                wrong.append(f"{name}: {error}")
        else:
            if name in zoo.REFUSED:
                wrong.append(f"{name} came in")
            yield name, make()
    assert not wrong, "\n".join(wrong)


def compare(stream: Any, wanted: dict[str, Any]) -> None:
    """Fail where a value of a stream is not what it was, read alone or with all others."""
    wrong = []
    for number, (name, value) in enumerate(wanted.items()):
        column = stream[f"k{number}"]
        for found in (column[0], column.loaded()[-1]):
            try:
                assert_came_back(value, found, stream.data_keys[f"k{number}"])
            except AssertionError as error:
                wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


def row(values: dict[str, Any]) -> dict[str, Any]:
    """Return animals as the values of the keys k0, k1 ..."""
    return {f"k{number}": value for number, value in enumerate(values.values())}


@pytest.mark.slow
def test_by_events(store: AnalysisStore, animals: zoo.Zoo) -> None:
    """As data_dicts; the run verifies."""
    wanted = dict(taken(animals, lambda one, other: [{"s": {"k": one}}, {"s": {"k": other}}]))
    again = {name: animals[name]() for name in wanted}
    run = store.insert([{"s": row(wanted)}, {"s": row(again)}], {}, provenance=ORIGIN)

    compare(store[run.uid]["s"], wanted)
    assert run.verify()


def test_by_columns(store: AnalysisStore, animals: zoo.Zoo) -> None:
    """As a list of values per key."""
    wanted = dict(taken(animals, lambda one, other: {"s": {"k": [one, other]}}))
    again = [animals[name]() for name in wanted]
    columns = {key: [value, other] for (key, value), other in zip(row(wanted).items(), again, strict=True)}
    run = store.insert({"s": columns}, {}, provenance=ORIGIN)

    compare(store[run.uid]["s"], wanted)
    assert run.verify()


@pytest.mark.parametrize("form", some(["DataFrame", "Dataset"], 1))
def test_in_a_table(store: AnalysisStore, animals: zoo.Zoo, form: str) -> None:
    """As a column of objects of pandas or xarray, which may have made another value of it before we see it."""

    def table(keys: dict[str, Any]) -> Any:
        if form == "DataFrame":
            return pd.DataFrame({key: pd.Series(column, dtype=object) for key, column in keys.items()})
        return xr.Dataset({key: ("t", column) for key, column in keys.items()})

    made = {name: as_objects([make(), make()]) for name, make in animals.items()}
    wanted = {}
    for name, column in made.items():
        try:
            given = table({"k": column})
        except (TypeError, ValueError):  # xarray has no such times, pandas no such text
            continue
        try:
            gather({"s": given})
        except InvalidDataError as error:
            assert name in zoo.REFUSED, f"{name}: {error}"
            assert '["k"]' in str(error)
        else:
            wanted[name] = given["k"].to_numpy()[0]
    keys = {f"k{number}": made[name] for number, name in enumerate(wanted)}
    run = store.insert({"s": table(keys)}, {}, provenance=ORIGIN)

    assert len(wanted) > 250
    compare(store[run.uid]["s"], wanted)


@pytest.mark.slow
@pytest.mark.parametrize("one_by_one", some([True, False], 1))
def test_in_an_open_run(store: AnalysisStore, animals: zoo.Zoo, one_by_one: bool) -> None:
    """As events of a run that is written while it goes on; what is refused leaves it as it was."""
    wanted = {}
    with store.new_run({}, provenance=ORIGIN) as opened:
        for number, (name, make) in enumerate(animals.items()):
            stream, key = f"s{number}", f"k{number}"
            try:
                if one_by_one:
                    opened.event(stream, {key: make()})
                    opened.event(stream, {key: make()})
                else:
                    opened.events(stream, {key: [make(), make()]})
            except InvalidDataError as error:
                assert name in zoo.REFUSED, f"{name}: {error}"
                assert f'["{key}"]' in str(error)
            else:
                wanted[number] = name
    run = store[opened.uid]

    assert set(wanted.values()) == animals.keys() - zoo.REFUSED
    assert len(run) == len(wanted)
    for number, name in wanted.items():
        stream = run[f"s{number}"]
        assert_came_back(animals[name](), stream[f"k{number}"][1], stream.data_keys[f"k{number}"])
    assert run.verify()


@pytest.mark.slow
def test_from_the_generator(open_store: AnalysisStore, tmp_path: pathlib.Path, animals: zoo.Zoo) -> None:
    """As documents for anybody: what is small stays in the event, in a form that its dtype makes exact."""
    wanted = dict(taken(animals, lambda one, other: [{"s": {"k": one}}, {"s": {"k": other}}]))
    again = {name: animals[name]() for name in wanted}
    for name, doc in analysis_documents([{"s": row(wanted)}, {"s": row(again)}], {}, provenance=ORIGIN, root=tmp_path):
        open_store(name, doc)
    stream = open_store[-1]["s"]

    for number, (name, value) in enumerate(wanted.items()):
        key = f"k{number}"
        found, told = stream[key][0], stream.data_keys[key]
        if not told.get("external") and told["dtype_numpy"][1] not in "SU":
            found = np.asarray(found, told["dtype_numpy"]).reshape(told["shape"])
            found = found[()] if found.dtype.isnative else found
        try:
            assert_came_back(value, found, told)
        except AssertionError as error:
            pytest.fail(f"{name}: {error}")


# ------------------------------------------------------------------------------------------------ documents


class NotJsonError(Exception):
    """JSON cannot say a value."""


def as_json(value: Any) -> Any:
    """Return a value as metadata hold it; NumPy's scalars, members and subclasses become what they equal."""
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return as_text(value)
    if isinstance(value, (int, float)) and not isinstance(value, enum.Enum):
        return value if type(value) is bool else (int.__int__ if isinstance(value, int) else float.__float__)(value)
    if isinstance(value, Mapping):
        return {as_text(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [as_json(item) for item in value]
    return None if value is None else _as_plain(value)


def as_text(value: Any) -> str:
    """Return text that UTF-8 can say."""
    if not isinstance(value, str) or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise NotJsonError
    return "".join(value)


def _as_plain(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return as_json(value.value)
    if isinstance(value, (datetime.date, datetime.time)) and value is not pd.NaT:
        return value.isoformat()
    if isinstance(value, (pathlib.PurePath, uuid.UUID)):
        return str(value)
    if isinstance(value, np.datetime64) and not np.isnat(value):
        return str(value)
    is_small = type(value) in (np.ndarray, np.memmap, np.matrix) and value.size <= 16
    kept = "?bBhHiIlLqQefdOTU"
    if (isinstance(value, np.generic) or is_small) and value.dtype.char in kept:
        return as_json(value.tolist())
    raise NotJsonError


def test_in_metadata(store: AnalysisStore, animals: zoo.Zoo) -> None:
    """JSON says what it can, as the reference has it; the rest is refused."""
    wanted = {}
    for name, make in animals.items():
        try:
            wanted[name] = as_json(make())
        except NotJsonError:
            with pytest.raises(InvalidMetadataError, match=r'md\["k"\]'):
                clean_metadata({"k": make()})
    md = {f"k{number}": animals[name]() for number, name in enumerate(wanted)}
    run = store.insert([{"s": {"x": 1}}], {"sample": md}, provenance=ORIGIN)

    with AnalysisStore(store.location) as other:
        found = other[run.uid].start["sample"]
    assert len(wanted) > 100
    assert_identical(dict(zip(found, wanted.values(), strict=True)), found)


def as_document(value: Any) -> Any:
    """Return a value as the data of an event hold it: arrays stay arrays."""
    if type(value) in (np.ndarray, np.memmap) and value.ndim:
        if value.dtype.kind not in "biufcmMSU" or value.ndim > 31:
            raise NotJsonError
        return np.array(value, order="C")
    if isinstance(value, Mapping):
        return {as_text(key): as_document(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
        return [as_document(item) for item in value]
    if isinstance(value, enum.Enum) and not isinstance(value, (str, int, float)):
        raise NotJsonError
    is_numpys = isinstance(value, (np.generic, np.ndarray)) and not isinstance(value, (float, str))
    if is_numpys and (value.dtype.char not in "?bBhHiIlLqQefdU" or type(value) not in zoo.DOCUMENTED):
        raise NotJsonError
    plain = value.value if isinstance(value, enum.Enum) else value
    if isinstance(plain, (str, int, float, np.generic, np.ndarray)) or plain is None:
        return as_json(plain)
    raise NotJsonError


def test_in_documents(open_store: AnalysisStore, animals: zoo.Zoo) -> None:
    """In the events that another program composes; one that is refused leaves the run as it was."""
    bundle = event_model.compose_run(metadata={"plan_name": "zoo"})
    open_store("start", bundle.start_doc)
    wanted, refused = {}, []
    for number, (name, make) in enumerate(animals.items()):
        key = {"k": {"dtype": "array", "shape": [], "source": "zoo"}}
        stream = bundle.compose_descriptor(name=f"s{number}", data_keys=key)
        open_store("descriptor", stream.descriptor_doc)
        try:
            wanted[f"s{number}"] = name, as_document(make())
        except NotJsonError:
            refused += [name] * refuses(open_store, event(stream, make()))
        else:
            open_store("event", event(stream, make()))
    open_store("stop", bundle.compose_stop())
    run = open_store[-1]
    found = {doc["descriptor"]: doc["data"]["k"] for name, doc in run.documents() if name == "event"}

    assert len(wanted) > 100
    assert {name for name, _ in wanted.values()} == animals.keys() - set(refused)
    for stream, (name, value) in wanted.items():
        came = found[run[stream].descriptors[0]["uid"]]
        regular = isinstance(value, list) and isinstance(came, np.ndarray)
        try:
            assert_identical(np.array(value, value[0].dtype) if regular else value, came)
        except AssertionError as error:
            pytest.fail(f"{name}: {error}")
    assert run.verify()


def refuses(store: AnalysisStore, doc: dict[str, Any]) -> bool:
    """Return True if a store refuses an event, naming the key."""
    try:
        store("event", doc)
    except InvalidDocumentError as error:
        return "k" in str(error)
    return False


def event(stream: Any, value: Any) -> dict[str, Any]:
    """Return an event of one key, which nobody has validated."""
    made: dict[str, Any] = stream.compose_event(data={"k": 0}, timestamps={"k": 0.0})
    return {**made, "data": {"k": value}}


# ------------------------------------------------------------------------------------------- recorder, objects, files

HANDLES = {"memmap", "dask", "dask of masked", "HDF5 dataset", "HDF5 text"}
"""What is a value of a run is not one of an object: it says where values lie."""


@pytest.mark.parametrize("kind", some(["memory", "hdf5"], 1))
def test_recorded(tmp_path: pathlib.Path, animals: zoo.Zoo, kind: str) -> None:
    """One value after the other, under keys."""
    datastore = InMemoryDataStore() if kind == "memory" else HDF5DataStore(tmp_path / "zoo.h5")
    wrong = []
    with Recorder(datastore) as recorder:
        for number, (name, make) in enumerate(animals.items()):
            if name.endswith("dimensions"):
                continue
            try:
                recorder.record(f"k{number}", make())
                recorder.record(f"k{number}", make())
            except InvalidDataError as error:
                if name not in zoo.REFUSED | HANDLES or f"k{number}" not in str(error):
                    wrong.append(f"{name}: {error}")
    kept = recorder.keys()
    for number, (name, make) in enumerate(animals.items()):
        if f"k{number}" in kept:
            for found in (recorder.get(f"k{number}"), recorder.get_all(f"k{number}")[0]):
                try:
                    assert_came_back(make(), found)
                except AssertionError as error:
                    wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
def test_in_objects(animals: zoo.Zoo) -> None:
    """Anywhere in lists and mappings: what is neither lost nor changed alone is not in there."""
    wrong = []
    for name, make in animals.items():
        if name == "pint Measurement":
            continue
        wanted = {"one": make(), "many": [make(), make(), 1]}
        try:
            found = through_file(wanted)
        except InvalidDataError as error:
            if name not in zoo.REFUSED | HANDLES or "obj[" not in str(error):
                wrong.append(f"{name}: {error}")
            continue
        try:
            assert_identical(wanted, found)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


def test_through_the_writers(animals: zoo.Zoo) -> None:
    """By writers of the default pairs, called directly: what they make an array of says the same."""
    wrong = []
    for name, make in animals.items():
        try:
            found = as_value(make())
        except InvalidDataError:
            continue
        try:
            assert_came_back(make(), found[()] if found.dtype.isnative else found)
        except AssertionError as error:
            wrong.append(f"{name}: {error}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_out_of_a_file(store: AnalysisStore, tmp_path: pathlib.Path, animals: zoo.Zoo, suffix: str) -> None:
    """Arrays that another program left in a file."""
    kinds = "biufcS" if suffix == "h5" else "biufcmMSUV"
    arrays = {f"k{n}": value for n, value in enumerate(make() for make in animals.values())}
    arrays = {
        key: value
        for key, value in arrays.items()
        if type(value) is np.ndarray and value.dtype.kind in kinds and value.ndim < 32 and not value.dtype.names
    }
    path = tmp_path / f"zoo.{suffix}"
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        with h5py.File(path, "w") as file:
            for key, value in arrays.items():
                file[key] = value
    run = store.insert_file(path, {}, provenance=ORIGIN)

    assert len(arrays) > 10
    for key, value in arrays.items():
        found = run["primary"][key][0]
        if suffix == "h5" and value.dtype.kind == "S":  # bytes of fixed width are HDF5's text
            assert found.tolist() == value.astype(str).tolist()
        else:
            assert_came_back(value, found)
