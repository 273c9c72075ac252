"""The processors known in this process: registered by call, and by the entry points of installed packages."""

from __future__ import annotations

import inspect
import threading
import warnings
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from pathlib import Path
from types import FunctionType
from typing import Any, Concatenate, cast

from packaging.version import InvalidVersion, Version

from analysis_store.errors import ProcessorError, UnknownProcessorError
from analysis_store.processing.code.source import remember
from analysis_store.processing.memory.loaded_code import same_code
from analysis_store.processing.model.processor import Processor, Q, S

GROUP = "analysis_store.processors"
"""Entry points: the value is a module whose decorated functions register when it is imported, or a processor."""

_known: dict[tuple[str, str], Processor] = {}
_registering = threading.Lock()
# Not the lock above: a plug-in that is being imported registers its processors.
_loading = threading.RLock()

_LATER = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
"""Functions that have not finished when they return."""
_LOAD = "_load"
_PLACE = "put it into a module that can be imported, by def at the top level"


def register_processor(
    function: Callable[Concatenate[Any, Q], S],
    *,
    id: str,
    version: str,
    descriptor_md: Mapping[str, object] | None = None,
    only_version: bool = False,
) -> Processor[Q, S]:
    """Register a function as a processor with its id and version; see `analysis_store.processing.processor`.

    The same function from a module that was reloaded replaces the old one.

    Returns
    -------
    Processor
        The new processor, or the existing one if it has the same code.

    Raises
    ------
    ProcessorError
        Other processes could not import the function; or the id and version belong to another function.
    """
    _check(function, id)
    made = Processor(id, version, function, descriptor_md, only_version)
    if not remember(function):
        raise ProcessorError(
            f"processor {id!r}: Got {function!r:.200}, whose code is in no file, so that a change of it would not be "
            f"noticed; {_PLACE}."
        )
    with _registering:
        there = _known.get((id, version))
        if there is not None and (there.entry_point != made.entry_point or _is_second(there, function)):
            if _is_copy(there.function, function):
                return cast("Processor[Q, S]", there)  # same lines, same parameters
            raise ProcessorError(
                f"processor {id!r} {version!r} is {_place(there.function)} already; got it again from "
                f"{_place(function)} with other code. Give one of them another id or version."
            )
        made.__dict__[_LOAD] = _load_of(function)
        _known[id, version] = made
    return made


def get_processor(name: str, version: str | None = None) -> Processor:
    """Return a processor: ``"id"`` for its newest version, or ``"id@version"``.

    Raises
    ------
    UnknownProcessorError
        There is no such id and version; similar ones are named.
    """
    id, _, told = name.partition("@")
    wanted = version or told
    exact = _known.get((id, wanted))
    if exact is not None:
        return exact
    _load_plug_ins()
    versions = {its: found for (one, its), found in _known.copy().items() if one == id}
    if not versions:
        raise UnknownProcessorError(f"no processor {id!r} is registered; {_nearest(id)}")
    if wanted and wanted not in versions:
        known = ", ".join(sorted(versions, key=_age))
        raise UnknownProcessorError(f"no version {wanted!r} of processor {id!r} is registered; there are: {known}.")
    return versions[wanted or max(versions, key=_age)]


def processors() -> list[Processor]:
    """Return every registered processor, by id and version."""
    _load_plug_ins()
    return sorted(_known.copy().values(), key=lambda one: (one.id, _age(one.version)))


def revived(
    entry_point: str, id: str, version: str, descriptor_md: Mapping[str, object] | None, only_version: bool = False
) -> Processor:
    """Return the processor for one sent by another process.

    Raises
    ------
    UnknownProcessorError
        Its module is missing here, or does not define it any more.
    """
    if (id, version) in _known and _known[id, version].entry_point == entry_point:
        return _known[id, version]
    module, _, name = entry_point.partition(":")
    try:
        found = attrgetter(name)(import_module(module))
    except (ImportError, AttributeError) as error:
        raise UnknownProcessorError(
            f"processor {id!r} {version!r} is {entry_point}, which cannot be imported here ({error}); install the same "
            "code where the work is done."
        ) from error
    if (id, version) in _known:
        return _known[id, version]
    function = found.function if isinstance(found, Processor) else found
    return register_processor(function, id=id, version=version, descriptor_md=descriptor_md, only_version=only_version)


