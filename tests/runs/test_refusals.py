"""What bad input gets: an error that names the place of the value, and a folder as it was."""

from __future__ import annotations

import copy
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis_store import AnalysisStore, Code, Parent, Policy, Provenance, Writer, analysis_documents, insert_analysis
from analysis_store.errors import (
    DamagedFileError,
    DuplicateRunError,
    InvalidDataError,
    InvalidDocumentError,
    InvalidMetadataError,
    NoDefaultStoreError,
    PairError,
    PolicyError,
    ProvenanceError,
    QueryError,
    SettingsError,
    StoreVersionError,
    UnsafeFileError,
)
from tests.faults.on_disk import ORIGIN, assert_works, listing, result

GOOD = [{"primary": {"n": 1, "image": np.zeros((5, 5))}}] * 3


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Where a test makes a store of its own, beside which it may have files."""
    return tmp_path / "store"


@pytest.fixture(scope="module")
def common(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """Return a store with one run; after all that was refused it is as good as new."""
    with AnalysisStore(tmp_path_factory.mktemp("common") / "store") as store:
        store.insert(GOOD, {"uid": "taken"}, provenance=ORIGIN)
        yield store
        assert_works(store)


@pytest.fixture
def store(common: AnalysisStore) -> Iterator[AnalysisStore]:
    """Return that store, whose folder every test must leave as it was."""
    before = listing(Path(common.location))
    yield common
    assert before == listing(Path(common.location))


def with_event(number: int, **changes: Any) -> list[dict[str, Any]]:
    """Return good events one of which has other values, or lacks those that are None."""
    events = [{"primary": {"n": 1, "image": np.zeros((5, 5))}} for _ in range(5)]
    row = {**events[number]["primary"], **changes}
    events[number]["primary"] = {key: value for key, value in row.items() if value is not LACKS}
    return events


LACKS = object()
NEVER = object()
"""A value that nothing can store, the same each time it is compared."""

BAD_DATA = {
    "no data": (None, r"data: Got NoneType; expected a list of events .* or a mapping"),
    "text": ("primary", r"data: Got str; expected a list of events"),
    "an event that is none": ([*GOOD, 3], r"data\[3\]: Got int; expected a mapping \{stream: \{key: value\}\}"),
    "a stream that is none": ([*GOOD, {"primary": 3}], r'data\[3\]\["primary"\]: Got int; expected a mapping'),
    "key with a dot": ([{"primary": {"a.b": 1}}], r'data\[0\]\["primary"\]\["a\.b"\]: names must not contain.*\'a_b\''),
    "key with a slash": ([{"primary": {"a/b": 1}}], r'data\[0\]\["primary"\]\["a/b"\]: names must not contain'),
    "key that is no text": ([{"primary": {3: 1}}], r'data\[0\]\["primary"\]: Got the name 3; expected text'),
    "empty key": ([{"primary": {"": 1}}], r'data\[0\]\["primary"\]: Got the name \'\'; expected text'),
    "stream with a slash": ([{"a/b": {"x": 1}}], r'data\[0\]\["a/b"\]: names must not contain'),
    "stream that is no text": ([{3: {"x": 1}}], r"data\[0\]: Got the name 3; expected text"),
    "columns of a bad name": ({"primary": {"a.b": [1]}}, r'data\["primary"\]\["a\.b"\]: names must not contain'),
    "keys missing": (with_event(3, image=LACKS, n=LACKS), r"data\[3\]\[\"primary\"\] lacks \['image', 'n'\]"),
    "keys surplus": (with_event(2, z=1, y=1), r"data\[2\]\[\"primary\"\] adds \['y', 'z'\], compared with data\[0\]"),
    "keys differing": (with_event(1, n=LACKS, z=1), r"data\[1\]\[\"primary\"\] lacks \['n'\] and adds \['z'\]"),
    "any object": (
        with_event(3, image=NEVER),
        r'data\[3\]\["primary"\]\["image"\]: Got an object, and a ndarray in event 0',
    ),
    "any object everywhere": (
        [{"primary": {"n": {"a": NEVER}}}],
        r"""data\[0\]\["primary"\]\["n"\]\['a'\]: .*no codec""",
    ),
    "None": (with_event(3, n=None), r'data\[3\]\["primary"\]\["n"\]: .*None.*NaN'),
    "set": (with_event(2, n={1}), r'data\[2\]\["primary"\]\["n"\]: Got a set, and an int in event 0'),
    "bytes": (with_event(2, n=b"x"), r'data\[2\]\["primary"\]\["n"\]: Got a bytes, and an int in event 0'),
    "mapping": (with_event(2, n={"a": 1}), r'data\[2\]\["primary"\]\["n"\]: Got a dict, and an int in event 0'),
    "array of objects": (
        with_event(3, image=np.array([[NEVER] * 5] * 5)),
        r'data\[3\]\["primary"\]\["image"\]: Got an? ndarray, and an? ndarray in event 0',
    ),
    "record array": (
        with_event(1, image=np.zeros(3, dtype="i4,f8")),
        r'data\[1\]\["primary"\]\["image"\]: Got an? ndarray, and an? ndarray in event 0',
    ),
    "masked array": (
        with_event(1, image=np.ma.masked_equal(np.arange(3), 1)),
        r'data\[1\]\["primary"\]\["image"\]: Got .*MaskedArray, and an? ndarray in event 0',
    ),
    "text and numbers": (with_event(4, n="one"), r'data\[4\]\["primary"\]\["n"\]: Got .* after'),
    "bool among numbers": (with_event(4, n=True), r'data\[4\]\["primary"\]\["n"\]: Got .* after'),
    "array after scalar": (with_event(4, n=np.zeros(3)), r'data\[4\]\["primary"\]\["n"\]: '),
    "dtype that changes": (with_event(2, image=np.zeros((5, 5), "i4")), r'data\[2\]\["primary"\]\["image"\]: '),
    "table among arrays": (with_event(2, image=pd.DataFrame({"a": [1]})), r'data\[[02]\]\["primary"\]\["image"\]: '),
    "integer lost in floats": (
        [{"primary": {"n": 0.5}}, {"primary": {"n": 2**53 + 1}}],
        r'data\[1\]\["primary"\]\["n"\]: the integer 9007199254740993 cannot become a float without loss',
    ),
    "ragged list": (
        with_event(1, image=[[1, 2], [3]]),
        r'data\[1\]\["primary"\]\["image"\]: Got a list, and an? ndarray in event 0',
    ),
    "mixed list": (
        with_event(1, image=[1, "a"]),
        r'data\[1\]\["primary"\]\["image"\]: Got a list, and an? ndarray in event 0',
    ),
    "text not Unicode": (
        [{"primary": {"s": "good"}}, {"primary": {"s": "\ud800"}}],
        r'data\[1\]\["primary"\]\["s"\]: .* lone surrogate',
    ),
    "array of text not Unicode": (
        [{"primary": {"s": np.array(["a"])}}, {"primary": {"s": np.array(["\ud800"])}}],
        r'data\[1\]\["primary"\]\["s"\]: .* lone surrogate',
    ),
    "table of objects": (
        [{"primary": {"t": pd.DataFrame({"a": [1]})}}, {"primary": {"t": pd.DataFrame({"a": [NEVER]})}}],
        r'data\[1\]\["primary"\]\["t"\].*: the object object cannot be stored',
    ),
    "columns of different lengths": (
        {"primary": {"a": [1, 2], "b": [1]}},
        r'data\["primary"\]: the columns have different lengths \(a: 2, b: 1\)',
    ),
    "column that is a scalar": ({"primary": {"a": 1}}, r'data\["primary"\]\["a"\]\[:\]: Got a single value, an int;'),
    "column of objects": ({"primary": {"a": [1, NEVER]}}, r'data\["primary"\]\["a"\]\[1\]: '),
    "columns that are none": ({"primary": 3}, r'data\["primary"\]: Got int; expected a mapping \{key: column\}'),
    "dataset without events": (
        {"primary": xr.Dataset({"a": ((), 1.0)})},
        r'data\["primary"\]: a Dataset without an event dimension',
    ),
}


@pytest.mark.parametrize(("data", "message"), BAD_DATA.values(), ids=list(BAD_DATA))
@pytest.mark.parametrize("way", ["insert_analysis", "analysis_documents"])
def test_data_are_refused_with_their_place(
    store: AnalysisStore, tmp_path: Path, data: Any, message: str, way: str
) -> None:
    """Whatever no file can hold is named, on both ways in, before anything is written."""
    given = copy.deepcopy(data, {id(NEVER): NEVER})

    ways: dict[str, Callable[[], object]] = {
        "insert_analysis": lambda: insert_analysis(given, {}, store=store, provenance=ORIGIN),
        "analysis_documents": lambda: list(
            analysis_documents(given, {}, root=tmp_path / "documents", provenance=ORIGIN)
        ),
    }

    with pytest.raises(InvalidDataError, match=message):
        ways[way]()

    assert repr(data) == repr(given)
    assert not (tmp_path / "documents").exists()


BAD_METADATA = {
    "none": (None, r"md: Got NoneType; expected a mapping"),
    "a list": ([("a", 1)], r"md: Got list; expected a mapping"),
    "key with a dot": ({"a": {"b.c": 1}}, r'md\["a"\]\["b\.c"\]: event-model refuses keys .*\'b_c\''),
    "key that is no text": ({"a": {3: 1}}, r'md\["a"\]: the key 3 is a int; keys of metadata are strings'),
    "set": ({"sample": {"tags": {1}}}, r'md\["sample"\]\["tags"\]: a set cannot be kept'),
    "bytes": ({"a": [1, b"x"]}, r'md\["a"\]\[1\]: a bytes cannot be kept'),
    "object": ({"a": [{"b": NEVER}]}, r'md\["a"\]\[0\]\["b"\]: a object cannot be kept'),
    "large array": ({"a": np.zeros(17)}, r'md\["a"\]: an array of 17 elements is too large for metadata'),
    "complex array": ({"a": np.zeros(2, complex)}, r'md\["a"\]: a ndarray of dtype complex128'),
    "text not Unicode": ({"a": "\ud800"}, r'md\["a"\]: .* lone surrogate'),
    "time": ({"time": "yesterday"}, r"md\[\"time\"\]: Got 'yesterday'; expected seconds since 1970"),
    "endless time": ({"time": float("nan")}, r'md\["time"\]: Got nan; expected seconds'),
    "uid": ({"uid": 3}, r'md\["uid"\]: Got 3; expected text'),
}


@pytest.mark.parametrize(("md", "message"), BAD_METADATA.values(), ids=list(BAD_METADATA))
@pytest.mark.parametrize("way", ["insert_analysis", "analysis_documents", "new_run"])
def test_metadata_are_refused_with_their_place(
    store: AnalysisStore, tmp_path: Path, md: Any, message: str, way: str
) -> None:
    """What a start document cannot hold is named by its full path."""
    given = copy.deepcopy(md, {id(NEVER): NEVER})
    ways: dict[str, Callable[[], object]] = {
        "insert_analysis": lambda: insert_analysis(GOOD, given, store=store, provenance=ORIGIN),
        "analysis_documents": lambda: analysis_documents(GOOD, given, root=tmp_path / "root", provenance=ORIGIN),
        "new_run": lambda: store.new_run(given, provenance=ORIGIN),
    }

    with pytest.raises(InvalidMetadataError, match=message):
        ways[way]()

    assert repr(md) == repr(given)
    assert not (tmp_path / "root").exists()


def test_metadata_that_contain_themselves_are_refused(store: AnalysisStore) -> None:
    """A loop is an error, not the end of the stack."""
    md: dict[str, Any] = {}
    md["me"] = md

    with pytest.raises(InvalidMetadataError, match=r'md\["me"\]\["me"\].*within itself'):
        store.insert(GOOD, md, provenance=ORIGIN)


BAD_DESCRIPTOR_MD = {
    "no mapping": ([1], InvalidDataError, r"descriptor_md: Got list; expected a mapping"),
    "stream not there": ({"other": {}}, InvalidDataError, r'descriptor_md\["other"\]: .*no such stream.*primary'),
    "key not there": (
        {"primary": {"data_keys": {"mu": {"units": "1"}}}},
        InvalidDataError,
        r'descriptor_md\["primary"\]\["data_keys"\]\["mu"\]: the data have no such key; they have \[\'n\', \'image\'\]',
    ),
    "not the truth": (
        {"primary": {"data_keys": {"image": {"shape": [6, 5]}}}},
        InvalidDataError,
        r'\["image"\]\["shape"\]: \[6, 5\] was declared, but the data have \[5, 5\]',
    ),
    "dims": (
        {"primary": {"data_keys": {"image": {"dims": ["x"]}}}},
        InvalidDataError,
        r'\["image"\]: 1 dims were named for values of 2 dimensions',
    ),
    "what the store sets": ({"primary": {"uid": "x"}}, InvalidDataError, r"\['uid'\], which the store sets"),
    "a bad value": (
        {"primary": {"hints": {"fields": {1}}}},
        InvalidMetadataError,
        r'descriptor_md\["primary"\]\["hints"\]\["fields"\]: a set cannot be kept',
    ),
    "not a descriptor": (
        {"primary": {"configuration": 3}},
        InvalidDocumentError,
        r"descriptor\['configuration'\]: 3 is not of type",
    ),
}


@pytest.mark.parametrize(("descriptor_md", "error", "message"), BAD_DESCRIPTOR_MD.values(), ids=list(BAD_DESCRIPTOR_MD))
@pytest.mark.parametrize("way", ["insert_analysis", "analysis_documents"])
def test_descriptor_md_is_refused(
    store: AnalysisStore, tmp_path: Path, descriptor_md: Any, error: type[Exception], message: str, way: str
) -> None:
    """What is said of streams and keys must fit the data."""
    said = {"descriptor_md": descriptor_md, "provenance": ORIGIN}
    ways: dict[str, Callable[[], object]] = {
        "insert_analysis": lambda: store.insert(GOOD, {}, **said),
        "analysis_documents": lambda: analysis_documents(GOOD, {}, root=tmp_path / "root", **said),
    }

    with pytest.raises(error, match=message):
        ways[way]()

    assert not (tmp_path / "root").exists()


# ---------------------------------------------------------------------------------------------- provenance


def test_everything_that_provenance_lacks_is_told_at_once(store: AnalysisStore, tmp_path: Path) -> None:
    """One error names unknown parents, files that are not there, an origin without a note, a waiver."""
    wrong = Provenance(
        parents=["nobody"],
        files=[tmp_path / "gone.dat", tmp_path],
        code=Code("faults", version="1.0"),
        origin="simulation",
        waiver="I am in a hurry",
    )

    with pytest.raises(ProvenanceError) as caught:
        store.insert(GOOD, {"parent_uid": "no one", "raw_uid": 3}, provenance=wrong)

    text = str(caught.value)
    for told in ("'nobody' was not found", "'no one' was not found", "gone.dat cannot be read", "is a folder"):
        assert told in text
    for told in ("md['raw_uid']", "needs a note", "waiver: the policy", "code: url of 'faults' not known"):
        assert told in text
    assert text.startswith("Nothing was saved")


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        (None, r"inputs: Got no parent run, no input file and no origin.*Provenance\(parents=\[run\]\)"),
        (Provenance(parents=["nobody"]), r"the run 'nobody' was not found in .*store.*Parent\('nobody', catalog="),
        (Provenance(files=["gone.dat"]), r"gone\.dat cannot be read: No such file or directory"),
        (Provenance(origin="dream", note="x"), r"origin: Got 'dream'; expected one of 'simulation', 'synth"),
        ({"parent": "x"}, r"unknown.*parent.*parents, files"),
        (3, r"provenance: Got .*int.*expected Provenance"),
    ],
)
def test_provenance_is_refused_on_every_way_in(
    store: AnalysisStore, tmp_path: Path, provenance: Any, message: str
) -> None:
    """Call, generator, open run and file are asked alike."""
    table = tmp_path / "table.csv"
    table.write_text("a,b\n1,2\n")

    with pytest.raises(ProvenanceError, match=message):
        insert_analysis(GOOD, {}, store=store, provenance=provenance)
    with pytest.raises(ProvenanceError, match=message):
        store.new_run({}, provenance=provenance)
    if not (isinstance(provenance, Provenance) and provenance.parents):  # which the generator cannot look up
        with pytest.raises(ProvenanceError, match=message):
            analysis_documents(GOOD, {}, root=tmp_path / "root", provenance=provenance)
    if provenance is not None:  # the file itself is an input
        with pytest.raises(ProvenanceError, match=message):
            store.insert_file(table, {}, provenance=provenance)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ({}, r"inputs: Got no parent run"),
        ({"parent_uids": ["nobody"]}, r"the run 'nobody' was not found"),
        ({"provenance": {"files": [{"path": "/gone.dat"}]}}, r"/gone\.dat cannot be read"),
        ({"parent_uid": "taken"}, r"code: "),
    ],
)
def test_provenance_of_a_foreign_run_is_refused(store: AnalysisStore, start: dict[str, Any], message: str) -> None:
    """A start document that does not tell its origin opens no run, and what follows it has nowhere to go."""
    doc = {"uid": "foreign", "time": 1.0, **start}
    given = copy.deepcopy(doc)

    with pytest.raises(ProvenanceError, match=message):
        store("start", doc)
    with pytest.raises(InvalidDocumentError, match=r"stop: it refers to the start 'foreign', which no open run has"):
        store("stop", {"uid": "s", "time": 2.0, "run_start": "foreign", "exit_status": "success"})

    assert given == doc


def test_parents_in_metadata_must_exist(store: AnalysisStore) -> None:
    """Each alias is looked up."""
    for alias in ("parent_uids", "parent_uid", "original_run_uid", "original_start_uid", "raw_uid", "exp_uid"):
        with pytest.raises(ProvenanceError, match=r"the run 'nobody' was not found"):
            store.insert(GOOD, {alias: "nobody"}, provenance=Provenance(code=ORIGIN.code))


def test_a_run_is_not_its_own_parent(store: AnalysisStore) -> None:
    """A loop of one is refused."""
    with pytest.raises(ProvenanceError, match=r"Got 'me', the uid of this run itself"):
        store.insert(GOOD, {"uid": "me"}, provenance=Provenance(parents=[Parent("me", catalog="x")], code=ORIGIN.code))


# ------------------------------------------------------------------------------------------------ duplicates


def test_a_second_run_of_a_uid_is_refused(store: AnalysisStore) -> None:
    """Calls, open runs and foreign documents cannot take a uid that is taken."""
    with pytest.raises(DuplicateRunError, match=r"run 'taken' is in .* already"):
        store.insert(GOOD, {"uid": "taken"}, provenance=ORIGIN)
    with pytest.raises(DuplicateRunError, match=r"run 'taken' is in .* already"):
        store.new_run({"uid": "taken"}, provenance=ORIGIN)
    start = {"uid": "taken", "time": 1.0, "provenance": ORIGIN.to_document()}
    with pytest.raises(DuplicateRunError, match=r"run 'taken' is in .* already"):
        store("start", start)


def test_a_uid_taken_meanwhile_is_refused(location: Path) -> None:
    """Two open runs of one uid: who ends first has it, and the other leaves no trace."""
    with AnalysisStore(location) as store:
        late = store.new_run({"uid": "contested"}, provenance=ORIGIN)
        late.event("primary", {"x": 1})
        store.insert(GOOD, {"uid": "contested"}, provenance=ORIGIN)
        before = listing(location)

        with pytest.raises(DuplicateRunError, match=r"'contested'"):
            late.close()

        assert before == listing(location)
        assert 3 == store["contested"]["primary"].num_events
        late.discard()


# -------------------------------------------------------------------------------------------------- writers


class TextWriter:
    """A writer as they were in 2018: called with one key at a time."""

    def __init__(self, rpath: str) -> None:
        self.path = Path(rpath)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """Write the value as text."""
        self.path.write_text(repr(data))
        return {"key": "value"}


class NothingWriter(TextWriter):
    """Writes, and does not say what."""

    def __call__(self, data: dict[str, Any]) -> Any:
        """Return nothing."""
        super().__call__(data)


class WrongWriter(Writer):
    """Tells nothing of the key it was given."""

    spec = "WRONG"

    def __init__(self, path: str) -> None:
        self.path = Path(path)

    def __call__(self, data: Any) -> Any:
        """Return datum kwargs of another key."""
        self.path.write_text("half")
        return {"other": {}}

    def close(self) -> None:
        """Nothing is open."""


def to(path: object, **kwargs: Any) -> dict[str, Any]:
    """Return the resource entry of a writer whose file is at a path."""
    return {"func": lambda docs, data_key: {"path": str(path), **kwargs}, "kwargs": {}}


BAD_WRITERS = {
    "no mapping": ([("image", TextWriter)], r"writers_dict: Got list; expected a mapping"),
    "entry that is none": ({"image": TextWriter}, r'writers_dict\["image"\]: .* names no writer; expected \{"writer"'),
    "no writer": ({"image": {"resource": to("x")}}, r'writers_dict\["image"\]: .* names no writer; expected'),
    "writer that is none": ({"image": {"writer": "W", "spec": "S"}}, r'writers_dict\["image"\]: .* names no writer'),
    "no spec": ({"image": {"writer": TextWriter}}, r'writers_dict\["image"\]: a writer without a spec of its own'),
    "unknown option": (
        {"image": {"writer": TextWriter, "spec": "S", "path": "x"}},
        r"unknown options \['path'\]; known: writer, resource, root, spec",
    ),
    "resource that is none": (
        {"image": {"writer": TextWriter, "spec": "S", "resource": "x"}},
        r'writers_dict\["image"\]\["resource"\]: Got \'x\'; expected \{"func"',
    ),
}


@pytest.mark.parametrize(("writers", "message"), BAD_WRITERS.values(), ids=list(BAD_WRITERS))
def test_writers_dict_is_refused(store: AnalysisStore, tmp_path: Path, writers: Any, message: str) -> None:
    """An entry that cannot work is named, with what is known."""
    with pytest.raises(InvalidDataError, match=message):
        store.insert(GOOD, {}, writers_dict=writers, provenance=ORIGIN)
    with pytest.raises(InvalidDataError, match=message):
        analysis_documents(GOOD, {}, writers_dict=writers, root=tmp_path / "root", provenance=ORIGIN)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("writer", [NothingWriter, WrongWriter])
def test_a_writer_that_returns_no_datum_kwargs_is_refused(
    store: AnalysisStore, tmp_path: Path, writer: type[Any]
) -> None:
    """What it wrote is removed, and the folder that was made for it."""
    entry = {"writer": writer, "spec": "WRONG", "resource": to(tmp_path / "new" / "folder" / "image.txt")}

    with pytest.raises(PairError, match=rf"{writer.__name__}.*mapping"):
        store.insert(GOOD, {}, writers_dict={"image": entry}, provenance=ORIGIN)
    with pytest.raises(PairError, match=rf"{writer.__name__}.*mapping"):
        list(analysis_documents(GOOD, {}, writers_dict={"image": entry}, provenance=ORIGIN))

    assert not (tmp_path / "new").exists()


def failing(docs: Any, data_key: str) -> dict[str, Any]:
    """Fail as code does that nobody tested."""
    raise KeyError("sample")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda docs, data_key: None, r'writers_dict\["image"\]: the resource function returned None'),
        (lambda docs, data_key: {"chunk": 3}, r'expected a mapping with "path" or "rpath"'),
        (lambda docs, data_key: {"path": 3}, r'writers_dict\["image"\]: .*path'),
        (failing, r'data\[0\]\["primary"\]\["image"\]: the resource function failed: KeyError: \'sample\''),
    ],
)
def test_a_resource_function_that_names_no_place_is_refused(
    store: AnalysisStore, function: Callable[..., Any], message: str
) -> None:
    """It is asked before anything is written."""
    entry = {"writer": TextWriter, "spec": "TEXT", "resource": {"func": function}}

    with pytest.raises(PairError, match=message):
        store.insert(GOOD, {}, writers_dict={"image": entry}, provenance=ORIGIN)


@pytest.mark.parametrize("way", ["../outside.txt", "{outside}", "link/file.txt", "a/../../outside.txt"])
def test_a_resource_outside_its_root_is_refused(store: AnalysisStore, tmp_path: Path, way: str) -> None:
    """Neither "..", nor an absolute path, nor a link leads out of the root."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    entry = {
        "writer": TextWriter,
        "spec": "TEXT",
        "root": str(root),
        "resource": to(way.format(outside=tmp_path / "outside.txt")),
    }

    with pytest.raises(UnsafeFileError, match=r'data\[0\]\["primary"\]\["image"\]: .* is outside its root'):
        store.insert(GOOD, {}, writers_dict={"image": entry}, provenance=ORIGIN)

    assert ["link"] == [path.name for path in root.iterdir()]
    assert [root] == list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------- the rest


