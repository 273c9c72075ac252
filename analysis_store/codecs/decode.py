"""Conversion of nodes to objects: plain values by their forms, and types by the registered codecs."""

from __future__ import annotations

from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis_store.codecs.lazy import LazyValues
from analysis_store.codecs.leaves import checked, column, rows, scalar, spans
from analysis_store.codecs.model import Codec, Plain
from analysis_store.codecs.nodes import FORTRAN, LIST, Node, parse_layer
from analysis_store.codecs.registry import for_name, named, revive
from analysis_store.codecs.states import hashable
from analysis_store.errors import (
    AnalysisStoreError,
    CodecError,
    DamagedFileError,
    InvalidDataError,
    MissingDependencyError,
    UnknownTypeError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def decode(node: Node, *, missing: str = "error", types: Iterable[type] = (), lazy: bool = False) -> Any:
    """Return the object of a node, as `analysis_store.codecs.load` does.

    Raises
    ------
    DamagedFileError
        The parts of the node do not match.
    """
    if missing not in ("error", "plain"):
        raise ValueError(f"Got missing={missing!r}; expected 'error' or 'plain'.")
    decoder = _Decoder(missing == "plain", named(types), lazy)
    try:
        return decoder.root(node)
    except InvalidDataError as error:
        raise DamagedFileError(str(error)) from error
    except AnalysisStoreError:
        raise
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        RuntimeError,
    ) as error:
        raise DamagedFileError(f"The parts of an object do not match: {error}. The file was changed.") from error


