"""What becomes a processor, what is refused, and how processors are found again."""

from __future__ import annotations

import functools
import importlib
import pickle
import subprocess
import sys
import textwrap
import threading
import warnings
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from analysis_store.errors import ProcessorError, UnknownProcessorError
from analysis_store.processing import Preset, Processor, get_processor, processor, processors, register_processor
from analysis_store.processing.model import registry as registry_module


def level(inputs, *, gain: float = 1.0):
    """Tell how loud it is.

    And more.
    """
    return {"level": gain * inputs}


def other(inputs):
    """Tell it otherwise."""
    return {"level": inputs}


@pytest.fixture(autouse=True)
def known(monkeypatch) -> dict:
    """A registry without the processors of other tests; plug-ins count as loaded."""
    fresh: dict = {}
    monkeypatch.setattr(registry_module, "_known", fresh)
    monkeypatch.setattr(registry_module._PlugIns, "begun", True)
    monkeypatch.setattr(registry_module._PlugIns, "done", True)
    return fresh


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A function that writes a module, imports it, and gives it."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(name: str, text: str):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(text))
        sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


def test_stays_a_function():
    """A processor is called like its function, with nothing checked and nothing stored."""
    made = register_processor(level, id="level", version="1.0")

    assert made(2, gain=3) == {"level": 6}
    assert made.description == "Tell how loud it is."
    assert made.entry_point == f"{__name__}:level"
    assert repr(made) == "<Processor level 1.0: Tell how loud it is.>"
    assert made.__doc__ == level.__doc__


@pytest.mark.parametrize("id", ["", "Level", "1st", "a-b", "a b", "ä", "_a"])
def test_bad_ids(id):
    """An id is small letters, digits and an underscore."""
    with pytest.raises(ProcessorError, match="expected small letters, digits"):
        register_processor(level, id=id, version="1")


@pytest.mark.parametrize("version", ["", " ", "1@2", 1, "1 0"])
def test_bad_versions(version):
    """A version is text that can stand behind an @."""
    with pytest.raises(ProcessorError, match="expected text without space"):
        register_processor(level, id="level", version=version)


class Holder:
    def method(self, inputs):
        """Be bound."""
        return inputs

    def __call__(self, inputs):
        """Be called."""
        return inputs


def local():
    """Give a function that only this one knows."""

    def inner(inputs):
        return inputs

    return inner


async def later(inputs):
    """Return some time."""
    return inputs


def bit_by_bit(inputs):
    """Return nothing before it is asked for."""
    yield inputs


REFUSED = [
    (lambda inputs: inputs, "a lambda, which has no name"),
    (local(), "defined inside another function"),
    (functools.partial(level, gain=2), "a partial; expected a plain function"),
    (Holder().method, "a method; expected a plain function"),
    (Holder(), "a Holder; expected a plain function"),
    (len, "a builtin_function_or_method; expected a plain function"),
    (np.exp, "a ufunc; expected a plain function"),
    (later, "is async or yields"),
    (bit_by_bit, "is async or yields"),
]


@pytest.mark.parametrize(("function", "told"), REFUSED)
def test_not_importable(function, told, known):
    """What no other process could import is refused, with how to make it importable."""
    with pytest.raises(ProcessorError, match=told) as refusal:
        register_processor(function, id="level", version="1")

    assert "module" in str(refusal.value) or "yields" in told
    assert not known


