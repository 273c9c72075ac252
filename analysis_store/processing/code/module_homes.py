"""Classification of modules: those of Python or an installed package with a version, and user files.

Classifying loads no module.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path

_OURS = __name__.partition(".")[0]
_INSTALLED = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


def within(module: str, package: str) -> bool:
    """Return True if a module is the package or in it."""
    return module == package or module.startswith(f"{package}.")


def file_of(name: str) -> Path | None:
    """Return the file of a module; if it is not loaded, the file from which it would be loaded."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file = getattr(loaded, "__file__", None)
        return Path(file) if isinstance(file, str) else None
    top, *below = name.split(".")
    if not below:
        return _found(top)
    found = [Path(folder, *below) for folder in _folders(top)]
    names = [path for folder in found for path in (folder / "__init__.py", folder.with_suffix(".py"))]
    return next((path for path in names if path.is_file()), None)


def is_installed(name: str) -> bool:
    """Return True if a module is part of Python or an installed package, so that its name identifies it."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == _OURS:  # our own processors treat the rest of this package as foreign
        return top != "__main__"
    file = file_of(name)
    if file is not None:
        return _is_installed_file(str(file))
    folders = _folders(top)  # a namespace, or a module that a package created at run time
    return bool(folders) and all(_is_installed_file(folder) for folder in folders)


@cache
def _is_installed_file(path: str) -> bool:
    return any(folder in path for folder in _INSTALLED) or path.startswith(_python_folders())


@cache
def _python_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(f"{path}{os.sep}" for path in paths if path)


def _found(top: str) -> Path | None:
    with suppress(ImportError, ValueError, AttributeError):  # third-party finders may raise these
        spec = find_spec(top)
        if spec is not None and spec.has_location and spec.origin:
            return Path(spec.origin)
    return None


def _folders(top: str) -> list[str]:
    """Return the folders of the modules of a package."""
    loaded = sys.modules.get(top)
    if loaded is not None:
        return list(getattr(loaded, "__path__", ()))
    with suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(top)
        return list(spec.submodule_search_locations or ()) if spec is not None else []
    return []
