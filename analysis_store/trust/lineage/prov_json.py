"""Runs as a document of W3C PROV-JSON (https://www.w3.org/submissions/prov-json/).

A result is an entity, and so is an input run or file. The computation is an activity; the code and
the person are agents of it.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from blake3 import blake3

from analysis_store.core.text import person_of, utc_time
from analysis_store.errors import ProvenanceError
from analysis_store.provenance import Provenance

if TYPE_CHECKING:
    from analysis_store.catalogs.base import RunRecord
    from analysis_store.documents import Document

PREFIXES = {
    "run": "urn:analysis-store:run:",
    "activity": "urn:analysis-store:activity:",
    "file": "urn:analysis-store:file:",
    "code": "urn:analysis-store:code:",
    "person": "urn:analysis-store:person:",
    "analysis": "urn:analysis-store:term:",
}
"""The name spaces of the document: a URN, which holds no underscore, identifies the run in any store location."""


_CODE_TERMS = ("version", "commit", "url", "entry_point", "digest")


def prov_document(records: Iterable[RunRecord]) -> Document:
    """Return the ancestors of runs as PROV-JSON; the same runs give the same document.

    Parameters
    ----------
    records : iterable of RunRecord
        The runs; parents that are not among them are entities of which nothing more is said.
    """
    parts: dict[str, dict[str, Any]] = defaultdict(dict)
    for record in records:
        _add_run(parts, record)
    return {"prefix": dict(PREFIXES), **{name: dict(sorted(parts[name].items())) for name in sorted(parts)}}


def _add_run(parts: dict[str, dict[str, Any]], record: RunRecord) -> None:
    start, told = record.start, _provenance(record)
    result, activity = _name("run", record.uid), _name("activity", record.uid)
    parts["entity"].setdefault(result, {}).update(_result(record))
    parts["activity"][activity] = _activity(record, told)
    _relate(
        parts, "wasGeneratedBy", entity=result, activity=activity, time=utc_time((record.stop or start).get("time"))
    )
    inputs = [_name("run", uid) for uid in record.parents]
    for uid in record.parents:
        parts["entity"].setdefault(_name("run", uid), {"prov:type": _type("Run")})
    for file in told.files:
        inputs.append(name := _name("file", file.digest or file.path))
        parts["entity"][name] = _kept({"prov:type": _type("File"), "prov:label": file.path, "digest": file.digest})
    for name in dict.fromkeys(inputs):
        _relate(parts, "used", activity=activity, entity=name)
        _relate(parts, "wasDerivedFrom", generatedEntity=result, usedEntity=name, activity=activity)
    for agent in _agents(parts, start, told):
        _relate(parts, "wasAssociatedWith", activity=activity, agent=agent)


def _provenance(record: RunRecord) -> Provenance:
    """Return the statements about the origin; unintelligible ones of foreign documents are ignored."""
    try:
        return Provenance.from_document(record.provenance)
    except ProvenanceError:
        return Provenance()


def _result(record: RunRecord) -> dict[str, Any]:
    start = record.start
    label = start.get("sample_name") if isinstance(start.get("sample_name"), str) else None
    words = {"uid": record.uid, "scan_id": start.get("scan_id"), "exit_status": (record.stop or {}).get("exit_status")}
    return _kept({"prov:type": _type("Run"), "prov:label": label, **words})


def _activity(record: RunRecord, told: Provenance) -> dict[str, Any]:
    start = record.start
    processing = start.get("processing")
    made_by = processing.get("processor") if isinstance(processing, dict) else None
    times = {"prov:startTime": utc_time(start.get("time")), "prov:endTime": utc_time((record.stop or {}).get("time"))}
    words = {"processor": made_by, "origin": told.origin, "note": told.note, "waiver": told.waiver}
    parameters = json.dumps(told.parameters, sort_keys=True) if told.parameters else None
    label = made_by or start.get("plan_name")
    return _kept({**times, "prov:label": label, **words, "parameters": parameters, **_environment(told)})


def _environment(told: Provenance) -> dict[str, Any]:
    around = told.environment or {}
    return {name: around.get(name) for name in ("python", "platform")} | {"environment": around.get("digest")}


def _agents(parts: dict[str, dict[str, Any]], start: Mapping[str, Any], told: Provenance) -> list[str]:
    """Add the code and the person, as far as they are known, and return their names."""
    found = []
    if told.code is not None:
        document = told.code.to_document()
        found.append(name := _name("code", _short(document)))
        words = {term: document.get(term) for term in _CODE_TERMS}
        kind = {"prov:type": {"$": "prov:SoftwareAgent", "type": "prov:QUALIFIED_NAME"}}
        parts["agent"][name] = _kept({**kind, "prov:label": document.get("name"), **words, "dirty": told.code.dirty})
    person = person_of(start)
    if person is not None:
        found.append(name := _name("person", person))
        kind = {"prov:type": {"$": "prov:Person", "type": "prov:QUALIFIED_NAME"}}
        parts["agent"][name] = {**kind, "prov:label": person}
    return found


def _relate(parts: dict[str, dict[str, Any]], relation: str, **ends: str | None) -> None:
    """Add a relation; its identifier follows from its ends, so that equal relations are added once."""
    known = {f"prov:{name}": value for name, value in ends.items() if value is not None}
    parts[relation][f"_:{relation}-{_short(known)}"] = known


def _short(document: Mapping[str, Any]) -> str:
    return blake3(json.dumps(document, sort_keys=True).encode()).hexdigest()[:16]


def _name(prefix: str, local: str) -> str:
    """Return a qualified name, percent-encoded if needed."""
    return f"{prefix}:{quote(local.encode('utf-8', 'replace'), safe='')}"


def _type(name: str) -> dict[str, str]:
    return {"$": f"analysis:{name}", "type": "prov:QUALIFIED_NAME"}


def _kept(words: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata, under names of ours unless PROV has one; values that are not scalars are left out."""
    return {
        name if ":" in name else f"analysis:{name}": value
        for name, value in words.items()
        if isinstance(value, (str, bool, int, float)) or (isinstance(value, dict) and "$" in value)
    }
