"""Every parameter of every route of a server, given every value at the edge of what it may be.

The routes and parameters come from the OpenAPI document of the application, the nodes from a walk over its tree: a
route, a parameter or a kind of node that is added later is asked without a change here.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode

from analysis_store.errors import AnalysisStoreError

NUMBERS = [
    *("", "0", "-1", "1", "00", "+1", " 1", "1_0", "0x1", "1.5", "-0", "1,1", ",", "1,,1", "0,0,0,0,0,0"),
    *(str(2**31), str(2**63 - 1), str(2**63), str(2**64), str(-(2**63) - 1), str(10**23), "9" * 5000),
    *("1e23", "1e400", "inf", "-inf", "nan", "NaN", "Infinity"),
]
SLICES = ["::0", "::-1", ":", "0:0", "5:1:-1", "::0,0", "0:9223372036854775808", ":::", "...", "0:1:1:1", f"::{10**30}"]
TEXTS = [
    *("\0", "a\0b", "../", "../../../etc/passwd", "/etc/passwd", "..\\..\\x", "%2e%2e%2f", "//", "."),
    *("\ud800", "\udfff", "é", "\U0001f600", "a" * 10**4, "a/" * 5000, "a\r\nSet-Cookie: b=c", "'", '"', "`", "*", "%"),
    *("(", "(a+)+$", "[", "\\", "a.b", "a..b", ".a", "$where", "$", "{", "time", "start.time", "stop.", "_", "-", "+"),
    *("text/csv", "image/png", "application/json", "application/x-hdf5", "a/b/c", ";", "text/csv;q=x", "null", "true"),
]
JSONS = [
    *("[]", "{}", "[[]]", '[""]', '"text"', '"\\ud800"', '["\\ud800"]', '"\\u0000"', "NaN", "-Infinity", "1e999", "[1"),
    *('{"$gt": 1}', '{"a": {"b": null}}', "[null]", '["a", 1, null]', "[true]", "[1.5]", "[NaN]", f"[{10**23}]"),
    *("[" * 5000, "[" * 90 + "]" * 90, "[" * 500 + "]" * 500, json.dumps("a" * 10**4), json.dumps(list(range(10**4)))),
]
VALUES = [*NUMBERS, *SLICES, *TEXTS, *JSONS]
BODIES = [*map(str.encode, JSONS), b"", b"\xff\xfe", b"{", b'["x"]', b'{"column": 1}', b"null", b"0"]
FORMATS = [
    *("application/json", "text/csv", "text/html", "text/plain", "image/png", "image/tiff", "application/zip"),
    *("application/x-hdf5", "application/netcdf", "application/x-netcdf", "application/x-parquet", "json-seq", "csv"),
    *("application/octet-stream", "application/x-zarr", "application/vnd.apache.arrow.file", "*/*"),
]
HEADERS = ["accept", "accept-encoding", "if-none-match", "cookie", "range", "origin", "x-csrf", "x-forwarded-host"]

SOUND = {
    "key": "sample_name",
    "value": '"x"',
    "text": "x",
    "keys": '["x"]',
    "pattern": '"x"',
    "operator": "lt",
    "include": '["x"]',
    "exclude": "[]",
    "tags": '["x"]',
    "scan_ids": "1",
    "start_id": "1",
    "end_id": "2",
    "duplicates": "latest",
    "partial_uids": "abc",
    "timezone": "UTC",
    "since": "0",
    "until": "1",
    "exists": "true",
    "case_sensitive": "true",
    "block": "0",
    "partition": "0",
    "id": "1",
}
"""A value that each needed parameter takes without complaint, so that its neighbours are looked at, too."""


def sound(query: str, part: str) -> str:
    """Return a value that a part of a filter takes without complaint."""
    return "array" if query == "structure_family" else SOUND[part]


_FILTER = re.compile(r"filter\[(\w+)\]\[condition\]\[(\w+)\]")
_READS_BY_POST = re.compile(r"/(container/full|table/(full|partition)|awkward/buffers)/")
_FAMILIES = ("array", "table", "container", "awkward")

Query = tuple[tuple[str, str], ...]


class Request(NamedTuple):
    """One request, as it goes over the wire."""

    method: str
    path: str
    query: Query = ()
    body: bytes | None = None
    header: tuple[str, str] = ("accept", "*/*")

    @property
    def target(self) -> str:
        """The request target: path and query, percent-encoded."""
        encoded = quote(self.path, safe="/", errors="surrogatepass")
        return encoded + ("?" + urlencode(self.query, errors="surrogatepass") if self.query else "")


@dataclass(frozen=True)
class Group(Sequence[Request]):
    """The requests for one parameter: each combination of what is listed, made when it is asked for."""

    method: str
    paths: Sequence[str]
    queries: Sequence[Query] = ((),)
    bodies: Sequence[bytes | None] = (None,)
    headers: Sequence[tuple[str, str]] = (("accept", "*/*"),)

    def __len__(self) -> int:
        return math.prod(map(len, self._parts))

    def __getitem__(self, number: Any) -> Any:
        if not 0 <= number < len(self):
            raise IndexError(number)
        chosen = []
        for part in self._parts:
            number, place = divmod(number, len(part))
            chosen.append(part[place])
        return Request(self.method, *chosen)

    @property
    def _parts(self) -> tuple[Sequence[Any], ...]:
        return self.paths, self.queries, self.bodies, self.headers


def groups(openapi: Mapping[str, Any], nodes: Mapping[str, str]) -> Iterator[Group]:
    """Yield the requests of each parameter of each route that reads, at each node, with each value."""
    for template, methods in openapi["paths"].items():
        for method, operation in methods.items():
            if method == "get" or (method == "post" and _READS_BY_POST.search(template)):
                yield from _of_route(method.upper(), template, operation, nodes)


def _of_route(method: str, template: str, operation: Mapping[str, Any], nodes: Mapping[str, str]) -> Iterator[Group]:
    parameters = [(each["name"], each["in"], each.get("required")) for each in operation.get("parameters", ())]
    needed = tuple((name, SOUND[name]) for name, place, required in parameters if place == "query" and required)
    in_query = [name for name, place, _ in parameters if place == "query"]
    body = (b"null" if "requestBody" in operation else None,)
    fitting = [_filled(template, node) for node in _fitting(template, nodes)]
    # A filter is decoded before any node is asked: two kinds of node, of which neither opens a file, are enough.
    cheap = [_filled(template, node) for node in list(nodes)[:2]]
    for name in in_query:
        queries = list(_queries(name, needed, in_query, [*VALUES, *(FORMATS if name == "format" else ())]))
        yield Group(method, cheap if name.startswith("filter") else fitting, queries, body)
    everywhere = [_filled(template, node) for node in nodes] if "{path}" in template else [template]
    yield Group(method, everywhere, [needed], body, [("accept", form) for form in FORMATS])
    yield Group(method, fitting[-1:], [needed], body, [(name, value) for name in HEADERS for value in VALUES])
    if body != (None,):
        yield Group(method, fitting, [needed], BODIES)
    if "{path}" in template:
        some = ["", *list(nodes)[1:2], _fitting(template, nodes)[-1]]
        yield Group(method, [_filled(template, f"{node}/{value}") for node in some for value in VALUES], [needed], body)
    if "{block}" in template:
        yield Group(method, [_filled(template, node, value) for node in _fitting(template, nodes) for value in VALUES])


def _fitting(template: str, nodes: Mapping[str, str]) -> list[str]:
    """Return the nodes that a route is made for: those of the family that it names, else all."""
    family = next((family for family in _FAMILIES if f"/{family}/" in template), None)
    family = "array" if "{block}" in template or ".zarray" in template else family
    return [node for node, kind in nodes.items() if family in (None, kind)] or [""]


def _queries(name: str, needed: Query, names: list[str], values: list[str]) -> Iterator[Query]:
    """Yield a query for each value of a parameter: with what it needs, and without."""
    kept = tuple(pair for pair in needed if pair[0] != name)
    if (parts := _FILTER.fullmatch(name)) is None:
        yield from ((*kept, (name, value)) for value in values)
        yield kept
        return
    same = [(other, match[2]) for other in names if (match := _FILTER.fullmatch(other)) and match[1] == parts[1]]
    siblings = tuple((other, sound(parts[1], field)) for other, field in same if other != name)
    alone = (name, sound(parts[1], parts[2]))
    yield from ((*siblings, (name, value)) for value in values)
    yield (alone,)
    yield siblings
    yield (alone, alone, *siblings)


def _filled(template: str, path: str, block: str = "0/0") -> str:
    return template.replace("{path}", path).replace("{block}", block)


def nodes_of(tree: Any) -> dict[str, str]:
    """Return the path of every node of a tree, with its structure family; "unreadable" where it cannot be told."""
    found = {"": "container"}

    def walk(node: Any, path: str) -> None:
        for key in node:
            here = f"{path}/{key}".lstrip("/")
            try:
                below = node[key]
            except AnalysisStoreError:
                found[here] = "unreadable"
                continue
            found[here] = below.structure_family.value
            if found[here] == "container":
                walk(below, here)

    walk(tree, "")
    return found


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


async def asked(app: Any, request: Request, key: str) -> Answer:
    """Send a request to an application without a socket, decoded as uvicorn decodes it.

    Raises
    ------
    Exception
        The answer broke off: something was raised after it had begun.
    """
    target, _, query = request.target.partition("?")
    name, value = request.header
    headers = [(b"authorization", f"Apikey {key}".encode()), (b"host", b"here"), (b"content-type", b"application/json")]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(target),
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [*headers, (name.encode(), value.encode("utf-8", "replace"))],
        "server": ("here", 80),
        "client": ("127.0.0.1", 1),
    }
    sent: list[Any] = []
    incoming = [{"type": "http.request", "body": request.body or b"", "more_body": False}]
    done = asyncio.Event()

    async def receive() -> Any:
        if incoming:
            return incoming.pop()
        await done.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app(scope, receive, send)
    except Exception:
        if not sent or sent[0]["status"] != 500:  # where it has not begun, Starlette answers 500 and raises it again
            raise
    finally:
        done.set()
    return Answer(sent[0]["status"], sent[0]["headers"], b"".join(part.get("body", b"") for part in sent[1:]))


_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def fault(answer: Answer) -> str | None:
    """Return what is wrong with an answer; None where it is one that a client can make something of."""
    if answer.status >= 500:
        return f"status {answer.status}"
    if any(_CONTROL.search(part) for pair in answer.headers for part in pair):
        return "a header that no server can send"
    if answer.status >= 400:
        try:
            detail = json.loads(answer.body)["detail"]
        except (ValueError, LookupError, TypeError):
            return f"status {answer.status} without a detail"
        return None if detail else f"status {answer.status} with an empty detail"
    return None
