"""Lookup of runs in Tiled clients, databrokers and other stores. None of these libraries is imported here.

A source is recognized by the module of its class, or of a base class: a process that has such an object
has loaded its library, and other processes need not load it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from analysis_store.errors import ProvenanceError, RunNotFoundError, SettingsError
from analysis_store.provenance.urls import public_url

_STORE = "analysis_store"
_LIBRARIES = ("databroker", "tiled", "bluesky_tiled_plugins")
_REMEMBERED = 4096
_UID_LENGTH = 36
_API = "/api/v1/metadata"


def find(sources: Iterable[object], uid: str) -> str | None:
    """Return the name of the first source that has the run of exactly this uid, or None; see `find_run`."""
    found = find_run(sources, uid)
    return None if found is None else name_of(found[0])


def find_run(sources: Iterable[object], uid: str) -> tuple[object, object] | None:
    """Return the first source that has the run of exactly this uid, and the run as an object of its library; or None.

    Raises
    ------
    ProvenanceError
        No source has the run, but one failed; the message names it and its error.
    """
    silent = []
    for source in sources:
        try:
            run = run_in(source, uid)
        except Exception as error:  # noqa: BLE001  a client may raise anything, another may have the run
            silent.append(f"{name_of(source)} ({type(error).__name__}: {str(error)[:200]})")
            continue
        if run is not None:
            return source, run
    if silent:
        raise ProvenanceError(f"could not look for the run {uid} in {'; '.join(silent)}")
    return None


def run_in(source: Any, uid: str) -> Any:
    """Return the run of exactly this uid in a source, or None, since sources also match a part of a uid."""
    try:
        run = source[uid]
    except (KeyError, RunNotFoundError):
        return None
    except ValueError:
        if len(uid) == _UID_LENGTH:
            raise
        return None  # taken for the beginning of a uid, which is too short or ambiguous
    return run if uid_of(run) == uid else None


def check_source(source: object) -> None:
    """Raise for objects in which runs cannot be looked up.

    Raises
    ------
    SettingsError
        The message names the object and the expected types.
    """
    if not (_is_store(source) or (_libraries(source) & set(_LIBRARIES) and hasattr(source, "__getitem__"))):
        raise SettingsError(
            f"sources: Got {type(source).__module__}.{type(source).__qualname__}; expected a Tiled client, a "
            "databroker Broker or another AnalysisStore. Open it first and pass the object, not its name."
        )


def name_of(source: Any) -> str:
    """Return the name of a source: that of a databroker, the address of a Tiled client, the folder of a store."""
    if _is_store(source):
        return public_url(str(getattr(source, "location", None) or source.root))
    uri = getattr(source, "uri", None)
    if isinstance(uri, str):
        return _address(uri)
    name = getattr(source, "name", None)
    if isinstance(name, str) and name:
        return name
    beneath = getattr(source, "_catalog", None)  # the Tiled client beneath a Broker, which has no name of its own
    return type(source).__name__ if beneath is None else name_of(beneath)


def uid_of(run: object) -> str | None:
    """Return the uid of a run object of any library: ``.start["uid"]``, ``.metadata``, ``.uid``."""
    if isinstance(run, type):
        return None
    for read in (_from_start, _from_metadata, _from_uid):
        try:
            uid = read(run)
        except (AttributeError, KeyError, TypeError):
            continue
        if isinstance(uid, str) and uid:
            return uid
    return None


def home_of(run: object) -> str | None:
    """Return the name of the catalog from which a run object was taken, if the object has it."""
    uri = getattr(run, "uri", None)
    if isinstance(uri, str):
        return _address(uri.rstrip("/").rpartition("/")[0])
    broker = getattr(run, "db", None)
    return None if broker is None else name_of(broker)


class Lookup:
    """Looks up runs: first in the store itself, then in its sources. A run that was found is cached.

    Parameters
    ----------
    home : str
        Name of the store itself.
    has : callable
        Returns True if the store itself has a run of this uid.
    sources : iterable
        Tiled clients, databrokers, other stores.

    Raises
    ------
    SettingsError
        A source has another type.
    """

    def __init__(self, home: str, has: Callable[[str], bool], sources: Iterable[object] = ()) -> None:
        self._home, self._has, self._sources = home, has, tuple(sources)
        for source in self._sources:
            check_source(source)
        self._found: dict[str, str] = {}

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places searched, in this order."""
        return (self._home, *map(name_of, self._sources))

    def __call__(self, uid: str) -> str | None:
        """Return the name of the catalog that has the run, or None.

        Raises
        ------
        ProvenanceError
            No source has the run, but one failed.
        """
        if uid in self._found:  # runs are permanent, and a source may be remote
            return self._found[uid]
        if self._has(uid):
            return self._home
        name = find(self._sources, uid)
        if name is not None:
            if len(self._found) >= _REMEMBERED:
                self._found.clear()
            self._found[uid] = name
        return name


def _is_store(source: object) -> bool:
    return _STORE in _libraries(source) and hasattr(source, "catalog")


def _libraries(source: object) -> set[str]:
    return {cls.__module__.partition(".")[0] for cls in type(source).__mro__}


def _address(uri: str) -> str:
    server, _, path = public_url(uri).partition(_API)
    return f"{server}{path}".rstrip("/")


def _from_start(run: Any) -> object:
    return run.start["uid"]


def _from_metadata(run: Any) -> object:
    return run.metadata["start"]["uid"]


def _from_uid(run: Any) -> object:
    return run.uid
