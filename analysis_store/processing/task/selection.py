"""A selection of runs and files, by name, by query, or by other selections."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from analysis_store.catalogs.query.dialects import OBJECTS
from analysis_store.catalogs.query.query import Query, QueryLike
from analysis_store.errors import AmbiguousUidError, InputError, RunNotFoundError
from analysis_store.processing.inputs.inputs import InputLike
from analysis_store.processing.task.query_documents import query_document, query_from_document
from analysis_store.provenance.sources import uid_of

if TYPE_CHECKING:
    from analysis_store.catalogs.query.query import Moment
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore

Part = str | Path | Query
"""Stored form of a part: the uid of a run, the path of a file, a query."""


class Selection:
    """Runs and files to be processed one by one; queries run again each time it is resolved.

    Parameters
    ----------
    *parts
        Each: the uid of a run or a unique prefix of one, a run, a `pathlib.Path` of a file, a query (a mapping or
        a query object), another selection; or a list of these, such as what `AnalysisStore.search` returns.

    Raises
    ------
    InputError
        A part has another type.
    QueryError
        A query is invalid.

    Examples
    --------
    >>> from analysis_store.processing import Selection
    >>> Selection.where(plan_name="scan", sample="Fe foil")
    <Selection of 1 query>
    """

    def __init__(self, *parts: SelectionLike) -> None:
        self._parts: list[Part | Selection] = []
        self.add(*parts)

    @classmethod
    def where(
        cls,
        query: QueryLike | None = None,
        *,
        since: Moment | None = None,
        until: Moment | None = None,
        text: str | None = None,
        **equals: object,
    ) -> Self:
        """Return the selection of all runs that satisfy a query of `AnalysisStore.search`."""
        return cls(Query.parse(query, since=since, until=until, text=text, **equals))

    def add(self, *parts: SelectionLike) -> Self:
        """Add parts to the selection; return it."""
        self._parts += [one for part in parts for one in _understood(part)]
        return self

    def parts(self) -> Iterator[Part]:
        """Yield its parts and those of the selections in it, each selection once: a circle adds nothing."""
        yield from self._walk(set())

    def _walk(self, met: set[int]) -> Iterator[Part]:
        if id(self) in met:
            return
        met.add(id(self))
        for part in self._parts:
            if isinstance(part, Selection):
                yield from part._walk(met)  # noqa: SLF001 - of this class
            else:
                yield part

    def resolve(self, store: RunStore) -> list[str | Path]:
        """Return the uid of each run and the path of each file, each once, in order; those of a query oldest first.

        Uids that the store does not have are kept, since a source may have the run.

        Raises
        ------
        AmbiguousUidError
            A prefix of a uid matches several runs.
        """
        found: dict[str | Path, None] = {}
        for part in self.parts():
            found |= dict.fromkeys(_resolved(part, store))
        return list(found)

    def to_document(self) -> Document:
        """Return the selection as JSON for `from_document`."""
        return {"parts": [_document(part) for part in self.parts()]}

    @classmethod
    def from_document(cls, document: Mapping[str, object]) -> Self:
        """Return the selection for a document of `to_document`.

        Raises
        ------
        InputError
            The document is invalid.
        QueryError
            A query in it is invalid.
        """
        parts = document.get("parts")
        if not isinstance(parts, list):
            raise InputError(f'Got {document!r:.200}; expected {{"parts": [{{"run": uid}}, …]}}.')
        return cls(*map(_from_document, parts))

    def __repr__(self) -> str:
        kinds = [_kind(part) for part in self.parts()]
        told = [
            f"{kinds.count(kind)} {names[kinds.count(kind) > 1]}" for kind, names in _NAMES.items() if kind in kinds
        ]
        return f"<Selection of {', '.join(told)}>" if told else "<Selection, empty: add() runs, files or queries>"


_NAMES = {"run": ("run", "runs"), "file": ("file", "files"), "query": ("query", "queries")}


def _understood(part: Any) -> list[Part | Selection]:
    """Return the stored form of a part."""
    if isinstance(part, (Selection, Query)):
        return [part]
    if isinstance(part, str) and part.strip():
        return [part]
    if isinstance(part, os.PathLike):
        return [Path(os.path.abspath(Path(part).expanduser()))]  # noqa: PTH100 - keeps links, takes ".." out
    if isinstance(part, (Sequence, AbstractSet)) and not isinstance(part, (str, bytes)):
        return [one for each in part for one in _understood(each)]
    uid = uid_of(part)  # before queries: a run of databroker is a mapping
    if uid is not None:
        return [uid]
    if isinstance(part, Mapping) or type(part).__name__ in OBJECTS:
        return [Query.parse(part)]
    raise InputError(
        f"Got {part!r:.200}; expected the uid of a run, a run, a pathlib.Path of a file, a query (a mapping or a "
        "query object), or a Selection."
    )


def _resolved(part: Part, store: RunStore) -> list[str | Path]:
    if isinstance(part, Path):
        return [part]
    if isinstance(part, Query):
        return [run.uid for run in reversed(list(store.search(part)))]
    try:
        return [store[part].uid]
    except AmbiguousUidError:
        raise
    except RunNotFoundError:
        return [part]


def _kind(part: Part) -> str:
    return "file" if isinstance(part, Path) else "query" if isinstance(part, Query) else "run"


def _document(part: Part) -> dict[str, Any]:
    return {_kind(part): query_document(part) if isinstance(part, Query) else str(part)}


def _from_document(document: Any) -> Part:
    read: dict[Any, Callable[[Any], Part]] = {"run": str, "file": Path, "query": query_from_document}
    name = next(iter(document), None) if isinstance(document, Mapping) and len(document) == 1 else None
    if name not in read:
        raise InputError(f'Got {document!r:.200}; expected {{"run": uid}}, {{"file": path}} or {{"query": {{…}}}}.')
    return read[name](document[name])


PartLike: TypeAlias = Selection | InputLike | QueryLike
SelectionLike: TypeAlias = PartLike | Iterable[PartLike]
"""Runs, files and queries, in the forms that a selection accepts."""
