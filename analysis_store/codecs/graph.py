"""Graph of the values inside an object, each once: its codec, its state, its number of uses, and faults.

Values are walked level by level, all of one depth at once: a hundred thousand small values take only as long as
in pickle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from analysis_store.codecs.model import PRIMITIVES, Codec, Plain
from analysis_store.codecs.registry import for_type
from analysis_store.dtypes import encode_text, refuse
from analysis_store.errors import InvalidDataError
from analysis_store.exact import MAX_NDIM
from analysis_store.hdf5.encoding import as_stored, is_plain, plain_type

MAX_DEPTH = 100
"""Maximum depth of nested values, which Python itself can walk without a deeper stack."""


@dataclass(slots=True, eq=False)
class Entry:
    """A value that is an array, has a codec, or is shared."""

    value: Any

    codec: Codec | None = None
    """None for a list, a dict and a plain array."""

    state: Any = None
    """State returned by its codec; for an array of text, the text as it will be stored."""

    type: tuple[str, int] | None = None
    """Name and version for the file; None without a codec."""

    number: int | None = None
    """Number among the shared values, if it has several uses."""


class _Refused(Exception):  # noqa: N818 - it becomes an InvalidDataError as soon as the path is known
    """A value cannot be stored."""

    def __init__(self, reason: str, culprit: Any) -> None:
        super().__init__(reason)
        self.culprit = culprit


class Graph:
    """All values inside an object.

    Parameters
    ----------
    obj : object
        The object, which is not changed.
    name : str
        Name of the object in messages.

    Raises
    ------
    InvalidDataError
        A value in it cannot be stored; the message begins with its path, e.g. ``obj.fits[3].model``.
    """

    def __init__(self, obj: object, name: str = "obj") -> None:
        self.obj = obj
        self.entries: dict[int, Entry] = {}
        self.shared: list[Entry] = []
        """Values with several uses."""
        self.parts: int = 0
        """Approximate number of groups and datasets of the object as a tree."""
        self.values: int = 0
        """Number of values in it, including keys; shared values may be counted several times."""
        self._met: dict[int, Any] = {}  # keeps values alive, so that no other value gets the same id
        self._again: dict[int, Any] = {}
        try:
            self._walk([obj], 0, single=True)
            self._share()
        except _Refused as error:
            raise InvalidDataError(f"{name}{self._path(error.culprit)}: {error}") from error.__cause__

    @property
    def array_bytes(self) -> int:
        """Return the size in bytes of the arrays in the object."""
        return sum(entry.value.nbytes for entry in self.entries.values() if isinstance(entry.value, np.ndarray))

    def _walk(self, values: list[Any], depth: int, *, single: bool) -> None:
        """Walk values of one level and all below; ``single`` if each becomes its own dataset or group."""
        kinds = dict.fromkeys(map(type, values))  # in their order, so that a digest is the same in every process
        self.parts += len(values) if single else len(kinds)
        self.values += len(values)
        if kinds.keys() <= PRIMITIVES:
            return
        if depth > MAX_DEPTH:
            raise _Refused(f"values are nested more than {MAX_DEPTH} deep; expected less. Flatten them.", None)
        for kind in [kind for kind in kinds if kind not in PRIMITIVES]:
            new = self._new([value for value in values if type(value) is kind] if len(kinds) > 1 else values)
            if kind is list:
                inner = list(chain.from_iterable(new))
                self._walk(inner, depth + 1, single=single and len(set(map(type, inner))) > 1)
            elif kind is dict:
                self._walk(list(chain.from_iterable(new)), depth + 1, single=False)
                self._walk(list(chain.from_iterable(map(dict.values, new))), depth + 1, single=single)
            else:
                self._walk(self._states(new), depth + 1, single=single)

    def _new(self, values: list[Any]) -> list[Any]:
        """Return the values that occur for the first time."""
        new = dict(zip(map(id, values), values, strict=True))
        if len(new) < len(values) or not self._met.keys().isdisjoint(new):
            new = {}
            for value in values:
                if id(value) in self._met:
                    self._again[id(value)] = value
                else:
                    self._met[id(value)] = new[id(value)] = value
        self._met.update(new)
        return list(new.values())

    def _states(self, values: list[Any]) -> list[Any]:
        """Return the states that codecs give for values of one type; plain arrays need none."""
        states = []
        for value in values:
            entry = self.entries[id(value)] = Entry(value)
            if type(value) is not np.ndarray or not _take_array(entry):
                _tell(entry)
                states.append(entry.state)
        return states

    def _share(self) -> None:
        """Number the shared values, after checking that they can be created again in order."""
        again = [self.entries.get(key) or Entry(value) for key, value in self._again.items()]
        if any(entry.codec is not None and not _is_flat(entry.state) for entry in again):
            _CycleCheck(self.entries).visit(self.obj)
        for entry in again:
            if entry.codec is None or entry.codec.shared:
                entry.number = len(self.shared)
                self.shared.append(entry)
                self.entries[id(entry.value)] = entry

    def _path(self, culprit: Any) -> str:
        """Return the path of a value, searched only when needed."""
        seen: set[int] = set()
        waiting = [(self.obj, "")]
        while waiting:
            value, path = waiting.pop(0)
            if value is culprit:
                return path
            if type(value) not in PRIMITIVES and id(value) not in seen:
                seen.add(id(value))
                waiting.extend((inner, path + step) for inner, step in self._steps(value))
        return ""

    def _steps(self, value: Any) -> Iterator[tuple[Any, str]]:
        """Yield the direct parts of a value with their paths."""
        entry = self.entries.get(id(value))
        if type(value) is list:
            yield from ((inner, f"[{index}]") for index, inner in enumerate(value))
        elif type(value) is dict:
            yield from ((key, f"[key {key!r:.60}]") for key in value)
            yield from ((inner, f"[{key!r:.60}]") for key, inner in value.items())
        elif entry is not None and entry.codec is not None:
            if entry.codec.fields and type(entry.state) is dict:
                yield from ((inner, f".{key}") for key, inner in entry.state.items())
            else:
                yield entry.state, ""


class _CycleCheck:
    """Walks values in the order in which they will be created again, and refuses one that needs itself."""

    def __init__(self, entries: dict[int, Entry]) -> None:
        self._entries = entries
        self._open: set[int] = set()
        self._done: set[int] = set()

    def visit(self, value: Any) -> None:
        """Walk a value without recursion: chains of references may exceed Python's stack."""
        waiting = [(value, False)]
        while waiting:
            value, is_left = waiting.pop()
            if is_left:
                self._open.discard(id(value))
            elif id(value) in self._open:
                raise _Refused(
                    f"the {_named(value)} refers back to itself; only lists and dicts can contain themselves. Leave "
                    "the "
                    "reference out of its state, and restore it in from_state.",
                    value,
                )
            elif type(value) not in PRIMITIVES and id(value) not in self._done:
                waiting.extend(self._enter(value))

    def _enter(self, value: Any) -> Iterator[tuple[Any, bool]]:
        """Yield the value itself, to be left, and then its parts."""
        self._done.add(id(value))
        entry = self._entries.get(id(value))
        if entry is not None and entry.codec is not None:
            self._open.add(id(value))
            yield value, True
            yield entry.state, False
        elif type(value) is dict or type(value) is list:
            inner = [*value, *value.values()] if type(value) is dict else value
            yield from ((part, False) for part in reversed(inner))


