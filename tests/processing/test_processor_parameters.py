"""The parameters of a processor: the schema, what is accepted, what is refused and how."""

# ruff: noqa: B006, B008 - whatever people write as a default is what is being tested

from __future__ import annotations

import datetime
import math
import subprocess
import sys
from collections.abc import Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
from jsonschema import Draft202012Validator
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, field_serializer

from analysis_store.errors import ParameterError, ProcessorError
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.library.images import image_statistics
from analysis_store.processing.model.parameters import Parameters

if TYPE_CHECKING:
    from analysis_store.processing import Inputs


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Word(StrEnum):
    ONE = "one"


@dataclass
class Window:
    low: float = 0.0
    high: float = 1.0
    colours: list[Colour] = field(default_factory=list)


class Model(BaseModel):
    order: int = 2


def every(
    inputs: Inputs,
    *,
    flag=True,
    number=3,
    ratio=0.5,
    word="a",
    items=[1, 2],
    pair=(1, 2),
    table={"a": 1},
    anything=None,
    scalar=np.float32(2),
    limited: Annotated[float, Field(gt=0, le=10)] = 1,
    choice: Literal["fast", "slow"] = "fast",
    colour: Colour = Colour.RED,
    window: Window = Window(),
    model: Model = Model(),
    maybe: int | None = None,
    span: tuple[int, int] = (1, 2),
    names: set[str] = {"b", "a"},
    by_number: dict[int, float] = {1: 2.0},
    day: datetime.date = datetime.date(2020, 1, 1),
    path: Path = Path("a"),
    nothing: float = math.nan,
    schema: int = 1,
    json: int = 1,
    model_x: int = 1,
    _private: int = 1,
    copy: int = 1,
):
    """Do it all."""


def few(inputs, *, gain: float, order: int = 2, method: str = "gauss"):
    """Fit.

    Parameters
    ----------
    inputs : Inputs
        What is fitted.
    gain : float
        How much is
        made of it.
    order, method
        How.

    Returns
    -------
    dict
        gain : not this.
    """


CIRCLE: list[Any] = []
CIRCLE.append(CIRCLE)


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """The parameters of the function that has every kind."""
    return Parameters.of(every, "every")


def test_schema(parameters):
    """It is a JSON Schema of draft 2020-12 that the defaults fulfil, whatever the parameters are called."""
    schema = parameters.schema
    Draft202012Validator.check_schema(schema)

    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["properties"]["limited"] == {"type": "number", "exclusiveMinimum": 0, "maximum": 10, "default": 1.0}
    assert list(schema["properties"]) == list(parameters)
    assert schema["additionalProperties"] is False
    Draft202012Validator(schema).validate(parameters.to_json(parameters.validate({})))


def test_schema_has_what_the_docstring_says():
    """A numpydoc docstring describes the parameters; what has no default is required."""
    schema = Parameters.of(few, "few").schema

    assert schema["properties"]["gain"]["description"] == "How much is made of it."
    assert schema["properties"]["order"]["description"] == schema["properties"]["method"]["description"] == "How."
    assert schema["required"] == ["gain"]


def test_defaults_spelled_out(parameters):
    """`{}` is the defaults spelled out, as values and as JSON."""
    spelled = parameters.to_json(parameters.validate({}))

    assert repr(parameters.to_json(parameters.validate(spelled))) == repr(spelled)
    assert math.isnan(spelled["nothing"])
    assert spelled["names"] == ["a", "b"]


def test_function_gets_its_types(parameters):
    """Values arrive as the hints say, from JSON too."""
    values = parameters.validate(
        {"colour": "blue", "window": {"high": 3, "colours": ["red"]}, "span": [4, 5], "day": "2020-02-01"}
    )

    assert values["colour"] is Colour.BLUE
    assert values["window"] == Window(0.0, 3.0, [Colour.RED])
    assert values["span"] == (4, 5)
    assert values["pair"] == (1, 2)
    assert values["day"] == datetime.date(2020, 2, 1)
    assert type(values["scalar"]) is float


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ratio", 3, 3.0),
        ("number", np.int64(4), 4),
        ("flag", np.bool_(False), False),
        ("ratio", np.float32(0.5), 0.5),
        ("word", np.str_("b"), "b"),
        ("word", Word.ONE, "one"),
        ("colour", Colour.BLUE, Colour.BLUE),
        ("window", Window(2.0), Window(2.0)),
        ("model", Model(order=3), Model(order=3)),
        ("anything", (1, (2.5, None)), [1, [2.5, None]]),
        ("number", 2**80, 2**80),
        ("ratio", math.inf, math.inf),
        ("span", np.array([1, 2]).tolist(), (1, 2)),
        ("names", ["c", "a"], {"a", "c"}),
        ("by_number", {3: 1}, {3: 1.0}),
        ("by_number", {"3": 1}, {3: 1.0}),
        ("path", "b/c", Path("b/c")),
        ("maybe", None, None),
    ],
)
def test_accepted(parameters, name, given, expected):
    """What means the same is taken."""
    got = parameters.validate({name: given})[name]

    assert got == expected
    assert type(got) is type(expected)


