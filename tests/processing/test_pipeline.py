"""Presets and pipelines: what is equal, what they are called, what is refused, how they travel."""

from __future__ import annotations

import json
import math
import pickle

import pytest

from analysis_store.errors import ParameterError, ProcessorError, UnknownProcessorError
from analysis_store.processing import Pipeline, Preset, processor, set_autosaving


@processor(id="pipeline_tests_add", version="1")
def add(inputs, *, by: float = 1, names: list[str] = []):  # noqa: B006 - the preset sees that it is not shared
    """Add."""
    names.append("spoiled")
    return {"value": by}


@processor(id="pipeline_tests_sub", version="1")
def sub(inputs, *, by: float = 1):
    """Subtract."""
    return {"value": -by}


@processor(id="pipeline_tests_join", version="1")
def join(inputs, *, how: str = "zip"):
    """Join."""
    assert how
    return {"value": how}


class TestPreset:
    """A processor with all its parameters."""

    def test_defaults_spelled_out(self):
        """`{}` equals the defaults spelled out, whether from Python or JSON."""
        spelled = [Preset(add), Preset("pipeline_tests_add"), add.preset(by=1.0), add.preset(names=(), by=1)]

        assert len({preset.digest for preset in spelled}) == 1
        assert len(set(spelled)) == 1
        assert spelled[0] != add.preset(by=2)
        assert spelled[0] != sub.preset()

    def test_does_not_change(self):
        """Neither a call nor the one who holds it changes a preset."""
        preset = add.preset()
        add(None, **preset.values)
        preset.parameters["by"] = 9

        assert preset.values == {"by": 1.0, "names": []}
        assert preset == add.preset()
        with pytest.raises(AttributeError):
            preset.processor = sub

    def test_document(self):
        """It is told with the version and with every parameter, and made again from that."""
        document = add.preset(by=math.inf).to_document()

        assert document == {
            "processor": "pipeline_tests_add",
            "version": "1",
            "parameters": {"by": math.inf, "names": []},
        }
        assert Preset("pipeline_tests_add@1", document["parameters"]) == add.preset(by=math.inf)

    def test_pickles(self):
        """It travels to other processes; NaN too."""
        preset = add.preset(by=math.nan)

        assert pickle.loads(pickle.dumps(preset)) == preset

    def test_faults(self):
        """What is wrong is told before anything runs."""
        with pytest.raises(ParameterError, match="bye: is not a parameter; the nearest: by"):
            add.preset(bye=2)
        with pytest.raises(UnknownProcessorError, match="did you mean 'pipeline_tests_add'"):
            Preset("pipeline_tests_ad")


class TestIdentity:
    """Pipelines that do the same are equal."""

    def test_built_twice(self):
        """The same graph is the same pipeline."""
        assert (add | sub) == (add | sub)
        assert hash(add | sub) == hash(add | sub)
        assert (add | sub) == Pipeline({"b": (sub, ["a"]), "a": add})
        assert (add & sub) == (sub & add)

    def test_order_of_parents(self):
        """A step that gets results in another order is another step."""
        assert ((add & sub) | join) != ((sub & add) | join)

    def test_what_differs(self):
        """A parameter, a step or a link more makes another pipeline."""
        whole = add | sub
        assert len({whole, add | sub.preset(by=2), add & sub, sub | add, Pipeline.of(add)}) == 5

    def test_equal_steps_are_one(self):
        """A step that several others use is there once, and so is one that is told twice."""
        diamond = add | (sub & sub.preset(by=2)) | join

        assert [step.preset.processor.id[15:] for step in diamond.steps] == ["add", "sub", "sub", "join"]
        assert [len(step.parents) for step in diamond.steps] == [0, 1, 1, 2]
        assert diamond.steps[1].parents == diamond.steps[2].parents == diamond.steps[:1]
        assert len((add | sub) & (add | join)) == 3
        assert len(add & add & add) == 1

    def test_associative(self):
        """It does not matter which part is put together first."""
        assert (add | sub) | join == add | (sub | join)
        assert (add & sub) & join == add & (sub & join)

    def test_leaves(self):
        """The leaves are what no other step gets."""
        assert [step.preset.processor.id for step in (add | (sub & join)).leaves] == [sub.id, join.id]


