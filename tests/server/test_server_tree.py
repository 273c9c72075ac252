"""The tree that is served: found, sorted and paged by the catalog, whatever is asked in Tiled's words."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pyarrow
import pytest

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from bluesky_tiled_plugins.queries import PartialUID, ScanID, ScanIDRange, TimeRange
from tiled.client.utils import ClientError
from tiled.ndslice import NDBlock, NDSlice
from tiled.queries import (
    Comparison,
    Contains,
    Eq,
    FullText,
    In,
    Key,
    KeyPresent,
    Like,
    NotEq,
    NotIn,
    Regex,
    StructureFamilyQuery,
)

from analysis_store.errors import TooLargeError
from analysis_store.provenance import Policy
from analysis_store.server import client
from analysis_store.server.tree import arrays as served
from analysis_store.server.tree.arrays import ColumnAdapter, Variable
from analysis_store.server.tree.runs import RunsTree
from analysis_store.store import AnalysisStore

RUNS = [
    {"scan_id": 1, "sample": "Fe foil", "temperature": 300, "tags": ["a", "b"], "nested": {"deep": "x"}},
    {"scan_id": 2, "sample": "Ni foil", "temperature": 300.5, "tags": ["b"]},
    {"scan_id": 3, "sample": "Fe powder", "temperature": -5, "tags": []},
    {"scan_id": 3, "sample": "nothing", "extra": None},
]
START = 1_760_000_000.0


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AnalysisStore]:
    """A store with four runs, an hour apart."""
    policy = Policy(require_inputs=False, require_code=False)
    with AnalysisStore(tmp_path_factory.mktemp("tree") / "store", policy=policy) as made:
        for number, md in enumerate(RUNS):
            columns = {
                "x": np.arange(3) + number,
                "image": np.arange(3 * 400.0).reshape(3, 20, 20),
                "z": np.ones(3) * 1j,
            }
            made.insert(
                {"primary": columns}, {**md, "uid": f"{number}{number}aaaaaa-0000", "time": START + 3600 * number}
            )
        yield made


@pytest.fixture(scope="module")
def catalog(store: AnalysisStore) -> Iterator[Any]:
    """A Tiled client of it."""
    made = client(store)
    with made.context:
        yield made


QUERIES = {
    "Eq": (Eq("sample", "Fe foil"), [0]),
    "Eq of a nested key": (Eq("nested.deep", "x"), [0]),
    "Eq of a stop key": (Eq("stop.exit_status", "success"), [0, 1, 2, 3]),
    "Eq of a start key": (Key("start.scan_id") == 2, [1]),
    "NotEq": (NotEq("sample", "Fe foil"), [1, 2, 3]),
    "NotEq of a stop key": (Key("stop.exit_status") != "success", []),
    "Comparison": (Comparison("gt", "temperature", 299), [0, 1]),
    "Comparison of a stop key": (Key("stop.time") > 0, [0, 1, 2, 3]),
    "In": (In("scan_id", [1, 3]), [0, 2, 3]),
    "NotIn": (NotIn("scan_id", [1, 3]), [1]),
    "Contains": (Contains("tags", "b"), [0, 1]),
    "Regex": (Regex("sample", "^(Fe|Ni) f"), [0, 1]),
    "Regex of any case": (Regex("sample", "^fe", case_sensitive=False), [0, 2]),
    "Like": (Like("sample", "Fe%"), [0, 2]),
    "FullText": (FullText("powder"), [2]),
    "KeyPresent": (KeyPresent("temperature"), [0, 1, 2]),
    "KeyPresent not": (KeyPresent("temperature", exists=False), [3]),
    "TimeRange": (TimeRange(since=START + 3600, until=START + 7200), [1]),
    "ScanID": (ScanID(2), [1]),
    "ScanIDRange": (ScanIDRange(2, 3), [1]),
    "PartialUID": (PartialUID("11aaa"), [1]),
}


def numbers(found: Any) -> list[int]:
    """Return which of the runs were found, in the order in which they were."""
    return [int(uid[0]) for uid in found]


@pytest.mark.parametrize("name", QUERIES)
def test_searches(catalog: Any, name: str) -> None:
    """Every query of Tiled and databroker finds the runs that it asks for."""
    query, expected = QUERIES[name]
    found = catalog.search(query)
    assert numbers(found) == expected
    assert len(found) == len(expected)


def test_searches_narrow_each_other(catalog: Any) -> None:
    """A search of a search asks for both, and a run outside it is not in it."""
    found = catalog.search(Key("temperature") > 0).search(FullText("foil")).search(Key("scan_id") < 2)
    assert numbers(found) == [0]
    uids = list(catalog)
    assert found[uids[0]].start["scan_id"] == 1
    with pytest.raises(KeyError):
        found[uids[1]]


def test_a_query_that_nobody_understands_is_named(catalog: Any) -> None:
    """Not an empty list, and not an internal error."""
    with pytest.raises(ClientError, match=r"400.*QueryError.*StructureFamilyQuery"):
        len(catalog.search(StructureFamilyQuery("array")))
    with pytest.raises(ClientError, match=r"400.*QueryError"):
        len(catalog.search(Regex("sample", "(")))


def test_order(catalog: Any) -> None:
    """As databroker has it: the oldest first, -1 the newest; any key sorts, both ways."""
    assert numbers(catalog) == [0, 1, 2, 3]
    assert catalog[-1].start["uid"] == list(catalog)[-1]
    assert numbers(catalog.keys()[-1:-3:-1]) == [3, 2]
    assert numbers(catalog.keys()[1:3]) == [1, 2]
    assert numbers(catalog.sort(("temperature", 1)).search(KeyPresent("temperature"))) == [2, 0, 1]
    assert numbers(catalog.sort(("start.sample", -1))) == [3, 1, 2, 0]
    assert numbers(catalog.sort(("time", -1))) == [3, 2, 1, 0]


def test_pages_are_asked_for_one_by_one(store: AnalysisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The newest run of many costs one run, and an iteration no more than its pages."""
    asked: list[tuple[int, int | None]] = []
    search = store.catalog.search

    def spy(query: Any, *, offset: int = 0, limit: int | None = None, **others: Any) -> Any:
        asked.append((offset, limit))
        return search(query, offset=offset, limit=limit, **others)

    monkeypatch.setattr(store.catalog, "search", spy)
    monkeypatch.setattr("analysis_store.server.tree.runs._PAGE", 3)
    tree = RunsTree(store)
    assert tree.values()[-1].metadata()["start"]["scan_id"] == 3
    assert asked == [(0, 1)]
    asked.clear()
    assert len(list(tree)) == 4
    assert asked == [(0, 3), (3, 3)]
    asked.clear()
    assert [uid[0] for uid, _ in tree.items()[1:3]] == ["1", "2"]
    assert asked == [(1, 2)]