_PLAIN = Codec("plain", Plain, lambda value: value.state, lambda state: state)


def _tell(entry: Entry) -> None:
    """Return the state of a value from its codec."""
    value = entry.value
    if type(value) is Plain:
        entry.codec, entry.state, entry.type = _PLAIN, value.state, (value.type, value.version)
        return
    codec = for_type(type(value))
    if codec is None:
        raise _Refused(
            f"the {_named(value)} cannot be stored: no codec knows its type. Use register_codec("
            f"{type(value).__name__}, to_state=..., from_state=...), give the class methods of these names, or convert "
            "the value.",
            value,
        )
    try:
        entry.state = codec.to_state(value)
    except InvalidDataError as error:
        raise _Refused(str(error), value) from error
    except Exception as error:
        raise _Refused(
            f"the state of the {_named(value)} cannot be returned: {type(error).__name__}: {error}. Check its "
            "to_state.",
            value,
        ) from error
    entry.codec, entry.type = codec, (codec.name, codec.version)


def _is_flat(state: Any) -> bool:
    inner = [*state, *state.values()] if type(state) is dict else state if type(state) is list else [state]
    return PRIMITIVES.issuperset(map(type, inner))


def _take_array(entry: Entry) -> bool:
    """Return an array that can be a dataset directly; encode text now, so that later steps cannot fail."""
    array = entry.value
    if array.ndim > MAX_NDIM:
        raise _Refused(
            f"Got an array of {array.ndim} dimensions; expected at most {MAX_NDIM}, as HDF5 has them. Use "
            ".reshape(...).",
            array,
        )
    if array.dtype.type is np.record:  # HDF5 cannot distinguish it from a plain structure
        return False
    try:
        refuse(array.dtype)
        if is_plain(array.dtype):
            plain_type(array.dtype)
        elif array.dtype.kind == "O":
            return False
        else:
            entry.state = encode_text(array) if array.dtype.kind == "U" else as_stored(array)[0]
    except (ValueError, TypeError):  # HDF5 has no such number type, or no such field name
        return False
    return True


def _named(value: Any) -> str:
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name} object"
