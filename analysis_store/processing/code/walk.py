"""The walk from a function to all user code and data that it uses, in the text and in memory."""

from __future__ import annotations

import ast
from types import FunctionType
from typing import TYPE_CHECKING, Any

from analysis_store.digests import digest_file
from analysis_store.errors import ProcessorError
from analysis_store.processing.code.hidden_references import hidden_in
from analysis_store.processing.code.import_effects import effects
from analysis_store.processing.code.meaning import COMPILED, LOADING, Meaning, value_of
from analysis_store.processing.code.module_homes import file_of
from analysis_store.processing.code.state import Found, canonical
from analysis_store.processing.code.statements import piece_of
from analysis_store.processing.identity.result_key import digest_of
from analysis_store.processing.memory.described_code import WHOLE
from analysis_store.processing.memory.description import Description
from analysis_store.processing.memory.loaded_code import changed, is_plain_definition, unnamed
from analysis_store.processing.memory.own_code import ABSENT, Own, Place, loaded, root_of
from analysis_store.processing.memory.watch import Watch

if TYPE_CHECKING:
    from analysis_store.processing.code.module_source import ModuleText

_SUBCLASSES = ".__subclasses__"
_SCALARS = (bool, int, float, complex, str, bytes, type(None))


class Walk:
    """Walks from a function to everything that it uses.

    Parameters
    ----------
    function : callable
        Function to begin with.
    package : str
        All modules of this package are user code, and all that are in no installed package.
    anew : bool
        True to read the files as they are now, not as they were when they were loaded.

    Raises
    ------
    ProcessorError
        The running code differs from its source, or cannot be known.
    """

    def __init__(self, function: FunctionType, package: str, *, anew: bool) -> None:
        self.watch: Watch = Watch()
        self.parts: dict[Place, str] = {}
        """Digest of each place."""
        self.found: dict[Place, Found] = {}
        self.rebound: set[str] = set()
        """Names that the code assigns while it runs."""
        self._own = Own(package, anew=anew)
        self._meaning = Meaning(self._own, self.watch, self._take)
        self._taken: set[Place] = set()
        self._to_do: list[Place] = []
        self._asks_for_subclasses = False
        self._begin(function)
        while self._to_do:
            self._go(self._to_do.pop())
            if not self._to_do and self._asks_for_subclasses:
                self._go_to_subclasses()

    def _take(self, place: Place) -> None:
        if place not in self._taken:
            self._taken.add(place)
            self._to_do.append(place)

    def _begin(self, function: FunctionType) -> None:
        module, name = function.__module__, function.__qualname__
        text = self._own.text(module)
        if text is None:
            raise ProcessorError(
                f"the code of {module}:{name} was not found as text in a file; expected a function that is defined in "
                "a module, by def."
            )
        self._take((module, name.partition(".")[0]))
        told, places = self._described(function, text)
        if told != ["function", f"{module}:{name}"]:  # the function is wrapped
            self._enter((module, f"{name}()"), digest_of(told), digest_of(told), function)
        for place in places:
            self._take(place)

    def _enter(self, place: Place, text: str, whole: str, value: Any) -> bool:
        """Add a place; return True if it is unchanged since before processors ran here."""
        self.found[place] = Found(text, whole, value)
        self.parts[place] = canonical(place, whole)
        return self.parts[place] == whole

    def _go(self, place: Place) -> None:
        module, name = place
        text = self._own.text(module)
        if name == COMPILED:
            self._go_to_file(place)
        elif text is not None and loaded(module) is None:
            self.watch.file(module, text.path)
        if text is None:
            return
        if name == WHOLE:
            for one in sorted(self._meaning.names(text)):
                list(self._meaning.follow(module, (one,)))
        elif name == LOADING:
            self._meaning.load_imports(text)
            statements = effects(text, lambda one: self._is_foreign(one, text))
            if statements:
                self._enter_text(place, text, statements, ABSENT, None)
        else:
            self._go_to_name(place, text)

    def _go_to_name(self, place: Place, text: ModuleText) -> None:
        name = place[1]
        statements = text.bound.get(name) or [one for one in text.tree.body if name == unnamed(one)]
        value = self._value(text, name)
        if value is ABSENT:
            self._enter_text(place, text, statements, value, None)
            return
        _check(text, name, statements, value)
        description = self._description(text)
        told = description.at(place, value)
        is_written = is_plain_definition(statements) and told == ["function", f"{text.name}:{name}"]
        is_written = is_written or (_is_literal(statements) and told == self._literal(text, statements[0]))
        if self._enter_text(place, text, statements, value, None if is_written else told):
            for one in description.places:
                self._take(one)

    def _enter_text(self, place: Place, text: ModuleText, statements: list[ast.stmt], value: Any, told: Any) -> bool:
        used = sorted({use for statement in statements for use in self._used(statement, text, place)})
        written = digest_of([[piece_of(statement, text).form for statement in statements], used])
        return self._enter(place, written, digest_of([written, told]), value)

    def _used(self, statement: ast.stmt, text: ModuleText, place: Place) -> set[tuple[str, str]]:
        """Yield the names that a statement uses with their meanings; add its unnamed uses."""
        used = list(self._meaning.used(statement, text))
        piece = piece_of(statement, text)
        hidden = hidden_in(piece, ((node, meaning) for _, node, meaning in used))
        if hidden.unknown:
            raise _undecidable(place, hidden.unknown)
        for module in hidden.modules:
            self._meaning.load(module)
            list(self._meaning.follow(module, ()))
        if hidden.all_here:
            self._take((text.name, WHOLE))
        self.rebound |= piece.rebound
        self._asks_for_subclasses |= "__subclasses__" in piece.attributes
        return {(".".join(chain), meaning) for chain, _, meaning in used if meaning != f"{text.name}:{place[1]}"}

    def _go_to_file(self, place: Place) -> None:
        """Add a module without text by the bytes of its file."""
        path = file_of(place[0])
        if path is not None and path.is_file():
            digest = digest_file(path)
            self._enter(place, digest, digest, loaded(place[0]))
            self.watch.content(lambda: path.stat().st_mtime_ns)

    def _go_to_subclasses(self) -> None:
        for (module, name), found in list(self.found.items()):
            place = module, f"{name}{_SUBCLASSES}"
            if isinstance(found.value, type) and place not in self.found:
                self.watch.value(_subclasses, found.value)
                text = self._own.text(module)
                told, places = self._described(sorted(_subclasses(found.value), key=repr), text)
                if self._enter(place, "", digest_of(told), found.value):
                    for one in places:
                        self._take(one)

    # ---------------------------------------------------------------------------------------- in memory

    def _value(self, text: ModuleText, name: str) -> Any:
        module = loaded(text.name)
        if module is None:
            return ABSENT
        self.watch.name(vars(module), name)
        return value_of(module, name)

    def _description(self, text: ModuleText | None) -> Description:
        return Description(self._own, self.watch, root_of(text) if text is not None else "")

    def _described(self, value: Any, text: ModuleText | None) -> tuple[Any, list[Place]]:
        description = self._description(text)
        return description.of(value), description.places

    def _literal(self, text: ModuleText, statement: ast.stmt) -> Any:
        value = statement.value  # type: ignore[attr-defined]
        return Description(self._own, Watch(), root_of(text)).of(ast.literal_eval(value))

    def _is_foreign(self, name: str, text: ModuleText) -> bool:
        targets = text.imports.get(name)
        if targets is not None:
            return not any(self._own.has(module) for module, _ in targets)
        return bool(name) and name not in text.bound


