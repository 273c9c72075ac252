"""Registry of codecs by type and by name: those of this package, of plug-ins, and of the caller."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from analysis_store.codecs.model import Codec, type_name
from analysis_store.errors import CodecError, DamagedFileError, MissingDependencyError, UnknownTypeError

GROUP = "analysis_store.codecs"
"""Entry points: the name is a package, the value a module with ``CODECS``, an iterable of `Codec`."""

_OWN = {
    **dict.fromkeys(
        ("builtins", "types", "collections", "datetime", "zoneinfo", "pathlib", "uuid", "decimal", "fractions"),
        "standard",
    ),
    **{name: name for name in ("numpy", "pandas", "xarray", "scipy", "quantities", "pint", "neo")},
}

_by_type: dict[type, Codec] = {}
_by_name: dict[str, Codec] = {}

Class = TypeVar("Class", bound=type)


def register_codec(
    cls: Class,
    *,
    to_state: Callable[[Any], Any] | None = None,
    from_state: Callable[[Any], Any] | None = None,
    version: int | None = None,
    migrate: Callable[[Any, int], Any] | None = None,
    name: str | None = None,
) -> Class:
    """Register a class, so that its values can be dumped and loaded; also a decorator of the class.

    Parameters
    ----------
    cls : type
        The class itself; its subclasses need codecs of their own.
    to_state, from_state : callable, optional
        As in `Codec`. Without them the class has methods of these names, or is a dataclass, an attrs class, a
        pydantic model, an Enum or a NamedTuple.
    version : int, optional
        Version of the state; by default ``cls.state_version``, else 1.
    migrate : callable, optional
        ``migrate(state, version)`` converts the state of an older version to this one; by default
        ``cls.migrate_state``.
    name : str, optional
        Name of the class in files; by default its module and qualified name, so that a class which moves needs a name.

    Returns
    -------
    type
        The class.

    Raises
    ------
    CodecError
        The class does not describe its state, or the name belongs to another class.

    Examples
    --------
    >>> @register_codec
    ... class Peak:
    ...     def __init__(self, center):
    ...         self.center = center
    ...     def to_state(self):
    ...         return {"center": self.center}
    ...     @classmethod
    ...     def from_state(cls, state):
    ...         return cls(state["center"])
    """
    from analysis_store.codecs.families import derive

    if (to_state is None) != (from_state is None):
        raise CodecError(f"{cls.__qualname__}: Got only one of to_state and from_state; expected both, or neither.")
    if to_state is not None and from_state is not None:
        told = {"version": version or 1, "migrate": migrate}
        codec = Codec(name or type_name(cls), cls, to_state, from_state, **told)  # type: ignore[arg-type]
    else:
        derived = derive(cls, name=name, version=version, migrate=migrate)
        if derived is None:
            raise CodecError(
                f"Got {type_name(cls)}, which does not describe its state; expected to_state= and from_state=, methods "
                "of these "
                "names, or a dataclass, an attrs class, a pydantic model, an Enum or a NamedTuple."
            )
        codec = derived
    add(codec)
    return cls


def add(codec: Codec) -> None:
    """Add a codec to the registry; a class that was defined again under its name replaces the old one.

    Raises
    ------
    CodecError
        The name belongs to another class.
    """
    there = _by_name.get(codec.name)
    is_other = (
        there is not None and there.from_state is not codec.from_state
    )  # one codec may serve classes generated alike
    if there is not None and is_other and type_name(there.cls) != type_name(codec.cls):
        raise CodecError(
            f"Got the name {codec.name!r} for {type_name(codec.cls)}; it belongs to {type_name(there.cls)}. Choose "
            "another name."
        )
    _by_name[codec.name] = _by_type[codec.cls] = codec


def for_type(cls: type) -> Codec | None:
    """Return the codec of a type; one is created for a class that describes itself."""
    if cls in _by_type:
        return _by_type[cls]
    from analysis_store.codecs.families import derive

    found = derive(cls) if cls.__module__.partition(".")[0] not in _OWN else None
    for kind in cls.__mro__[:-1] if found is None else ():
        found = _load(kind.__module__.partition(".")[0], cls)
        if found is not None:
            break
    found = found or derive(cls)
    if found is not None:
        add(found)
    return _by_type.get(cls)


def for_name(name: str, types: Mapping[str, Codec] | None = None) -> Codec:
    """Return the codec for a name from a file; only registered codecs are looked up.

    Raises
    ------
    MissingDependencyError
        The package that provides the codec is not installed.
    UnknownTypeError
        No codec has this name.
    """
    known = (types or {}).get(name) or _by_name.get(name)
    if known is not None:
        return known
    package = name.partition(".")[0] if "." in name else "builtins"
    _load(package, None)
    if name in _by_name:
        return _by_name[name]
    missing = _missing(package)
    if missing is not None:
        raise MissingDependencyError(
            f"A value of type {name!r} needs the package {package!r}: {missing}. Install it, or read the value's "
            'plain form with missing="plain".'
        )
    raise UnknownTypeError(
        f"No codec is known for the type {name[:200]!r}. Register its class with register_codec(cls), or give it as "
        'types=[cls]; missing="plain" reads its plain form.'
    )


def named(types: Iterable[type]) -> dict[str, Codec]:
    """Return the codecs of classes by name, for one `load`.

    Raises
    ------
    CodecError
        A class has no codec.
    """
    codecs = [(cls, for_type(cls)) for cls in types]
    bare = [type_name(cls) for cls, codec in codecs if codec is None]
    if bare:
        raise CodecError(f"Got the types {bare}, which do not describe their state. Use register_codec with to_state.")
    return {codec.name: codec for _, codec in codecs if codec is not None}


def revive(codec: Codec, version: int, state: object) -> Any:
    """Return the value for a state, which may be of an older version.

    Raises
    ------
    CodecError
        The state is of a newer version, or cannot be converted from an older one.
    DamagedFileError
        The codec raised an error for the state.
    """
    if version > codec.version or (version < codec.version and codec.migrate is None):
        way = "install a newer one" if version > codec.version else "give register_codec a migrate= for it"
        raise CodecError(
            f"A value of type {codec.name!r} has a state of version {version}, its codec here version "
            f'{codec.version}; {way}, or read it with missing="plain".'
        )
    try:
        if version < codec.version and codec.migrate is not None:
            state = codec.migrate(state, version)
        return codec.from_state(state)
    except Exception as error:
        raise DamagedFileError(
            f"A value of type {codec.name!r} cannot be created from its state: {type(error).__name__}: {error}."
        ) from error


# ------------------------------------------------------------------------------------------------ plug-ins


def _load(package: str, cls: type | None) -> Codec | None:
    """Load the module with the codecs of a package, once; return the codec of a class, which may be created now."""
    library = _library(package)
    find = getattr(library, "find", None)
    if cls is None or library is None:
        return None
    return _by_type.get(cls) or (find(cls) if find is not None else None)


@cache
def _library(package: str) -> Any:
    library = _own(package) if package in _OWN else _plug_in(package)
    for codec in getattr(library, "CODECS", ()):
        add(codec)
    return library


def _own(package: str) -> Any:
    try:
        return import_module(f"analysis_store.codecs.libraries.{_OWN[package]}")
    except ImportError as error:
        if (error.name or "").startswith("analysis_store"):
            raise
        return None


def _plug_in(package: str) -> Any:
    point = _plug_ins().get(package)
    if point is None:
        return None
    try:
        return point.load()
    except Exception as error:  # noqa: BLE001 - one broken plug-in leaves the others alone
        warnings.warn(f"The codecs of {package!r} ({point.value}) cannot be loaded: {error}.", stacklevel=2)
        return None


@cache
def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _missing(package: str) -> ImportError | None:
    """Return why the package of one of our own codecs cannot be imported."""
    if package not in _OWN:
        return None
    try:
        import_module(package)
    except ImportError as error:
        return error
    return None
