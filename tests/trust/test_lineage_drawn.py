"""The graph of lineage in its forms: text, DOT, Mermaid, SVG and W3C PROV-JSON; hostile words stay words."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
from xml.etree import ElementTree

import jsonschema
import pytest

from analysis_store import AnalysisStore, Policy, Provenance
from analysis_store.catalogs.base import RunRecord
from analysis_store.provenance import Parent
from analysis_store.trust import Lineage, prov_document

DATA = [{"primary": {"x": 1.0}}]
HOSTILE = "`\"];\n<script>&#x1b;\x1b[2J\\Ann's $$ fa:fa-x &lt;"

# What https://www.w3.org/submissions/prov-json/schema demands of the parts that are used here.
_LITERAL = {
    "anyOf": [
        {"type": ["string", "number", "boolean"]},
        {
            "type": "object",
            "required": ["$"],
            "properties": {"$": {"type": "string"}, "type": {"type": "string"}, "lang": {"type": "string"}},
            "additionalProperties": False,
        },
    ]
}


def _elements(**own: object) -> dict[str, object]:
    values = {"anyOf": [_LITERAL, {"type": "array", "items": _LITERAL}]}
    one = {"type": "object", "properties": own, "additionalProperties": values}
    return {"type": "object", "propertyNames": {"pattern": "^[a-z]+:[^ ]+$"}, "additionalProperties": one}


def _relations(required: tuple[str, ...], *optional: str) -> dict[str, object]:
    ends = {name: {"type": "string"} for name in (*required, *optional)}
    one = {"type": "object", "required": list(required), "properties": ends, "additionalProperties": _LITERAL}
    return {"type": "object", "propertyNames": {"pattern": "^_:"}, "additionalProperties": one}


_MOMENT = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$"}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "prefix": {"type": "object", "additionalProperties": {"type": "string"}},
        "entity": _elements(),
        "activity": _elements(**{"prov:startTime": _MOMENT, "prov:endTime": _MOMENT}),
        "agent": _elements(),
        "used": _relations(("prov:activity",), "prov:entity"),
        "wasGeneratedBy": _relations(("prov:entity",), "prov:activity", "prov:time"),
        "wasDerivedFrom": _relations(("prov:generatedEntity", "prov:usedEntity"), "prov:activity"),
        "wasAssociatedWith": _relations(("prov:activity",), "prov:agent"),
    },
}


@pytest.fixture
def graph(store: AnalysisStore, tmp_path) -> Lineage:
    """Give the graph of a diamond with a file, a run elsewhere, and a retracted run."""
    (tmp_path / "in.txt").write_text("input")
    md = {"uid": "top-0000-1", "sample_name": HOSTILE, "user": "ann", "time": 1e9}
    store.insert(DATA, md, provenance=Provenance(files=[tmp_path / "in.txt"], parameters={"order": 2}))
    for uid in ("left-000-1", "right-00-1"):
        store.insert(DATA, {"uid": uid}, provenance=Provenance(parents=["top-0000-1", Parent(HOSTILE, catalog="csx")]))
    store.insert(DATA, {"uid": "end-0000-1"}, provenance=Provenance(parents=["left-000-1", "right-00-1"]))
    store.retract("left-000-1", "wrong energy")
    return store.lineage("end-0000-1")


def test_text(graph: Lineage) -> None:
    """Nothing is drawn twice with what hangs on it, and nothing moves the cursor."""
    text = graph.to_text()
    names = [re.sub(r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "", line) for line in text.splitlines()]
    assert names[:4] == [
        "end-0000  analysis  RETRACTED",
        "came from",
        "├─ left-000  analysis  RETRACTED",
        f"│  ├─ top-0000  analysis  {HOSTILE}".replace("\n", "\ufffd").replace("\x1b", "\ufffd"),
    ]
    assert names[4].startswith("│  └─ ")
    assert names[4].endswith("in csx")
    assert names[5] == "└─ right-00  analysis"
    assert len(names) == 8
    assert "\x1b" not in text
    assert str(graph) == text


def test_text_down(store: AnalysisStore, graph: Lineage) -> None:
    """A run that was drawn with what hangs on it is drawn again without."""
    text = store.lineage("top-0000-1").to_text()
    assert text.count("end-0000") == 2
    store.insert(DATA, {"uid": "last-000-1"}, provenance=Provenance(parents=["right-00-1", "top-0000-1"]))
    store.insert(DATA, {"uid": "tail-000-1"}, provenance=Provenance(parents=["last-000-1"]))
    text = store.lineage("top-0000-1").to_text()
    assert text.count("last-000") == 2
    assert text.count("tail-000") == 1
    assert text.count("(see above)") == 1


def visible(word: str) -> str:
    """Return a word as it may be shown."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in word)


def test_dot(graph: Lineage) -> None:
    """Graphviz reads it, if it is there; every run is a node, and no word ends its quotes."""
    dot = graph.to_dot()
    assert dot.startswith("digraph lineage {")
    assert dot.count(" -> ") == len(graph.edges) == 6
    assert '"left-000-1" -> "end-0000-1";' in dot
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', dot)
    assert '"]' not in bare.replace('""]', "")
    assert "script" not in bare
    assert all(letter.isprintable() for line in dot.splitlines() for letter in line)
    if (program := shutil.which("dot")) is not None:
        done = subprocess.run([program, "-Tsvg"], input=dot, text=True, check=True, capture_output=True)
        shown = {text.text for text in ElementTree.fromstring(done.stdout).iter("{http://www.w3.org/2000/svg}text")}
        assert shown == {visible(word) for member in graph.members.values() for word in member.words}


