"""Classes that changed since the file was written, classes that have no codec, and states that nobody dumped."""

from __future__ import annotations

import enum
import subprocess
import sys
from dataclasses import dataclass, field, make_dataclass
from typing import Any, NamedTuple

import attrs
import numpy as np
import pydantic
import pytest

from analysis_store.codecs import registry
from analysis_store.codecs.families import derive
from analysis_store.errors import CodecError, DamagedFileError, InvalidDataError, UnknownTypeError
from analysis_store.testing.codecs import through_file


class Color(enum.Enum):
    """Members of two kinds."""

    RED = 1
    PAIR = (1, "a")


class Bits(enum.Flag):
    """No bit 8."""

    A = 1
    B = 2


class Point(NamedTuple):
    """One field has no default."""

    x: float
    label: str | None = None


@dataclass
class Fit:
    """One field need not be there."""

    model: Any
    values: list[Any] = field(default_factory=list)
    chi: float = field(init=False)


@dataclass(frozen=True, slots=True)
class Frozen:
    """Has no place for further attributes."""

    key: str
    window: tuple[int, int] = (0, 1)


@attrs.define
class Motor:
    """Slots."""

    name: str


class Model(pydantic.BaseModel):
    """No further fields."""

    center: float
    parts: list[int] = []


class Numbers(pydantic.RootModel[list[int]]):
    """A model that is a list."""


# ----------------------------------------------------------------------------------------------------- versions


def _then_now(before: list[Any], after: list[Any], **now: Any) -> tuple[type, type]:
    """Return a dataclass as it was, and as it is under the same name now."""
    made = [make_dataclass("Changing", fields, namespace=extra) for fields, extra in ((before, {}), (after, now))]
    for cls in made:
        cls.__module__ = __name__
    return made[0], made[1]


def _read_back(old: Any, new: type) -> Any:
    codec = derive(type(old))
    return registry.revive(derive(new), codec.version, codec.to_state(old))


def test_new_field_with_a_default():
    """A field that the file does not know yet takes its default, each instance its own."""
    then, now = _then_now(["a"], ["a", ("b", list, field(default_factory=list)), ("c", int, 3)])
    first, second = _read_back(then(1), now), _read_back(then(1), now)

    assert first == now(1, [], 3)
    assert first.b is not second.b


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (["a"], ["a", "b"], r"missing without a default \['b'\], unknown \[\]"),
        (["a", "b"], ["a"], r"missing without a default \[\], unknown \['b'\]"),
        (["a"], ["b"], r"missing without a default \['b'\], unknown \['a'\]"),
    ],
)
def test_fields_that_do_not_fit(before, after, reason):
    """A renamed or removed field is named, with what to do: nothing is dropped, nothing made up."""
    then, now = _then_now(before, after)

    with pytest.raises(DamagedFileError, match=rf"{reason}.*state_version.*migrate_state"):
        _read_back(then(*before), now)


def test_migration():
    """A class that raised its version brings an older state to the fields that it has now."""
    then, now = _then_now(
        ["width_in_m"],
        ["width"],
        state_version=2,
        migrate_state=staticmethod(lambda state, version: {"width": state["width_in_m"] * 1000 + version}),
    )

    assert _read_back(then(2), now) == now(2001)


def test_same_for_named_tuples_attrs_and_models():
    """Defaults fill in for tuples, attrs classes and models, also defaults that look at the instance."""

    @attrs.define
    class Scan:
        start: float
        stop: float = attrs.Factory(lambda self: self.start + 1, takes_self=True)

    class Window(pydantic.BaseModel):
        low: int
        high: int = pydantic.Field(default_factory=lambda data: data["low"] + 1)
        names: list[str] = []

    assert derive(Point).from_state({"x": 1.0}) == Point(1.0)
    assert derive(Scan).from_state({"start": 1.0}) == Scan(1.0, 2.0)
    window = derive(Window).from_state({"low": 1, "given fields": ["low"]})
    assert (window, window.model_fields_set) == (Window(low=1), {"low"})
    for cls, first in ((Point, "x"), (Scan, "start"), (Window, "low")):
        with pytest.raises(InvalidDataError, match=rf"missing without a default \['{first}'\]"):
            derive(cls).from_state({})
        with pytest.raises(InvalidDataError, match=r"unknown \['old'\]"):
            derive(cls).from_state({first: 1, "old": 1})


def test_new_private_attribute():
    """A private attribute that the file does not know takes its default, where it has one."""

    class Cached(Model):
        _cache: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)
        _later: int = pydantic.PrivateAttr()

    found = derive(Cached).from_state(derive(Model).to_state(Model(center=1.0)))

    assert found == Cached(center=1.0)
    assert (found._cache, hasattr(found, "_later")) == ({}, False)


def test_renamed_member():
    """A member is known by its name, whatever its value is now; one that is gone is named with its value."""
    with pytest.raises(InvalidDataError, match=r"member 'MAUVE' of the value 7;.*'RED'.*migrate_state"):
        derive(Color).from_state({"name": "MAUVE", "value": 7})
    assert derive(Color).from_state({"name": "RED", "value": 7}) is Color.RED


