"""Every parameter of every route, given values at the edge of what it may be: refused or answered, never an error 500.

The table of values and the walk over the routes are in `tests.fuzz.over_http`; here a part of the product is asked.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable, Iterator
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

from analysis_store.errors import QueryError
from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from analysis_store.server import server_app
from analysis_store.server.http.requests import own_queries
from tests.fuzz.over_http import VALUES, Group, Request, asked, fault, groups, nodes_of, sound
from tests.server.test_server_forms import COLUMNS
from tests.server.test_server_guard import KEY, SIMULATED, Server

CONFIGURED = {
    "detector": {
        "data": {"gain": 1.0, "mode": "x"},
        "timestamps": {"gain": 0.0, "mode": 0.0},
        "data_keys": {
            "gain": {"dtype": "number", "shape": [], "source": "x"},
            "mode": {"dtype": "string", "shape": [], "source": "x"},
        },
    }
}


def filled(store: AnalysisStore) -> AnalysisStore:
    """Save runs with every kind of node that a tree can have; return the store."""
    odd = {"spectra": np.ones((3, 4)) * 1j, "bool": np.array([True, False, True]), "f8": np.array([np.nan, np.inf, 1])}
    words = {"words": np.array([["a" * 30] * 3] * 3), "chars": np.array([[b"a"], [b"b"], [b"c"]])}
    store.insert(
        {"primary": {**COLUMNS, **odd, **words}},
        {"uid": "1" * 36, "provenance": SIMULATED, "scan_id": 1, "sample_name": "x"},
    )
    events = [
        {
            "frame": pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
            "unsent": pd.DataFrame({"a": [1j, 2]}),
            "ragged": np.arange(number + 2.0),
            "object": {"a": number},
            "number": number,
        }
        for number in range(2)
    ]
    store.insert(
        [{"primary": event} for event in events],
        {"uid": "2" * 36, "provenance": SIMULATED, "scan_id": 2, "list": [1, 2], "deep": {"a": 1}},
        descriptor_md={"primary": {"configuration": CONFIGURED}},
    )
    return store


class Served(NamedTuple):
    """An application, and all that it can be asked."""

    app: Any
    groups: list[Group]
    uid: str

    def __repr__(self) -> str:
        return f"<{len(self.groups)} groups of requests>"  # a test that fails would show each of them


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A store with every kind of node, and the requests of each parameter of each route."""
    with AnalysisStore(tmp_path_factory.mktemp("edges") / "store") as store:
        app = server_app(filled(store), api_key=KEY)
        nodes = nodes_of(app.state.root_tree)
        assert set(nodes.values()) == {"container", "array", "table", "awkward", "unreadable"}
        yield Served(app, list(groups(app.openapi(), nodes)), store[1].uid)


def faults(served: Served, requests: Iterable[Request]) -> list[str]:
    """Return what is wrong with the answers to these requests."""

    async def main() -> list[str]:
        found = []
        for request in requests:
            try:
                wrong = fault(await asked(served.app, request, KEY))
            except Exception as error:
                wrong = f"broke off: {error!r}"
            if wrong:
                found.append(f"{wrong}: {request.method} {request.target[:300]} {request.header} {request.body!r:.60}")
        return found

    return asyncio.run(main())


def test_the_product_is_whole(served: Served) -> None:
    """Each kind of route is in it, each filter, and bodies; else what is asked below would prove little."""
    requests = [group[0] for group in served.groups]
    for start in ("/healthz", "/ui/", "/api/v1/search/", "/api/v1/distinct/", "/api/v1/array/block/", "/zarr/v3/"):
        assert any(request.path.startswith(start) for request in requests), start
    named = {name for group in served.groups for query in group.queries for name, _ in query}
    assert {"slice", "block", "page[offset]", "format", "sort", "filter[time_range][condition][timezone]"} <= named
    assert any(request.body for request in requests)
    assert len(served.groups) > 250


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # they would be errors in the server
def test_one_value_in_each_parameter(served: Served) -> None:
    """Each parameter of each route gets one value, each another one: no error 500, no answer that breaks off."""
    # A filter is read by the same code on the routes that have filters; one of these is enough here.
    chosen = [
        group[137 * number % len(group)]
        for number, group in enumerate(served.groups)
        if "filter[" not in str(group.queries[0]) or "/search/" in group.paths[0]
    ]
    assert faults(served, chosen) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("default")  # they would be errors in the server