@pytest.mark.parametrize(
    "query",
    [
        {"a": {"$near": 3}},
        {"$and": [{"a": 1}, {"$or": [{"b": {"$not": {"$sort": 1}}}]}]},
        {"$where": "1"},
    ],
)
def test_unknown_operators_are_refused(store: AnalysisStore, query: dict[str, Any]) -> None:
    """At any depth, with the known ones."""
    with pytest.raises(QueryError, match=r"\$(near|sort|where).*\$(eq|and)"):
        store.search(query)


def test_without_a_store_the_error_says_how_to_set_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither a file nor a folder is made where the script happens to run."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANALYSIS_STORE", raising=False)

    with pytest.raises(NoDefaultStoreError, match=r"set_working_dir.*\$ANALYSIS_STORE"):
        insert_analysis(GOOD, {}, provenance=ORIGIN)

    assert [] == list(tmp_path.iterdir())


def test_the_generator_asks_for_a_root_only_where_it_needs_one(tmp_path: Path) -> None:
    """The key that needs a file is named."""
    with pytest.raises(InvalidDataError, match=r'data\["primary"\]\["image"\] is too large .* root='):
        analysis_documents(GOOD, {}, provenance=ORIGIN)

    assert "stop" == list(analysis_documents([{"primary": {"n": 1}}], {}, provenance=ORIGIN))[-1][0]


