"""Description of a value in memory that is the same in every process for equal values.

Plain values, containers and arrays are described by their content; functions and classes of the user's code by the
names in their modules; objects of libraries by their pickling state, else by their attributes.
"""

from __future__ import annotations

import logging
import os
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.processing.memory import described_code as code
from analysis_store.processing.memory import described_data as data
from analysis_store.processing.memory.classes import class_contents
from analysis_store.processing.memory.described_objects import DEEP, SIMPLE, object_
from analysis_store.processing.memory.watch import Blind, Watch
from analysis_store.processing.model.processor import Processor

if TYPE_CHECKING:
    from analysis_store.processing.memory.own_code import Own, Place

_BY_REPR = (complex, range, type(...), type(NotImplemented))


class Description:
    """The description of one value.

    Parameters
    ----------
    own : Own
        The user's code, and where it is written.
    watch : Watch
        Records everything that is described.
    root : str
        Folder of the code, which differs between machines and is removed from paths.
    """

    def __init__(self, own: Own, watch: Watch, root: str) -> None:
        self.own = own
        self.watch: Watch = watch
        self.places: list[Place] = []
        """User code that was found."""
        self.class_name = ""
        """Class whose members are being described."""
        self.level: int = DEEP
        """Remaining depth for objects of a library."""
        self.in_library: bool = False
        """True while describing a part of a library object."""
        self._root = root
        self._open: dict[int, int] = {}
        self._done: dict[tuple[int, int], Any] = {}
        self._alive: list[Any] = []

    def at(self, place: Place, value: object) -> object:
        """Describe the value of a name: a class by its content, if the name is the name of the class."""
        if isinstance(value, type) and (value.__module__, value.__qualname__) == place:
            return class_contents(value, self)
        return self.of(value)

    def of(self, value: Any) -> object:
        """Describe a value: lists of texts and numbers, equal for equal values."""
        kind = type(value)
        if kind in SIMPLE:
            return [kind.__name__, value]
        if kind is float:
            return ["float", value.hex()]  # all NaNs are equal
        if kind is str or issubclass(kind, PurePath):
            return [kind.__name__, *self._path(str(value))]
        if kind in _BY_REPR:
            return [kind.__name__, repr(value)]
        return self._once(value)

    def again(self) -> Description:
        """Return a function that repeats the description, to compare."""
        return Description(self.own, Blind(), self._root)

    @contextmanager
    def inside(self, level: int, *, library: bool, watch: Watch | None = None) -> Iterator[None]:
        """Describe the content of an object."""
        was = self.level, self.in_library, self.watch
        self.level, self.in_library, self.watch = level, library, watch or self.watch
        try:
            yield
        finally:
            self.level, self.in_library, self.watch = was

    def _once(self, value: object) -> object:
        """Describe values that may contain themselves, or occur again."""
        number, key = id(value), (id(value), self.level)
        if number in self._open:
            return ["above", len(self._open) - self._open[number]]
        if key not in self._done:
            self._alive.append(value)  # keeps its id unique
            self._open[number] = len(self._open)
            try:
                self._done[key] = self._of_kind(value)
            finally:
                del self._open[number]
        return self._done[key]

    def _of_kind(self, value: Any) -> Any:
        for kinds, describe in _KINDS:
            if issubclass(type(value), kinds):
                described = describe(value, self)
                if described is not None:
                    return described
        return object_(value, self)

    def _path(self, text: str) -> list[str]:
        if self._root and (text == self._root or text.startswith(self._root + os.sep)):
            return ["here", text[len(self._root) :]]
        return [text]


_KINDS: tuple[tuple[Any, Callable[[Any, Description], Any]], ...] = (
    (type, code.class_),
    (types.FunctionType, code.function),
    (types.ModuleType, code.module),
    (code.BUILTIN, code.builtin),
    (tuple(code.WRAPPERS), code.wrapper),
    (Processor, code.processor),
    ((list, tuple, deque), data.sequence),
    ((set, frozenset), data.set_),
    ((dict, types.MappingProxyType), data.mapping),
    (np.ndarray, data.array),
    (np.generic, data.scalar),
    (np.dtype, data.dtype),
    (Enum, data.member),
    (weakref.ref, data.reference),
    (logging.Logger, data.logger),
)
"""Functions that describe values of a class; they return None for values that they leave to `object_`."""