def test_many_values_in_each_parameter(served: Served) -> None:
    """The same with ten values for each of them."""
    random_ = random.Random(0)
    chosen = [request for group in served.groups for request in random_.sample(group, min(10, len(group)))]
    assert faults(served, chosen) == []


def test_filters_are_decoded_or_refused() -> None:
    """Each part of each filter, given each value, with and without the others: a query, or a `QueryError`."""
    count = 0
    for name_of_query, query in own_queries().name_to_query_type.items():
        names = [each.name for each in fields(query) if not each.metadata.get("internal")]
        parts: dict[str, Any] = {name: sound(name_of_query, name) for name in names}
        parts |= {
            name: float(parts[name]) for name in ("since", "until") if name in parts
        }  # as FastAPI hands them over
        query.decode(**parts)
        for name in parts:
            for value in VALUES:
                for given in ({**parts, name: value}, {name: value}):
                    count += 1
                    try:
                        query.decode(**given)
                    except QueryError as error:
                        assert len(str(error)) < 1000
    assert count > 5000


REFUSED = {
    "page[cursor]=1": 400,
    "filter[eq][condition][key]=a": 400,
    "filter[eq][condition][kye]=a&filter[eq][condition][value]=1": 400,
    "filter[nosuch][condition][key]=a": 400,
    "filter[eq]=a": 400,
    "filter[eq][condition][key]=a&filter[eq][condition][key]=b&filter[eq][condition][value]=1": 400,
    "filter[keys_filter][condition][keys]=3": 400,
    "filter[scan_id][condition][scan_ids]=x&filter[scan_id][condition][duplicates]=latest": 400,
    "filter[time_range][condition][since]=0": 400,
    "filter[time_range][condition][timezone]=nowhere&filter[time_range][condition][since]=0": 400,
    "filter[eq][condition][key]=a&filter[eq][condition][value]=" + "[" * 500 + "]" * 500: 400,
}


@pytest.fixture(scope="module")
def server(served: Served) -> Iterator[Server]:
    """The same application, over HTTP."""
    with Server(served.app) as running:
        yield running


@pytest.mark.parametrize("query", REFUSED)
def test_questions_that_are_refused(server: Server, query: str) -> None:
    """A filter that lacks a part, or that nobody knows, is named: passed over, it would let every run through."""
    answer = server.ask(f"/api/v1/search/?{query}".replace("[", "%5B").replace("]", "%5D"), KEY)
    assert answer.status == REFUSED[query], answer
    assert b"QueryError" in answer.body


@pytest.mark.parametrize("route", ["search", "search-deep", "metadata"])
@pytest.mark.parametrize("bracket", ["%5B", "(", "!", "%7Ba:"])
def test_expressions_that_are_nested_too_deep(server: Server, route: str, bracket: str) -> None:
    """An expression of a thousand brackets is refused."""
    answer = server.ask(f"/api/v1/{route}/?select_metadata={bracket * 1000}", KEY)
    assert 400 <= answer.status < 500, answer


def test_beyond_the_end(server: Server, served: Served) -> None:
    """What lies beyond the end of a list or an array is nothing, however far it lies."""
    import json

    for offset in (2, 2**63, 10**20, 10**23):
        answer = server.ask(f"/api/v1/search/?page%5Boffset%5D={offset}", KEY)
        assert (answer.status, json.loads(answer.body)["data"]) == (200, [])
    array = f"/api/v1/array/full/{served.uid}/primary/data/i8?format=application/json&slice="
    whole = json.loads(server.ask(array, KEY).body)
    for slice_, expected in {
        f"0:{10**30}": whole,
        f"-{10**30}:": whole,
        f"::{10**30}": whole[:1],
        f"::-{10**30}": whole[-1:],
        "100:200": [],
    }.items():
        assert json.loads(server.ask(array + slice_, KEY).body) == expected, slice_


@pytest.mark.parametrize("slice_", ["::0", "0,::0", str(10**30), "0:1:1:1", "9" * 5000])
def test_slices_that_are_none(server: Server, served: Served, slice_: str) -> None:
    """A slice that Python would not take either is refused, of a whole array and of a block."""
    for route, block in (("full", ""), ("block", "&block=0,0,0")):
        path = f"/api/v1/array/{route}/{served.uid}/primary/data/image?slice={slice_}{block}"
        assert server.ask(path, KEY).status in (400, 422)


