"""Loads the code of many cases in one process, and tells what it is taken for: ``child.py FOLDER HOW``."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from analysis_store.errors import ProcessorError
from analysis_store.processing import Processor
from analysis_store.processing.code.source import unchanged


def told(processor: Processor) -> str:
    """Return the digest of the code, or why there is none."""
    try:
        return processor.source.digest
    except ProcessorError as error:
        return f"refused: {error}"


def result(function: Any) -> str:
    """Return what the function returns, as text."""
    try:
        return repr(function(None))
    except Exception as error:
        return f"raised {error!r}"


def looked_at(folder: Path, patch: str, how: str) -> Iterator[str]:
    """Yield what a case is taken for, before or after it is changed, and what it returns then."""
    sys.path.insert(0, str(folder))
    mod = importlib.import_module(f"{folder.name}_mod")
    processor = Processor("work", "1", mod.work)
    names = vars(sys.modules["__main__"])
    names.update(mod=mod, helper=sys.modules.get(f"{folder.name}_helper"))
    if how == "late":
        told(processor)
    if how != "written":
        exec(patch, names)  # as somebody types it
    yield told(processor)
    before = nullcontext() if told(processor).startswith("refused") else unchanged(processor.source, mod.work)
    with before:
        yield result(mod.work)
    yield told(processor)
    sys.path.remove(str(folder))


def main(root: Path, how: str) -> None:
    """Print what every case under a folder is taken for, as JSON."""
    patches = json.loads((root / "patches.json").read_text())
    found = {name: list(looked_at(root / name, patch, how)) for name, patch in patches.items()}
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