class _Decoder:
    def __init__(self, plain: bool, types: dict[str, Any], lazy: bool) -> None:
        self._plain = plain
        self._lazy = lazy
        self._types = types
        self._shared: dict[int, Node] = {}
        self._made: dict[int, Any] = {}
        self._making: set[int] = set()

    def root(self, node: Node) -> Any:
        if node.form == "graph":
            self._shared = {int(number): member for number, member in node.members["shared"].members.items()}
            self._make_shared()
            node = node.members["value"]
        return self.one(node)

    def _make_shared(self) -> None:
        """Create the shared values, each after those it refers to: chains of them may exceed Python's stack."""
        for number, node in self._shared.items():
            if node.layers[:1] == (LIST,):
                self._made[number] = []
            elif not node.layers and node.form in ("record", "map"):
                self._made[number] = {}
        for number in self._in_order():
            if number in self._made:
                self._fill(self._made[number], self._shared[number])
            else:
                self._ref(number)

    def _in_order(self) -> Iterator[int]:
        waiting = [*reversed(self._shared)]
        opened: set[int] = set()
        done: set[int] = set()
        while waiting:
            number = waiting[-1]
            if number not in opened:
                opened.add(number)
                waiting.extend(self._shared.keys() & set(_refs(self._shared[number])) - opened)
                continue
            waiting.pop()
            if number not in done:
                done.add(number)
                yield number

    # ------------------------------------------------------------------------------------------ one value

    def one(self, node: Node) -> Any:
        if node.layers:
            return self._layer(node)
        if node.form in ("record", "map"):
            return self._fill({}, node)
        if node.form == "ref":
            return self._ref(int(checked(node, "i")[()]))
        return scalar(node)

    def _layer(self, node: Node) -> Any:
        layer, rest = node.layers[0], _without_layer(node)
        if layer == LIST:
            return self._fill([], node)
        if layer == FORTRAN:
            return np.asfortranarray(self.one(rest))
        return self._typed(layer, [self.one(rest)])[0]

    def _fill(self, made: Any, node: Node) -> Any:
        """Fill a new list or dict, which its own items may refer to already."""
        if type(made) is list:
            made.extend(self.many(_without_layer(node)))
        elif node.form == "record":
            made.update((key, self.one(member)) for key, member in node.members.items())
        else:
            keys, values = self._keys(node), self.many(node.members["values"])
            made.update(zip(keys, values, strict=True))
            if len(made) != len(keys):
                raise DamagedFileError("Got a dict with a key twice; the file was changed.")
        return made

    def _keys(self, node: Node) -> list[Any]:
        keys = self.many(node.members["keys"])
        return hashable(keys) if self._shared else keys

    def _ref(self, number: int) -> Any:
        if number in self._made:
            return self._made[number]
        if number not in self._shared or number in self._making:
            raise DamagedFileError(
                f"A value refers to the shared value {number}, which is missing or not complete yet. Load the whole "
                "object that contains this part. If it is whole, the file was changed."
            )
        self._making.add(number)
        self._made[number] = self.one(self._shared[number])
        self._making.discard(number)
        return self._made[number]

    def _typed(self, layer: str, states: list[Any]) -> list[Any]:
        name, version = parse_layer(layer)
        try:
            codec = for_name(name, self._types)
        except (UnknownTypeError, MissingDependencyError):
            if not self._plain:
                raise
            return [Plain(name, version, state) for state in states]
        return [self._revived(codec, version, state) for state in states]

    def _revived(self, codec: Codec, version: int, state: Any) -> Any:
        try:
            return revive(codec, version, _read_whole(state) if self._lazy and not codec.lazy else state)
        except (CodecError, DamagedFileError):  # another version, or parts of unknown types
            if not self._plain:
                raise
            return Plain(codec.name, version, state)

    # ---------------------------------------------------------------------------------------- many values

    def many(self, node: Node) -> list[Any]:
        if node.layers:
            layer, rest = node.layers[0], _without_layer(node)
            if layer == "text":
                return [value.decode("utf-8", "surrogatepass") for value in self.many(rest)]
            return self._typed(layer, self.many(rest))
        if node.form == "record":
            return self._records(node)
        many = getattr(self, f"_many_{node.form}", None)
        if many is not None:
            found: list[Any] = many(node)
            return found
        if node.form == "none":
            return [None] * len(node.values)
        if node.form == "array":
            return list(rows(node.values))
        return column(node)

    def _records(self, node: Node) -> list[Any]:
        columns = [self.many(member) for member in node.members.values()]
        return list(map(dict, map(zip, repeat(tuple(node.members)), zip(*columns, strict=True))))

    def _many_map(self, node: Node) -> list[Any]:
        keys, values = self._keys(node), self.many(node.members["values"])
        made = [dict(zip(keys[begin:end], values[begin:end], strict=True)) for begin, end in spans(node, len(keys))]
        if sum(map(len, made)) != len(values):
            raise DamagedFileError("Got a dict with a key twice; the file was changed.")
        return made

    def _many_lists(self, node: Node) -> list[Any]:
        items = self.many(node.members["items"])
        return [items[begin:end] for begin, end in spans(node, len(items))]

    def _many_runs(self, node: Node) -> list[Any]:
        whole = checked(node.members["values"], "u1").tobytes()
        return [whole[begin:end] for begin, end in spans(node, len(whole))]

    def _many_ref(self, node: Node) -> list[Any]:
        return [self._ref(number) for number in checked(node, "i").tolist()]

    def _many_items(self, node: Node) -> list[Any]:
        return [self.one(node.members[str(index)]) for index in range(len(node.members))]

    def _many_union(self, node: Node) -> list[Any]:
        kinds = checked(node.members["kinds"], "u")
        columns = [self.many(node.members[str(number)]) for number in range(len(node.members) - 1)]
        known = kinds.max(initial=0) < len(columns)
        if not known or np.bincount(kinds, minlength=len(columns)).tolist() != list(map(len, columns)):
            raise DamagedFileError(
                "Got a list of several kinds whose values do not match its description; the file was changed."
            )
        values = list(map(iter, columns))
        return [next(values[kind]) for kind in kinds.tolist()]


def _refs(node: Node) -> Iterator[int]:
    """Yield the numbers of the shared values that a node refers to."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        waiting.extend(node.members.values())
        if node.form == "ref":
            yield from checked(node, "i").ravel().tolist()


def _read_whole(state: Any) -> Any:
    """Return a state with all its arrays read, also those in lists and dicts."""
    if isinstance(state, LazyValues):
        return state.read()
    waiting, met = [state], set()
    while waiting:
        here = waiting.pop()
        if id(here) in met or type(here) not in {list, dict}:
            continue
        met.add(id(here))
        for key, value in list(here.items() if type(here) is dict else enumerate(here)):
            if isinstance(value, LazyValues):
                here[key] = value.read()
            else:
                waiting.append(value)
    return state


def _without_layer(node: Node) -> Node:
    return Node(node.form, node.values, node.members, node.layers[1:])