def _check(text: ModuleText, name: str, statements: list[ast.stmt], value: Any) -> None:
    """Raise `ProcessorError` if the value of a name differs from the written function, class, number or text."""
    only = statements[0] if len(statements) == 1 else None
    if is_plain_definition(statements):
        is_it = isinstance(value, FunctionType) and value.__code__.co_qualname == name
    elif isinstance(only, ast.ClassDef) and not only.decorator_list and isinstance(value, type):
        is_it = (value.__module__, value.__qualname__) == (text.name, name)
    elif _is_scalar(only) and name not in text.globals_set:
        written = only.value.value  # type: ignore[union-attr]
        is_it = type(value) is type(written) and repr(value) == repr(written)
    else:
        return
    if not is_it:
        raise changed(text.name, name)


def _is_given(statement: ast.stmt | None) -> bool:
    """Return True if a statement binds names once and for all."""
    if isinstance(statement, ast.Assign):
        return all(isinstance(target, ast.Name) for target in statement.targets)
    return isinstance(statement, ast.AnnAssign) and statement.value is not None


def _is_scalar(statement: ast.stmt | None) -> bool:
    if not _is_given(statement):
        return False
    value = statement.value  # type: ignore[union-attr]
    # None is often filled later
    return isinstance(value, ast.Constant) and isinstance(value.value, _SCALARS) and value.value is not None


def _is_literal(statements: list[ast.stmt]) -> bool:
    if len(statements) != 1 or not _is_given(statements[0]):
        return False
    try:
        ast.literal_eval(statements[0].value)  # type: ignore[attr-defined]
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _subclasses(one: type) -> tuple[type, ...]:
    return tuple(one.__subclasses__())


def _undecidable(place: Place, what: str) -> ProcessorError:
    return ProcessorError(
        f"Got {place[0]}:{place[1]}, which calls {what}, so that the code it runs is unknown; expected imports "
        "and names in the text. Write them, or give the processor only_version=True and change its version "
        "whenever the code changes."
    )
