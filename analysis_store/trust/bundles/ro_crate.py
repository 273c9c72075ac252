"""The RO-Crate of a bundle: programs, runs and their inputs, as a Process Run Crate 0.5."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from analysis_store.core.text import person_of, utc_or_1970
from analysis_store.documents import dumps
from analysis_store.trust.bundles.manifest import CRATE, FILES, Entry, Manifest
from analysis_store.trust.lineage.prov_json import PREFIXES

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document

Entity = dict[str, Any]

_CONTEXT = ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"]
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_RIGHTS = "#rights"
_GRANTED = "The data belong to whom they belonged to before; a bundle grants no rights."
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"


class Crate:
    """The entities of an RO-Crate, gathered run by run.

    Parameters
    ----------
    name, description : str
        Name of the bundle.
    made : float
        When, s since 1970.
    """

    def __init__(self, name: str, description: str, made: float) -> None:
        self._root: Entity = {
            "@id": "./",
            "@type": "Dataset",
            "name": name,
            "description": description,
            "datePublished": utc_or_1970(made, "seconds"),
            "license": {"@id": _RIGHTS},
            "conformsTo": {"@id": _PROFILE},
        }
        self._entities: dict[str, Entity] = {}
        self._parts: list[str] = []
        self._actions: list[str] = []
        self._files: dict[str, str] = {}
        self._add({"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})
        self._add(
            {
                "@id": _RIGHTS,
                "@type": "CreativeWork",
                "name": "rights of the owners of the data",
                "description": _GRANTED,
            }
        )

    def add_run(self, entry: Entry, start: Document, stop: Document | None, size: int) -> None:
        """Add one run and its program; its parents are added before it."""
        described = " ".join(str(start[key]) for key in ("purpose", "sample_name", "plan_name") if start.get(key))
        self._file(entry.file, f"run {entry.uid}", "application/x-hdf5", size, described)
        self._file(entry.documents, f"documents of run {entry.uid}", "application/json")
        for member in entry.beside:
            self._file(member, PurePosixPath(member).name, "application/octet-stream")
        self._files[entry.uid] = entry.file
        self._action(entry, start, stop, described)

    def add_member(self, name: str, described: str, kind: str) -> None:
        """Add a member that belongs to no run."""
        self._file(name, described, kind)

    def to_document(self) -> Document:
        """Return the JSON-LD document."""
        root = {**self._root, "hasPart": _ids(self._parts), "mentions": _ids(self._actions)}
        descriptor = {
            "@id": CRATE,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _SPECIFICATION},
            "about": {"@id": "./"},
        }
        return {"@context": _CONTEXT, "@graph": [descriptor, root, *self._entities.values()]}

    def _add(self, entity: Entity) -> str:
        name: str = entity["@id"]
        self._entities.setdefault(name, entity)
        return name

    def _file(self, member: str, name: str, kind: str, size: int | None = None, described: str = "") -> None:
        known: Entity = {} if size is None else {"contentSize": str(size)}
        known |= {"description": described} if described else {}
        self._parts.append(
            self._add({"@id": _uri(member), "@type": "File", "name": name, "encodingFormat": kind} | known)
        )

    def _action(self, entry: Entry, start: Document, stop: Document | None, described: str) -> None:
        told = start.get("provenance")
        provenance: Mapping[str, Any] = told if isinstance(told, dict) else {}
        done = (stop or {}).get("exit_status", "success") == "success"
        action: Entity = {
            "@id": f"#run-{_uri(entry.uid)}",
            "@type": "CreateAction",
            "name": f"analysis run {entry.uid}",
            "description": described or "an analysis",
            "instrument": {"@id": self._software(provenance.get("code"))},
            "result": {"@id": _uri(entry.file)},
            "startTime": utc_or_1970(start["time"], "seconds"),
            "endTime": utc_or_1970((stop or start)["time"], "seconds"),
            "actionStatus": f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus",
        }
        objects = [*self._parents(entry.parents), *self._inputs(provenance.get("files"))]
        objects += self._parameters(entry.uid, provenance.get("parameters"))
        if objects:
            action["object"] = _ids(dict.fromkeys(objects))
        if person := person_of(start):
            action["agent"] = {"@id": self._add({"@id": f"#person-{_uri(person)}", "@type": "Person", "name": person})}
        if not done:
            action["error"] = str((stop or {}).get("reason") or (stop or {}).get("exit_status"))
        self._actions.append(self._add(action))

    def _software(self, code: Any) -> str:
        if not isinstance(code, dict) or not code.get("name"):
            return self._add(
                {
                    "@id": f"{PREFIXES['code']}not-told",
                    "@type": "SoftwareApplication",
                    "name": "software that the documents do not tell",
                }
            )
        version = str(code.get("version") or code.get("commit") or "")
        entity: Entity = {
            "@id": f"{PREFIXES['code']}{_uri(code['name'])}:{_uri(version)}",
            "@type": "SoftwareApplication",
        }
        entity |= {"name": str(code["name"])} | ({"softwareVersion": version} if version else {})
        if code.get("url"):
            entity["url"] = str(code["url"])
        if code.get("commit"):
            entity["identifier"] = f"commit {code['commit']}"
        return self._add(entity)

    def _parents(self, uids: Iterable[str]) -> list[str]:
        """Return the members of parents; one that is not in the bundle is referred to by its uid."""
        return [
            _uri(self._files[uid])
            if uid in self._files
            else self._add({"@id": f"#parent-{_uri(uid)}", "@type": "CreativeWork", "name": f"run {uid}"})
            for uid in uids
        ]

    def _inputs(self, files: Any) -> list[str]:
        """Return the input files: they are described, but not in the bundle."""
        found = []
        for file in files if isinstance(files, list) else []:
            if isinstance(file, dict) and isinstance(path := file.get("path"), str):
                entity = {"@id": f"#input-{_uri(path)}", "@type": "CreativeWork", "name": path}
                digest = {"identifier": file["digest"]} if file.get("digest") else {}
                found.append(self._add(entity | digest))
        return found

    def _parameters(self, uid: str, parameters: Any) -> list[str]:
        if not isinstance(parameters, dict):
            return []
        return [
            self._add(
                {
                    "@id": f"#parameter-{_uri(uid)}-{_uri(name)}",
                    "@type": "PropertyValue",
                    "name": str(name),
                    "value": _plain(value),
                }
            )
            for name, value in parameters.items()
        ]


def crate_of(manifest: Manifest, records: Iterable[RunRecord]) -> Document:
    """Return the RO-Crate of a bundle.

    Parameters
    ----------
    manifest : Manifest
        Content of the bundle.
    records : iterable of RunRecord
        The runs of the manifest, in its order.
    """
    number = len(manifest.runs)
    crate = Crate(
        f"{number} analysis run{'s' * (number != 1)} from {manifest.source}",
        f"Analysis runs with their provenance, written by {manifest.by}. Each run is an HDF5 file.",
        manifest.made,
    )
    for entry, record in zip(manifest.runs, records, strict=True):
        crate.add_run(entry, record.start, record.stop, manifest.members[entry.file].size)
    told = {name for entry in manifest.runs for name in (entry.file, entry.documents, *entry.beside)}
    for name in manifest.members:
        if name not in told:
            notes = name.startswith(f"{FILES}/")
            crate.add_member(
                name, "notes on runs" if notes else name, "application/jsonl" if notes else "application/json"
            )
    return crate.to_document()


def _ids(names: Iterable[str]) -> list[Entity] | Entity:
    """Return references to entities; to one alone as RO-Crate recommends it."""
    found = [{"@id": name} for name in names]
    return found[0] if len(found) == 1 else found


def _uri(text: object) -> str:
    return quote(str(text), safe="/._-")


def _plain(value: Any) -> Any:
    """Return a value as strict JSON: no NaN, nothing nested."""
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return dumps(value)
