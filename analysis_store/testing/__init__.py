"""Public suites: what a catalog, a pair, a codec, a datastore and a processor of one's own must do, as tests.

They need pytest and hypothesis, which the package itself does not.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.testing.catalogs import CatalogTests as CatalogTests
    from analysis_store.testing.codecs import CodecTests as CodecTests
    from analysis_store.testing.datastores import DataStoreTests as DataStoreTests
    from analysis_store.testing.pairs import PairTests as PairTests
    from analysis_store.testing.processors import ProcessorTests as ProcessorTests
    from analysis_store.testing.processors import check_processor as check_processor
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "catalogs": ["CatalogTests"],
            "codecs": ["CodecTests"],
            "datastores": ["DataStoreTests"],
            "pairs": ["PairTests"],
            "processors": ["ProcessorTests", "check_processor"],
        },
    )

if "pytest" in sys.modules:  # then a test that fails says which values it met; `check_processor` does without pytest
    import pytest

    _suites = ("catalogs", "codecs", "datastores", "equality", "pairs", "processors")
    pytest.register_assert_rewrite(*(f"{__name__}.{suite}" for suite in _suites))
