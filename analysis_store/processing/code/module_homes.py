"""Where modules are at home: in Python or an installed package, whose version is known, or in files of one's own.

No module is loaded to find that out.
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
    """Whether a module is the package or in it."""
    return module == package or module.startswith(f"{package}.")


def file_of(name: str) -> Path | None:
    """Return the file of a module; one that is not loaded is looked for where it would be loaded from."""
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
    """Whether a module comes with Python or with an installed package: it counts by its name."""
    top = name.partition(".")[0]
    if top in sys.stdlib_module_names or top == _OURS:  # the machinery is as foreign to our own processors as to others
        return top != "__main__"
    file = file_of(name)
    if file is not None:
        return _is_installed_file(str(file))
    folders = _folders(top)  # a namespace, or a module that a package made while running
    return bool(folders) and all(_is_installed_file(folder) for folder in folders)


@cache
def _is_installed_file(path: str) -> bool:
    return any(folder in path for folder in _INSTALLED) or path.startswith(_python_folders())


@cache
def _python_folders() -> tuple[str, ...]:
    paths = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return tuple(f"{path}{os.sep}" for path in paths if path)


def _found(top: str) -> Path | None:
    with suppress(ImportError, ValueError, AttributeError):  # whatever finders of others do
        spec = find_spec(top)
        if spec is not None and spec.has_location and spec.origin:
            return Path(spec.origin)
    return None


def _folders(top: str) -> list[str]:
    """Return the folders in which the modules of a package are."""
    loaded = sys.modules.get(top)
    if loaded is not None:
        return list(getattr(loaded, "__path__", ()))
    with suppress(ImportError, ValueError, AttributeError):
        spec = find_spec(top)
        return list(spec.submodule_search_locations or ()) if spec is not None else []
    return []
