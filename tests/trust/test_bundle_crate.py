"""The RO-Crate of a bundle keeps the rules of RO-Crate 1.1 and of Process Run Crate 0.5, one test for each."""

from __future__ import annotations

import datetime
import json
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from analysis_store import AnalysisStore, Code, Parent, Provenance

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
STATUS = "http://schema.org/CompletedActionStatus"
NAME = "ro-crate-metadata.json"


class Crate:
    """The entities of a crate by their ids, and the members of its zip."""

    def __init__(self, path: Path) -> None:
        with zipfile.ZipFile(path) as opened:
            self.members = set(opened.namelist())
            self.document = json.loads(opened.read(NAME), parse_constant=pytest.fail)
        graph = self.document["@graph"]
        self.entities: dict[str, dict[str, Any]] = {entity["@id"]: entity for entity in graph}
        assert len(graph) == len(self.entities), "two entities of one id"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        """Return the entities of a type."""
        return [entity for entity in self.entities.values() if entity["@type"] == kind]

    def at(self, reference: Any) -> list[dict[str, Any]]:
        """Return the entities that a property names, one or many."""
        named = reference if isinstance(reference, list) else [reference] if reference else []
        return [self.entities[each["@id"]] for each in named]


@pytest.fixture
def crate(store: AnalysisStore, tmp_path: Path) -> Crate:
    """The crate of three runs: from nothing, from the first and a file and a run elsewhere, and one that failed."""
    code = Code("larch", version="0.9.80", url="https://example.org/larch", commit="c0ffee")
    first = store.insert(
        [{"primary": {"x": np.arange(9.0)}}],
        {"operator": "Ann"},
        provenance=Provenance(origin="synthetic", note="x", code=code, parameters={"e0": 7112.0, "bad": float("nan")}),
    )
    (tmp_path / "raw data.txt").write_text("1 2 3")
    provenance = Provenance([first, Parent("far", catalog="csx")], [tmp_path / "raw data.txt"], code=code)
    second = store.insert([{"primary": {"x": 1.0}}], {"sample_name": "Fe foil"}, provenance=provenance)
    opened = store.new_run({}, provenance=Provenance([second], code=Code("own", url="u", version="1")))
    opened.event("primary", {"x": 1.0})
    opened.close("fail", "no beam")
    store.dump({}, tmp_path / "bundle.zip")
    return Crate(tmp_path / "bundle.zip")


def test_the_descriptor(crate: Crate) -> None:
    """It is about the root and says to which specification it conforms."""
    descriptor = crate.entities[NAME]
    assert descriptor["@type"] == "CreativeWork"
    assert descriptor["about"] == {"@id": "./"}
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert crate.document["@context"][0] == "https://w3id.org/ro/crate/1.1/context"


def test_the_root(crate: Crate) -> None:
    """It has a name, a description, a date, a licence, and conforms to the profile, which is an entity."""
    root = crate.entities["./"]
    assert root["@type"] == "Dataset"
    assert root["name"]
    assert root["description"]
    assert datetime.datetime.fromisoformat(root["datePublished"]).tzinfo is not None
    assert crate.at(root["license"])[0]["@type"] == "CreativeWork"
    (profile,) = crate.at(root["conformsTo"])
    assert (profile["@id"], profile["@type"]) == (PROFILE, "CreativeWork")
    assert profile["version"] == "0.5"


def test_every_member_is_a_part(crate: Crate) -> None:
    """The parts of the root are the members of the zip, but for the manifest and the crate's own file."""
    parts = crate.at(crate.entities["./"]["hasPart"])
    assert {part["@id"] for part in parts} == crate.members - {NAME, "manifest.json"}
    assert {part["@type"] for part in parts} == {"File"}
    assert all(part["encodingFormat"] and part["name"] for part in parts)


def test_every_reference_leads_to_an_entity(crate: Crate) -> None:
    """No property names what the crate does not describe."""
    for entity in crate.entities.values():
        for name, value in entity.items():
            named = value if isinstance(value, list) else [value]
            for each in named:
                if isinstance(each, dict) and name != "conformsTo":
                    assert each["@id"] in crate.entities, (entity["@id"], name)


def test_actions(crate: Crate) -> None:
    """Each run is an action that the root mentions, with name, description, times, program, result and status."""
    actions = crate.of_type("CreateAction")
    assert len(actions) == 3
    assert crate.at(crate.entities["./"]["mentions"]) == actions
    for action in actions:
        assert action["name"]
        assert action["description"]
        began, ended = (datetime.datetime.fromisoformat(action[name]) for name in ("startTime", "endTime"))
        assert began <= ended
        (program,) = crate.at(action["instrument"])
        assert program["@type"] == "SoftwareApplication"
        (made,) = crate.at(action["result"])
        assert made["@type"] == "File"
        assert made["@id"] in crate.members
    assert [action["actionStatus"] == STATUS for action in actions] == [True, True, False]
    assert ["error" in action for action in actions] == [False, False, True]
    assert "no beam" in actions[2]["error"]


def test_programs(crate: Crate) -> None:
    """Each has an absolute URI, a name, an address and one version."""
    programs = crate.of_type("SoftwareApplication")
    assert [program["name"] for program in programs] == ["larch", "own"]
    for program in programs:
        assert urlsplit(program["@id"]).scheme
        assert program["url"]
        assert program["softwareVersion"]
        assert "version" not in program
    assert programs[0]["identifier"] == "commit c0ffee"


def test_objects(crate: Crate) -> None:
    """What went in: a parent of the bundle is its file; one elsewhere, a file and parameters are told of."""
    first, second, third = crate.of_type("CreateAction")
    assert [entity["@type"] for entity in crate.at(first["object"])] == ["PropertyValue"] * 2
    assert [(entity["name"], entity["value"]) for entity in crate.at(first["object"])] == [
        ("e0", 7112.0),
        ("bad", "NaN"),
    ]
    parent, far, file = crate.at(second["object"])
    assert {"@id": parent["@id"]} == first["result"]
    assert (far["@type"], far["name"]) == ("CreativeWork", "run far")
    assert file["name"].endswith("raw data.txt")
    assert file["identifier"].startswith("blake3:")
    assert third["object"] == second["result"]


def test_people(crate: Crate) -> None:
    """Who made it, where the documents tell."""
    first, second, _ = crate.of_type("CreateAction")
    assert [(entity["@type"], entity["name"]) for entity in crate.at(first["agent"])] == [("Person", "Ann")]
    assert "agent" not in second


def test_code_that_nobody_told(open_store: AnalysisStore, tmp_path: Path) -> None:
    """The rule that an action has a program holds for documents of others, too: it is said not to be known."""
    open_store("start", {"uid": "foreign", "time": 0.0})
    open_store("stop", {"uid": "end", "run_start": "foreign", "time": 1.0, "exit_status": "success"})
    open_store.dump("foreign", tmp_path / "bundle.zip")
    crate = Crate(tmp_path / "bundle.zip")
    (program,) = crate.of_type("SoftwareApplication")
    assert "do not tell" in program["name"]
