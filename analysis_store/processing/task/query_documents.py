"""Queries as JSON, so that a selection can be stored and sent: each node of the tree by its name and its fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, get_args

from analysis_store.catalogs.query.nodes import Key, Node
from analysis_store.catalogs.query.query import Query
from analysis_store.errors import QueryError

if TYPE_CHECKING:
    from analysis_store.documents import Document

_NODES: dict[str, type[Any]] = {kind.__name__: kind for kind in get_args(Node)}


def query_document(query: Query) -> Document:
    """Return a query as JSON for `query_from_document`."""
    return _told(query.node)


def query_from_document(document: object) -> Query:
    """Return the query for a document.

    Raises
    ------
    QueryError
        The document is invalid.
    """
    return Query(_node(document))


def _told(node: Node) -> dict[str, Any]:
    return {type(node).__name__: {field.name: _value(getattr(node, field.name)) for field in fields(node)}}


def _value(value: Any) -> Any:
    if type(value).__name__ in _NODES:
        return _told(value)
    return [_value(part) for part in value] if isinstance(value, tuple) else value


def _node(document: Any) -> Node:
    name = next(iter(document), None) if isinstance(document, Mapping) and len(document) == 1 else None
    if name not in _NODES or not isinstance(document[name], Mapping):
        raise QueryError(f"Got {document!r:.200}; expected {{name: {{field: value}}}}, name among {', '.join(_NODES)}.")
    read = {field: _READ[field](value) if field in _READ else value for field, value in document[name].items()}
    try:
        made: Node = _NODES[name](**read)
    except TypeError as error:
        raise QueryError(f"Got {document!r:.200}, which is not a valid {name}: {error}.") from error
    return made


def _key(value: Any) -> Key:
    if not isinstance(value, list) or len(value) != 2:
        raise QueryError(f'Got {value!r:.200}; expected the key as ["start" or "stop", path].')
    return Key(*value)


def _parts(value: Any) -> tuple[Node, ...]:
    if not isinstance(value, list):
        raise QueryError(f"Got {value!r:.200}; expected a list of nodes.")
    return tuple(map(_node, value))


_READ: dict[str, Callable[[Any], Any]] = {"key": _key, "part": _node, "parts": _parts, "values": tuple, "words": tuple}