@pytest.mark.parametrize(
    ("name", "given", "told"),
    [
        ("number", "3", r"number: Got '3'; input should be a valid integer"),
        ("number", True, r"number: Got True; input should be a valid integer"),
        ("number", 3.0, r"number: Got 3.0; input should be a valid integer"),
        ("flag", 1, r"flag: Got 1; input should be a valid boolean"),
        ("word", Path("x"), r"word: .*Path\('x'\); input should be a valid string"),
        ("ratio", "nan", r"ratio: Got 'nan'; input should be a valid number"),
        ("limited", -1, r"limited: Got -1; input should be greater than 0"),
        ("choice", "quick", r"choice: Got 'quick'; input should be 'fast' or 'slow'"),
        ("colour", "green", r"colour: Got 'green'; input should be 'red' or 'blue'"),
        ("window", {"high": "x"}, r"window\['high'\]: Got 'x'; input should be a valid number"),
        ("span", [1, 2, 3], r"span.*: Got "),
        ("anything", np.arange(3), r"anything: Got array\(\[0, 1, 2\]\) of type ndarray; expected what JSON can hold"),
        ("anything", {"a": [1, object()]}, r"anything\['a'\]\[1\]: Got <object"),
        ("anything", {1: 2}, r"anything: Got the key 1 of type int; JSON has keys of text only"),
        ("anything", {1, 2}, r"anything: Got \{1, 2\} of type set"),
        ("anything", datetime.date(2020, 1, 1), r"anything: Got datetime.date\(2020, 1, 1\) of type date"),
        ("anything", Window(), r"anything: Got Window.*"),
        ("anything", np.datetime64("2020-01-01"), r"of type datetime64"),
        ("anything", 1j, r"of type complex"),
        ("anything", CIRCLE, r"anything: Got list; JSON cannot hold it"),
        pytest.param("number", 10**5000, r"number: Got an int of 16610 bits", id="many digits"),
        pytest.param("ratio", 10**400, r"ratio: Got 10+; input should be a valid number", id="beyond floats"),
        ("word", "\ud800", r"lone surrogate"),
    ],
)
def test_refused(parameters, name, given, told):
    """What would change its meaning, or what JSON cannot hold, is refused: parameter, value and rule."""
    with pytest.raises(ParameterError, match=told):
        parameters.validate({name: given})


class Hidden(BaseModel):
    order: int = Field(default=1, exclude=True)


class Renamed(BaseModel):
    number: int = Field(default=1, alias="how-many")


class Rounded(BaseModel):
    value: float = 1.0

    @field_serializer("value")
    def as_whole(self, value: float) -> int:
        """Tell less than there is."""
        return round(value)


@pytest.mark.parametrize(
    ("hint", "given"),
    [
        (Annotated[int, AfterValidator(lambda value: 2 * value)], 3),
        (Annotated[float, BeforeValidator(lambda value: value / 2)], 3.0),
        (SecretStr, "hush"),
        (Hidden, {"order": 5}),
        (Rounded, {"value": 5.3}),
        (dict[tuple[int, int], str], {(1, 2): "a"}),
        (dict[int | str, int], {1: 1, "1": 2}),
    ],
)
def test_not_the_same_again(hint, given):
    """A value that JSON would give back as another is refused: the result could not be told by it, nor made again."""

    def function(inputs, *, value): ...

    function.__annotations__["value"] = hint
    with pytest.raises(ParameterError, match=r"value: Got "):
        Parameters.of(function, "function").validate({"value": given})


@pytest.mark.parametrize(
    ("hint", "given", "told"),
    [
        (dict[int, float], {1: 2.0}, {"1": 2.0}),
        (dict[Colour, list[int]], {Colour.RED: [1]}, {"red": [1]}),
        (list[float], [1, math.nan], [1.0, math.nan]),
        (Window, {"low": math.nan}, {"low": math.nan, "high": 1.0, "colours": []}),
        (Iterable[int], [1, 2], [1, 2]),
        (Renamed, {"how-many": 3}, {"how-many": 3}),
    ],
)
def test_told_as_json_has_it(hint, given, told):
    """Keys are text, and what is told has an identity; the function gets what was given."""

    def function(inputs, *, value): ...

    function.__annotations__["value"] = hint
    parameters = Parameters.of(function, "function")
    found = parameters.to_json(parameters.validate({"value": given}))
    assert repr(found) == repr({"value": told})
    assert digest_of(found) == digest_of(parameters.to_json(parameters.validate(found)))


