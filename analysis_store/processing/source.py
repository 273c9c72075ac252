"""The code of a processor: its function, and the functions, classes and constants of its package that this uses.

It is found in the text of the modules, and nothing is run for it. What belongs to another package counts by its name
only; its version is in the environment of the run. What counts and what does not:
``docs/explanations/decisions/0026-the-code-that-counts.md``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from analysis_store.errors import ProcessorError
from analysis_store.processing.identity import digest_of
from analysis_store.processing.loaded import differs
from analysis_store.processing.modules import ModuleText, Target, imports_in, keep_text, module_text, within
from analysis_store.processing.syntax import form

Place = tuple[str, str]
"""A module and a name in it."""

_OURS = __name__.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of the code of a processor."""

    digest: str
    parts: tuple[tuple[str, str], ...]
    """``("module:name", digest)`` of each function, class and constant that counts, sorted."""


def remember(function: Callable[..., Any]) -> bool:
    """Keep the text of a function that is being registered: what runs is this, whatever its file says later.

    Returns
    -------
    bool
        Whether there is a text.
    """
    keep_text(function.__module__, package_of(function.__module__))
    return module_text(function.__module__) is not None


def source_of(function: Callable[..., Any]) -> Source:
    """Return the code of a function.

    Raises
    ------
    ProcessorError
        There is no text of it, or the text is not that of the code which runs: it was changed after it was loaded.
    """
    try:
        found = _Walk(function, anew=False).parts
    except ProcessorError:
        found = _Walk(function, anew=True).parts  # a module that was loaded anew is what its file says now
    parts = sorted((f"{module}:{name}", digest) for (module, name), digest in found.items())
    return Source(digest_of(parts), tuple(parts))


def loaded_parts(source: Source) -> tuple[Any, ...]:
    """Return what the parts of a source stand for now: other objects, after a module was loaded anew."""
    return tuple(_loaded_code(*place.split(":")) for place, _ in source.parts)


def package_of(module: str) -> str:
    """Return the package whose code counts for a function of this module: the topmost one."""
    if within(module, _OURS):  # the machinery is as foreign to our own processors as to those of others
        return module.rpartition(".")[0] or module
    return module.partition(".")[0]


def _loaded(module: str, name: str) -> Any:
    return vars(sys.modules[module]).get(name) if module in sys.modules else None


def _loaded_code(module: str, name: str) -> Any:
    text = module_text(module)
    is_state = text is not None and name in text.globals_set
    return None if is_state else _loaded(module, name)