def test_chunks_of_zarr_that_are_not_there(server: Server, served: Served) -> None:
    """They are refused: to fill up to the end of a chunk far away would take all memory."""
    for key, index in (("i8", "{}"), ("image", "0/0/{}")):
        for number, status in ((0, 200), (1, 400), (10**9, 400), (10**17, 400), (10**30, 404), ("x", 404), (-1, 404)):
            path = index.format(number)
            for answer in (
                server.ask(f"/zarr/v3/{served.uid}/primary/data/{key}/c/{path}", KEY),
                server.ask(f"/zarr/v2/{served.uid}/primary/data/{key}/{path.replace('/', '.')}", KEY),
            ):
                assert answer.status in (status, 404), (path, answer)


def test_values_that_zarr_does_not_know(server: Server, served: Served) -> None:
    """Extended precision is refused by name; the other keys of the run are there."""
    assert server.ask(f"/zarr/v3/{served.uid}/primary/data/longdouble/zarr.json", KEY).status == 406
    assert server.ask(f"/zarr/v3/{served.uid}/primary/data/i8/zarr.json", KEY).status == 200


@pytest.mark.parametrize("name", ["a" * 300, "a/" * 2500], ids=["one name", "a path"])
def test_a_file_of_the_page_with_a_name_that_is_too_long(server: Server, name: str) -> None:
    """There is none."""
    assert server.ask(f"/ui/{name}", KEY).status == 404


@pytest.mark.parametrize("index", ["1.5", "0.0", "", "0/", "x"])
def test_indices_of_chunks_that_are_no_numbers(server: Server, served: Served, index: str) -> None:
    """Such a chunk is not there."""
    assert server.ask(f"/zarr/v3/{served.uid}/primary/data/i8/c/{index}", KEY).status == 404


@pytest.mark.parametrize("key", ["c16", "text", "bytes", "M8", "longdouble"])
@pytest.mark.parametrize("form", ["application/json", "application/x-hdf5", "application/netcdf"])
def test_datasets_in_a_form_that_does_not_fit(server: Server, served: Served, key: str, form: str) -> None:
    """A dataset is sent in a form, or refused with the reason, by the routes for containers and for nodes."""
    for route in ("container", "node"):
        answer = server.ask(f"/api/v1/{route}/full/{served.uid}/primary/data?format={form}&field={key}", KEY)
        assert answer.status in (200, 406), answer
        assert answer.status == 200 or b"detail" in answer.body
    assert server.ask(f"/api/v1/container/full/{served.uid}/primary/data?format={form}&field=i8", KEY).status == 200


def test_what_is_below_a_run_is_searched_as_runs_are(server: Server, served: Served) -> None:
    """Keys of the metadata, in linear time; queries for runs alone find nothing there."""
    from tiled.client import from_uri
    from tiled.client.utils import ClientError
    from tiled.queries import Contains, Eq, FullText, KeyPresent, KeysFilter, Regex

    with (catalog := from_uri(f"http://127.0.0.1:{server.port}/api/v1", api_key=KEY)).context:
        run = catalog[served.uid]
        assert list(run.search(Eq("stream_name", "primary"))) == ["primary"]
        assert list(run.search(Eq("stream_name", "other"))) == []
        assert list(run.search(KeyPresent("descriptors"))) == ["primary"]
        assert list(run.search(Regex("stream_name", "^prim"))) == ["primary"]
        assert list(run.search(FullText("primary"))) == ["primary"]
        assert list(run.search(KeysFilter(["primary", "x"]))) == ["primary"]
        assert list(run.search(Contains("stream_name", "prim"))) == ["primary"]
        assert list(run["primary"].search(Eq("stream_name", "primary"))) == []
        with pytest.raises(ClientError, match="400"):
            list(run.search(Regex("stream_name", "(")))
        assert run.distinct("stream_name", counts=True)["metadata"] == {
            "stream_name": [{"value": "primary", "count": 1}]
        }


def test_a_file_name_that_no_header_can_carry(server: Server, served: Served) -> None:
    """It is refused; a line end in it would be a header of its own."""
    path = f"/api/v1/array/full/{served.uid}/primary/data/i8?format=text/csv&filename="
    assert 'filename="a b.csv"' in server.ask(path + "a%20b.csv", KEY).headers["content-disposition"]
    for name in ("", "a%0D%0AX:%20y", "%22", "..%2Fa", "%F0%9F%98%80", "a" * 10_000):
        assert server.ask(path + name, KEY).status == 422, name