def test_loosening_the_policy_is_refused(location: Path) -> None:
    """What a store was made to demand, no argument takes back; tightening is for this time only."""
    with AnalysisStore(location, policy=Policy(dirty="refuse")):
        before = listing(location)
    for looser, told in (
        (Policy(dirty="diff"), r"dirty='diff', which would loosen .* dirty='refuse'"),
        (Policy(require_inputs=False, dirty="refuse"), r"require_inputs=False"),
        (Policy(require_code=False, dirty="refuse"), r"require_code=False"),
        (Policy(allow_waiver=True, dirty="refuse"), r"allow_waiver=True"),
    ):
        with pytest.raises(PolicyError, match=told):
            AnalysisStore(location, policy=looser)

    assert before == listing(location)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ('layout = "3"', StoreVersionError, r"layout 3, this version of analysis_store knows up to 2; update"),
        ("layout = 99", StoreVersionError, r"layout 99"),
        ("colour = 3", SettingsError, r"unknown settings \['colour'\]; known: code, compression, layout, policy"),
        ("[policy]\nrequire_all = true", PolicyError, r"unknown 'require_all'; known: require_inputs, require_code"),
        ("[policy]\ndirty = 3", PolicyError, r"Got dirty=3; expected one of"),
        ("policy = 3", SettingsError, r"\[policy\] is 3; expected a table"),
        ("[code]\nversion = '1'", SettingsError, r"\[code\] is .* expected a table of name, url"),
        ("compression = 'zip9'", SettingsError, r"compression.*'zip9'.*auto"),
        ("policy = [", SettingsError, r"analysis_store\.toml cannot be read"),
    ],
)
def test_settings_are_refused(location: Path, text: str, error: type[Exception], message: str) -> None:
    """A store that a newer version made, or that somebody edited badly, is left as it is."""
    with AnalysisStore(location):
        pass
    (location / "analysis_store.toml").write_text(text)
    before = listing(location)

    with pytest.raises(error, match=message):
        AnalysisStore(location)

    assert before == listing(location)


