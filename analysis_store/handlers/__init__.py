"""Handlers that read values from files, one module per format, mirrored by `analysis_store.writers`."""

if __name__ != "analysis_store.handlers":
    raise ImportError(f"import analysis_store.handlers, not {__name__!r}: the link at the top level is for people")
