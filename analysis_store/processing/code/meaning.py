"""Resolution of the names in a piece of code, from the text of its module and from loaded modules."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from analysis_store.processing.code.module_homes import file_of
from analysis_store.processing.code.statements import piece_of
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.memory.described_code import WHOLE
from analysis_store.processing.memory.description import Description
from analysis_store.processing.memory.loaded_code import changed
from analysis_store.processing.memory.own_code import ABSENT, Own, Place, loaded, root_of

if TYPE_CHECKING:
    from analysis_store.processing.code.module_source import ModuleText, Target
    from analysis_store.processing.code.scopes import Chain
    from analysis_store.processing.memory.watch import Watch

COMPILED = "<file>"
"""Stands for a module without source text."""
LOADING = "<import>"
"""Stands for the effects of loading a module."""

_DEFINITION = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_BUILTINS = vars(builtins)
_Seen = frozenset[tuple[str, tuple[str, ...]]]


class Meaning:
    """Resolves names.

    Parameters
    ----------
    own : Own
        The user's code.
    watch : Watch
        Records each name that is looked up in memory.
    take : callable
        Called with each place in user code that a name leads to.
    """

    def __init__(self, own: Own, watch: Watch, take: Callable[[Place], None]) -> None:
        self._own, self._watch, self._take = own, watch, take

    def used(self, statement: ast.stmt, text: ModuleText) -> Iterator[tuple[Chain, ast.AST, str]]:
        """Yield each name that a statement uses, its position, and its meaning."""
        piece = piece_of(statement, text)
        for chain, node in piece.chains:
            found = False
            for meaning in self._of(chain, text, piece.imports):
                found = True
                yield chain, node, meaning
            if not found and chain[0] in _BUILTINS:
                self._watch.name(_BUILTINS, chain[0])
                yield chain, node, f"builtins:{'.'.join(chain)}{self._replaced(_BUILTINS[chain[0]], text)}"
        if isinstance(statement, _DEFINITION):  # imports in a function are loaded when it runs
            self._load_all(piece.imports)

    def _of(self, chain: Chain, text: ModuleText, inside: dict[str, list[Target]]) -> Iterator[str]:
        name, rest = chain[0], chain[1:]
        for target, way in inside.get(name, ()):
            yield from self.follow(target, (*way, *rest))
        if name in text.bound or name in text.imports or text.stars or self._held(text.name, name) is not ABSENT:
            yield from self.follow(text.name, chain)

    def follow(self, module: str, way: Chain, seen: _Seen = frozenset()) -> Iterator[str]:
        """Yield the end of a path of names that begins at a module; report user code on the way."""
        text = self._own.text(module)
        if text is None:
            if self._is_below(module, way):
                yield from self.follow(f"{module}.{way[0]}", way[1:], seen)
            else:
                yield self._foreign(module, way)
        elif not way:
            self._take((module, WHOLE))
            yield f"{module}:{WHOLE}"
        elif (module, way) not in seen:
            yield from self._follow_name(text, way[0], way[1:], seen | {(module, way)})

    def names(self, text: ModuleText) -> set[str]:
        """Return all names of a module, including those only in memory."""
        found = {*text.bound, *text.imports}
        module = loaded(text.name)
        return found | {name for name in (vars(module) if module is not None else ()) if not name.startswith("__")}

    def load(self, module: str) -> None:
        """Report the effects of loading a module and its packages."""
        if self._own.has(module):
            parts = module.split(".")
            for number in range(len(parts)):
                name = ".".join(parts[: number + 1])
                if self._own.text(name) is not None:
                    self._take((name, LOADING))

    def _load_all(self, imports: dict[str, list[Target]]) -> None:
        for module, way in (target for targets in imports.values() for target in targets):
            self.load(f"{module}.{way[0]}" if self._is_below(module, way) else module)

    def load_imports(self, text: ModuleText) -> None:
        """Report the effects of loading the modules that a module imports."""
        self._load_all(text.imports)
        for star in text.stars:
            self.load(star)

    def _follow_name(self, text: ModuleText, name: str, rest: Chain, seen: _Seen) -> Iterator[str]:
        targets = text.imports.get(name, [])
        if name in text.bound:
            self._take((text.name, name))
            yield f"{text.name}:{name}"
        elif targets:
            yield from self._held_instead(text, name, targets)
        for target, way in targets:
            yield from self.follow(target, (*way, *rest), seen)
        if name not in text.bound and not targets:
            yield from self._follow_unbound(text, name, rest, seen)

    def _follow_unbound(self, text: ModuleText, name: str, rest: Chain, seen: _Seen) -> Iterator[str]:
        """Yield possible meanings of a name that a module does not bind: a submodule, a star import, or in memory."""
        if self._is_below(text.name, (name,)):
            yield from self.follow(f"{text.name}.{name}", rest, seen)
            return
        found = [meaning for star in text.stars for meaning in self._of_star(text, star, name, rest, seen)]
        yield from found
        if found:
            return
        if self._held(text.name, name) is not ABSENT:
            self._take((text.name, name))
            yield f"{text.name}:{name}"
        elif "__getattr__" in text.bound and name != "__getattr__":
            yield from self.follow(text.name, ("__getattr__",), seen)

    def _of_star(self, text: ModuleText, star: str, name: str, rest: Chain, seen: _Seen) -> Iterator[str]:
        its = self._own.text(star)
        held = self._held(text.name, name)
        if its is not None:
            is_there = name in its.bound or name in its.imports or bool(its.stars)
        else:
            is_there = loaded(text.name) is None or (held is not ABSENT and held is self._held(star, name))
        if is_there:
            yield from self.follow(star, (name, *rest), seen)

    def _is_below(self, module: str, way: Chain) -> bool:
        """Return True if the path continues to a user's module."""
        if not way or not (self._own.is_above(module) or (self._own.has(module) and _has_modules(module))):
            return False
        below = f"{module}.{way[0]}"
        return (
            self._own.text(below) is not None
            or (self._own.has(below) and file_of(below) is not None)
            or self._own.is_above(below)
        )

    # ---------------------------------------------------------------------------------------- in memory

    def _held(self, module: str, name: str) -> Any:
        """Return the value of a name in memory, without triggering lazy creation in its module."""
        there = loaded(module)
        if there is None:
            return ABSENT
        self._watch.name(vars(there), name)
        return value_of(there, name)

    def _foreign(self, module: str, way: Chain) -> str:
        """Yield an object found in a foreign module, or in one without text."""
        if self._own.has(module) and file_of(module) is not None:
            self._take((module, COMPILED))
        value: Any = loaded(module)
        for name in way:
            if not isinstance(value, ModuleType):
                break
            self._watch.name(vars(value), name)
            value = vars(value).get(name)
        return f"{module}:{'.'.join(way)}{self._replaced(value, None)}"

    def _replaced(self, value: Any, text: ModuleText | None) -> str:
        """Yield a replacement for a foreign object, if it is user code."""
        module = (
            value.__globals__.get("__name__") if isinstance(value, FunctionType) else getattr(value, "__module__", "")
        )
        if not isinstance(value, (FunctionType, type)) or not self._own.has(module):
            return ""
        return self._described(value, "")

    def _described(self, value: Any, root: str) -> str:
        description = Description(self._own, self._watch, root)
        told = digest_of(description.of(value))
        for place in description.places:
            self._take(place)
        return f"={told}"

    def _held_instead(self, text: ModuleText, name: str, targets: list[Target]) -> Iterator[str]:
        """Yield the value of a name that differs from the imported one.

        Raises
        ------
        ProcessorError
            It was imported from a user's module that was reloaded later, or it was replaced.
        """
        held = self._held(text.name, name)
        meant = [self._meant(target) for target in targets]
        is_state = any(map(self._is_state, targets))  # the imported object stays, even if the other changes
        if held is ABSENT or (not is_state and any(one is held for one in meant)):
            return
        known = [target for target, one in zip(targets, meant, strict=True) if one is not ABSENT]
        if len(targets) == len(known) == 1 and not is_state and self._own.has(targets[0][0]):
            raise changed(text.name, name)
        yield f"{text.name}:{name}{self._described(held, root_of(text))}"

    def _is_state(self, target: Target) -> bool:
        text = self._own.text(target[0])
        return text is not None and bool(target[1]) and target[1][0] in text.globals_set

    def _meant(self, target: Target) -> Any:
        value: Any = loaded(target[0])
        for name in target[1]:
            if value is None:
                return ABSENT
            value = getattr(value, name, None)
        return ABSENT if value is None else value


def value_of(module: ModuleType, name: str) -> Any:
    """Return the value of a module attribute; one that its ``__getattr__`` provides is created."""
    space = vars(module)
    if name in space:
        return space[name]
    if "__getattr__" not in space or name.startswith("__"):
        return ABSENT
    try:
        return getattr(module, name)
    except Exception:  # noqa: BLE001 - the function may raise anything
        return ABSENT


def _has_modules(module: str) -> bool:
    there = loaded(module)
    file = file_of(module)
    return hasattr(there, "__path__") if there is not None else file is None or file.name == "__init__.py"
