"""How functions, classes and what wraps them are described: by the names under which they are written."""

from __future__ import annotations

import builtins
import functools
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from analysis_store.processing.memory.classes import class_contents, is_generated
from analysis_store.processing.memory.loaded_code import computed_defaults, gist_digest
from analysis_store.processing.memory.object_contents import content_of, look_at_function, stands_for

if TYPE_CHECKING:
    from analysis_store.processing.memory.description import Description
    from analysis_store.processing.memory.own_code import Place
    from analysis_store.processing.model.processor import Processor

WHOLE = "*"
"""Stands for all names of a module."""

WRAPPERS: dict[type, tuple[str, ...]] = {
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    types.MethodType: ("__func__", "__self__"),
    functools.cached_property: ("func",),
    functools.partial: ("func", "args", "keywords"),
    functools.partialmethod: ("func", "args", "keywords"),
    functools.singledispatchmethod: ("dispatcher", "func"),
    type(functools.lru_cache(len)): ("__wrapped__",),
}
"""What wraps functions, and the attributes in which they are."""

BUILTIN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
)
"""What is compiled."""


def class_(value: type, to: Description) -> object:
    """Describe a class by its name; one that no name leads to, by what it is made of."""
    name = f"{value.__module__}:{value.__qualname__}"
    if not to.own.has(value.__module__):
        return ["class", name]
    place = value.__module__, value.__qualname__.partition(".")[0]
    if to.own.text(place[0]) is not None:
        to.places.append(place)
    return ["class", name] if stands_for(name) is value else ["class", name, class_contents(value, to)]


def function(value: types.FunctionType, to: Description) -> list[object]:
    """Describe a function by its name, and by what it holds beyond its text."""
    to.watch.value(look_at_function, value)
    module = value.__globals__.get("__name__")
    if is_generated(value, to.class_name):
        return ["generated", value.__name__, *map(to.of, value.__defaults__ or ())]
    if "__spec__" not in value.__globals__:  # a library has made it, and no module has it
        return ["code", gist_digest(value), *_used_by(value, to)]
    if not to.own.has(module):
        return ["function", f"{module}:{value.__qualname__}", *_inside_foreign(value, to)]
    place = to.own.place(value)
    to.places.append(place)
    return ["function", f"{place[0]}:{value.__code__.co_qualname}", *_held_by(value, place, to)]


def module(value: types.ModuleType, to: Description) -> object:
    """Describe a module by its name; all that is in one of one's own may be used."""
    if to.own.has(value.__name__):
        to.places.append((value.__name__, WHOLE))
    return ["module", value.__name__]


def builtin(value: Any, to: Description) -> object:
    """Describe a compiled function by its name, and by the object whose method it is."""
    owner = getattr(value, "__objclass__", None) or getattr(value, "__self__", None)
    home = getattr(value, "__module__", None) or getattr(owner, "__module__", None)
    name = f"{home if isinstance(home, str) else builtins.__name__}:{value.__qualname__}"
    if isinstance(owner, (type, types.ModuleType, type(None))):
        return ["builtin", name]
    return ["builtin", name, to.of(owner)]


def wrapper(value: object, to: Description) -> object:
    """Describe what wraps functions by these."""
    names = WRAPPERS.get(type(value))
    if names is None:
        return None
    to.watch.value(lambda one: tuple(getattr(one, name) for name in names), value)
    return [type(value).__name__, *(to.of(getattr(value, name)) for name in names)]


def processor(value: Processor, to: Description) -> object:
    """Describe a processor by its function."""
    return ["processor", value.id, value.version, to.of(value.function)]


def _held_by(value: types.FunctionType, place: Place, to: Description) -> Iterator[Any]:
    text = to.own.text(place[0])
    defaults = computed_defaults(value, text) if text is not None else []
    if defaults:
        yield ["defaults", *map(to.of, defaults)]
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        yield [name, *(to.of(content) for content in content_of(cell))]
    for name, attribute in sorted(vars(value).items()):
        if name != "__wrapped__":  # is in the closure of what wraps it
            yield [f".{name}", to.of(attribute)]


def _used_by(value: types.FunctionType, to: Description) -> Iterator[Any]:
    names = [name for name in value.__code__.co_names if name in value.__globals__]
    yield from ([name, to.of(value.__globals__[name])] for name in names)
    yield from map(to.of, value.__defaults__ or ())
    yield from (to.of(content) for cell in value.__closure__ or () for content in content_of(cell))


def _inside_foreign(value: types.FunctionType, to: Description) -> Iterator[Any]:
    """Describe what a function that a library has made holds: the function that it wraps."""
    names = [name for name in ("__wrapped__", "registry") if name in vars(value)]
    if names:
        yield from (to.of(vars(value)[name]) for name in names)
        return
    for cell in value.__closure__ or ():
        yield from (to.of(content) for content in content_of(cell))
