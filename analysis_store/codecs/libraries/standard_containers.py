"""Codecs of the containers of the standard library."""

from __future__ import annotations

import types
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from analysis_store.codecs.model import PRIMITIVES, Codec, Plain
from analysis_store.codecs.registry import for_type
from analysis_store.codecs.states import expect, hashable, parts
from analysis_store.errors import InvalidDataError

FACTORIES: Mapping[str, Callable[[], Any]] = {
    **{kind.__name__: kind for kind in (bool, bytearray, bytes, complex, dict, float, frozenset, int, list, set, str)},
    "tuple": tuple,
    "collections.Counter": Counter,
    "collections.OrderedDict": OrderedDict,
    "collections.defaultdict": defaultdict,
    "collections.deque": deque,
    "decimal.Decimal": Decimal,
    "fractions.Fraction": Fraction,
}
"""Factories that a defaultdict may have: a file can name these, and nothing else is ever called."""

_SORTED_AS_THEY_ARE = frozenset({int, str, bytes})


def _bare(value: Any, *own: str) -> Any:
    """Raise for a container with attributes, which Python allows for some and their state cannot hold."""
    further = vars(value).keys() - set(own)
    if further:
        raise InvalidDataError(
            f"Got a {type(value).__name__} with the attributes {sorted(further)}; expected its items alone. "
            "Keep the attributes separately, in a class of your own."
        )
    return value


def ordered(members: Collection[object]) -> list[Any]:
    """Return the members of a set in an order that depends only on their values.

    Python's order of a set differs from process to process, but a digest must not.
    """
    kinds = set(map(type, members))
    if len(kinds) == 1 and kinds <= _SORTED_AS_THEY_ARE:
        return sorted(members)
    try:
        return sorted(members, key=_rank)
    except (TypeError, ValueError):  # a value cannot be stored, and is refused later
        return list(members)


def _rank(value: Any) -> tuple[Any, ...]:
    """Return the sort key of a value: its type and state, which a value of an unknown type has, too."""
    kind = type(value)
    if kind is float:
        return "float", value != value, value  # noqa: PLR0124 - NaN is neither less nor more, so it goes to the end
    if kind is complex:
        return "complex", _rank(value.real), _rank(value.imag)
    if kind in PRIMITIVES:
        return (kind.__name__,) if value is None else (kind.__name__, value)
    if kind is list:
        return "list", [_rank(item) for item in value]
    if kind is dict:
        return "dict", [(_rank(key), _rank(item)) for key, item in value.items()]
    if kind is np.ndarray:
        return "array", value.dtype.str, value.shape, [_rank(item) for item in value.ravel().tolist()]
    if kind is Plain:
        return value.type, _rank(value.state)
    codec = for_type(kind)
    if codec is None:
        raise TypeError(f"no codec knows {kind}")
    return codec.name, _rank(codec.to_state(value))


def _deque(state: Any) -> deque[Any]:
    items, maxlen = parts(state, items=list, maxlen=object)
    if maxlen is not None and len(items) > expect(int, maxlen):
        raise InvalidDataError(f"Got {len(items)} items for a deque of at most {maxlen}.")
    return deque(items, maxlen)


def _defaultdict_state(value: defaultdict[Any, Any]) -> dict[str, Any]:
    factory = value.default_factory
    names = [name for name, kind in FACTORIES.items() if kind is factory]
    if factory is not None and not names:
        raise InvalidDataError(
            f"Got a defaultdict with default_factory={getattr(factory, '__qualname__', factory)!r:.100}, which a file "
            f"cannot hold; expected None or one of {', '.join(FACTORIES)}. Store dict(value)."
        )
    return {"default_factory": names[0] if names else None, "items": dict(value)}


def _defaultdict(state: Any) -> defaultdict[Any, Any]:
    name, items = parts(state, default_factory=object, items=dict)
    if name is not None and name not in FACTORIES:
        raise InvalidDataError(f"Got {name!r:.100} as default_factory; expected None or one of {list(FACTORIES)}.")
    return defaultdict(None if name is None else FACTORIES[name], items)


def _mapping_proxy(state: Any) -> types.MappingProxyType[Any, Any]:
    if not isinstance(state, Mapping):  # the constructor would accept text
        raise InvalidDataError(f"Got a {type(state).__name__} as the state; expected a mapping.")
    return types.MappingProxyType(state)


def _container(name: str, cls: type, kind: type = list, state: Callable[[Any], Any] | None = None) -> Codec:
    """Return the codec of a type whose state is its constructor's argument."""
    return Codec(name, cls, state or kind, lambda told: cls(expect(kind, told)), lazy=True)


CONTAINERS = (
    _container("tuple", tuple),
    Codec("set", set, ordered, lambda state: set(hashable(expect(list, state)))),
    Codec("frozenset", frozenset, ordered, lambda state: frozenset(hashable(expect(list, state)))),
    _container("bytearray", bytearray, bytes),
    _container("collections.OrderedDict", OrderedDict, dict, lambda value: dict(_bare(value))),
    _container("collections.Counter", Counter, dict, lambda value: dict(_bare(value))),
    Codec("collections.deque", deque, lambda value: {"items": list(value), "maxlen": value.maxlen}, _deque),
    Codec("collections.defaultdict", defaultdict, _defaultdict_state, _defaultdict),
    Codec(
        "collections.ChainMap",
        ChainMap,
        lambda value: list(_bare(value, "maps").maps),
        lambda state: ChainMap(*expect(list, state)),
    ),
    Codec("types.MappingProxyType", types.MappingProxyType, lambda value: value.copy(), _mapping_proxy),
    Codec(
        "types.SimpleNamespace",
        types.SimpleNamespace,
        lambda value: dict(vars(value)),
        lambda state: types.SimpleNamespace(**expect(dict, state)),
        fields=True,
    ),
)
