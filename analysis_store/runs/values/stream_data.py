"""One stream as a caller gave it: columns of equal length, and the times of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.runs.values.column import Column


@dataclass(slots=True)
class StreamData:
    """One stream of a run before it is written."""

    name: str
    columns: dict[str, Column]
    length: int
    """The number of events."""

    extra: dict[str, Any] = field(default_factory=dict)
    """The caller's additions to the descriptor: hints, configuration."""
