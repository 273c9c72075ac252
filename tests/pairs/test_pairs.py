"""Registries, resources and `check_pair`: what is found for a spec, and what is refused."""
# ruff: noqa: D102 - what the methods of a pair do is said by its contract

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis_store.errors import DuplicateSpecError, PairError, UnknownSpecError, UnsafeFileError
from analysis_store.handlers.arrays import ArrayHandler
from analysis_store.handlers.base import Handler
from analysis_store.pairs import (
    HandlerRegistry,
    WriterRegistry,
    call_writer,
    check_pair,
    open_handler,
    resolve_path,
)
from analysis_store.writers.arrays import ArrayWriter
from analysis_store.writers.base import Writer

# -------------------------------------------------------------------------------------------------- registry


def test_our_own():
    """Each default spec has a writer and a handler that name it."""
    handlers, writers = HandlerRegistry(), WriterRegistry()

    for spec in ("HDF5", "ANALYSIS_RAGGED", "ANALYSIS_TABLE"):
        assert spec in handlers
        assert spec in handlers[spec].specs
        assert writers[spec].spec == spec


def test_unknown_spec():
    """A spec that nobody knows is answered with those that are known."""
    with pytest.raises(UnknownSpecError, match=r"'NOPE'; known are .*ANALYSIS_TABLE.*HDF5.*register_handler"):
        HandlerRegistry()["NOPE"]


def test_given_and_registered():
    """Handlers are given as classes or as text, and found under their spec."""
    registry = HandlerRegistry({"MINE": "analysis_store.handlers.arrays:ArrayHandler"})
    registry.register("OTHER", ArrayHandler)

    assert registry["MINE"] is registry["OTHER"] is ArrayHandler
    assert {"MINE", "OTHER", "HDF5"} <= set(registry)
    assert len(registry) == len(registry.keys())


@pytest.mark.parametrize("spec", ["MINE", "HDF5"])
def test_duplicate(spec):
    """A spec that is taken, by another or by us, is replaced only on demand; the same class again is no conflict."""
    registry = HandlerRegistry({"MINE": ArrayHandler})

    with pytest.raises(DuplicateSpecError, match=rf"'{spec}' has a handler already.*ArrayHandler"):
        registry.register(spec, Handler)
    registry.register("MINE", ArrayHandler)
    registry.register(spec, Handler, overwrite=True)
    assert registry[spec] is Handler


@pytest.mark.parametrize("found", ["no colon", 3, None])
def test_what_is_no_handler(found):
    """What is neither class nor place of one is refused when it is registered."""
    with pytest.raises(PairError, match="expected a class"):
        HandlerRegistry().register("MINE", found)


@pytest.mark.parametrize("place", ["no_such_module_of_mine:Handler", "json:NoSuchHandler"])
def test_place_without_a_handler(place):
    """A place that holds no class is told when the class is needed."""
    with pytest.raises(PairError, match=rf"'{place}' of 'MINE' cannot be loaded"):
        HandlerRegistry({"MINE": place})["MINE"]