def test_function_of_a_script():
    """What is defined in a script or notebook is refused, and the script is told where to put it."""
    script = (
        "from analysis_store.processing import processor\n"
        "@processor(id='a', version='1')\ndef a(inputs):\n    return {}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)

    assert "of the script or notebook that runs; put it into a module" in done.stderr


def test_function_without_text():
    """Code that is in no file is refused: a change of it would not be noticed."""
    space: dict = {"__name__": "module_without_text"}
    exec("def made(inputs):\n    return {}\n", space)

    with pytest.raises(ProcessorError, match="code is in no file"):
        register_processor(space["made"], id="made", version="1")


def test_same_again():
    """The very same function registers as often as one likes."""
    first = register_processor(level, id="level", version="1")

    assert register_processor(level, id="level", version="1").function is first.function


def test_taken():
    """Two processors of one id and version with different code are refused, and both places named."""
    register_processor(level, id="level", version="1")

    with pytest.raises(ProcessorError, match=r"test_processor:level \(.*test_processor.py:\d+\).*test_processor:other"):
        register_processor(other, id="level", version="1")

    assert get_processor("level").function is level


@pytest.mark.parametrize("given", [None, 3, level])
def test_preset_of_no_processor(given):
    """It is refused, and a function that is not decorated is answered with how to make it one."""
    with pytest.raises(ProcessorError, match=r"Got .*; expected a processor or its id") as refusal:
        Preset(given)

    assert ("Decorate it with @processor" in str(refusal.value)) == callable(given)


def named(these, *, self: int = 1, inputs: int = 2, processor: int = 3):
    """Return its parameters."""
    return {"a": [self, inputs, processor]}


def test_any_name_of_a_parameter():
    """Whatever a function calls its parameters, they can be given by name."""
    made = register_processor(named, id="named", version="1")

    assert made.preset(self=4, inputs=5, processor=6).parameters == {"self": 4, "inputs": 5, "processor": 6}
    assert made(None, self=4, inputs=5) == {"a": [4, 5, 3]}


def listed(these, *, items: list[int] = [1]):  # noqa: B006 - as people write it
    """Return its parameters."""
    return {"a": items}


def test_preset_does_not_change():
    """What becomes of the parameters that it told does not matter."""
    preset = register_processor(listed, id="listed", version="1").preset()
    preset.parameters["items"].append(2)

    assert preset.parameters == {"items": [1]}


def test_same_code_in_another_file(module):
    """It is another processor, whose file may change tomorrow."""
    text = (
        "from analysis_store.processing import processor\n@processor(id='same', version='1')\ndef same(inputs): ...\n"
    )
    module("same_here", text)
    with pytest.raises(ProcessorError, match=r"is same_here:same \(.*\) already; got it again from same_there:same"):
        module("same_there", text)


def test_second_of_the_same_name(module):
    """Another function of the same name in the same module does not take the place of the first."""
    with pytest.raises(ProcessorError, match=r"twice_module:one .* with other code. Give one of them another"):
        module(
            "twice_module",
            """
            from analysis_store.processing import processor
            @processor(id="twice", version="1")
            def one(inputs):
                return {"a": 1}
            @processor(id="twice", version="1")
            def one(inputs):
                return {"a": 2}
            """,
        )


def test_loaded_again(module):
    """While it is being developed, the module that is loaded anew replaces what it registered."""
    text = """
        from analysis_store.processing import processor
        @processor(id="developed", version="1")
        def developed(inputs):
            return {"a": 1}
    """
    module("developed_module", text)
    found = module("developed_module", text.replace("1}", "2}"))

    assert get_processor("developed") is found.developed
    assert get_processor("developed")(None) == {"a": 2}


def test_imported_under_two_names(tmp_path, monkeypatch):
    """The same file imported under two names is one processor."""
    (tmp_path / "outer_name").mkdir()
    text = "from analysis_store.processing import processor\n@processor(id='two', version='1')\ndef two(inputs): ...\n"
    (tmp_path / "outer_name" / "two_names.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(tmp_path / "outer_name")

    first = importlib.import_module("outer_name.two_names")
    second = importlib.import_module("two_names")

    assert first.two is second.two


def test_newest_version(known):
    """Without a version one gets the newest, by number and not by text."""
    for version in ("nightly", "1.9", "1.10", "1.10rc1"):
        register_processor(level, id="level", version=version)

    assert get_processor("level").version == "1.10"
    assert get_processor("level@1.9").version == "1.9"
    assert get_processor("level", "nightly").version == "nightly"
    assert [one.version for one in processors()] == ["nightly", "1.9", "1.10rc1", "1.10"]


def test_unknown():
    """An id that is not known is answered with those that are near; a version with those that there are."""
    register_processor(level, id="sound_level", version="1")
    register_processor(level, id="sound_level", version="2")

    with pytest.raises(UnknownProcessorError, match="did you mean 'sound_level'"):
        get_processor("soundlevel")
    with pytest.raises(UnknownProcessorError, match="there are sound_level; import the module"):
        get_processor("xyz")
    with pytest.raises(UnknownProcessorError, match=r"there are: 1, 2\."):
        get_processor("sound_level@3")


def test_pickles():
    """A processor travels as the place of its function."""
    made = register_processor(level, id="level", version="1")

    assert pickle.loads(pickle.dumps(made)) is made


def test_pickle_from_elsewhere(known):
    """Where it arrives it is registered; where its module is missing, that is said."""
    sent = pickle.dumps(register_processor(level, id="level", version="1", descriptor_md={"a": {}}))
    known.clear()

    assert pickle.loads(sent).descriptor_md == {"a": {}}
    with pytest.raises(UnknownProcessorError, match="install the same code where the work is done"):
        registry_module.revived("no_such_module:level", "level", "9", None)


@pytest.fixture
def plug_ins(monkeypatch):
    """A function that takes entry points, which are looked at on the next need."""

    def give(*points: tuple[str, str]) -> None:
        made = [EntryPoint(name, value, registry_module.GROUP) for name, value in points]
        monkeypatch.setattr(registry_module, "entry_points", lambda group: made)
        monkeypatch.setattr(registry_module._PlugIns, "begun", False)
        monkeypatch.setattr(registry_module._PlugIns, "done", False)

    return give


def test_plug_ins(module, plug_ins):
    """An entry point names a module whose functions register; it is imported on first need."""
    text = (
        "from analysis_store.processing import processor\n@processor(id='plugged', version='1')\ndef f(inputs): ...\n"
    )
    module("plug_in_module", text)
    registry_module._known.clear()
    sys.modules.pop("plug_in_module")
    plug_ins(("a", "plug_in_module"))

    assert get_processor("plugged").entry_point == "plug_in_module:f"


def test_broken_plug_in(module, plug_ins):
    """A plug-in that cannot be imported, or is none, warns by name and hurts nobody."""
    register_processor(level, id="level", version="1")
    plug_ins(("broken", "no_such_module"), ("wrong", "math:pi"))

    with pytest.warns(UserWarning, match="plug-in") as told:
        assert get_processor("level").id == "level"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(processors()) == 1

    assert [str(one.message).split("'")[1] for one in told] == ["broken", "wrong"]


def test_threads(known):
    """Many threads may register and look at once."""
    wrong: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for version in range(20):
                register_processor(level, id=f"level_{number}", version=str(version))
                assert get_processor(f"level_{number}").version == str(version)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong
    assert len(processors()) == 120


def test_decorator():
    """The decorator gives the processor itself."""
    made = processor(id="level", version="1")(level)

    assert isinstance(made, Processor)
    assert get_processor("level") is made
