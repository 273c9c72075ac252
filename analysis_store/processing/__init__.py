"""Analyses as registered, versioned things: run on selections of inputs, kept with their identity, never done twice."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_store.processing.again import rerun
    from analysis_store.processing.auto import AutoAnalysis
    from analysis_store.processing.by_hand import get_autosaving, get_working_dir, set_autosaving, set_working_dir
    from analysis_store.processing.comparison import Comparison, compare
    from analysis_store.processing.computation import compute
    from analysis_store.processing.explanation import Explanation, explain
    from analysis_store.processing.function import Processor, processor
    from analysis_store.processing.inputs import Input, Inputs
    from analysis_store.processing.pipeline import Pipeline
    from analysis_store.processing.preset import Preset
    from analysis_store.processing.registry import get_processor, processors, register_processor
    from analysis_store.processing.selection import Selection
    from analysis_store.processing.task import Task, tasks

__all__ = [
    "AutoAnalysis",
    "Comparison",
    "Explanation",
    "Input",
    "Inputs",
    "Pipeline",
    "Preset",
    "Processor",
    "Selection",
    "Task",
    "compare",
    "compute",
    "explain",
    "get_autosaving",
    "get_processor",
    "get_working_dir",
    "processor",
    "processors",
    "register_processor",
    "rerun",
    "set_autosaving",
    "set_working_dir",
    "tasks",
]

# No module bears the name of what it exports: importing it would put the module in place of the function.
_HOMES = {
    "AutoAnalysis": "auto",
    "Comparison": "comparison",
    "Explanation": "explanation",
    "Input": "inputs",
    "Inputs": "inputs",
    "Pipeline": "pipeline",
    "Preset": "preset",
    "Processor": "function",
    "Selection": "selection",
    "Task": "task",
    "compare": "comparison",
    "compute": "computation",
    "explain": "explanation",
    "get_autosaving": "by_hand",
    "get_processor": "registry",
    "get_working_dir": "by_hand",
    "processor": "function",
    "processors": "registry",
    "register_processor": "registry",
    "rerun": "again",
    "set_autosaving": "by_hand",
    "set_working_dir": "by_hand",
    "tasks": "task",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
