"""Processors, presets and pipelines: what an analysis is."""
