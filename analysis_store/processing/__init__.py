"""Analyses as registered, versioned things: run on selections of inputs, kept with their identity, never done twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.processing.again import rerun as rerun
    from analysis_store.processing.auto import AutoAnalysis as AutoAnalysis
    from analysis_store.processing.by_hand import get_autosaving as get_autosaving
    from analysis_store.processing.by_hand import get_working_dir as get_working_dir
    from analysis_store.processing.by_hand import set_autosaving as set_autosaving
    from analysis_store.processing.by_hand import set_working_dir as set_working_dir
    from analysis_store.processing.comparison import Comparison as Comparison
    from analysis_store.processing.comparison import compare as compare
    from analysis_store.processing.computation import compute as compute
    from analysis_store.processing.explanation import Explanation as Explanation
    from analysis_store.processing.explanation import explain as explain
    from analysis_store.processing.function import Processor as Processor
    from analysis_store.processing.function import processor as processor
    from analysis_store.processing.inputs import Input as Input
    from analysis_store.processing.inputs import Inputs as Inputs
    from analysis_store.processing.pipeline import Pipeline as Pipeline
    from analysis_store.processing.preset import Preset as Preset
    from analysis_store.processing.registry import get_processor as get_processor
    from analysis_store.processing.registry import processors as processors
    from analysis_store.processing.registry import register_processor as register_processor
    from analysis_store.processing.selection import Selection as Selection
    from analysis_store.processing.task import Task as Task
    from analysis_store.processing.task import tasks as tasks
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "again": ["rerun"],
            "auto": ["AutoAnalysis"],
            "by_hand": ["get_autosaving", "get_working_dir", "set_autosaving", "set_working_dir"],
            "comparison": ["Comparison", "compare"],
            "computation": ["compute"],
            "explanation": ["Explanation", "explain"],
            "function": ["Processor", "processor"],
            "inputs": ["Input", "Inputs"],
            "pipeline": ["Pipeline"],
            "preset": ["Preset"],
            "registry": ["get_processor", "processors", "register_processor"],
            "selection": ["Selection"],
            "task": ["Task", "tasks"],
        },
    )