class TestNames:
    """Steps are called by their processors, or as one says."""

    def test_own(self):
        """A second step of the same processor gets a number; a name that was given is kept through `|` and `&`."""
        named = Pipeline({"first": add, "last": (sub, ["first"])})

        assert list((add | add | add).names) == [add.id, f"{add.id}_2", f"{add.id}_3"]
        assert list((named | join).names) == ["first", "last", join.id]
        assert list((add & named).names) == ["first", "last"]
        assert named.name_of(named.leaves[0]) == "last"

    def test_shown(self):
        """Its text shows every step, its parameters and where it gets its input."""
        assert repr(Pipeline({"a": add, "b": (sub.preset(by=2), ["a"])})).splitlines() == [
            "<Pipeline of 2 steps>",
            "  a: <Preset pipeline_tests_add 1(by=1.0, names=[])> of inputs",
            "  b: <Preset pipeline_tests_sub 1(by=2.0)> of a",
        ]


class TestTravel:
    """Pipelines are stored and sent."""

    WHOLE = Pipeline({"a": add, "b": add.preset(by=2), "c": (join, ["b", "a"]), "d": (sub, ["c"])})

    def test_document(self):
        """A document has it wholly, names too, and is JSON."""
        again = Pipeline.from_document(json.loads(json.dumps(self.WHOLE.to_document())))

        assert again == self.WHOLE
        assert list(again.names) == list(self.WHOLE.names)
        assert again.to_document() == self.WHOLE.to_document()

    def test_pickle(self):
        """So has a pickle."""
        again = pickle.loads(pickle.dumps(self.WHOLE))

        assert again == self.WHOLE
        assert list(again.names) == list(self.WHOLE.names)


@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ({}, "a pipeline without steps"),
        ({"a": (add, ["b"]), "b": (sub, ["a"])}, r"in a circle, (a -> b -> a|b -> a -> b)\. Remove one"),
        ({"a": (add, ["a"])}, "in a circle, a -> a"),
        (
            {"norm": add, "b": (sub, ["nrm"])},
            "step 'b': its parent 'nrm' is not a step of the pipeline; did you mean 'norm'",
        ),
        ({"a": add, "b": (sub, "a")}, "step 'b': Got parents 'a'; expected a list"),
        ([add], r"expected the steps by name, \{name: \(preset, \[parents\]\)\}"),
        ({1: add}, "step 1: Got int; expected a text as the name"),
        ({"a": add, "b": (sub, [["a"]])}, r"step 'b': Got parents \[\['a'\]\]; expected a list of names"),
        ({"a": 3}, "Got 3; expected a processor, its id, a Preset or a Pipeline"),
        ({"a": len}, "Decorate it with @processor"),
    ],
)
def test_refused(steps, told):
    """What is no pipeline is refused, and a circle is named."""
    with pytest.raises(ProcessorError, match=told):
        Pipeline(steps)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], r'expected \{"steps"'),
        ({"steps": []}, r'expected \{"steps"'),
        ({"steps": {"a": {}}}, "step 'a': .* expected"),
        (
            {"steps": {"a": {"processor": add.id, "params": {}}}},
            r"unknown keys \['params'\]; known: processor, version",
        ),
        ({"steps": {"a": {"processor": add.id, "parameters": {"by": "x"}}}}, "by: Got 'x'"),
        ({"steps": {"a": {"processor": add.id, "parameters": [1]}}}, r"step 'a': Got parameters \[1\]"),
        ({"steps": {"a": {"processor": add.id, "parents": "a"}}}, "expected a list"),
    ],
)
def test_documents_refused(document, told):
    """A document that tells of no pipeline is refused, with the step that is wrong."""
    with pytest.raises(ProcessorError, match=told):
        Pipeline.from_document(document)


def test_no_processor():
    """A function that is no processor is answered with how to make it one."""
    with pytest.raises(ProcessorError, match="Decorate it with @processor"):
        _ = add | test_refused


def test_names_of_equal_steps():
    """A step that two pipelines have keeps the first name that somebody gave it."""
    first, second = Pipeline({"first": add}), Pipeline({"second": add})

    assert list((first & second).names) == ["first"]
    assert list((Pipeline.of(add) & second).names) == ["second"]


def test_two_names():
    """A step that is told twice is one, and answers to both names; a copy sent elsewhere, too."""
    pipeline = pickle.loads(pickle.dumps(Pipeline({"first": add, "second": add, "last": (sub, ["second"])})))
    data = {"primary": {"x": 1.0}}

    assert ["first", "second", "last"] == list(pipeline.names)
    assert 2 == len(pipeline)
    assert pipeline == Pipeline({"a": add, "b": (sub, ["a"])})
    set_autosaving(False)
    try:
        results = pipeline.run(data)
    finally:
        set_autosaving(True)
    assert results["first"] is results["second"]


def test_code_that_a_loader_changes():
    """Where a loader makes other code of a text, as pytest does of an assertion, the text is taken at its word."""
    assert join.source.digest.startswith("blake3:")
