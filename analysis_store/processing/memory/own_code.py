"""The code of one's own, as opposed to that of Python and of installed packages: its texts, and where a function is."""

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
"""What a name stands for whose module is not loaded, or has it not."""


class Own:
    """Modules of one's own.

    Parameters
    ----------
    package : str
        All modules of this package are, and all that are of no installed package.
    anew : bool
        Whether to read what the files say now, and not what they said when they were loaded.
    """

    def __init__(self, package: str, *, anew: bool) -> None:
        self._package, self._anew = package, anew
        self._texts: dict[str, ModuleText | None] = {}
        self._known: dict[str, bool] = {}

    def has(self, module: object) -> bool:
        """Whether a module is one's own; what is at home nowhere, as a notebook, is."""
        if not isinstance(module, str):
            return True
        if module not in self._known:
            self._known[module] = within(module, self._package) or not is_installed(module)
        return self._known[module]

    def is_above(self, module: str) -> bool:
        """Whether a module is a namespace in which the package is."""
        return within(self._package, module)

    def text(self, module: str) -> ModuleText | None:
        """Return a module of one's own as it is written; None where it is no Python, or another's."""
        if module not in self._texts:
            self._texts[module] = module_text(module, anew=self._anew) if self.has(module) else None
        return self._texts[module]

    def place(self, function: FunctionType) -> Place:
        """Return where a function is written.

        Raises
        ------
        ProcessorError
            It is written nowhere as it runs.
        """
        module = function.__globals__.get("__name__")
        text = self.text(module) if isinstance(module, str) else None
        if text is None:
            raise ProcessorError(
                f"Got {function!r:.200} of {module!r}, a function that no module has; expected code that another "
                "process can import. Write it into a module, and start Python again."
            )
        name = place_of(function, text)
        if name is None:
            raise changed(text.name, function.__qualname__)
        return text.name, name


def loaded(module: str) -> ModuleType | None:
    """Return a module that is loaded."""
    return sys.modules.get(module)


def root_of(text: ModuleText) -> str:
    """Return the folder in which a module or its topmost package is."""
    below = text.name.count(".") + (text.path.name == "__init__.py")
    parents = Path(text.path).parents
    return str(parents[min(below, len(parents) - 1)])