def _check(function: Any, id: str) -> None:
    """Raise for a function that other processes could not import by name, or without code to compare."""
    told = f"processor {id!r}: Got {function!r:.200}"
    if not isinstance(function, FunctionType):
        raise ProcessorError(
            f"{told}, a {type(function).__name__}; expected a plain function: write one, and {_PLACE}."
        )
    if function.__name__ == "<lambda>":
        raise ProcessorError(f"{told}, a lambda, which has no name to import it by; {_PLACE}.")
    if "<locals>" in function.__qualname__:
        raise ProcessorError(f"{told}, which is defined inside another function; {_PLACE}.")
    if function.__module__ == "__main__" or not function.__module__:
        raise ProcessorError(f"{told}, of the script or notebook that runs; {_PLACE}, and import it from there.")
    if any(kind(function) for kind in _LATER):
        raise ProcessorError(f"{told}, which is async or yields; expected a plain function that returns its results.")


def _load_of(function: Callable[..., Any]) -> Any:
    """Return an object that is another one each time the module of a function is loaded."""
    return inspect.unwrap(function).__globals__.get("__spec__")


def _is_second(there: Processor, function: Callable[..., Any]) -> bool:
    """Return True if a module that was loaded once defines another function of the same name."""
    return there.__dict__.get(_LOAD) is _load_of(function) is not None and not same_code(there.function, function)


def _is_copy(one: Callable[..., Any], other: Callable[..., Any]) -> bool:
    """Return True if two functions are the same lines of the same file, imported under two names."""
    files = [Path(inspect.unwrap(function).__code__.co_filename).resolve() for function in (one, other)]
    return files[0] == files[1] and one.__qualname__ == other.__qualname__ and same_code(one, other)


def _place(function: Callable[..., Any]) -> str:
    code = inspect.unwrap(function).__code__
    return f"{function.__module__}:{function.__qualname__} ({code.co_filename}:{code.co_firstlineno})"


def _age(version: str) -> tuple[bool, Any]:
    try:
        return True, Version(version)
    except InvalidVersion:
        return False, version


def _nearest(id: str) -> str:
    ids = sorted({one for one, _ in _known.copy()})
    near = get_close_matches(id, ids, 3)
    known = f"did you mean {' or '.join(map(repr, near))}" if near else f"there are {', '.join(ids) or 'none'}"
    first = "import the module that defines it (in a shell: --import MODULE), or install its package."
    return f"{known}? Else {first}" if near else f"{known}; {first}"


class _PlugIns:
    """State of the plug-ins, which are loaded once per process."""

    begun = False
    done = False


def _load_plug_ins() -> None:
    if _PlugIns.done:
        return
    with _loading:
        if _PlugIns.begun:  # by another thread, or by a plug-in during its import
            return
        _PlugIns.begun = True
        for plug_in in sorted(entry_points(group=GROUP), key=attrgetter("name", "value")):
            _load(plug_in)
        _PlugIns.done = True


def _load(plug_in: EntryPoint) -> None:
    try:
        _take(plug_in.name, plug_in.load())
    except Exception as error:  # noqa: BLE001 - a plug-in may raise anything
        warnings.warn(
            f"The processors of plug-in {plug_in.name!r} ({plug_in.value}) cannot be loaded: {error!r}.", stacklevel=4
        )


def _take(name: str, found: Any) -> None:
    if isinstance(found, Processor):
        register_processor(
            found.function,
            id=found.id,
            version=found.version,
            descriptor_md=found.descriptor_md,
            only_version=found.only_version,
        )
    elif not inspect.ismodule(found):
        raise ProcessorError(f"{name}: Got {found!r:.200}; expected a module, or a function that @processor decorates.")