def test_mermaid(graph: Lineage) -> None:
    """Every run is a node of a name of ours; what is special to Mermaid is written as an entity."""
    lines = graph.to_mermaid().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum(" --> " in line for line in lines) == 6
    assert "<script>" not in graph.to_mermaid()
    labels = re.findall(r'\["(.*)"\]', graph.to_mermaid())
    assert not set("\"'`$%;&<>|") & set(re.sub(r"<br/>|#\d+;", "", "".join(labels)))
    shown = [re.sub(r"#(\d+);", lambda found: chr(int(found[1])), label) for label in labels]
    assert shown == ["<br/>".join(map(visible, member.words)) for member in graph.members.values()]
    assert sum("stroke:red" in line for line in lines) == 2


def test_svg(graph: Lineage) -> None:
    """It is XML, no boxes lie over each other, ancestors are on the left, and words are words."""
    picture = ElementTree.fromstring(graph.to_svg())
    space = "{http://www.w3.org/2000/svg}"
    assert picture.findall(f".//{space}script") == []
    boxes = {
        group.find(f"{space}title").text.partition(":")[0]: [
            float(group.find(f"{space}rect").get(name)) for name in ("x", "y", "width", "height")
        ]
        for group in picture.findall(f"{space}g")
    }
    assert len(boxes) == len(graph.members) == 5
    assert boxes["top-0000-1"][0] < boxes["left-000-1"][0] == boxes["right-00-1"][0] < boxes["end-0000-1"][0]
    for a in boxes.values():
        for b in boxes.values():
            apart = a[0] + a[2] <= b[0] or b[0] + b[2] <= a[0] or a[1] + a[3] <= b[1] or b[1] + b[3] <= a[1]
            assert a is b or apart
    assert len(picture.findall(f"{space}path")) == 2 * 6
    assert graph._repr_html_() == graph.to_svg()


def test_dict(graph: Lineage) -> None:
    """It is JSON, and says who is elsewhere and who is retracted."""
    told = json.loads(json.dumps(graph.to_dict()))
    assert told["uid"] == "end-0000-1"
    assert {run["uid"]: run["retracted"] for run in told["runs"]}["left-000-1"] is True
    assert [run.get("catalog") for run in told["runs"] if not run["here"]] == ["csx"]
    assert {"child": "end-0000-1", "parent": "left-000-1"} in told["edges"]


def test_prov_is_valid(graph: Lineage) -> None:
    """The document keeps the schema; the same graph gives the same document."""
    told = json.loads(json.dumps(graph.to_prov()))
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert told == graph.to_prov()
    names = {name for part in ("entity", "activity", "agent") for name in told[part]}
    for relation in ("used", "wasGeneratedBy", "wasDerivedFrom", "wasAssociatedWith"):
        for ends in told[relation].values():
            assert {value for name, value in ends.items() if name != "prov:time"} <= names
    assert {name.partition(":")[0] for name in names} <= set(told["prefix"])
    assert all(re.fullmatch(r"urn:[a-z0-9][a-z0-9-]{0,30}[a-z0-9]:[a-z]+:", space) for space in told["prefix"].values())


def test_prov_is_read_back(graph: Lineage) -> None:
    """Another library reads it: who was made by what, from what, by which code and person, and when."""
    model = pytest.importorskip("prov.model", reason="prov is not installed: pip install prov")
    document = model.ProvDocument.deserialize(io.StringIO(json.dumps(graph.to_prov())), format="json")

    def ends(kind: type) -> set[tuple[str, ...]]:
        return {tuple(str(value) for _, value in each.formal_attributes[:2]) for each in document.get_records(kind)}

    assert ("run:end-0000-1", "run:left-000-1") in ends(model.ProvDerivation)
    assert ("run:end-0000-1", "activity:end-0000-1") in ends(model.ProvGeneration)
    assert ("activity:left-000-1", "run:top-0000-1") in ends(model.ProvUsage)
    assert len(ends(model.ProvDerivation)) == 7
    agents = {str(each.identifier): each for each in document.get_records(model.ProvAgent)}
    assert model.PROV["Person"] in agents["person:ann"].get_asserted_types()
    assert ("activity:top-0000-1", "person:ann") in ends(model.ProvAssociation)
    (activity,) = document.get_record("activity:top-0000-1")
    assert activity.get_startTime().timestamp() == 1e9
    again = model.ProvDocument.deserialize(io.StringIO(document.serialize(format="json")), format="json")
    assert again == document


def test_prov_of_foreign_documents() -> None:
    """Documents that nobody can understand say nothing of their origin, and nothing breaks."""
    start = {"uid": "odd uid\n:", "time": "never", "provenance": {"parents": 7}, "user": 3, "sample_name": ["x"]}
    told = prov_document([RunRecord(start, None, (), "odd.h5", ("mother",))])
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert set(told["entity"]) == {"run:odd%20uid%0A%3A", "run:mother"}
    assert prov_document([]) == {"prefix": told["prefix"]}


def test_a_run_with_many_kinds_of_origin(tmp_path) -> None:
    """Uids that differ, in whatever letters, are entities that differ."""
    with AnalysisStore(tmp_path / "open", policy=Policy(require_inputs=False, require_code=False)) as store:
        for uid in ("a b", "a%20b", "日本"):
            store("start", {"uid": uid, "time": 1.0})
            store("stop", {"uid": f"stop {uid}", "time": 2.0, "run_start": uid, "exit_status": "success"})
        told = prov_document(store.catalog.get(uid) for uid in ("a b", "a%20b", "日本"))
    assert len(told["entity"]) == len(told["activity"]) == 3
