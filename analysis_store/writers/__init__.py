"""Writers of values to files, one module per format, mirrored by `analysis_store.handlers`."""

if __name__ != "analysis_store.writers":
    raise ImportError(f"import analysis_store.writers, not {__name__!r}: the link at the top level is for people")
