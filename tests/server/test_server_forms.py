"""The forms in which values are sent: exact where a client asks, drawable where the page does, never an error 500."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis_store.store import AnalysisStore

pytest.importorskip("tiled", reason="the extra 'server' is not installed")

from tiled.utils import SerializationError

from analysis_store.server import server_app
from analysis_store.server.http.forms import picture
from tests.server.test_server_guard import KEY, SIMULATED, Answer, Server

AXIOS = "application/json, text/plain, */*"
"""What the page accepts, whatever it asks for."""

COLUMNS = {
    "i8": np.arange(3),
    "c16": np.array([1 + 2j, 0.5 - 1j, 0.1]),
    "longdouble": np.array([0.1, 2, 3], np.longdouble),
    ">f4": np.array([0.5, 1, 2], ">f4"),
    "M8": np.array(["2026-01-01T00:00:00.000000001", "NaT", "2026-01-02"], "M8[ns]"),
    "m8": np.array([1, 2, 3], "m8[ms]"),
    "text": np.array(["pre", "post", ""]),
    "bytes": np.array([b"a", b"b", b"c"]),
    "image": np.arange(60).reshape(3, 4, 5),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A store with one run of many dtypes, served."""
    with AnalysisStore(tmp_path_factory.mktemp("forms") / "store") as store:
        store.insert({"primary": COLUMNS}, {"provenance": SIMULATED})
        table = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        store.insert([{"primary": {"frame": table}}], {"provenance": SIMULATED})
        with Server(server_app(store, api_key=KEY)) as running:
            running.runs = [run.uid for run in reversed(store.search())]  # type: ignore[attr-defined]
            yield running


def asked(server: Any, key: str, media_type: str, accept: str = "*/*") -> Answer:
    """Ask for a whole column in a form."""
    path = f"/api/v1/array/full/{server.runs[0]}/primary/data/{key}?format={media_type}"
    answer: Answer = server.ask(path, KEY, Accept=accept)
    return answer


def as_the_page_reads(data: bytes, dtype: np.dtype[Any]) -> np.ndarray:
    """Return the numbers that the page makes of bytes: its own table of dtypes, float32 for all that is not in it."""
    known = {"b1": "u1", **{name: f"<{name}" for name in ("u1", "u2", "u4", "i1", "i2", "i4", "f4", "f8")}}
    return np.frombuffer(data, known.get(f"{dtype.kind}{dtype.itemsize}", "<f4"))


NUMBERS = "? i1 <i2 <i4 <i8 u1 <u2 <u4 <u8 >i2 >u2 >i4 >i8 <f2 <f4 <f8 >f2 >f4 >f8 g <c8 <c16 >c16 m8[ms] M8[s]"


@pytest.mark.parametrize("dtype", NUMBERS.split())
def test_a_picture_is_of_the_values(dtype: str) -> None:
    """What the page makes of the bytes are the values, of every dtype and byte order."""
    values = np.array([[0, 1, 2], [50, 100, 127]]).astype(dtype)
    drawn = as_the_page_reads(picture("", values, {}), values.dtype)
    np.testing.assert_array_equal(drawn, values.real.astype("f8").ravel())


def test_a_picture_of_complex_numbers_is_their_magnitude() -> None:
    """Not the real parts and imaginary parts side by side."""
    values = np.array([[3 + 4j, -2, 1j]])
    np.testing.assert_array_equal(as_the_page_reads(picture("", values, {}), values.dtype), [5, 2, 1])


def test_there_is_no_picture_of_text() -> None:
    """It is said, instead of drawing the codes of the letters."""
    with pytest.raises(SerializationError, match="Arrays of <U1 cannot be drawn"):
        picture("", np.array([["a"]]), {})


def test_only_the_page_gets_a_picture(server: Server) -> None:
    """The same address gives the stored bytes to everybody else, and the picture stays out of the cache."""
    stored = COLUMNS["image"].tobytes()
    for accept in ("*/*", "text/html,application/xhtml+xml", "application/octet-stream"):
        answer = asked(server, "image", "application/octet-stream", accept)
        assert (answer.status, answer.body) == (200, stored), accept
        assert "Cache-Control" not in answer.headers
    drawn = asked(server, "image", "application/octet-stream", AXIOS)
    np.testing.assert_array_equal(np.frombuffer(drawn.body, "<f4"), COLUMNS["image"].ravel())
    assert drawn.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("i8", [0, 1, 2]),
        (">f4", [0.5, 1.0, 2.0]),
        ("c16", ["(1+2j)", "(0.5-1j)", "(0.1+0j)"]),
        ("longdouble", [str(value) for value in COLUMNS["longdouble"]]),
        ("M8", ["2026-01-01T00:00:00.000000001", "NaT", "2026-01-02T00:00:00.000000000"]),
        ("m8", ["1 milliseconds", "2 milliseconds", "3 milliseconds"]),
        ("text", ["pre", "post", ""]),
    ],
)
def test_arrays_as_json(server: Server, key: str, told: list[Any]) -> None:
    """Numbers in any byte order are numbers; what JSON has no number for is text, no digit lost."""
    answer = asked(server, key, "application/json", AXIOS)
    assert json.loads(answer.body) == told


FORMS = ("application/json", "text/csv", "text/plain", "text/html", "image/png", "image/tiff", "application/x-nothing")


@pytest.mark.parametrize("key", COLUMNS)
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_a_form_that_does_not_fit_is_no_internal_error(server: Server, key: str) -> None:
    """It is answered, or refused with the reason; Tiled's clients would repeat a 500 for minutes."""
    for media_type in FORMS:
        answer = asked(server, key, media_type)
        assert answer.status in (200, 406), (media_type, answer)
        assert answer.status == 200 or json.loads(answer.body)["detail"]


def test_rows_of_a_table_are_lines_of_json(server: Any) -> None:
    """Nothing stands before a row that the page, or whoever reads lines of JSON, would stumble over."""
    node = f"{server.runs[1]}/primary/tables/frame/0"
    for path in (f"/api/v1/table/partition/{node}?partition=0&", f"/api/v1/table/full/{node}?"):
        lines = server.ask(f"{path}format=application/json-seq", KEY).body.splitlines()
        assert [json.loads(line) for line in lines] == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