def test_arguments_of_register_codec_come_first():
    """A name, a version and a way from older states given by the caller count before those of the class."""
    codec = derive(Frozen, name="here.Frozen", version=3, migrate=lambda state, version: {**state, "key": str(version)})

    assert (codec.name, codec.version) == ("here.Frozen", 3)
    assert registry.revive(codec, 2, {"window": (1, 2)}) == Frozen("2", (1, 2))


# ----------------------------------------------------------------------------------------------- what is refused


class _Half:
    def to_state(self) -> int:
        return 1


class _Bound(_Half):
    def from_state(self, state: int) -> int:
        return state


@dataclass
class _DataDict(dict):  # type: ignore[type-arg]
    a: int = 1


@dataclass
class _DataArray(np.ndarray):  # type: ignore[type-arg]
    a: int = 1


@attrs.define
class _AttrsError(Exception):
    a: int = 1


class _Sized(tuple):
    __slots__ = ()
    _fields = ("a",)


@pytest.mark.parametrize(
    "cls", [object, int, type, dict, _Half, _DataDict, _DataArray, _AttrsError, _Sized, type(sys.version_info)]
)
def test_classes_that_tell_nothing(cls):
    """A class that does not tell all of its instances has no codec: a dataclass that is a dict is more than fields."""
    assert derive(cls) is None


def test_from_state_of_instances():
    """A from_state that is no classmethod is told at once, not when the file is read."""
    with pytest.raises(CodecError, match=r"_Bound\.from_state, a method of instances; expected a classmethod"):
        derive(_Bound)


def test_value_without_a_codec():
    """What an attribute cannot hold in a file is refused with its path, also beside the fields."""
    fit = Fit("a")
    fit.note = object()

    with pytest.raises(InvalidDataError, match=r"^obj\[0\]\.values\[0\]: .*object"):
        through_file([Fit("a", [object()])])
    with pytest.raises(InvalidDataError, match=r"^obj\.further attributes\['note'\]: .*object"):
        through_file(fit)


def test_a_class_is_given_by_the_reader():
    """A name in a file finds no class by itself; the reader gives the class, or registers it."""

    @dataclass
    class Local:
        a: int

    codec = derive(Local)
    with pytest.raises(UnknownTypeError, match=r"Local.*types="):
        registry.for_name(codec.name)
    assert registry.for_name(codec.name, registry.named([Local])).cls is Local


@pytest.mark.parametrize(
    ("cls", "state"),
    [
        (Color, "RED"),
        (Color, {"name": "__class__", "value": 1}),
        (Color, {"name": None, "value": 99}),
        (Color, {"name": ["RED"], "value": 1}),
        (Bits, {"name": "A", "value": 8}),
        (Bits, {"name": "A", "value": "1"}),
        (Color, {"name": "RED"}),
        (Point, [1.0]),
        (Point, {"label": "a"}),
        (Point, {"x": 1, "further attributes": {"a": 1}}),
        (Point, {"x": 1, "further attributes": [1]}),
        (Fit, "a"),
        (Fit, {}),
        (Fit, {"model": 1, "unset fields": 5}),
        (Fit, {"model": 1, "unset fields": ["chi"], "further attributes": "text"}),
        (Frozen, {"key": "a", "further attributes": {"__class__": 1}}),
        (Frozen, {"key": "a", "further attributes": {"to": 1}}),
        (Motor, {1: 2}),
        (Model, {"center": 1.0, "given fields": 5}),
        (Model, {"center": 1.0, "given fields": [["a"]]}),
        (Model, {"center": 1.0, "surplus": 5}),
        (Model, {"center": 1.0, "unset fields": ["center", "parts"]}),
        (Numbers, [1]),
    ],
)
def test_crafted_states(cls, state):
    """A state that nobody dumped is refused by the name of its type."""
    codec = registry.for_type(cls)

    with pytest.raises(DamagedFileError, match="cannot be created from its state"):
        registry.revive(codec, codec.version, state)


def test_no_setter_is_run():
    """An attribute from a file never goes through a property of the class, nor replaces the class."""

    @dataclass
    class Guarded:
        a: int

        @property
        def door(self) -> int:
            raise AssertionError

        @door.setter
        def door(self, value: int) -> None:
            raise AssertionError

    made = derive(Guarded).from_state({"a": 1, "further attributes": {"door": 5, "__class__": 7}})

    assert type(made) is Guarded
    assert vars(made) == {"a": 1, "door": 5, "__class__": 7}


def test_optional_libraries_are_not_loaded():
    """To describe a dataclass needs neither attrs nor pydantic."""
    code = (
        "import sys; from dataclasses import make_dataclass; from analysis_store.codecs.families import derive; "
        "assert derive(make_dataclass('A', 'b')) and derive(object) is None; "
        "print([name for name in ('attr', 'attrs', 'pydantic', 'h5py') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
