"""Public suites: what a catalog, a pair, a codec, a datastore and a processor of one's own must do, as tests.

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
    from analysis_store.testing.processors import ProcessorTests, check_processor

__all__ = ["CatalogTests", "CodecTests", "DataStoreTests", "PairTests", "ProcessorTests", "check_processor"]

_HOMES = {
    "CatalogTests": "catalogs",
    "CodecTests": "codecs",
    "DataStoreTests": "datastores",
    "PairTests": "pairs",
    "ProcessorTests": "processors",
    "check_processor": "processors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
