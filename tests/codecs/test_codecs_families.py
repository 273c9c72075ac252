"""Classes that describe themselves: each kind comes back as it was, older states and crafted ones are dealt with."""

from __future__ import annotations

import enum
from collections import namedtuple
from dataclasses import InitVar, dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import attr
import attrs
import numpy as np
import pydantic

from analysis_store.codecs import register_codec, registry
from analysis_store.codecs.families import derive
from analysis_store.testing.codecs import CodecTests, through_file
from analysis_store.testing.equality import assert_identical

Kind = TypeVar("Kind")

# ----------------------------------------------------------------------------------------------------- classes


@register_codec
class Peak:
    """Tells its state by methods."""

    def __init__(self, center: float, parts: list[float]) -> None:
        self.center = center
        self.parts = parts

    def to_state(self) -> dict[str, Any]:
        """An array where it has a list."""
        return {"center": self.center, "parts": np.array(self.parts, "f8")}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Peak:
        """The other way round."""
        return cls(state["center"], state["parts"].tolist())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Peak) and vars(self) == vars(other)

    __hash__ = None


@register_codec
class Color(enum.Enum):
    """Members of all sorts; one has two names."""

    RED = 1
    CRIMSON = 1  # noqa: PIE796 - a second name
    PAIR = (1, "a")
    KIND = dict
    name_ = None


@register_codec
class Level(enum.IntEnum):
    """Integers with names."""

    LOW = 1
    HIGH = 2**70


@register_codec
class Edge(enum.StrEnum):
    """Text with names."""

    K = "K"
    L3 = "L3"


@register_codec
class Bits(enum.Flag):
    """Bits, some of them together."""

    A = 1
    B = 2
    AB = 3


@register_codec
class Mode(enum.IntFlag):
    """Bits that may be without a name."""

    READ = 4
    WRITE = 2


@register_codec
class Open(enum.Enum):
    """Makes members of what it does not know."""

    KNOWN = "known"

    @classmethod
    def _missing_(cls, value: object) -> Open:
        made = object.__new__(cls)
        made._name_ = made._value_ = str(value)
        return cls._value2member_map_.setdefault(made._value_, made)


@register_codec
class Point(NamedTuple):
    """Fields with defaults."""

    x: float
    label: str | None = None
    more: Any = ()


Old = register_codec(namedtuple("Old", "a b"))  # noqa: PYI024 - what many packages have


@register_codec
class Marked(Point):
    """A named tuple that can have attributes."""


@register_codec
@dataclass
class Fit(Generic[Kind]):
    """All that a dataclass can be asked for."""

    model: str
    values: list[float] = field(default_factory=list)
    weight: float = field(default=1.0, kw_only=True)
    chi: float = field(init=False)
    fixed: int = field(init=False, default=4)
    scale: InitVar[float] = 2.0
    count: ClassVar[int] = 0

    def __post_init__(self, scale: float) -> None:
        type(self).count += 1
        self.beside = scale

    @cached_property
    def report(self) -> Any:
        """Something that no codec knows."""
        return object()


@register_codec
@dataclass
class Inherited(Fit[int]):
    """More fields."""

    extra: dict[str, Any] | None = None


@register_codec
class Undecorated(Fit[int]):
    """A dataclass by its base alone."""

    def __init__(self, note: str) -> None:
        self.model = note
        self.values = []
        self.weight = self.chi = 0.0
        self.note = note


@register_codec
@dataclass(frozen=True, slots=True)
class Frozen:
    """Cannot be set."""

    key: str
    window: tuple[int, int] = (0, 1)


@register_codec
@dataclass(frozen=True, slots=True)
class Slotted(Frozen):
    """Slots of its own over those of its base; one field need not be there."""

    late: int = field(init=False)


@register_codec
@attrs.define
class Motor:
    """Private names, validators, converters and slots."""

    name: str = attrs.field(converter=str.lower)
    _limits: list[float] = attrs.field(factory=list, validator=attrs.validators.max_len(2))
    position: float = attrs.field(default=attrs.Factory(lambda self: float(len(self.name)), takes_self=True))

    @cached_property
    def label(self) -> str:
        """Computed once."""
        return self.name.title()