def test_distinct(catalog: Any) -> None:
    """The values of a key are counted by the catalog, in a search, too."""
    found = catalog.distinct("scan_id", counts=True)["metadata"]["start.scan_id"]
    assert {each["value"]: each["count"] for each in found} == {1: 1, 2: 1, 3: 2}
    found = catalog.search(FullText("foil")).distinct("sample")["metadata"]["start.sample"]
    assert {each["value"] for each in found} == {"Fe foil", "Ni foil"}


def test_metadata_of_a_run(catalog: Any) -> None:
    """Start, stop and the summary that the web page shows."""
    run = catalog.values().first()
    assert set(run.metadata) == {"start", "stop", "summary"}
    assert run.metadata["summary"]["stream_names"] == ["primary"]
    assert run.metadata["summary"]["scan_id"] == 1
    assert run.metadata["summary"]["duration"] == run.stop["time"] - run.start["time"]


def get(catalog: Any, path: str, **parameters: Any) -> Any:
    """Ask the server behind the client itself."""
    response = catalog.context.http_client.get(f"http://local-tiled-app/api/v1{path}", params=parameters)
    response.read()
    return response


def test_tables_have_what_is_one_value_per_event(catalog: Any) -> None:
    """An image beside it does not repeat every scalar for every pixel; complex numbers are told as text."""
    path = f"/container/full/{next(iter(catalog))}/primary/data"
    frame = pd.read_csv(io.BytesIO(get(catalog, path, format="text/csv").content))
    assert set(frame) == {"time", "x", "z"}
    assert list(frame["x"]) == [0, 1, 2]
    assert np.array_equal(frame["z"].astype(complex), np.ones(3) * 1j)
    buffer = get(catalog, path, format="application/vnd.apache.arrow.file").content
    assert pyarrow.ipc.open_file(buffer).read_all().column("x").to_pylist() == [0, 1, 2]
    parquet = pd.read_parquet(io.BytesIO(get(catalog, path, format="application/x-parquet").content))
    assert list(parquet["x"]) == [0, 1, 2]
    assert get(catalog, path, format="text/html").text.count("<tr") == 4


def test_arrays_in_other_forms(catalog: Any) -> None:
    """An image as PNG and TIFF, a dataset as HDF5."""
    uid = next(iter(catalog))
    image = f"/array/full/{uid}/primary/data/image"
    assert get(catalog, image, format="image/png", slice="0").content.startswith(b"\x89PNG")
    assert get(catalog, image, format="image/tiff", slice="0").content[:2] in (b"II", b"MM")
    whole = get(catalog, f"/container/full/{uid}/primary/data", format="application/x-hdf5").content
    with h5py.File(io.BytesIO(whole)) as file:
        assert file["image"].shape == (3, 20, 20)


