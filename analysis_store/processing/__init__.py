"""Registered, versioned analyses of selected inputs, whose results are stored with their identity and computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis_store.names import loaded_when_used

if TYPE_CHECKING:
    from analysis_store.processing.engine.comparison import Comparison as Comparison
    from analysis_store.processing.engine.comparison import compare as compare
    from analysis_store.processing.engine.computation import compute as compute
    from analysis_store.processing.engine.explanation import Explanation as Explanation
    from analysis_store.processing.engine.explanation import explain as explain
    from analysis_store.processing.engine.interactive import get_autosaving as get_autosaving
    from analysis_store.processing.engine.interactive import get_working_dir as get_working_dir
    from analysis_store.processing.engine.interactive import set_autosaving as set_autosaving
    from analysis_store.processing.engine.interactive import set_working_dir as set_working_dir
    from analysis_store.processing.engine.rerun import rerun as rerun
    from analysis_store.processing.inputs.inputs import Input as Input
    from analysis_store.processing.inputs.inputs import Inputs as Inputs
    from analysis_store.processing.model.pipeline import Pipeline as Pipeline
    from analysis_store.processing.model.preset import Preset as Preset
    from analysis_store.processing.model.processor import Processor as Processor
    from analysis_store.processing.model.processor import processor as processor
    from analysis_store.processing.model.registry import get_processor as get_processor
    from analysis_store.processing.model.registry import processors as processors
    from analysis_store.processing.model.registry import register_processor as register_processor
    from analysis_store.processing.task.auto import AutoAnalysis as AutoAnalysis
    from analysis_store.processing.task.selection import Selection as Selection
    from analysis_store.processing.task.task import Task as Task
    from analysis_store.processing.task.task import tasks as tasks
else:
    __all__, __getattr__, __dir__ = loaded_when_used(
        __name__,
        {
            "engine.rerun": ["rerun"],
            "task.auto": ["AutoAnalysis"],
            "engine.interactive": ["get_autosaving", "get_working_dir", "set_autosaving", "set_working_dir"],
            "engine.comparison": ["Comparison", "compare"],
            "engine.computation": ["compute"],
            "engine.explanation": ["Explanation", "explain"],
            "model.processor": ["Processor", "processor"],
            "inputs.inputs": ["Input", "Inputs"],
            "model.pipeline": ["Pipeline"],
            "model.preset": ["Preset"],
            "model.registry": ["get_processor", "processors", "register_processor"],
            "task.selection": ["Selection"],
            "task.task": ["Task", "tasks"],
        },
    )
