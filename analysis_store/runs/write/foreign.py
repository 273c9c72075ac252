"""The caller's own writers: asked for a place, called, checked, and cleaned up after when the run fails."""

from __future__ import annotations

import copy
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis_store.core.atomic_files import make_folders, remove_folders
from analysis_store.documents import Document, compose_datum, compose_resource, event_uid, validate
from analysis_store.errors import AnalysisStoreError, PairError, StoreWriteError, UnsafeFileError
from analysis_store.folders import sync_folder, sync_names
from analysis_store.layout import file_stem
from analysis_store.pairs import call_writer

if TYPE_CHECKING:
    from analysis_store.runs.values.column import Column
    from analysis_store.runs.values.gather import WriterEntry

_PATH_KEYS = ("path", "rpath")


@dataclass(slots=True)
class _Place:
    """Target of one resource."""

    root: Path
    path: Path
    kwargs: dict[str, Any]


class ForeignWriters:
    """Calls the writers of ``writers_dict`` for one run; records every file they created.

    Parameters
    ----------
    start : dict
        The start document.
    writers_dict : mapping
        As in DBEP 6.
    folder : callable
        Returns the folder for files whose place the caller leaves to us; called only when it is needed.
    """

    def __init__(self, start: Document, writers_dict: Mapping[str, WriterEntry], folder: Callable[[], Path]) -> None:
        self._start = start
        self._entries = writers_dict
        self._folder = folder
        self._places: dict[tuple[str, str], list[_Place]] = {}
        self._open: dict[str, tuple[Any, Document]] = {}
        self._made: list[Path] = []
        self._used: set[Path] = set()
        self._folders: list[Path] = []

    def plan(self, key: str, column: Column, descriptor: Document, times: Sequence[float]) -> None:
        """Choose the location of every value of a key, and raise for a forbidden one; nothing is written yet."""
        places = self._places.setdefault((descriptor["name"], key), [])
        for index in range(len(column)):
            where = column.where.at(index)
            places.append(self._place(key, self._kwargs(key, descriptor, index, times[index], where), where))

    def write(self, key: str, column: Column, descriptor: Document) -> tuple[list[Document], list[Document]]:
        """Write all values of a planned key; return its resources and the datum of each event."""
        resources: dict[str, Document] = {}
        datums: list[Document] = []
        used: Counter[str] = Counter()
        for index, place in enumerate(self._places[descriptor["name"], key]):
            where = column.where.at(index)
            writer, resource = self._resource(key, place, where)
            uid = resource["uid"]
            resources[uid] = resource
            datum = compose_datum(uid, used[uid], self._call(writer, key, column.values[index], where))
            validate("datum", datum)
            datums.append(datum)
            used[uid] += 1
        return list(resources.values()), datums

    def _kwargs(self, key: str, descriptor: Document, index: int, time: float, where: str) -> dict[str, Any]:
        """Return the result of the resource function for one event, or the default location."""
        entry = self._entries[key]
        resource = entry.get("resource")
        if resource is None:
            stem = ".".join(file_stem(part) for part in (self._start["uid"], descriptor["name"], key))
            return {"path": str((Path(entry["root"]) if entry.get("root") else self._folder()) / f"{stem}.h5")}
        event = {
            "uid": event_uid(descriptor["uid"], index + 1),
            "time": time,
            "seq_num": index + 1,
            "descriptor": descriptor["uid"],
            "data": {},
            "timestamps": {},
            "filled": {},
        }
        docs = {"start": self._start, "descriptor": descriptor, "event": event}
        with _blaming(f"{where}: the resource function"):
            kwargs: Any = resource["func"](copy.deepcopy(docs), key, **(resource.get("kwargs") or {}))
        named = [kwargs[name] for name in _PATH_KEYS if name in kwargs] if isinstance(kwargs, Mapping) else []
        if not named or not isinstance(named[0], (str, os.PathLike)):
            raise PairError(
                f'writers_dict["{key}"]: the resource function returned {kwargs!r}; expected a mapping with "path" '
                'or "rpath", the file to write.'
            )
        return dict(kwargs)

    def _place(self, key: str, kwargs: dict[str, Any], where: str) -> _Place:
        named = self._entries[key].get("root")
        path = Path(str(next(kwargs.pop(name) for name in _PATH_KEYS if name in kwargs)))
        root = (Path(str(named)) if named else path.absolute().parent).resolve()
        path = (path if path.is_absolute() or not named else root / path).resolve()
        if not path.is_relative_to(root):
            raise UnsafeFileError(f"{where}: the resource function returned {path}, which is outside its root {root}.")
        return _Place(root, path, kwargs)

    def _resource(self, key: str, place: _Place, where: str) -> tuple[Any, Document]:
        """Return writer and resource for a place: one of each, however many values go there."""
        identity = repr((key, place.path, sorted(place.kwargs.items())))
        if identity not in self._open:
            self._open[identity] = self._create(key, place, where)
        return self._open[identity]

    def _create(self, key: str, place: _Place, where: str) -> tuple[Any, Document]:
        entry = self._entries[key]
        writer: Any = entry["writer"]
        resource = compose_resource(
            self._start["uid"],
            str(entry.get("spec") or writer.spec),
            str(place.root),
            place.path.relative_to(place.root).as_posix(),
            place.kwargs,
        )
        validate("resource", resource)
        self._used.add(place.path)
        if not place.path.exists():
            self._made.append(place.path)
        make_folders(place.path.parent, self._folders)
        with _blaming(f"{where}: creating the writer {_name(writer)}"):
            return writer(str(place.path), **place.kwargs), resource

    def _call(self, writer: Any, key: str, value: Any, where: str) -> dict[str, Any]:
        with _blaming(f"{where}: the writer {_name(type(writer))}"):
            return call_writer(writer, key, value)

    def close(self) -> None:
        """Close every writer that can be closed."""
        for writer, resource in self._open.values():
            with _blaming(f"{resource['resource_path']}: closing the writer {_name(type(writer))}"):
                getattr(writer, "close", bool)()
        self._open.clear()
        self._sync()

    def _sync(self) -> None:
        """Sync the names of all files to disk."""
        for folder in {path.parent for path in self._made}:
            sync_folder(folder)
        for path in self._used:
            sync_names(path.parent if path in self._made or not path.exists() else path)

    def discard(self) -> None:
        """Close the writers even after an error, and remove the files that they created."""
        for writer, _ in self._open.values():
            try:
                getattr(writer, "close", bool)()
            except Exception:  # noqa: BLE001, S112 - only the first error is reported
                continue
        self._open.clear()
        for path in self._made:
            with suppress(OSError):
                shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        remove_folders(self._folders)


@contextmanager
def _blaming(what: str) -> Iterator[None]:
    """Translate any error of the caller's code into one that names the code."""
    try:
        yield
    except AnalysisStoreError:
        raise
    except OSError as error:
        raise StoreWriteError(error.errno, f"{what} failed: {error}; no part of the run was kept") from error
    except Exception as error:
        raise PairError(f"{what} failed: {type(error).__name__}: {error}") from error


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", repr(kind))
