"""User code, as opposed to Python and installed packages: its texts, and the location of functions."""

from __future__ import annotations

import sys
from pathlib import Path
from types import FunctionType, ModuleType

from analysis_store.errors import ProcessorError
from analysis_store.processing.code.module_homes import is_installed, within
from analysis_store.processing.code.module_source import ModuleText, module_text
from analysis_store.processing.memory.loaded_code import changed, place_of

Place = tuple[str, str]
"""A module and a name in it."""

ABSENT = object()
"""Value of a name whose module is not loaded, or does not have it."""


class Own:
    """User modules.

    Parameters
    ----------
    package : str
        All modules of this package are user code, and all that are in no installed package.
    anew : bool
        True to read the files as they are now, not as they were when they were loaded.
    """

    def __init__(self, package: str, *, anew: bool) -> None:
        self._package, self._anew = package, anew
        self._texts: dict[str, ModuleText | None] = {}
        self._known: dict[str, bool] = {}

    def has(self, module: object) -> bool:
        """Return True if a module is user code, including code in no package or file, as in a notebook."""
        if not isinstance(module, str):
            return True
        if module not in self._known:
            self._known[module] = within(module, self._package) or not is_installed(module)
        return self._known[module]

    def is_above(self, module: str) -> bool:
        """Return True if a module is a namespace that contains the package."""
        return within(self._package, module)

    def text(self, module: str) -> ModuleText | None:
        """Return a user module as it is written; None if it is not Python, or not user code."""
        if module not in self._texts:
            self._texts[module] = module_text(module, anew=self._anew) if self.has(module) else None
        return self._texts[module]

    def place(self, function: FunctionType) -> Place:
        """Return the location of a function in its source.

        Raises
        ------
        ProcessorError
            The running function is not written in a module.
        """
        module = function.__globals__.get("__name__")
        text = self.text(module) if isinstance(module, str) else None
        if text is None:
            raise ProcessorError(
                f"Got {function!r:.200} of {module!r}, a function in no module; expected code that another "
                "process can import. Write it into a module, and restart Python."
            )
        name = place_of(function, text)
        if name is None:
            raise changed(text.name, function.__qualname__)
        return text.name, name


def loaded(module: str) -> ModuleType | None:
    """Return a loaded module."""
    return sys.modules.get(module)


def root_of(text: ModuleText) -> str:
    """Return the folder of a module or its topmost package."""
    below = text.name.count(".") + (text.path.name == "__init__.py")
    parents = Path(text.path).parents
    return str(parents[min(below, len(parents) - 1)])
