"""A permanent store for derived data. Every result has its provenance.

The public names are loaded on first use, so that importing the package is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

__version__ = "0.1.0"

if TYPE_CHECKING:
    from analysis_store.codecs import register_codec as register_codec
    from analysis_store.exchange.export import export as export
    from analysis_store.exchange.export import read_export as read_export
    from analysis_store.exchange.link_tree import link_tree as link_tree
    from analysis_store.handlers.base import Handler as Handler
    from analysis_store.insertion import analysis_documents as analysis_documents
    from analysis_store.insertion import get_working_dir as get_working_dir
    from analysis_store.insertion import insert_analysis as insert_analysis
    from analysis_store.insertion import set_working_dir as set_working_dir
    from analysis_store.pairs import check_pair as check_pair
    from analysis_store.processing.engine.interactive import get_autosaving as get_autosaving
    from analysis_store.processing.engine.interactive import set_autosaving as set_autosaving
    from analysis_store.provenance import Code as Code
    from analysis_store.provenance import Parent as Parent
    from analysis_store.provenance import Policy as Policy
    from analysis_store.provenance import Provenance as Provenance
    from analysis_store.store import AnalysisStore as AnalysisStore
    from analysis_store.writers.base import Writer as Writer
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "codecs": ["register_codec"],
            "exchange.export": ["export", "read_export"],
            "exchange.link_tree": ["link_tree"],
            "handlers.base": ["Handler"],
            "insertion": ["analysis_documents", "get_working_dir", "insert_analysis", "set_working_dir"],
            "pairs": ["check_pair"],
            "processing.engine.interactive": ["get_autosaving", "set_autosaving"],
            "provenance": ["Code", "Parent", "Policy", "Provenance"],
            "store": ["AnalysisStore"],
            "writers.base": ["Writer"],
        },
    )
