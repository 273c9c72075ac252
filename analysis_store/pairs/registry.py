"""Registry of classes by spec: our own, those of plug-ins, and registered ones; loaded on first use."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from analysis_store.errors import DuplicateSpecError, PairError, UnknownSpecError
from analysis_store.layout import ARRAY_SPEC, OBJECT_SPEC, RAGGED_SPEC, ROWS_SPEC, TABLE_SPEC

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Registry:
    """A mapping from spec to class.

    Given and registered classes come first, then our own, then those of plug-ins.

    Parameters
    ----------
    given : mapping of str to class or str, optional
        Classes by spec, or their location: ``"package.module:Class"``.
    """

    group: ClassVar[str]
    """Entry-point group of its plug-ins."""

    own: ClassVar[Mapping[str, str]]
    """The classes of this package."""

    role: ClassVar[str]
    """Role of its classes, for messages."""

    def __init__(self, given: Mapping[str, object] | None = None) -> None:
        self._given: dict[str, Any] = {}
        for spec, found in (given or {}).items():
            self.register(spec, found, overwrite=True)

    def register(self, spec: str, found: object, overwrite: bool = False) -> None:
        """Register a class, or ``"package.module:Class"``, for ``spec``.

        Raises
        ------
        DuplicateSpecError
            The spec belongs to another class already, and ``overwrite`` is false.
        PairError
            The value is not a class.
        """
        if not (callable(found) or (isinstance(found, str) and ":" in found)):
            raise PairError(
                f"Got {found!r} as the {self.role} of {spec!r}; expected a class, or 'package.module:Class'."
            )
        if not overwrite and spec in self and self._given.get(spec) is not found:
            raise DuplicateSpecError(
                f"The spec {spec!r} has a {self.role} already: {self._described(spec)}. Choose another spec, "
                "or pass overwrite=True."
            )
        self._given[spec] = found

    def __getitem__(self, spec: str) -> Any:
        """Return the class of a spec, loading it on first use.

        Raises
        ------
        UnknownSpecError
            No class is known for it; the message lists the known specs.
        """
        if spec in self._given:
            return self._load(spec, self._given[spec])
        if spec in self.own:
            return self._load(spec, self.own[spec])
        plug_in = _plug_ins(self.group).get(spec)
        found = _load_plug_in(plug_in) if plug_in is not None else None
        if found is None:
            raise UnknownSpecError(
                f"No {self.role} is known for the spec {spec!r}; known are {', '.join(sorted(self))}. Install "
                "the package that "
                f"provides it, or register one: store.register_{self.role}({spec!r}, ...)."
            )
        return found

    def __contains__(self, spec: object) -> bool:
        return spec in self._given or spec in self.own or spec in _plug_ins(self.group)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._given, *self.own, *_plug_ins(self.group)]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def keys(self) -> list[str]:
        """Yield the known specs, including plug-ins that may fail to load."""
        return list(self)

    def _load(self, spec: str, found: Any) -> Any:
        if not isinstance(found, str):
            return found
        module, _, name = found.partition(":")
        try:
            return getattr(import_module(module), name)
        except Exception as error:
            raise PairError(f"The {self.role} {found!r} of {spec!r} cannot be loaded: {error}.") from error

    def _described(self, spec: str) -> str:
        found = self._given.get(spec) or self.own.get(spec) or _plug_ins(self.group)[spec].value
        return found if isinstance(found, str) else f"{found.__module__}:{found.__qualname__}"


class HandlerRegistry(Registry):
    """The handlers with which a store reads."""

    group = "databroker.handlers"
    own: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            ARRAY_SPEC: "analysis_store.handlers.arrays:ArrayHandler",
            RAGGED_SPEC: "analysis_store.handlers.ragged:RaggedHandler",
            TABLE_SPEC: "analysis_store.handlers.tables:TableHandler",
            OBJECT_SPEC: "analysis_store.handlers.objects:ObjectHandler",
            ROWS_SPEC: "analysis_store.handlers.rows:RowsHandler",
        }
    )
    role = "handler"


class WriterRegistry(Registry):
    """The installed writers."""

    group = "analysis_store.writers"
    own: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            ARRAY_SPEC: "analysis_store.writers.arrays:ArrayWriter",
            RAGGED_SPEC: "analysis_store.writers.ragged:RaggedWriter",
            TABLE_SPEC: "analysis_store.writers.tables:TableWriter",
            OBJECT_SPEC: "analysis_store.writers.objects:ObjectWriter",
            ROWS_SPEC: "analysis_store.writers.rows:RowsWriter",
        }
    )
    role = "writer"


_OWN = frozenset({*HandlerRegistry.own.values(), *WriterRegistry.own.values()})


@cache
def _plug_ins(group: str) -> Mapping[str, EntryPoint]:
    """Return the plug-ins of a group by spec; if two of them claim one spec, neither has it."""
    found: dict[str, EntryPoint] = {}
    claimed: set[str] = set()
    for plug_in in sorted(set(entry_points(group=group)), key=_told):
        if plug_in.value in _OWN:
            continue
        if plug_in.name in HandlerRegistry.own:
            warnings.warn(f"The plug-in {_told(plug_in)} claims a spec of analysis_store; ours is used.", stacklevel=2)
        elif plug_in.name in found and found[plug_in.name].value != plug_in.value:
            claimed.add(plug_in.name)
            warnings.warn(
                f"The plug-ins {_told(found[plug_in.name])} and {_told(plug_in)} claim one spec; neither is used. "
                "Register the one that you want.",
                stacklevel=2,
            )
        else:
            found[plug_in.name] = plug_in
    return MappingProxyType({spec: plug_in for spec, plug_in in found.items() if spec not in claimed})


@cache
def _load_plug_in(plug_in: EntryPoint) -> Any:
    """Return the class of a plug-in, None if it is broken, so that others can still be used."""
    try:
        return plug_in.load()
    except Exception as error:  # noqa: BLE001 - it may raise anything, the others must be unaffected
        warnings.warn(f"The plug-in {_told(plug_in)} cannot be loaded and is left out: {error!r}.", stacklevel=3)
        return None


def _told(plug_in: EntryPoint) -> str:
    package = plug_in.dist.name if plug_in.dist else "an unknown package"
    return f"{plug_in.name} = {plug_in.value} of {package}"
