"""What a store offers and may not import, because it stands on higher floors."""

from __future__ import annotations

from analysis_store.runs.services.analysing import Analysing
from analysis_store.runs.services.keeping import Keeping
from analysis_store.runs.services.moving import Moving
from analysis_store.runs.services.serving import Serving
from analysis_store.runs.services.tracing import Tracing


class Services(Analysing, Keeping, Moving, Tracing, Serving):
    """The methods of a store that the rooms above it provide."""


__all__ = ["Services"]