def test_the_whole_store_is_not_sent(catalog: Any) -> None:
    """Asking for everything at once is refused before anything is read."""
    response = get(catalog, "/container/full/")
    assert response.status_code == 413
    assert "one stream" in response.json()["detail"]


def test_documents_of_what_is_no_run(catalog: Any) -> None:
    """The answer says what has documents; filled ones are refused by name."""
    uid = next(iter(catalog))
    assert get(catalog, f"/documents/{uid}/primary").status_code == 404
    assert get(catalog, "/documents/nobody").status_code == 404
    response = get(catalog, f"/documents/{uid}", fill=True)
    assert response.status_code == 400
    assert "unfilled" in response.json()["detail"]


def test_a_closed_store_says_so(tmp_path: Any) -> None:
    """A client that outlives its store is told."""
    with AnalysisStore(tmp_path / "s", policy=Policy(require_inputs=False, require_code=False)) as store:
        store.insert({"primary": {"x": np.arange(2)}}, {})
        made = client(store)
    with made.context, pytest.raises(ClientError, match="is closed"):
        list(made)


class Forward:
    """An array that reads as HDF5 does: no steps backwards; and that remembers what was read."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype = values, values.shape, values.dtype
        self.read = 0

    def __getitem__(self, index: tuple[Any, ...]) -> np.ndarray:
        assert all(part.step is None or part.step > 0 for part in index if isinstance(part, slice))
        found = self.values[index]
        self.read += np.size(found)
        return found


SLICES = [
    "",
    "0",
    "-1",
    "1:3",
    "::2",
    "::-1",
    "5:1:-2",
    "-2:",
    "::-3",
    ":0",
    "10:20",
    "3:3",
    "-100:2",
    "0,0,0",
    ":,::-1",
    "2,:,1:",
    "::-2,1,-2:",
    "...",
    "1:6:2,...,::-1",
    ":,:,-1",
]


@pytest.mark.parametrize("text", SLICES)
def test_slices_read_only_the_slice(text: str) -> None:
    """What comes is what NumPy would give, and no element beside it was read."""
    values = np.arange(7 * 5 * 3).reshape(7, 5, 3)
    array = Forward(values)
    part = NDSlice.from_numpy_str(text)
    found = ColumnAdapter(Variable(array, ("time", "a", "b"))).read(part)
    np.testing.assert_array_equal(found, values[tuple(part)])
    assert array.read == found.size


@pytest.mark.parametrize("text", ["", "0", "-1", "1:3", "::-1", "::-2", "1::-1", ":,::-1", "...", "0,0", "0:0"])
@pytest.mark.parametrize("block", [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 0)])
def test_slices_of_blocks(block: tuple[int, ...], text: str) -> None:
    """A part of a block is that part of the block, and nothing beside it is read."""
    array = Forward(np.arange(7 * 5 * 3).reshape(7, 5, 3))
    adapter = ColumnAdapter(Variable(array, ("time", "a", "b")))
    adapter.structure().chunks = ((3, 4), (2, 3), (3,))
    part, which = NDSlice.from_numpy_str(text), NDBlock(*block)
    expected = array.values[tuple(which.slice_from_chunks(adapter.structure().chunks))][tuple(part)]
    found = adapter.read_block(which, part)
    np.testing.assert_array_equal(found, expected)
    assert array.read == found.size


def test_what_is_too_large_is_refused_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size of an answer is known before it is read; a part of the same array still comes."""
    monkeypatch.setattr(served, "RESPONSE_LIMIT", 1000)
    array = Forward(np.zeros((10, 100)))
    adapter = ColumnAdapter(Variable(array, ("time", "a")))
    with pytest.raises(TooLargeError, match="8000 bytes; one answer holds 1000"):
        adapter.read()
    assert array.read == 0
    assert adapter.read(NDSlice(slice(0, 1))).shape == (1, 100)


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [
        ((10, 100, 100), ((10,), (100,), (100,))),
        ((0, 3), ((0,), (3,))),
        ((5,), ((5,),)),
        ((4, 10_000, 10_000), (None, None, None)),
    ],
)
def test_blocks_are_whole_events_where_those_fit(shape: tuple[int, ...], chunks: tuple[Any, ...]) -> None:
    """No block is larger than an answer may be, and one event is one block unless it is larger than that."""
    lazy = type("Lazy", (), {"shape": shape, "dtype": np.dtype("f8")})()
    found = served.structure_of(lazy, tuple("abc"[: len(shape)]))
    assert all(expected is None or axis == expected for axis, expected in zip(found.chunks, chunks, strict=True))
    assert np.prod([max(axis) for axis in found.chunks]) * 8 <= served.RESPONSE_LIMIT
