"""Attributes of an instance, read and set directly: no method, property or constructor of its class is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from inspect import getattr_static
from types import BuiltinFunctionType, MemberDescriptorType
from typing import Any, TypeAlias

from analysis_store.codecs.model import type_name
from analysis_store.errors import InvalidDataError

Default: TypeAlias = Callable[[Any], Any] | None
"""Returns the value of a field for a new instance with the given fields; None if the field has no default."""

# No field can have these names, which are not identifiers.
FURTHER = "further attributes"
UNSET = "unset fields"

_OF_PYDANTIC = {
    "__pydantic_extra__": "extra fields",
    "__pydantic_private__": "private attributes",
    "__pydantic_fields_set__": "given fields",
}
_TYPE_HINT = "__orig_class__"
"""Attribute that ``Box[int](1)`` sets on a generic instance; not a part of its value."""
_ATTRS_HASH = "_attrs_cached_hash"
"""Cached hash, valid in one process only: the hash of text differs between processes."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Attributes of the instances of a class: fields, others, in a ``__dict__`` and in slots."""

    cls: Any
    fields: Mapping[str, Default]
    slots: Mapping[str, MemberDescriptorType]

    @classmethod
    def of(cls, kind: type, fields: Mapping[str, Default]) -> Shape | None:
        """Return the shape of a class; None if instances hold more than attributes, as those of dict do."""
        bases = kind.__mro__[:-1]
        if any(isinstance(vars(base).get("__new__"), BuiltinFunctionType) for base in bases):
            return None
        slots: dict[str, MemberDescriptorType] = {}
        for base in reversed(bases):
            slots.update({name: it for name, it in vars(base).items() if isinstance(it, MemberDescriptorType)})
        return cls(kind, fields, slots)

    def state(self, value: object) -> dict[str, Any]:
        """Return the fields of an instance by name, and its other attributes under names of their own."""
        held = self._held(value)
        if held.keys() == self.fields.keys():
            return held
        state = {name: held.pop(name) for name in self.fields if name in held}
        state.update(self._class_values(state))
        unset = [name for name in self.fields if name not in state]
        for attribute, key in _OF_PYDANTIC.items():
            part = held.pop(attribute, None)
            if part is not None:
                state[key] = sorted(part) if type(part) is set else _defined(part)
        further = lasting(self.cls, held)
        return state | ({FURTHER: further} if further else {}) | ({UNSET: unset} if unset else {})

    def value(self, state: object) -> Any:
        """Return the instance for a state; fields that are newer than the state get their defaults."""
        given = dict(as_mapping(self.cls, state))
        value = object.__new__(self.cls)
        if not self.slots and given.keys() == self.fields.keys():
            vars(value).update(given)
            return value
        further = as_mapping(self.cls, given.pop(FURTHER, {})) | self._of_pydantic(given)
        unset = given.pop(UNSET, [])
        newer = {name: make for name, make in self.fields.items() if name not in given and name not in unset}
        if newer or len(given) + len(unset) != len(self.fields):
            compare(self.cls, given, {name: make for name, make in self.fields.items() if name not in unset})
        self._set(value, given | further)
        for name, make in newer.items():
            if make is not None:
                self._set(value, {name: make(value)})
        return value

    def _held(self, value: Any) -> dict[str, Any]:
        held = dict(getattr(value, "__dict__", ()))
        for name, slot in self.slots.items():
            try:
                held[name] = slot.__get__(value)
            except AttributeError:  # unset; `getattr` might invent a value
                continue
        return held

    def _class_values(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields that an instance takes from its class, which may have another value one day."""
        values = {name: getattr_static(self.cls, name, self) for name in self.fields if name not in state}
        return {name: it for name, it in values.items() if it is not self and not hasattr(type(it), "__get__")}

    def _of_pydantic(self, given: dict[str, Any]) -> dict[str, Any]:
        if "__pydantic_fields_set__" not in self.slots:
            return {}
        extra, private, names = (given.pop(key, None) for key in _OF_PYDANTIC.values())
        defaults = self.cls.__private_attributes__
        if defaults:
            private = dict(as_mapping(self.cls, private or {}))
            newer = {name: it for name, it in defaults.items() if name not in private}
            private |= _defined({name: _private_default(it) for name, it in newer.items()})
        parts = (extra, private, set(names or ()))
        return dict(zip(_OF_PYDANTIC, parts, strict=True))

    def _set(self, value: Any, attributes: Mapping[str, Any]) -> None:
        for name, item in attributes.items():
            if name in self.slots:
                self.slots[name].__set__(value, item)
            else:
                vars(value)[name] = item


def lasting(cls: type, held: Mapping[str, object]) -> dict[str, Any]:
    """Return the attributes that are not fields, without cached values that the class can compute again."""
    return {
        name: None if name == _ATTRS_HASH else item
        for name, item in held.items()
        if name != _TYPE_HINT and not isinstance(getattr_static(cls, name, None), cached_property)
    }


def as_mapping(cls: type, state: object, *keys: str) -> dict[str, Any]:
    """Return a state that is a mapping, with exactly the given keys if there are any.

    Raises
    ------
    InvalidDataError
        The state is something else.
    """
    if type(state) is not dict or (keys and state.keys() != set(keys)):
        came = f"the keys {list(state)!s:.200}" if type(state) is dict else f"a {type(state).__name__}"
        raise InvalidDataError(f"Got {came} as the state of a {type_name(cls)}; expected a mapping {list(keys) or ''}")
    return state


def compare(cls: type, given: Mapping[str, object], fields: Mapping[str, Default]) -> None:
    """Compare the fields of a state with those of the class.

    Raises
    ------
    InvalidDataError
        A field without a default is missing, or the class does not have a field of the state.
    """
    missing = [name for name, make in fields.items() if make is None and name not in given]
    surplus = [name for name in given if name not in fields]
    if missing or surplus:
        raise InvalidDataError(
            f"Got the fields {list(given)}; {type_name(cls)} has {list(fields)}: missing without a default {missing}, "
            f"unknown {surplus}. If the fields of the class changed, raise its version (state_version) and give "
            "migrate_state, or register_codec(..., version=, migrate=)."
        )


def _private_default(attribute: Any) -> Any:
    return attribute.default_factory() if attribute.default_factory else deepcopy(attribute.default)


def _defined(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return private attributes of pydantic without those that were never set."""
    return {name: it for name, it in part.items() if type(it).__name__ != "PydanticUndefinedType"}
