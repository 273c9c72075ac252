"""Sending of a store to another process: as its address, from which it is opened again, once."""

from __future__ import annotations

import os
import pickle
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from analysis_store.errors import SettingsError
from analysis_store.provenance.sources import name_of

if TYPE_CHECKING:
    from analysis_store.provenance import Policy

Store = TypeVar("Store")


@dataclass(frozen=True, slots=True)
class Address:
    """Arguments to open a store in another process; may hold the password of a database, and never shows it."""

    location: str = field(repr=False)
    root: Path
    policy: Policy | None
    sources: tuple[Any, ...] = field(repr=False)
    handlers: dict[str, Any]
    root_map: Mapping[str, str]

    def sent(self) -> bytes:
        """Return it as bytes.

        Raises
        ------
        SettingsError
            A source or a handler cannot be pickled; the message names it.
        """
        sources = tuple(_sent(source, f"the source {name_of(source)}") for source in self.sources)
        handlers = {spec: _sent(found, f"the handler of {spec!r}") for spec, found in self.handlers.items()}
        return pickle.dumps((self.location, self.root, self.policy, sources, handlers, dict(self.root_map)))


def address_of(uri: str) -> str:
    """Return the URI of a catalog, independent of the working directory."""
    scheme, _, path = uri.partition(":///")
    return f"{scheme}:///{Path(path).absolute()}" if scheme.startswith("sqlite") else uri


def _sent(thing: Any, what: str) -> bytes:
    try:
        return pickle.dumps(thing)
    except Exception as error:  # pickling may raise any error of a class
        raise SettingsError(
            f"Got {what}, with which the store cannot be sent to another process: {error}. Open the store in that "
            "process, or use sources that another process can open: stores, or Tiled clients of a server."
        ) from error


_stores: dict[tuple[int, bytes], Any] = {}
_lock = threading.RLock()  # a source may be a store itself


def reopened(make: Callable[..., Store], sent: bytes) -> Store:
    """Return the store of an address; a process opens it once, and again when it was closed meanwhile."""
    with _lock:
        key = os.getpid(), sent
        if key not in _stores or _stores[key].closed:
            location, root, policy, sources, handlers, root_map = pickle.loads(sent)  # noqa: S301 - within a pickle
            _stores[key] = make(
                location,
                root=root,
                policy=policy,
                sources=[pickle.loads(source) for source in sources],  # noqa: S301
                handler_registry={spec: pickle.loads(found) for spec, found in handlers.items()},  # noqa: S301
                root_map=root_map,
            )
        store: Store = _stores[key]
    return store
