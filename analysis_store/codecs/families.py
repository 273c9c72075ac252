"""Codecs of classes that describe themselves: by methods, or as Enum, NamedTuple, dataclass, attrs class or model."""

from __future__ import annotations

import dataclasses
import enum
import sys
from collections.abc import Callable
from inspect import getattr_static
from typing import Any

from analysis_store.codecs.attributes import FURTHER, Default, Shape, as_mapping, compare, lasting
from analysis_store.codecs.model import PRIMITIVES, Codec, type_name
from analysis_store.errors import CodecError, InvalidDataError


def derive(
    cls: type,
    *,
    name: str | None = None,
    version: int | None = None,
    migrate: Callable[[Any, int], Any] | None = None,
) -> Codec | None:
    """Return the codec of a class that describes itself, None for other classes.

    Parameters
    ----------
    cls : type
        With methods ``to_state`` and ``from_state``, or an Enum, a NamedTuple, a dataclass, an attrs class or a
        pydantic model (from version 2.10); the first match in this order is used.
    name, version, migrate : optional
        As in `register_codec`.

    Raises
    ------
    CodecError
        ``from_state`` is not a classmethod, or the name or version cannot be written into a file.
    """
    told = _told(cls)
    if told is None:
        return None
    to_state, from_state, options = told
    return Codec(
        name or _class_name(cls),
        cls,
        to_state,
        from_state,
        version=getattr(cls, "state_version", 1) if version is None else version,
        migrate=migrate or getattr(cls, "migrate_state", None),
        **options,
    )


def _told(cls: Any) -> tuple[Callable[[Any], Any], Callable[[Any], Any], dict[str, bool]] | None:
    if callable(getattr(cls, "to_state", None)) and callable(getattr(cls, "from_state", None)):
        if not isinstance(getattr_static(cls, "from_state"), classmethod | staticmethod):
            raise CodecError(f"Got {type_name(cls)}.from_state, a method of instances; expected a classmethod.")
        return cls.to_state, cls.from_state, {}
    if issubclass(cls, enum.Flag):
        return _flag_state, lambda state: _flag(cls, state), {"shared": False}
    if issubclass(cls, enum.Enum):
        return _member_state, lambda state: _member(cls, state), {"shared": False}
    if issubclass(cls, tuple):
        named = isinstance(getattr(cls, "_field_defaults", None), dict)
        return (_row_state, lambda state: _row(cls, state), {"fields": True, "lazy": True}) if named else None
    fields = _fields(cls)
    shape = None if fields is None else Shape.of(cls, fields)
    return None if shape is None else (shape.state, shape.value, {"fields": True, "lazy": True})


def _class_name(cls: type) -> str:
    """Return the name of a class; for a generic pydantic model, including its parameters."""
    generic = getattr(cls, "__pydantic_generic_metadata__", None)
    if not generic or not generic["args"]:
        return type_name(cls)
    args = [_class_name(arg) if isinstance(arg, type) else repr(arg) for arg in generic["args"]]
    return f"{type_name(generic['origin'])}[{','.join(args)}]".replace(" ", "")


# ------------------------------------------------------------------------------------------------------ enums


def _flag_state(flag: Any) -> dict[str, Any]:
    return {"name": flag._name_, "value": int(flag._value_)}  # a member may be called "value"


def _flag(cls: Any, state: Any) -> Any:
    value = as_mapping(cls, state, "name", "value")["value"]
    flag = cls(value) if type(value) is int else None
    if type(flag) is not cls:
        raise InvalidDataError(f"Got {value!r:.100} as the value of a {type_name(cls)}; expected bits that it has.")
    return flag


def _member_state(member: Any) -> dict[str, Any]:
    """Return the name of a member, with its value for readers; for one created by ``_missing_``, only the value."""
    name, value = member._name_, member._value_  # a member may be called "value"
    if type(member).__members__.get(name) is not member:
        return {"name": None, "value": value}
    parts = value if type(value) is tuple else (value,)
    return {"name": name, "value": value if PRIMITIVES.issuperset(map(type, parts)) else None}


def _member(cls: Any, state: Any) -> Any:
    parts = as_mapping(cls, state, "name", "value")
    name, value = parts["name"], parts["value"]
    if name is not None and name not in cls.__members__:
        raise InvalidDataError(
            f"Got the member {name!r:.100} of the value {value!r:.100}; {type_name(cls)} has "
            f"{list(cls.__members__)}. If it has another name now, raise state_version and give migrate_state."
        )
    member = cls(value) if name is None else cls.__members__[name]
    if type(member) is not cls:
        raise InvalidDataError(f"Got {value!r:.100} as the value of a {type_name(cls)}; expected a value of it.")
    return member


# ----------------------------------------------------------------------------------------------- named tuples


def _row_state(row: Any) -> dict[str, Any]:
    cls = type(row)
    further = lasting(cls, getattr(row, "__dict__", {}))
    return dict(zip(cls._fields, row, strict=True)) | ({FURTHER: further} if further else {})


def _row(cls: Any, state: Any) -> Any:
    given = dict(as_mapping(cls, state))
    further = as_mapping(cls, given.pop(FURTHER, {}))
    compare(cls, given, {name: _always(None) if name in cls._field_defaults else None for name in cls._fields})
    row = tuple.__new__(cls, [given[name] if name in given else cls._field_defaults[name] for name in cls._fields])
    if further:
        vars(row).update(further)
    return row


# ------------------------------------------------------------------------------- classes with declared fields


def _fields(cls: Any) -> dict[str, Default] | None:
    """Return the fields of a class with their defaults, None for a class without declared fields.

    The fields are read from the class, without importing a library that the class does not use.
    """
    if isinstance(getattr(cls, "__pydantic_fields__", None), dict) and (
        _is_model(cls) or dataclasses.is_dataclass(cls)
    ):
        return {name: _pydantic_default(field) for name, field in cls.__pydantic_fields__.items()}
    if dataclasses.is_dataclass(cls):
        return {field.name: _dataclass_default(field) for field in dataclasses.fields(cls)}
    if isinstance(getattr(cls, "__attrs_attrs__", None), tuple):
        return {field.name: _attrs_default(field) for field in cls.__attrs_attrs__}
    return None


def _is_model(cls: type) -> bool:
    pydantic = sys.modules.get("pydantic.main")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)


def _always(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


def _dataclass_default(field: Any) -> Default:
    if field.default_factory is not dataclasses.MISSING:
        return lambda _: field.default_factory()
    return None if field.default is dataclasses.MISSING else _always(field.default)


def _attrs_default(field: Any) -> Default:
    import attr

    default = field.default
    if default is attr.NOTHING:
        return None
    if not isinstance(default, attr.Factory):  # type: ignore[arg-type]
        return _always(default)
    return default.factory if default.takes_self else lambda _: default.factory()


def _pydantic_default(field: Any) -> Default:
    if field.is_required():
        return None
    if getattr(field, "default_factory_takes_validated_data", False):
        return lambda instance: field.default_factory(dict(vars(instance)))
    return lambda _: field.get_default(call_default_factory=True)