@pytest.fixture
def plugged_in(tmp_path):
    """Return what a fresh interpreter says with plug-ins installed: ``{distribution: {spec: place}}``."""
    (tmp_path / "good.py").write_text("class One: pass\nclass Two: pass\n")
    (tmp_path / "broken.py").write_text("raise RuntimeError('out of order')\n")

    def run(plug_ins: dict[str, dict[str, str]], code: str) -> dict[str, object]:
        for name, entries in plug_ins.items():
            info = tmp_path / f"{name}-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            lines = "".join(f"{spec} = {place}\n" for spec, place in entries.items())
            (info / "entry_points.txt").write_text(f"[databroker.handlers]\n{lines}")
        whole = (
            "import json, warnings\nfrom analysis_store.pairs import HandlerRegistry\nregistry = HandlerRegistry()\n"
        )
        whole += "with warnings.catch_warnings(record=True) as caught:\n    warnings.simplefilter('always')\n"
        whole += textwrap.indent(textwrap.dedent(code), "    ")
        whole += "\nprint(json.dumps({'said': said, 'warned': [str(w.message) for w in caught]}))"
        paths = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
        done = subprocess.run(
            [sys.executable, "-c", whole],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": paths},
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_plug_in(plugged_in):
    """A handler of another package is found by its entry point, and loaded when it is asked for."""
    answer = plugged_in(
        {"lab": {"LAB_A": "good:One", "LAB_B": "broken:Two"}},
        "import sys\nbefore = 'good' in sys.modules\nsaid = [before, registry['LAB_A'].__name__, 'LAB_B' in registry]",
    )

    assert answer == {"said": [False, "One", True], "warned": []}


def test_broken_plug_in(plugged_in):
    """A plug-in that cannot be imported is named in a warning and left out; the others work."""
    answer = plugged_in(
        {"lab": {"LAB_A": "good:One", "LAB_B": "broken:Two"}},
        """
        try:
            registry['LAB_B']
        except LookupError as error:
            said = [str(error)[:37], registry['LAB_A'].__name__]
        """,
    )

    assert answer["said"] == ["No handler is known for the spec 'LAB_B'"[:37], "One"]
    assert len(answer["warned"]) == 1
    assert "LAB_B = broken:Two of lab cannot be loaded" in answer["warned"][0]


def test_two_plug_ins_for_one_spec(plugged_in):
    """Of two plug-ins that claim one spec neither is used; one that claims ours is told off."""
    answer = plugged_in(
        {"lab": {"LAB_A": "good:One", "HDF5": "good:One"}, "other": {"LAB_A": "good:Two"}},
        "said = ['LAB_A' in registry, registry['HDF5'].__module__]",
    )

    assert answer["said"] == [False, "analysis_store.handlers.arrays"]
    assert any(
        "LAB_A = good:One of lab and LAB_A = good:Two of other claim one spec" in text for text in answer["warned"]
    )
    assert any("HDF5 = good:One of lab claims a spec of analysis_store" in text for text in answer["warned"])


# -------------------------------------------------------------------------------------------------- resources


def resource(root, path, **more):
    """Return a resource document."""
    return {"uid": "r1", "spec": "HDF5", "root": str(root), "resource_path": path, "resource_kwargs": {}, **more}


def test_path_inside_its_root(tmp_path):
    """A relative path, also one with dots that stay inside, an absolute one and one of Windows lead into the root."""
    wanted = tmp_path / "a" / "x.h5"

    assert resolve_path(resource(tmp_path, "a/x.h5")) == wanted
    assert resolve_path(resource(tmp_path, "b/../a/x.h5")) == wanted
    assert resolve_path(resource(tmp_path, str(wanted))) == wanted
    assert resolve_path(resource("", str(wanted))) == wanted
    assert resolve_path(resource(tmp_path, r"a\x.h5", path_semantics="windows")) == wanted


@pytest.mark.parametrize("slash", ["", "/"])
def test_root_map(tmp_path, slash):
    """Files that were moved are found where ``root_map`` says, with or without a slash at the end."""
    assert resolve_path(resource("/old/place", "x.h5"), {"/old/place" + slash: str(tmp_path)}) == tmp_path / "x.h5"


@pytest.mark.parametrize("path", ["../x.h5", "a/../../x.h5", "/etc/passwd", "link/x.h5", "loop", "nul\0"])
def test_path_outside_its_root(tmp_path, path):
    """A path that leads out of the root, by dots, from the top or over a link, is refused."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path)
    (root / "loop").symlink_to(tmp_path / "root" / ".." / "away")

    with pytest.raises(UnsafeFileError, match="r1 has the "):
        resolve_path(resource(root, path))


def test_open_handler(tmp_path):
    """A resource gives the handler of its spec, on its file."""
    writer = ArrayWriter(tmp_path / "x.h5", "/a")
    writer({"a": 3.0})
    handler = open_handler(resource(tmp_path, "x.h5", resource_kwargs={"dataset": "/a"}), HandlerRegistry())

    assert handler(point_number=0) == 3.0


def test_handler_that_refuses(tmp_path):
    """A handler that does not take what the resource says is an error that names both."""
    with pytest.raises(PairError, match=r"ArrayHandler of 'HDF5' refuses .*x\.h5 with \{'nope': 1\}"):
        open_handler(resource(tmp_path, "x.h5", resource_kwargs={"nope": 1}), HandlerRegistry())


# ----------------------------------------------------------------------------------------------- call_writer


class Answers(Writer):
    """A writer that gives the answer it was made with."""

    spec = "ANSWERS"

    def __init__(self, answer):
        self.answer = answer

    def __call__(self, data):
        return self.answer

    def close(self):
        """Do nothing."""


def test_answers_of_writers():
    """A `Writer` answers by key; a class of the 2018 form answers flat, whatever it is called with."""
    assert call_writer(Answers({"image": {"i": 1}}), "image", 0) == {"i": 1}
    assert call_writer(lambda data: {"key": next(iter(data))}, "image", 0) == {"key": "image"}


@pytest.mark.parametrize("answer", [None, "id", {}, {"other": {}}, {"image": 3}, {"image": {1: 2}}])
def test_wrong_answers(answer):
    """An answer without a mapping for the key is refused."""
    with pytest.raises(PairError, match=r"Answers returned .* for 'image'; expected a mapping"):
        call_writer(Answers(answer), "image", 0)


def test_wrong_answer_of_2018():
    """The 2018 form has to answer with a mapping, too."""
    with pytest.raises(PairError, match="returned 'id'"):
        call_writer(lambda data: "id", "image", 0)


# ------------------------------------------------------------------------------------------------- check_pair


class JsonWriter(Writer):
    """A small pair that keeps each value in a file of its own, beside the one it was given."""

    spec = "JSON_LIST"
    refuse = (TypeError, "only lists of numbers")

    def __init__(self, path):
        self.path = path
        self.count = 0

    def _place(self, key):
        self.count += 1
        return f"{self.path}.{self.count}"

    def _answer(self, key, place):
        return {"suffix": place.removeprefix(str(self.path))}

    def __call__(self, data):
        found = {}
        for key, value in data.items():
            if not isinstance(value, np.ndarray) or value.dtype != float:
                raise self.refuse[0](self.refuse[1])
            place = self._place(key)
            Path(place).write_text(json.dumps(value.tolist()))
            found[key] = self._answer(key, place)
        return found

    def close(self):
        """Do nothing: every file is closed."""


class JsonHandler(Handler):
    """Reads what `JsonWriter` wrote."""

    specs = {"JSON_LIST"}  # noqa: RUF012

    def __init__(self, path):
        self.path = path

    def __call__(self, suffix):
        return np.array(json.loads(Path(f"{self.path}{suffix}").read_text()), dtype=float)

    def get_file_list(self, datum_kwargs_gen):
        return [f"{self.path}{kwargs['suffix']}" for kwargs in datum_kwargs_gen]


VALUES = [np.arange(3.0)]


def test_good_pair():
    """A pair that keeps the contract passes, on our values and on those it is given."""
    check_pair(JsonWriter, JsonHandler, values=[np.arange(3.0), np.array(1.0)])


class TableWriter2018:
    """The writer of 2018: a class of its own, called with one key."""

    def __init__(self, rpath):
        self.path = rpath

    def __call__(self, data):
        ((key, frame),) = data.items()
        frame.to_pickle(f"{self.path}-{key}")
        return {"key": key}


class TableHandler2018:
    """The handler of 2018."""

    def __init__(self, rpath):
        self.path = rpath

    def __call__(self, key):
        return pd.read_pickle(f"{self.path}-{key}")


def test_pair_of_2018():
    """A pair that subclasses nothing passes: tables are tried where arrays are refused."""
    check_pair(TableWriter2018, TableHandler2018)


class OtherSignature(JsonHandler):
    """Takes more than its writer."""

    def __init__(self, path, chunk=1):
        super().__init__(path)


class OtherSpec(JsonHandler):
    """Reads another spec."""

    specs = {"OTHER"}  # noqa: RUF012


class Rounds(JsonHandler):
    """Gives another dtype."""

    def __call__(self, suffix):
        return super().__call__(suffix).astype("f4")


class Forgets(JsonHandler):
    """Loses an element."""

    def __call__(self, suffix):
        return super().__call__(suffix)[:-1]


class Breaks(JsonHandler):
    """Raises."""

    def __call__(self, suffix):
        raise KeyError(suffix)


class Invents(JsonHandler):
    """Names a file that is not there."""

    def get_file_list(self, datum_kwargs_gen):
        return ["/no/such/file"]


class ClosesOnce(JsonHandler):
    """Cannot be closed twice."""

    closed = False

    def close(self):
        if self.closed:
            raise RuntimeError("closed already")
        self.closed = True


class OneFile(JsonWriter):
    """Overwrites one key with the next."""

    def _place(self, key):
        return f"{self.path}.1"


class LastKeyOnly(JsonWriter):
    """Answers for the last key, as in 2018."""

    def __call__(self, data):
        return dict([list(super().__call__(data).items())[-1]])


class NoDocument(JsonWriter):
    """Answers with what JSON cannot hold."""

    def _answer(self, key, place):
        return {"suffix": np.str_(".1"), "when": np.datetime64("2020")}


class Spoils(JsonWriter):
    """Changes what it is given."""

    def __call__(self, data):
        found = super().__call__(data)
        for value in data.values():
            value[...] = 0
        return found


class NoMapping(JsonWriter):
    """Answers with text."""

    def _answer(self, key, place):
        return place


@pytest.mark.parametrize(
    ("writer", "handler", "message"),
    [
        (JsonWriter, OtherSignature, r"signatures differ: the writer takes \[\], the handler \[\('chunk', 1\)\]"),
        (JsonWriter, OtherSpec, r"spec 'JSON_LIST' is not among the handler's \['OTHER'\]"),
        (JsonWriter, Rounds, r"does not come back: expected float64\(3,\), got float32\(3,\)"),
        (JsonWriter, Forgets, r"got float64\(2,\)"),
        (JsonWriter, Breaks, "reading raises KeyError"),
        (JsonWriter, Invents, "get_file_list.. returns .*no/such/file"),
        (JsonWriter, ClosesOnce, "closing: RuntimeError: closed already"),
        (OneFile, JsonHandler, "key 'one', written together with another, does not come back: the elements differ"),
        (LastKeyOnly, JsonHandler, r"given the keys \['one', 'two'\], the writer answers for \['two'\]"),
        (NoDocument, JsonHandler, "do not fit into a document"),
        (Spoils, JsonHandler, "the writer changes an array of float64"),
        (NoMapping, JsonHandler, "NoMapping returned .* expected a mapping"),
    ],
)
def test_bad_pairs(writer, handler, message):
    """Each way of not being a pair is found and said."""
    with pytest.raises(PairError, match=message):
        check_pair(writer, handler, values=VALUES)


def test_every_fault_at_once():
    """One error tells all that is wrong."""

    class Bad(OtherSignature, OtherSpec, Rounds):
        pass

    with pytest.raises(PairError) as caught:
        check_pair(JsonWriter, Bad, values=VALUES)
    assert [word in str(caught.value) for word in ("signatures", "not among", "float32")] == [True, True, True]


def test_refusal_of_a_demanded_value():
    """A value that the pair is said to store has to be stored."""
    with pytest.raises(PairError, match="a str is refused: TypeError: only lists of numbers"):
        check_pair(JsonWriter, JsonHandler, values=["text"])


def test_nothing_to_try():
    """A writer that takes none of the usual values asks for its own; so does one that needs more than a dataset."""

    class Nothing(JsonWriter):
        def __call__(self, data):
            raise TypeError("nothing")

    class NeedsMore(JsonWriter):
        def __init__(self, path, colour):
            super().__init__(path)

    with pytest.raises(PairError, match="accepts no default value"):
        check_pair(Nothing, JsonHandler)
    with pytest.raises(PairError, match=r"needs colour\. Give them with resource_kwargs"):
        check_pair(NeedsMore, JsonHandler)
