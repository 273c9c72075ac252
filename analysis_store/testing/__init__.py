"""Public suites: what a catalog, a pair, a codec and a datastore of one's own must do, as tests to subclass.

They need pytest and hypothesis, which the package itself does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.testing.catalogs import CatalogTests
    from analysis_store.testing.codecs import CodecTests
    from analysis_store.testing.datastores import DataStoreTests
    from analysis_store.testing.pairs import PairTests

__all__ = ["CatalogTests", "CodecTests", "DataStoreTests", "PairTests"]

_HOMES = {
    "CatalogTests": "catalogs",
    "CodecTests": "codecs",
    "DataStoreTests": "datastores",
    "PairTests": "pairs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
