"""Impact: every run that used a run, a file, a commit or a package, and all its descendants."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from analysis_store import layout
from analysis_store.catalogs.kinship import downwards
from analysis_store.catalogs.query.query import Query
from analysis_store.digests import ALGORITHM, digest_file
from analysis_store.errors import InputError
from analysis_store.runs.read.run import Run
from analysis_store.runs.write.packages import read_package_file

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document
    from analysis_store.run_store import RunStore
    from analysis_store.runs.read.run import RunLike

_COMMIT = re.compile(r"[0-9a-f]{7,40}", re.IGNORECASE)
_LAST = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Affected:
    """A run affected directly or through its ancestors."""

    uid: str

    depth: int
    """0 for direct use; else the number of steps to the nearest run that used it."""

    how: str
    """Connection to it, in words."""

    _store: RunStore = field(repr=False, compare=False)

    @property
    def run(self) -> Run:
        """The run, read when it is asked for."""
        return self._store[self.uid]

    def to_dict(self) -> Document:
        """Return it as JSON."""
        return {"uid": self.uid, "depth": self.depth, "how": self.how}


def find_affected(store: RunStore, what: RunLike | os.PathLike[str]) -> list[Affected]:
    """Return every run that used something, and all descendants; see `AnalysisStore.impact`."""
    starts, users = _asked(store, what)
    found = {uid: Affected(uid, 0, how, store) for uid, how in users.items()}
    near = downwards(store.catalog.edges_below([*starts, *found]))
    waiting = [*starts, *found]
    depths = dict.fromkeys(waiting, 0)
    for parent in waiting:  # which grows as we go
        for child in near.get(parent, ()):
            if child not in depths:
                depths[child] = depths[parent] + 1
                found[child] = Affected(child, depths[child], f"came from run {parent[:8]}", store)
                waiting.append(child)
    return list(found.values())


def _asked(store: RunStore, what: Any) -> tuple[list[str], dict[str, str]]:
    """Return the runs that were asked for, and those that something else was used for with the way how."""
    if isinstance(what, Run):
        return [what.uid], {}
    if isinstance(what, os.PathLike):
        return [], _of_file(store, os.fspath(what))
    if not isinstance(what, str) or not what.strip():
        raise _unknown(what)
    if what.startswith(f"{ALGORITHM}:"):
        return [], _of_digest(store, what)
    if "==" in what:
        return [], _of_package(store, *map(str.strip, what.split("==", 1)))
    if (uid := _run_named(store, what)) is not None:
        return [uid], {}
    if _COMMIT.fullmatch(what):
        return [], _of_commit(store, what.lower())
    if os.sep in what or os.path.exists(what):  # noqa: PTH110  which is no error for what no file can be named
        return [], _of_file(store, what)
    raise _unknown(what)


def _unknown(what: Any) -> InputError:
    return InputError(
        f"Got {what!r}, which no run could have used and is not a known uid; expected a uid, a path, "
        'the digest of a file (blake3:<hex>), 7 or more digits of a commit, or "package==version".'
    )


def _run_named(store: RunStore, text: str) -> str | None:
    """Return the uid of the run here for a text, or of a foreign parent of runs here."""
    if store.catalog.children(text):
        return text
    found = store.catalog.with_prefix(text, 1)
    return store[text].uid if found else None  # raises if the text is ambiguous


def _of_digest(store: RunStore, digest: str) -> dict[str, str]:
    query = Query.parse({"provenance.files.digest": digest})
    return {record.uid: f"used {_path_of(record, digest)}" for record in store.catalog.search(query)}


def _path_of(record: RunRecord, digest: str) -> str:
    files = _provenance(record).get("files")
    told = [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    return next((str(file.get("path")) for file in told if file.get("digest") == digest), digest)


def _of_file(store: RunStore, path: str) -> dict[str, str]:
    """Return the runs that used the present content of a file, anywhere, and those that used its earlier content."""
    full = os.path.abspath(path)  # noqa: PTH100  links stay as they were named
    found = {}
    query = Query.parse({"provenance.files.path": full})
    for record in store.catalog.search(query):
        found[record.uid] = f"used {full}"
    try:
        digest = digest_file(full)
    except OSError as error:
        if found:
            return found
        raise InputError(
            f"{full} cannot be read ({error.strerror or error}), and no run used a file of this path; give the digest "
            "of the file, blake3:<hex>."
        ) from error
    return {uid: f"{how}, which was another file then" for uid, how in found.items()} | _of_digest(store, digest)


def _of_commit(store: RunStore, commit: str) -> dict[str, str]:
    query = Query.parse({"provenance.code.commit": {"$gte": commit, "$lt": commit + _LAST}})
    found = [(record.uid, _code(record)) for record in store.catalog.search(query)]
    return {
        uid: f"made by {code.get('name') or 'code'} at commit {str(code.get('commit'))[:10]}" for uid, code in found
    }


def _code(record: RunRecord) -> Mapping[str, Any]:
    told = _provenance(record).get("code")
    return told if isinstance(told, dict) else {}


def _of_package(store: RunStore, name: str, version: str) -> dict[str, str]:
    if not name or not version:
        raise _unknown(f"{name}=={version}")
    digests = list(_environments_with(store.root, name, version))
    around = Query.parse({"provenance.environment.digest": {"$in": digests}})
    found = {record.uid: f"made where {name} {version} was installed" for record in store.catalog.search(around)}
    for record in store.catalog.search(Query.parse({"provenance.code.version": version})):
        if canonicalize_name(str(_code(record).get("name"))) == canonicalize_name(name):
            found[record.uid] = f"made by {name} {version}"
    return found


def _environments_with(root: Path, name: str, version: str) -> Iterator[str]:
    """Yield the digests of the environments in which a package of this version was installed."""
    wanted = (canonicalize_name(name), version)
    for path in sorted((root / layout.ENVIRONMENTS).glob("*.json")):
        listed: list[Any] = read_package_file(path)  # a damaged file may list anything
        if wanted in (
            (canonicalize_name(str(each.get("name"))), each.get("version")) for each in listed if isinstance(each, dict)
        ):
            yield f"{ALGORITHM}:{path.stem}"


def _provenance(record: RunRecord) -> Mapping[str, Any]:
    told = record.start.get("provenance")
    return told if isinstance(told, dict) else {}