def test_a_newer_catalog_is_refused(location: Path) -> None:
    """It is neither used nor changed."""
    with AnalysisStore(location) as store:
        store.insert(GOOD, {}, provenance=ORIGIN)
    with closing(sqlite3.connect(location / "catalog.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '0099'")
    before = listing(location)

    with pytest.raises(StoreVersionError, match=r"catalog\.sqlite has version '0099' .* up to '0005'.*upgrade"):
        AnalysisStore(location)

    assert before == listing(location)


def test_a_catalog_that_is_none_is_refused(location: Path) -> None:
    """Garbage in its place is named, and left as it is."""
    with AnalysisStore(location) as store:
        store.insert(result(), {}, provenance=ORIGIN)
    catalog = location / "catalog.sqlite"
    catalog.write_bytes(b"this is no database " * 500)

    with pytest.raises(DamagedFileError, match=r"catalog\.sqlite is damaged or not a catalog.*rebuild"):
        AnalysisStore(location)

    assert b"this is no database " * 500 == catalog.read_bytes()


@pytest.mark.parametrize(
    ("location", "message"),
    [("ftp://x/y", r"unknown scheme 'ftp'; known: a folder, sqlite"), ("sqlite:///x.sqlite", r"root=")],
)
def test_a_location_is_refused(location: str, message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No file is made for it."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(SettingsError, match=message):
        AnalysisStore(location)

    assert [] == list(tmp_path.iterdir())


def test_a_store_cannot_be_made_of_a_file(tmp_path: Path) -> None:
    """What is there already stays what it is."""
    place = tmp_path / "file"
    place.write_text("mine")

    with pytest.raises((SettingsError, OSError), match=r"file"):
        AnalysisStore(place)

    assert "mine" == place.read_text()
    assert [place] == list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------- open runs


def test_an_open_run_refuses_an_event_and_stays_as_it_was(store: AnalysisStore) -> None:
    """Each bad event names its place; the good ones are still there."""
    run = store.new_run({}, provenance=ORIGIN)
    run.event("primary", {"n": 1, "image": np.zeros((5, 5))})
    good = {"n": 1, "image": np.zeros((5, 5))}
    for row, told in (
        (3, r"event: Got int; expected a mapping"),
        ({**good, "a.b": 1}, r'event\["primary"\]\["a\.b"\]: names must not contain'),
        ({"n": 1}, r"event 1 of 'primary' lacks \['image'\] and adds \[\]"),
        ({**good, "z": 1}, r"event 1 of 'primary' lacks \[\] and adds \['z'\]"),
        ({**good, "image": NEVER}, r'event\[1\]\["image"\]: the .*object cannot be stored: no codec'),
        ({**good, "n": "one"}, r'event\[1\]\["n"\]: Got .*<U3 after <i8'),
        ({**good, "image": np.zeros((5, 5), "i2")}, r'event\[1\]\["image"\]: Got dtype_numpy <i2 after <f8'),
    ):
        with pytest.raises(InvalidDataError, match=told):
            run.event("primary", row)  # type: ignore[arg-type]
    with pytest.raises(InvalidDataError, match=r'event\["a/b"\]: names must not contain'):
        run.event("a/b", good)
    with pytest.raises(InvalidDataError, match=r'data\["primary"\]: the columns have different lengths'):
        run.events("primary", {"n": [1, 2], "image": np.zeros((3, 5, 5))})

    run.event("primary", good)
    assert "primary: 2 events" in repr(run)
    run.discard()


def test_an_open_run_refuses_descriptor_md_for_what_it_has_not(store: AnalysisStore) -> None:
    """It can only be known at the end; then nothing is written, and the run can still be dropped."""
    run = store.new_run({}, provenance=ORIGIN, descriptor_md={"other": {}})
    run.event("primary", {"n": 1})

    with pytest.raises(InvalidDataError, match=r'descriptor_md\["other"\]: the data have no such stream'):
        run.close()

    run.discard()


# -------------------------------------------------------------------------------------------- the callback


BAD_DOCUMENTS = {
    "name": ("begin", {}, r"'begin' is not a document; known: start"),
    "bulk events": ("bulk_events", {}, r"'bulk_events' documents are obsolete.*event_page"),
    "start without uid": ("start", {"time": 1.0}, r"start.*uid"),
    "descriptor of nobody": (
        "descriptor",
        {"uid": "d", "time": 1.0, "run_start": "nobody", "data_keys": {}},
        r"descriptor: it refers to the start 'nobody'",
    ),
    "event of nobody": (
        "event",
        {"uid": "e", "time": 1.0, "seq_num": 1, "descriptor": "nobody", "data": {}, "timestamps": {}},
        r"event: it refers to the descriptor 'nobody'.*start, descriptor",
    ),
    "event lacking keys": (
        "event",
        {"uid": "e", "time": 1.0, "seq_num": 1, "descriptor": "d1", "data": {"z": 1}, "timestamps": {"z": 1.0}},
        r"event of run run: its data lack \['a'\] and add \['z'\]",
    ),
    "object": (
        "event",
        {"uid": "e", "time": 1.0, "seq_num": 1, "descriptor": "d1", "data": {"a": NEVER}, "timestamps": {"a": 1.0}},
        r"event\['data'\]\['a'\]: a object cannot be",
    ),
    "stop of nobody": (
        "stop",
        {"uid": "s", "time": 1.0, "run_start": "nobody", "exit_status": "success"},
        r"stop: it refers to the start 'nobody'",
    ),
    "exit status": (
        "stop",
        {"uid": "s", "time": 1.0, "run_start": "run", "exit_status": "great"},
        r"stop\['exit_status'\].*great",
    ),
    "second start": ("start", {"uid": "run", "time": 1.0}, r"run run: a second start document"),
}


@pytest.mark.parametrize(("name", "doc", "message"), BAD_DOCUMENTS.values(), ids=list(BAD_DOCUMENTS))
def test_a_bad_document_is_refused(tmp_path: Path, name: str, doc: dict[str, Any], message: str) -> None:
    """It is named and left out; the run it came to is saved without it."""
    with AnalysisStore(tmp_path, policy=Policy(require_inputs=False, require_code=False)) as store:
        store("start", {"uid": "run", "time": 1.0})
        key = {"a": {"dtype": "integer", "shape": [], "source": "x"}}
        store("descriptor", {"uid": "d1", "time": 1.0, "run_start": "run", "data_keys": key, "name": "primary"})
        before, given = listing(tmp_path), copy.deepcopy(doc, {id(NEVER): NEVER})

        with pytest.raises(InvalidDocumentError, match=message):
            store(name, doc)

        assert before == listing(tmp_path)
        assert given == doc
        store("stop", {"uid": "s", "time": 2.0, "run_start": "run", "exit_status": "success"})
        assert ["start", "descriptor", "stop"] == [name for name, _ in store["run"].documents()]
        assert store["run"].verify()