class _Walk:
    """Goes from a function to all that it uses in its package."""

    def __init__(self, function: Callable[..., Any], *, anew: bool) -> None:
        self._anew = anew
        self._texts: dict[str, ModuleText | None] = {}
        self._package = package_of(function.__module__)
        self.parts: dict[Place, str] = {}
        self._to_do: list[Place] = []
        place = function.__module__, function.__qualname__.partition(".")[0]
        list(self._follow(place[0], (place[1],)))
        if not self._to_do:
            raise ProcessorError(
                f"the code of {place[0]}:{function.__qualname__} was not found as text in a file; expected a function "
                "that is defined in a module, by def."
            )
        while self._to_do:
            self._take(self._to_do.pop())

    def _take(self, place: Place) -> None:
        module = self._text(place[0])
        if module is None:
            return
        statements = module.bound[place[1]]
        # Sorted and without doubles: the same name may be used in many places.
        used = sorted({use for statement in statements for use in self._uses(statement, module, place)})
        self.parts[place] = digest_of([[form(statement) for statement in statements], used])

    def _text(self, module: str) -> ModuleText | None:
        if module not in self._texts:
            self._texts[module] = module_text(module, anew=self._anew)
        return self._texts[module]

    def _uses(self, statement: ast.stmt, module: ModuleText, place: Place) -> Iterator[tuple[str, str]]:
        """Yield the names that a statement uses, each with what it stands for."""
        inside = imports_in(ast.walk(statement), module)
        for chain in _chains(statement):
            name, *attributes = chain
            for found in self._meanings(name, tuple(attributes), module, inside):
                if found != f"{module.name}:{place[1]}":
                    yield ".".join(chain), found
        for target in (target for targets in inside.values() for target in targets):
            yield from (("import", found) for found in self._follow_target(target, ()))

    def _meanings(
        self, name: str, attributes: tuple[str, ...], module: ModuleText, inside: dict[str, list[Target]]
    ) -> Iterator[str]:
        for target in inside.get(name, ()):
            yield from self._follow_target(target, attributes)
        if name in module.bound or name in module.imports or module.stars:
            yield from self._follow(module.name, (name, *attributes))

    def _follow_target(self, target: Target, attributes: tuple[str, ...]) -> Iterator[str]:
        yield from self._follow(target[0], (*target[1], *attributes))

    def _follow(self, module: str, way: tuple[str, ...], seen: frozenset[Target] = frozenset()) -> Iterator[str]:
        """Yield what lies at the end of a way that begins at a module; what is of the package is to be taken."""
        text = self._text(module) if within(module, self._package) else None
        if text is None:
            if not self._below(module, way):
                yield f"{module}:{'.'.join(way)}"
            else:
                yield from self._follow(f"{module}.{way[0]}", way[1:], seen)
            return
        if (module, way) in seen:
            return
        seen |= {(module, way)}
        for name in way[:1] or text.bound:
            yield from self._follow_name(text, name, way[1:], seen)

    def _follow_name(
        self, text: ModuleText, name: str, rest: tuple[str, ...], seen: frozenset[Target]
    ) -> Iterator[str]:
        if differs(text, name):
            raise _changed(text.name, name)
        if name in text.bound:
            place = text.name, name
            if place not in self.parts:
                self.parts[place] = ""
                self._to_do.append(place)
            yield f"{text.name}:{name}"
        targets = text.imports.get(name, ())
        if len(targets) == 1 and name not in text.bound:
            self._check_import(text.name, name, targets[0])
        for target, attributes in targets:
            yield from self._follow(target, (*attributes, *rest), seen)
        if name not in text.bound and not targets:
            yield from self._follow_unbound(text, name, rest, seen)

    def _follow_unbound(
        self, text: ModuleText, name: str, rest: tuple[str, ...], seen: frozenset[Target]
    ) -> Iterator[str]:
        """Yield what a name may be that a module does not bind itself: a module below, one of a star, one of a hook."""
        if self._below(text.name, (name,)):
            yield from self._follow(f"{text.name}.{name}", rest, seen)
            return
        for star in text.stars:
            yield from self._follow(star, (name, *rest), seen)
        if "__getattr__" in text.bound and name != "__getattr__":
            yield from self._follow(text.name, ("__getattr__",), seen)

    def _check_import(self, module: str, name: str, target: Target) -> None:
        """Refuse a name that holds what was imported before the other module was loaded anew, or that was replaced."""
        text = self._text(target[0]) if within(target[0], self._package) else None
        if text is None or len(target[1]) != 1 or target[1][0] in text.globals_set:
            return
        held, meant = _loaded(module, name), _loaded(target[0], target[1][0])
        if held is not None and meant is not None and held is not meant:
            raise _changed(module, name)

    def _below(self, module: str, way: tuple[str, ...]) -> bool:
        """Whether the way goes on to a module of the package, of which the text is there."""
        below = f"{module}.{way[0]}" if way else ""
        near = within(below, self._package) or within(self._package, below) if below else False
        return near and (below in sys.modules or self._text(below) is not None)


def _changed(module: str, name: str) -> ProcessorError:
    return ProcessorError(
        f"{module}:{name} was changed after it was loaded, and what runs is not what is written; load the module "
        "anew, with all that import it, or start Python again."
    )


def _chains(node: ast.AST) -> Iterator[tuple[str, ...]]:
    """Yield each name that is used, with the attributes that are taken of it: ``a.b.c`` as ``("a", "b", "c")``."""
    attributes: list[str] = []
    inner = node
    while isinstance(inner, ast.Attribute):
        attributes.append(inner.attr)
        inner = inner.value
    if isinstance(inner, ast.Name):
        yield inner.id, *reversed(attributes)
        return
    for child in ast.iter_child_nodes(inner):
        yield from _chains(child)
