"""What a result says of its origin: one record, as a person gives it and as the start document holds it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis_store.errors import ProvenanceError
from analysis_store.provenance.parts import Code, InputFile, Parent
from analysis_store.provenance.records import build, kind, known
from analysis_store.provenance.sources import uid_of
from analysis_store.provenance.texts import text_or_none

if TYPE_CHECKING:
    from analysis_store.documents import Document

__all__ = ["ORIGINS", "Code", "InputFile", "Parent", "Provenance"]

ORIGINS = ("simulation", "synthetic", "manual")
"""What data may come from that have no input."""


@dataclass(frozen=True, slots=True, init=False, repr=False)
class Provenance:
    """Where a result came from.

    Parameters
    ----------
    parents : iterable
        Uids of runs, runs themselves, or `Parent`.
    files : iterable
        Paths of input files.
    code : Code or mapping, optional
        The code; what is not given is captured from the caller.
    parameters : mapping, optional
        The parameters of the analysis: anything that JSON holds.
    environment : mapping, optional
        ``digest``, ``python`` and ``platform``; recorded by itself.
    origin : {"simulation", "synthetic", "manual"}, optional
        For data that have no input; needs a ``note``.
    note : str, optional
        In words.
    waiver : str, optional
        Why something is missing, where the policy of the store allows that.

    Raises
    ------
    ProvenanceError
        A part is not what it should be.

    Examples
    --------
    >>> Provenance(origin="simulation", note="FEFF 9 of Fe2O3", parameters={"scf": 5.0}).to_document()
    {'parents': [], 'files': [], 'parameters': {'scf': 5.0}, 'origin': 'simulation', 'note': 'FEFF 9 of Fe2O3'}
    """

    parents: tuple[Parent, ...] = ()
    files: tuple[InputFile, ...] = ()
    code: Code | None = None
    parameters: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    origin: str | None = None
    note: str | None = None
    waiver: str | None = None

    def __init__(
        self,
        parents: Iterable[object] | object = (),
        files: Iterable[object] | object = (),
        *,
        code: Code | Mapping[str, object] | None = None,
        parameters: Mapping[str, object] | None = None,
        origin: str | None = None,
        note: str | None = None,
        waiver: str | None = None,
        environment: Mapping[str, object] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "parents", tuple(map(Parent.of, _several(parents))))
        put(self, "files", tuple(map(InputFile.of, _several(files))))
        put(self, "code", None if code is None else Code.of(code))
        for name, value in (("parameters", parameters), ("environment", environment)):
            put(self, name, _mapping(name, value))
        for name, text in (("origin", origin), ("note", note), ("waiver", waiver)):
            put(self, name, _text(name, text))

    @classmethod
    def capture(cls, obj: object = None) -> Provenance:
        """Return the part that is found by itself: the code of a function, class or module, or of the caller.

        Raises
        ------
        ProvenanceError
            ``obj`` is none of these, or its code is not known.
        """
        from analysis_store.provenance.code.capture import capture_code
        from analysis_store.provenance.code.environment import environment

        found = capture_code(obj)
        if found.code is None:
            raise ProvenanceError(f"code: {found.trouble}. Give Provenance(code=Code(name=..., version=..., url=...)).")
        return cls(code=found.code, environment=environment().to_document())

    @classmethod
    def parse(cls, value: object) -> Provenance:
        """Return what a `Provenance`, a mapping of its parameters, or None says.

        Raises
        ------
        ProvenanceError
            An unknown key, or a part that is not what it should be.
        """
        if isinstance(value, cls):
            return value
        if value is None:
            return NOTHING
        if isinstance(value, Mapping):
            return build(cls, value, "provenance")
        raise ProvenanceError(f"provenance: got {kind(value)}; expected Provenance(...) or a mapping of its parts.")

    from_document = parse

    def to_document(self) -> Document:
        """Return it as it stands in the start document; what is not given is left out, but for parents and files."""
        return {
            "parents": [parent.to_document() for parent in self.parents],
            "files": [file.to_document() for file in self.files],
            **({} if self.code is None else {"code": self.code.to_document()}),
            **known(self, ("parameters", "environment", "origin", "note", "waiver")),
        }

    def __repr__(self) -> str:
        shown = [(entry.name, getattr(self, entry.name)) for entry in fields(self)]
        return f"Provenance({', '.join(f'{name}={value!r}' for name, value in shown if value not in (None, ()))})"


def _several(value: Any) -> Iterable[object]:
    """Return a collection as it is, and a single uid, path, run or record as the only one of its kind."""
    if isinstance(value, (list, tuple)):
        return value
    if isinstance(value, (str, bytes, Mapping, os.PathLike, Parent, InputFile)) or uid_of(value) is not None:
        return (value,)
    if isinstance(value, Iterable):
        return value
    return () if value is None else (value,)


def _mapping(name: str, value: Any) -> dict[str, Any] | None:
    if isinstance(value, Mapping | None):
        return None if value is None else dict(value)
    raise ProvenanceError(f"{name}: got {kind(value)}; expected a mapping.")


def _text(name: str, value: Any) -> str | None:
    if isinstance(value, str | None):
        return text_or_none(value)
    raise ProvenanceError(f"{name}: got {kind(value)}; expected text.")


NOTHING = Provenance()
"""What is said by saying nothing."""


ProvenanceLike: TypeAlias = Provenance | Mapping[str, object]
"""Where a result came from, or the same as a mapping."""