def test_hints_under_a_decorator():
    """They are those of the module of the function, not of the one that has the decorator."""

    @contextmanager
    def quiet():
        yield

    @quiet()
    def decorated(inputs, *, colour: Colour = Colour.RED): ...

    assert Parameters.of(decorated, "decorated").validate({"colour": "blue"}) == {"colour": Colour.BLUE}


@pytest.mark.parametrize("given", [3, "order", [("order", 1)], None])
def test_no_mapping(given):
    """What does not say the parameters by name is refused."""
    with pytest.raises(ParameterError, match=r"Got .*; expected parameters by name, \{name: value\}"):
        Parameters.of(few, "few").validate(given)


def test_true_is_no_one():
    """Python holds True, 1 and 1.0 for equal; a parameter does not."""

    def chosen(inputs, *, choice: Literal[1, 2] = 1): ...

    for given in (True, 1.0):
        with pytest.raises(ParameterError, match="choice: "):
            Parameters.of(chosen, "chosen").validate({"choice": given})


def test_every_fault_is_told():
    """One message tells all that is wrong, and what an unknown name may have meant."""
    with pytest.raises(ParameterError) as refusal:
        Parameters.of(few, "few").validate({"ordr": 1, "order": "x", "zzz": 1})

    told = str(refusal.value)
    assert told.startswith(
        "processor 'few': ordr: is not a parameter; the nearest: order; zzz: is not a parameter; there are"
    )
    assert "gain: is missing and has no default" in told
    assert "order: Got 'x'; input should be a valid integer" in told


def test_calls_share_nothing(parameters):
    """A call that changes its list spoils neither the next call nor the default nor what was given."""
    given = {"items": [1]}
    for values in (parameters.validate(given), parameters.validate({})):
        values["items"].append(9)
        values["window"].colours.append(Colour.RED)

    assert given == {"items": [1]}
    assert parameters.validate({})["items"] == [1, 2]
    assert parameters.validate({})["window"] == Window()
    assert every.__kwdefaults__["items"] == [1, 2]


def test_equal_sets_are_told_alike():
    """The order of a set depends on the process; what is stored of it does not."""
    script = (
        "from analysis_store.processing.model.parameters import Parameters\n"
        "def f(inputs, *, names: set[str] = set('abcdefgh')): ...\n"
        "made = Parameters.of(f, 'f')\nprint(made.to_json(made.validate({})))\n"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }

    assert told == {"{'names': ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']}\n"}


def no_inputs():
    """Take nothing."""


def only_keywords(*, inputs):
    """Take inputs by name only."""


def many(inputs, *more):
    """Take anything."""


def free(inputs, **more):
    """Take any name."""


def positional(inputs, gain, /):
    """Take a parameter by its place."""


def bad_default(inputs, *, gain: int = "x"):
    """Have a default that is no int."""


def missing_name(inputs, *, gain: Nowhere = 1):  # noqa: F821
    """Have a hint that stands for nothing."""


def no_schema(inputs, *, gain: np.ndarray | None = None):
    """Have a hint that JSON cannot say."""


def bad_value(inputs, *, gain: Any = object()):
    """Have a default that JSON cannot hold."""


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (no_inputs, "takes no inputs"),
        (only_keywords, "takes no inputs"),
        (many, r"Got the argument \*more; expected every parameter by its name"),
        (free, r"Got the argument \*\*more; expected every parameter by its name"),
        (positional, "Got the argument gain"),
        (bad_default, "default of a parameter breaks its own type hint: gain: Got 'x'"),
        (missing_name, "hint cannot be resolved .*Nowhere"),
        (no_schema, "which has no JSON Schema"),
        (bad_value, "default of a parameter breaks its own type hint: gain: Got <object"),
    ],
)
def test_functions_refused(function, told):
    """A function whose parameters cannot be told by name and type is refused when it is registered."""
    with pytest.raises(ProcessorError, match=f"processor 'made': .*{told}"):
        Parameters.of(function, "made")


def test_parameters_without_names_refused():
    """A preset takes its parameters by name, and says so; calling the processor is calling the function."""
    with pytest.raises(ParameterError, match=r"Got \(3,\) without names; expected parameters by name"):
        image_statistics.preset(3)
