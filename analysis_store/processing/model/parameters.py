"""The parameters of a processor: their schema, from type hints and defaults, and their values, checked.

Values pass through JSON, so that a result can be computed again from its stored parameters: the function receives the
JSON value, parsed by the type hint. Types are strict: ``"3"``, ``True`` and ``3.0`` are not int; an int is a float.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import cached_property
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_type_hints

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from analysis_store.errors import ParameterError, ProcessorError
from analysis_store.processing.identity.differences import Differences
from analysis_store.processing.identity.jsonable import NotPlainError, plain, told_in_json

if TYPE_CHECKING:
    from analysis_store.documents import Document

_SCHEMA = "https://json-schema.org/draft/2020-12/schema"
_SECTION = re.compile(r"^Parameters\n-{3,}\n(.*?)(?=^\S[^\n]*\n-{3,}$|\Z)", re.MULTILINE | re.DOTALL)
_CHANGES = (
    "its type converts it to a value that JSON does not restore; use a type without validators that change "
    "values and without hidden fields"
)
_ENTRY = re.compile(r"^(\w[\w, ]*?)(?: *:.*)?\n((?:[ \t]+\S.*\n?|[ \t]*\n)+)", re.MULTILINE)


class Parameter:
    """One parameter: its name, the type of its values, and its default."""

    def __init__(self, name: str, hint: Any, default: Any = inspect.Parameter.empty) -> None:
        self.name = name
        try:
            self.adapter: TypeAdapter[Any] = TypeAdapter(hint)
            self.adapter.json_schema()
        except (PydanticUserError, TypeError, NameError) as error:
            raise ParameterError(
                f"{name}: Got the type {hint!r}, which has no JSON Schema ({_first_line(error)}); "
                "expected numbers, text, lists, dicts, Literal, Enum, dataclasses or pydantic models."
            ) from error
        self.required: bool = default is inspect.Parameter.empty
        self.default = None if self.required else self.to_json(self._checked_default(default))
        """Default as JSON."""

    def _checked_default(self, default: Any) -> Any:
        faults: list[str] = []
        value = self.validate(default, faults)
        if faults:
            raise ParameterError(f"the default of a parameter breaks its own type hint: {'; '.join(faults)}.")
        return value

    def validate(self, given: object, faults: list[str]) -> Any:
        """Return the value as the function receives it; add faults of it to the list."""
        try:
            return self._validated(given)
        except NotPlainError as error:
            faults.append(f"{self.name}{error}")
        except ValidationError as error:
            for fault in error.errors(include_url=False, include_context=False):
                path = "".join(f"[{part!r}]" for part in fault["loc"])
                message = fault["msg"][:1].lower() + fault["msg"][1:]
                faults.append(f"{self.name}{path}: Got {fault['input']!r:.200}; {message}")
        except (RecursionError, ValueError) as error:  # it contains itself, or an int has too many digits
            faults.append(f"{self.name}: Got {type(given).__name__}; JSON cannot hold it: {error}")
        return None

    def _validated(self, given: Any) -> Any:
        try:
            told = plain(given)
        except NotPlainError as refusal:  # instance of the hint's type: a dataclass, an Enum, a date
            return self._by_way_of_json(self.adapter.validate_python(given, strict=True), "", refusal)
        text = json.dumps(told)
        value = self.adapter.validate_json(text, strict=True)
        if type(value) is int and type(told) is not int and type(told) is not str:  # Literal[1] equals True and 1.0
            raise NotPlainError(f": Got {given!r}; input should be a valid integer")
        return self._by_way_of_json(value, text, NotPlainError(f": Got {given!r:.80}; {_CHANGES}"))

    def _by_way_of_json(self, value: Any, text: str, refusal: NotPlainError) -> Any:
        """Return a value after a round trip through JSON; raise if it changed.

        Values change if the type hides a part of them, or a validator changes them each time.
        """
        try:
            told = json.dumps(told_in_json(value))
            again = self.adapter.validate_json(told, strict=True)
        except (NotPlainError, ValidationError) as error:
            raise refusal from error
        if told != text and (type(again) is not type(value) or not _is_same(value, again)):
            raise refusal
        return again

    def to_json(self, value: object) -> Any:
        """Return a checked value as JSON."""
        return told_in_json(value)


class Parameters:
    """The parameters of a function, without its inputs."""

    def __init__(self, name: str, parameters: Mapping[str, Parameter], descriptions: Mapping[str, str]) -> None:
        self._name = name
        self._parameters = parameters
        self._descriptions = descriptions

    @classmethod
    def of(cls, function: Callable[..., object], name: str) -> Parameters:
        """Return the parameters of a function, whose first argument are the inputs.

        Raises
        ------
        ProcessorError
            The function takes no inputs, or arguments that cannot be given by name.
        ParameterError
            A type hint that cannot be resolved or has no JSON Schema; a default that breaks its hint.
        """
        try:
            found = _by_name(function)
            hints = _hints(function, found)
            made = {one.name: Parameter(one.name, hints.get(one.name, _guess(one)), one.default) for one in found}
        except ProcessorError as error:
            raise type(error)(f"processor {name!r}: {error}") from error
        return cls(name, made, _descriptions(inspect.getdoc(function) or ""))

    def __iter__(self) -> Iterator[str]:
        return iter(self._parameters)

    def __len__(self) -> int:
        return len(self._parameters)

    @cached_property
    def schema(self) -> Document:
        """JSON Schema (draft 2020-12) of the parameters."""
        parts, shared = TypeAdapter.json_schemas(
            [(name, "validation", one.adapter) for name, one in self._parameters.items()]
        )
        properties: dict[str, Any] = {}
        for name, one in self._parameters.items():
            described = {"description": self._descriptions[name]} if name in self._descriptions else {}
            default = {} if one.required else {"default": one.default}
            properties[name] = {**described, **parts[name, "validation"], **default}
        required = [name for name, one in self._parameters.items() if one.required]
        whole = {"$schema": _SCHEMA, "title": self._name, "type": "object", "properties": properties}
        return {**whole, "required": required, "additionalProperties": False, **shared}

    def validate(self, given: Mapping[str, object]) -> dict[str, Any]:
        """Return the values of all parameters as the function receives them: new objects, never the given ones.

        Raises
        ------
        ParameterError
            The message names every wrong parameter, its value and its rule.
        """
        if not isinstance(given, Mapping):
            raise ParameterError(
                f"processor {self._name!r}: Got {given!r:.200}; expected parameters by name, {{name: value}}."
            )
        faults = [self._unknown(name) for name in given if name not in self._parameters]
        values: dict[str, Any] = {}
        for name, one in self._parameters.items():
            if name not in given and one.required:
                faults.append(f"{name}: is missing and has no default")
            else:
                values[name] = one.validate(given.get(name, one.default), faults)
        if faults:
            raise ParameterError(f"processor {self._name!r}: {'; '.join(faults)}.")
        return values

    def to_json(self, values: Mapping[str, object]) -> Document:
        """Return values of `validate` as JSON; NaN and infinities remain floats."""
        return {name: self._parameters[name].to_json(value) for name, value in values.items()}

    def _unknown(self, name: object) -> str:
        near = get_close_matches(str(name), list(self._parameters), 3)
        known = f"the nearest: {', '.join(near)}" if near else f"there are {', '.join(self) or 'none'}"
        return f"{name}: is not a parameter; {known}"


def _by_name(function: Callable[..., object]) -> list[inspect.Parameter]:
    """Return the arguments without the inputs, after checking that all can be given by name."""
    taken = list(inspect.signature(function).parameters.values())
    if not taken or taken[0].kind not in {taken[0].POSITIONAL_ONLY, taken[0].POSITIONAL_OR_KEYWORD}:
        raise ProcessorError("the function takes no inputs; expected f(inputs, *, name=default, …).")
    for one in taken[1:]:
        if one.kind not in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}:
            raise ProcessorError(
                f"Got the argument {one}; expected every parameter by its name, since stored results are distinguished "
                "by them: write f(inputs, *, name=default, …)."
            )
    return taken[1:]


def _hints(function: Callable[..., object], found: list[inspect.Parameter]) -> dict[str, Any]:
    # Only for the parameters: the hint of the inputs may be imported for the type checker alone.
    told = {one.name: one.annotation for one in found if one.annotation is not one.empty}
    names = getattr(inspect.unwrap(function), "__globals__", {})
    try:
        return get_type_hints(SimpleNamespace(__annotations__=told), names, include_extras=True)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise ParameterError(
            f"a type hint cannot be resolved ({error}); expected names that the module imports when it runs."
        ) from error


def _guess(parameter: inspect.Parameter) -> Any:
    """Return the type of a parameter without a hint: that of its default."""
    if parameter.default is parameter.empty or parameter.default is None:
        return Any
    return type(parameter.default.item() if isinstance(parameter.default, np.generic) else parameter.default)


def _descriptions(docstring: str) -> dict[str, str]:
    """Return the description of each parameter in a numpydoc docstring."""
    section = _SECTION.search(docstring + "\n")
    entries = _ENTRY.findall(section[1]) if section else []
    return {name.strip(): " ".join(text.split()) for names, text in entries for name in names.split(",")}


def _is_same(value: Any, other: Any) -> bool:
    """Return True if two values are equal; NaN is equal to itself."""
    found = Differences(0.0, 0.0)
    found.compare(value, other)
    return not found.unequal


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