@register_codec
@attrs.frozen(cache_hash=True)
class Key:
    """Remembers its hash."""

    name: str


@register_codec
@attr.s(hash=True, cache_hash=True)
class OldKey:
    """Remembers its hash beside its attributes."""

    name = attr.ib(default="x")


@register_codec
class Model(pydantic.BaseModel):
    """Fields, further fields, private attributes and computed ones."""

    model_config = pydantic.ConfigDict(extra="allow", validate_assignment=True)

    center: float = pydantic.Field(alias="centre", gt=0)
    parts: list[int] = []
    _cache: dict[str, int] = pydantic.PrivateAttr(default_factory=dict)
    _unset: int = pydantic.PrivateAttr()

    @pydantic.computed_field
    @cached_property
    def double(self) -> float:
        """Computed once."""
        return self.center * 2


@register_codec
class Strict(pydantic.BaseModel):
    """A model that cannot be changed."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    model: Model | None = None
    seen: set[int] = set()


@register_codec
class Numbers(pydantic.RootModel[list[int]]):
    """A model that is a list."""


class Box(pydantic.BaseModel, Generic[Kind]):
    """A model of something."""

    value: Kind


BoxOfInt, BoxOfEdge = register_codec(Box[int]), register_codec(Box[Edge])


@register_codec
@pydantic.dataclasses.dataclass(config=pydantic.ConfigDict(extra="allow"))
class Checked:
    """A dataclass that pydantic checks."""

    width: int
    parts: list[int] = pydantic.Field(default_factory=list)


def _with(value: Any, **attributes: Any) -> Any:
    for name, item in attributes.items():
        object.__setattr__(value, name, item)
    return value


def _used(value: Any) -> Any:
    """Return a value that has computed all that it remembers."""
    for name in ("report", "label", "double"):
        getattr(value, name, None)
    if type(value).__hash__:
        hash(value)
    return value


_MODEL = Model(centre=1.5, parts=["3"], further={"a": [1]})
_MODEL._cache["n"] = 3

ENUMS = (
    *(Color.RED, Color.CRIMSON, Color.PAIR, Color.KIND, Color.name_, *Level, *Edge, Open.KNOWN, Open("new")),
    *(Bits(0), Bits.A, Bits.AB, Bits.A | Bits.B, ~Bits.A),
    *(Mode(0), Mode.READ, Mode.READ | Mode.WRITE, Mode(8), Mode.READ | 1, ~Mode.READ),
)
TUPLES = (Point(1.5), Point(1.5, "a", [(1, 2)]), Old(1, Old(2, ())), Marked(0.0), _with(Marked(0.0), note="x", n=1))
INSTANCES = (
    Peak(1.5, [1.0, 2.0]),
    _with(Fit("a"), chi=0.5),
    _used(_with(Fit[int]("a", [1.0, np.nan], weight=-0.0, scale=3.0), chi=0.5, fixed=5)),
    _with(Inherited("a", extra={"b/c": Frozen("k")}), chi=1.0, **{"not a name": 1}),
    Undecorated("note"),
    Frozen("a"),
    _with(Slotted("a", (2, 3)), late=1),
    Motor("M1"),
    _used(Motor("M1", [0.0, 1.0], 3.5)),
    Key("a"),
    _used(Key("a")),
    _used(OldKey()),
)
MODELS = (
    _MODEL,
    _used(_MODEL.model_copy(deep=True)),
    Strict(model=_MODEL),
    Strict(seen={3, 1}),
    Numbers([1, 2]),
    BoxOfInt(value=3),
    BoxOfEdge(value="K"),
    Checked(width="3"),
    Checked(3, parts=[1]),
)


class TestEnums(CodecTests):
    """Members of Enums, and flags."""

    values = ENUMS

    def equal(self, wanted, found):
        """Members are the ones that there are."""
        assert found is wanted


class TestTuples(CodecTests):
    """Tuples whose places have names."""

    values = TUPLES

    def equal(self, wanted, found):
        """Compare the attributes, too."""
        assert_identical(tuple(wanted), tuple(found))
        assert type(found) is type(wanted)
        assert getattr(found, "__dict__", None) == getattr(wanted, "__dict__", None)


class TestInstances(CodecTests):
    """Classes with methods, dataclasses and attrs classes."""

    values = INSTANCES

    def equal(self, wanted, found):
        """Compare the attributes beside the fields, too, and the hash."""
        assert_identical(wanted, found)
        if not isinstance(wanted, Motor | Key | OldKey):
            assert _further(found) == _further(wanted)
        if type(wanted).__hash__:
            assert hash(found) == hash(wanted)


class TestModels(CodecTests):
    """Models and dataclasses of pydantic."""

    values = MODELS

    def equal(self, wanted, found):
        """Compare what the models say of themselves."""
        assert type(found) is type(wanted)
        assert found == wanted
        if isinstance(wanted, pydantic.BaseModel):
            assert found.model_fields_set == wanted.model_fields_set
            assert found.model_dump() == wanted.model_dump()
            assert found.model_extra == wanted.model_extra


def _further(value: Any) -> dict[str, Any]:
    known = {"report", "__orig_class__", "values", "fixed"}  # computed, a hint, compared before, of the class
    return {name: it for name, it in getattr(value, "__dict__", {}).items() if name not in known}


# ---------------------------------------------------------------------------------------------------- instances


def test_nothing_of_the_class_is_run():
    """A dataclass comes back without its __init__ and __post_init__, an attrs class without converter and validator."""
    before = Fit.count + 1
    fit = _with(Fit("a"), chi=1.0)
    motor = _with(Motor("m"), name="UPPER", _limits=[1.0, 2.0, 3.0])

    assert through_file(fit) == fit
    assert through_file(motor) == motor
    assert Fit.count == before


def test_models_are_not_validated_again():
    """A model comes back as it was, also where its own rules would not let it be made."""
    model = Model.model_construct(center=-1.0, parts="none")
    found = through_file(model)

    assert (found.center, found.parts, found.model_fields_set) == (-1.0, "none", {"center", "parts"})


def test_unset_fields_stay_unset():
    """A field that was never set is not there afterwards either."""
    fit, slotted = through_file([Fit("a"), Slotted("a")])
    model = through_file(Model.model_construct(parts=[1]))

    assert not hasattr(fit, "chi")
    assert not hasattr(slotted, "late")
    assert "center" not in vars(model)


def test_values_of_the_class_are_kept():
    """A value that an instance has from its class is written down: another may stand there one day."""
    assert registry.for_type(Fit).to_state(Fit("a"))["fixed"] == 4


def test_cached_values_are_computed_again():
    """What a class computes and remembers is not in the file; else a report without a codec would keep a fit out."""
    fit = _used(_with(Fit("a"), chi=1.0))

    assert "report" in vars(fit)
    assert "report" not in vars(through_file(fit))


def test_shared_values_stay_shared():
    """What two instances have in common they have in common afterwards."""
    common = [1.0]
    first, second = through_file([Motor("a", common), Motor("b", common)])

    assert first._limits is second._limits


def test_plain_state():
    """A reader without the class sees the fields by their names."""
    assert registry.for_type(Frozen).to_state(Frozen("a")) == {"key": "a", "window": (0, 1)}
    assert registry.for_type(Bits).to_state(Bits.A) == {"name": "A", "value": 1}
    assert registry.for_type(Color).to_state(Color.KIND) == {"name": "KIND", "value": None}
    assert registry.for_type(Model).to_state(_MODEL) == {
        "center": 1.5,
        "parts": [3],
        "extra fields": {"further": {"a": [1]}},
        "private attributes": {"_cache": {"n": 3}},
        "given fields": ["center", "further", "parts"],
    }


def test_generic_models_have_names_of_their_own():
    """Two models of one generic, with parameters of the same name from two places, are two types."""
    here, there = (type("Part", (pydantic.BaseModel,), {"__module__": module}) for module in ("here", "there"))

    assert derive(Box[here]).name == f"{Box.__module__}.Box[here.Part]"
    assert derive(Box[there]).name == f"{Box.__module__}.Box[there.Part]"
    assert derive(Box[dict[str, int]]).name == f"{Box.__module__}.Box[dict[str,int]]"
